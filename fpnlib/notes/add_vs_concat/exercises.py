"""The exercises of note 07."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fpnlib.claims import Result
from fpnlib.exercises import Exercise, compare

Answer = Callable[..., Any]


def tied(kernel: np.ndarray) -> np.ndarray:
    """Return the kernel after the concatenation of two maps that does what `kernel` does after their sum."""
    return np.concatenate([kernel, kernel], axis=1)


def _halved(kernel: np.ndarray) -> np.ndarray:
    return np.concatenate([kernel, kernel], axis=1) / 2


def _along_outputs(kernel: np.ndarray) -> np.ndarray:
    return np.concatenate([kernel, kernel], axis=0)


def _first_only(kernel: np.ndarray) -> np.ndarray:
    return np.concatenate([kernel, np.zeros_like(kernel)], axis=1)


def _interleaved(kernel: np.ndarray) -> np.ndarray:
    return np.repeat(kernel, 2, axis=1)


_TIED_FAULTS = {
    "You halved the kernel. That would be the mean of the two maps, not their sum.": _halved,
    "You doubled the outputs. The inputs are what there are twice as many of: axis 1.": _along_outputs,
    "The second map meets zeros, so it is not heard at all.": _first_only,
    "Each input channel stands twice, side by side. After the concatenation all channels of the first map come before "
    "all of the second.": _interleaved,
}


def _examine_tied(answer: Answer) -> str | None:
    rng = np.random.default_rng(0)
    cases = [(rng.normal(size=(int(o), int(i), int(k), int(k))),) for o, i, k in rng.integers([1, 2, 1], 5, (20, 3))]
    return compare(answer, tied, cases, _TIED_FAULTS)


def weights(maps: int, channels: int, outputs: int, kernel: int) -> tuple[int, int]:
    """Return the weights of the convolution after an add and after a concat of so many maps, without bias."""
    one = channels * outputs * kernel**2
    return one, maps * one


def _always_twice(maps: int, channels: int, outputs: int, kernel: int) -> tuple[int, int]:
    one = channels * outputs * kernel**2
    return one, 2 * one


def _side(maps: int, channels: int, outputs: int, kernel: int) -> tuple[int, int]:
    one = channels * outputs * kernel
    return one, maps * one


def _outputs_too(maps: int, channels: int, outputs: int, kernel: int) -> tuple[int, int]:
    one = channels * outputs * kernel**2
    return one, maps**2 * one


def _with_bias(maps: int, channels: int, outputs: int, kernel: int) -> tuple[int, int]:
    one, all_ = weights(maps, channels, outputs, kernel)
    return one + outputs, all_ + outputs


_WEIGHT_FAULTS = {
    "Twice is for two maps. With more the concatenation has as many times the channels.": _always_twice,
    "A square kernel of side k has k² weights for each pair of channels.": _side,
    "The outputs do not grow with the maps, only the inputs do.": _outputs_too,
    "There is no bias here.": _with_bias,
}


def _examine_weights(answer: Answer) -> str | None:
    rng = np.random.default_rng(1)
    cases = [tuple(map(int, case)) for case in rng.integers([2, 1, 1, 2], [6, 40, 40, 6], (30, 4))]
    return compare(answer, weights, cases, _WEIGHT_FAULTS)


def fusion(design: str) -> str:
    """Return "add" where corresponding channels mean the same and there is little data, or one channel; else concat."""
    return {"few aligned digits": "add", "many shuffled maps": "concat", "five edge maps": "add"}[design]


def _always_add(design: str) -> str:
    return "add"


def _always_concat(design: str) -> str:
    return "concat"


def _measured() -> dict[str, str]:
    """Return why, and what was measured, for each design."""
    pairs, bet, edges = Result.load("AC-4"), Result.load("AC-12"), Result.load("AC-7")
    return {
        "few aligned digits": "Pixel meets pixel, and there is too little data to learn that: add is more accurate by "
        f"{bet.number('digits_scarce_add'):.2f} (AC-12).",
        "many shuffled maps": "The channels do not correspond, and there is enough data to learn which belong "
        f"together: concat is more accurate by {-pairs.number('network_add_gain_0_640'):.2f} (AC-4).",
        "five edge maps": "All five say the same thing, how likely an edge is: with one weight for each the sum's F is "
        f"{edges.number('fused'):.2f}, above every single map's on the café photo (AC-7).",
    }


def _examine_choice(answer: Answer) -> str | None:
    if not callable(answer):
        return f"A function is asked for, this is a {type(answer).__name__}."
    given = {design: answer(design) for design in _measured()}
    if all(word is None for word in given.values()):
        return "Your function returns nothing. Is a `return` missing?"
    for design, word in given.items():
        if word not in ("add", "concat"):
            return f'For ({design!r}) you gave {word!r}; say "add" or "concat".'
    wrong = [f"{design}: {why}" for design, why in _measured().items() if given[design] != fusion(design)]
    return " ".join(wrong) or None


EXERCISES = (
    Exercise(
        "tied kernel",
        "Write f(kernel) that takes the kernel (out, in, k, k) of a convolution after an add of two maps, as a NumPy "
        "array, and returns the kernel that gives the same after their concatenation.",
        _examine_tied,
        tied,
        ((_halved, "mean"), (_along_outputs, "axis 1"), (_first_only, "zeros"), (_interleaved, "side by side")),
        (
            "The first channels of the concatenation are x, the last are y. Which kernel must each of them meet?",
            "Both must meet the same one. Channels that go in are axis 1.",
        ),
    ),
    Exercise(
        "fusion weights",
        "Write f(maps, channels, outputs, kernel) that returns two numbers: the weights of the next convolution when "
        "so many maps of `channels` each are added, and when they are concatenated; `kernel` is the side. No bias.",
        _examine_weights,
        weights,
        ((_always_twice, "Twice"), (_side, "k²"), (_outputs_too, "outputs"), (_with_bias, "bias")),
        (
            "A kernel has k² weights for each pair of a channel that goes in and one that comes out.",
            "Which of the four numbers changes between adding and concatenating? Only the channels that go in.",
        ),
    ),
    Exercise(
        "which fusion",
        'Write f(design) that returns "add" or "concat" for each of "few aligned digits" (two images of the same '
        'digit, pixel by pixel, ten or twenty pairs), "many shuffled maps" (channels in another order, hundreds of '
        'pairs) and "five edge maps" (one channel each).',
        _examine_choice,
        fusion,
        ((_always_add, "do not correspond"), (_always_concat, "Pixel meets pixel")),
        (
            "Ask of each design: does channel k, or pixel k, of one mean what that of the other means?",
            "Where they do and data is scarce, an add has less to learn. Where they do not, a sum mixes what does "
            "not belong together. Then look at what was measured for edges.",
        ),
    ),
)
