"""The exercises of note 03."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fpnlib.exercises import Exercise, compare

Answer = Callable[..., Any]


def parameters(kernels: list[int], channels: list[int]) -> int:
    """Return the parameters of square convolutions with bias, one after the other."""
    pairs = zip(kernels, channels, channels[1:], strict=False)
    return sum(kernel**2 * before * after + after for kernel, before, after in pairs)


def _no_bias(kernels: list[int], channels: list[int]) -> int:
    return parameters(kernels, channels) - sum(channels[1:])


def _side(kernels: list[int], channels: list[int]) -> int:
    pairs = zip(kernels, channels, channels[1:], strict=False)
    return sum(kernel * before * after + after for kernel, before, after in pairs)


def _bias_per_input(kernels: list[int], channels: list[int]) -> int:
    return parameters(kernels, channels) - sum(channels[1:]) + sum(channels[:-1])


_PARAMETER_FAULTS = {
    "The biases are missing: one for each channel that comes out.": _no_bias,
    "A square kernel of side 3 has nine weights for each pair of channels, not three.": _side,
    "There is one bias for each channel that comes out, not for each that goes in.": _bias_per_input,
}


def _examine_parameters(answer: Answer) -> str | None:
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(30):
        layers = int(rng.integers(1, 4))
        cases.append((rng.choice([1, 3, 5], layers).tolist(), rng.integers(1, 30, layers + 1).tolist()))
    return compare(answer, parameters, cases, _PARAMETER_FAULTS)


def jitter(curve: list[float]) -> float:
    """Return how far the scores lie from the middle of their two neighbours, on average."""
    return float(np.abs(_bends(curve)).mean())


def _bends(curve: list[float]) -> np.ndarray:
    scores = np.asarray(curve)
    return scores[1:-1] - (scores[:-2] + scores[2:]) / 2


def _signed(curve: list[float]) -> float:
    return float(_bends(curve).mean())


def _steps(curve: list[float]) -> float:
    return float(np.abs(np.diff(curve)).mean())


def _spread(curve: list[float]) -> float:
    return float(np.std(curve))


def _by_length(curve: list[float]) -> float:
    return float(np.abs(_bends(curve)).sum() / len(curve))


_JITTER_FAULTS = {
    "Ups and downs cancel in your mean. Take the size of each distance first.": _signed,
    "You take the steps from one score to the next, so a steady climb counts as jitter. Compare each score with the "
    "middle of its two neighbours.": _steps,
    "That is how far the curve is from its mean. Compare each score with the middle of its two neighbours.": _spread,
    "You divided by all scores. The first and the last have only one neighbour and give no distance.": _by_length,
}


def _examine_jitter(answer: Answer) -> str | None:
    rng = np.random.default_rng(1)
    cases = [(rng.random(int(rng.integers(3, 12))).tolist(),) for _ in range(30)]
    return compare(answer, jitter, cases, _JITTER_FAULTS)


EXERCISES = (
    Exercise(
        "head parameters",
        "Write f(kernels, channels) that returns the number of parameters of convolutions with bias, one after the "
        "other. `kernels` are their sides, `channels` what goes into the first and comes out of each.",
        _examine_parameters,
        parameters,
        ((_no_bias, "biases"), (_side, "nine"), (_bias_per_input, "goes in")),
    ),
    Exercise(
        "jitter",
        "Write f(curve) that returns how far the scores of a list lie from the middle of their two neighbours, on "
        "average over all that have two.",
        _examine_jitter,
        jitter,
        ((_signed, "cancel"), (_steps, "steady climb"), (_spread, "from its mean"), (_by_length, "divided by all")),
    ),
)
