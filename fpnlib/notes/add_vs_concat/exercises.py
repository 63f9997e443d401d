"""The exercises of note 07."""

import copy
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
    """Return "add" where corresponding channels mean the same and their sum holds the answer; else "concat"."""
    return {"few aligned digits": "add", "many shuffled maps": "concat", "two frames": "concat"}[design]


def _always_add(design: str) -> str:
    return "add"


def _always_concat(design: str) -> str:
    return "concat"


def _by_alignment(design: str) -> str:
    return "concat" if "shuffled" in design else "add"


def _measured() -> dict[str, str]:
    """Return why, and what was measured, for each design."""
    pairs, bet = Result.load("AC-4"), Result.load("AC-12")
    return {
        "few aligned digits": "Pixel meets pixel, and there is too little data to learn that: add is more accurate by "
        f"{bet.number('digits_scarce_add'):.2f} (AC-12).",
        "many shuffled maps": "The channels do not correspond, and there is enough data to learn which belong "
        f"together: concat is more accurate by {-pairs.number('network_add_gain_0_640'):.2f} (AC-4).",
        "two frames": "Pixel meets pixel, but the answer is in the difference of the two, and a sum does not hold it: "
        f"with 320 pairs add is right in {bet.number('moving_add_320'):.2f} of the cases, concat in "
        f"{bet.number('moving_concat_320'):.3f} (AC-12).",
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


def skip_block(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return x plus its branch: ReLU, `first`, ReLU, `second`; x (channels, places) stays as it is."""
    return x + second @ np.maximum(first @ np.maximum(x, 0), 0)


def _in_place(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return skip_block(np.maximum(x, 0), first, second)


def _no_first_relu(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return x + second @ np.maximum(first @ x, 0)


def _relu_after(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.maximum(skip_block(x, first, second), 0)


def _no_skip(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return skip_block(x, first, second) - x


def _copied_skip(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    skip = x.copy()
    return skip + second @ np.maximum(first @ np.maximum(x, 0, out=x), 0)


_SKIP_FAULTS = {
    "Where x is negative your skip hands on 0. Print x before and after the first line.": _in_place,
    "You left out the first ReLU. It belongs to the branch, only not into x.": _no_first_relu,
    "You put a ReLU behind the sum. Here the skip stays free of them.": _relu_after,
    "That is the branch alone. Add x.": _no_skip,
}


def _examine_skip(answer: Answer) -> str | None:
    rng = np.random.default_rng(2)
    cases = []
    for channels, places in rng.integers(2, 5, (20, 2)).tolist():
        cases.append(tuple(rng.integers(-4, 5, n).astype(float) for n in [(channels, places)] + 2 * [(channels,) * 2]))

    def flat(formula: Answer) -> Answer:
        def raveled(*case: np.ndarray) -> Any:
            given = formula(*case)
            return given.ravel() if isinstance(given, np.ndarray) else given

        return raveled

    told = compare(
        flat(answer) if callable(answer) else answer,
        flat(skip_block),
        cases,
        {fault: flat(formula) for fault, formula in _SKIP_FAULTS.items()},
    )
    if told is not None:
        return told
    for case in cases:
        given = copy.deepcopy(case)
        answer(*given)
        if not np.array_equal(given[0], case[0]):
            return "The sum is right, but the caller's x has changed. Another skip may still need it."
    return None


def grown_variance(blocks: int, normalised: bool) -> float:
    """Return the variance after so many residual blocks, 1 at the start."""
    return 1.0 + blocks if normalised else 2.0**blocks


def _always_doubles(blocks: int, normalised: bool) -> float:
    return 2.0**blocks


def _always_one_more(blocks: int, normalised: bool) -> float:
    return 1.0 + blocks


def _deviation(blocks: int, normalised: bool) -> float:
    return float(np.sqrt(grown_variance(blocks, normalised)))


def _other_way(blocks: int, normalised: bool) -> float:
    return grown_variance(blocks, not normalised)


_GROWTH_FAULTS = {
    "A normalised branch adds 1, however large the sum has become. Yours doubles even so.": _always_doubles,
    "Without normalising, a branch is as large as the sum so far, so the variance doubles.": _always_one_more,
    "That is the standard deviation. Asked is the variance.": _deviation,
    "The two cases are swapped: it is normalising that keeps a branch small.": _other_way,
}


def _examine_growth(answer: Answer) -> str | None:
    cases = [(blocks, normalised) for blocks in range(1, 12) for normalised in (False, True)]
    return compare(answer, grown_variance, cases, _GROWTH_FAULTS)


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
        'pairs, no layer before) and "two frames" (of a digit that moves left or right: which?).',
        _examine_choice,
        fusion,
        ((_always_add, "do not correspond"), (_always_concat, "too little data"), (_by_alignment, "difference")),
        (
            "Ask of each design: does channel k, or pixel k, of one mean what that of the other means?",
            "Where they do and data is scarce, an add has less to learn. Where they do not, a sum mixes what does "
            "not belong together. Then ask what a sum of two frames still says of their order.",
        ),
    ),
    Exercise(
        "variance of a sum",
        "Write f(blocks, normalised) that returns the variance after so many residual blocks; it is 1 at first. Each "
        "branch is independent of its input and keeps its variance; where normalised, its input is brought to 1 first.",
        _examine_growth,
        grown_variance,
        (
            (_always_doubles, "adds 1"),
            (_always_one_more, "doubles"),
            (_deviation, "standard deviation"),
            (_other_way, "swapped"),
        ),
        (
            "The variances of independent terms add up. What are the two terms in the first block, and in the second?",
            "Without normalising both terms are equally large in each block. With it the branch always adds 1.",
        ),
    ),
    Exercise(
        "a skip that is overwritten",
        "Mend f(x, first, second), a residual block on NumPy arrays: x plus a branch of ReLU, `first`, ReLU, `second`, "
        "two matrices. x is (channels, places), and the caller still needs it.",
        _examine_skip,
        skip_block,
        (
            (_in_place, "hands on 0"),
            (_no_first_relu, "left out"),
            (_relu_after, "behind the sum"),
            (_no_skip, "branch alone"),
            (_copied_skip, "caller's x"),
        ),
        (
            "Print x before and after the first line. What has become of its negative numbers?",
            "`out=x` writes the result into x, which the last line then adds. Let the ReLU make a new array.",
        ),
    ),
)
