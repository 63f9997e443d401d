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


def moved(kernels: list[int]) -> int:
    """Return how many pixels of the output depend on one of the input, for square convolutions one after the other."""
    return (1 + sum(kernel - 1 for kernel in kernels)) ** 2


def _across(kernels: list[int]) -> int:
    return 1 + sum(kernel - 1 for kernel in kernels)


def _largest(kernels: list[int]) -> int:
    return max(kernels) ** 2


def _added(kernels: list[int]) -> int:
    return sum(kernel**2 for kernel in kernels)


def _sides_added(kernels: list[int]) -> int:
    return sum(kernels) ** 2


_MOVED_FAULTS = {
    "That is how many lie in one row. The pixels that move fill a square.": _across,
    "Only your largest kernel counts. Each layer passes the change on to the neighbours of those that it reached.": (
        _largest
    ),
    "You added the areas. Ask how far the change reaches to one side: each layer adds half of its side less one.": (
        _added
    ),
    "A layer of side k reaches k − 1 pixels further in all, not k: a 1×1 reaches nobody new.": _sides_added,
}


def _examine_moved(answer: Answer) -> str | None:
    rng = np.random.default_rng(2)
    cases = [(rng.choice([1, 3, 5, 7], int(rng.integers(1, 5))).tolist(),) for _ in range(30)]
    return compare(answer, moved, [([3, 1],), ([3, 3],), *cases], _MOVED_FAULTS)


def accuracy(answers: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of the pixels that are not void (255) whose answer is the label."""
    known = labels != _VOID
    return float((answers == labels)[known].mean())


def _over_all(answers: np.ndarray, labels: np.ndarray) -> float:
    return float(((answers == labels) & (labels != _VOID)).sum() / labels.size)


def _void_is_right(answers: np.ndarray, labels: np.ndarray) -> float:
    return float(((answers == labels) | (labels == _VOID)).mean())


_VOID = 255
_ACCURACY_FAULTS = {
    "The void pixels are still among those you divide by: count only the known ones there too.": _over_all,
    "Void pixels count as right in yours. They must not count at all.": _void_is_right,
}


def _examine_accuracy(answer: Answer) -> str | None:
    rng = np.random.default_rng(3)
    cases = []
    for _ in range(20):
        shape = tuple(int(side) for side in rng.integers(3, 9, 2))
        labels = rng.choice([0, 1, 2, _VOID], shape)
        labels[0, 0], labels[0, 1] = 1, _VOID
        cases.append((rng.integers(0, 3, shape), labels))
    return compare(answer, accuracy, cases, _ACCURACY_FAULTS)


EXERCISES = (
    Exercise(
        "head parameters",
        "Write f(kernels, channels) that returns the number of parameters of convolutions with bias, one after the "
        "other. `kernels` are their sides, `channels` what goes into the first and comes out of each.",
        _examine_parameters,
        parameters,
        ((_no_bias, "biases"), (_side, "nine"), (_bias_per_input, "goes in")),
        (
            "Begin with one convolution: how many numbers does one output channel need, the bias among them?",
            "Each pair of neighbours in `channels` is one convolution; zip them with `kernels`, and sum.",
        ),
    ),
    Exercise(
        "jitter",
        "Write f(curve) that returns how far the scores of a list lie from the middle of their two neighbours, on "
        "average over all that have two.",
        _examine_jitter,
        jitter,
        ((_signed, "cancel"), (_steps, "steady climb"), (_spread, "from its mean"), (_by_length, "divided by all")),
        (
            "Write the middle of the two neighbours of score i as an expression.",
            "np.asarray(curve)[1:-1] are the scores that have two neighbours; [:-2] and [2:] are these.",
        ),
    ),
    Exercise(
        "pixels that move",
        "Write f(kernels) that returns how many pixels' logits can move when the features of one pixel change, for "
        "square convolutions of these odd sides one after the other.",
        _examine_moved,
        moved,
        ((_across, "one row"), (_largest, "largest"), (_added, "areas"), (_sides_added, "nobody new")),
        (
            "How far to one side does a change reach through one layer of side 3? And through a second one?",
            "Across, the pixels that move are 1 and k − 1 for each layer. Down, as many.",
        ),
    ),
    Exercise(
        "void pixels",
        "Mend accuracy(answers, labels): the share of pixels classified correctly; those labelled 255 do not count.",
        _examine_accuracy,
        accuracy,
        ((_over_all, "divide by"), (_void_is_right, "count as right")),
        (
            "Try it by hand on two pixels, one right and one void. What should the share be, and what comes out?",
            "Look at what the number of right pixels is divided by.",
        ),
    ),
)
