"""The exercises of note 02."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fpnlib.exercises import Exercise, compare

Answer = Callable[..., Any]


def projection(x: float, size: int, stride: int, padding: int) -> float:
    """Return where pixel index x lies on the feature map, as the number of a unit, whole or not."""
    start = (size - 1) / 2 - padding
    return (x - start) / stride


def _shortcut(x: float, size: int, stride: int, padding: int) -> float:
    return x / stride


def _forgets_padding(x: float, size: int, stride: int, padding: int) -> float:
    return projection(x, size, stride, 0)


def _half_pixel_off(x: float, size: int, stride: int, padding: int) -> float:
    return (x - (size / 2 - padding)) / stride


def _first_pixel(x: float, size: int, stride: int, padding: int) -> float:
    return (x + padding) / stride


_PROJECTION_FAULTS = {
    "You divided by the stride and nothing else. Unit 0 is not at pixel 0: its field has a middle.": _shortcut,
    "The padding is not in it. Padding by one pixel moves unit 0 to the left by one pixel.": _forgets_padding,
    "You are half a pixel off. The middle of pixels 0 … size − 1 is (size − 1)/2: for size 1 it is pixel 0 itself.": (
        _half_pixel_off
    ),
    "You took the first pixel that unit 0 sees. Its place is the middle of what it sees.": _first_pixel,
}


def _examine_projection(answer: Answer) -> str | None:
    rng = np.random.default_rng(0)
    sizes = rng.integers([1, 1, 0], [30, 9, 8], (40, 3)).tolist()
    cases = [(float(rng.integers(0, 200)) / 2, *size) for size in sizes]
    return compare(answer, projection, cases, _PROJECTION_FAULTS)


def least(size: int, padding: int) -> int:
    """Return how many more pixels a box at the left border needs; `padding` is what the net's layers add already."""
    return max(0, math.ceil(size / 2) - padding)


def _whole_field(size: int, padding: int) -> int:
    return max(0, size - padding)


def _same_size(size: int, padding: int) -> int:
    return max(0, (size - 1) // 2 - padding)


def _half_rounded_down(size: int, padding: int) -> int:
    return max(0, size // 2 - padding)


def _takes_away(size: int, padding: int) -> int:
    return math.ceil(size / 2) - padding


def _forgets_own(size: int, padding: int) -> int:
    return math.ceil(size / 2)


_LEAST_FAULTS = {
    "That is too much: you padded by the whole receptive field. Its middle need only reach the border.": _whole_field,
    "Rounded down, this is what keeps the number of units. The box begins at the outer edge of pixel 0, half a pixel "
    "before its centre.": _same_size,
    "You rounded half the field down. For an odd size that leaves half a pixel out, so round up.": _half_rounded_down,
    "Your padding can be negative. A net that pads enough by itself needs 0.": _takes_away,
    "The layers' own padding is not in it. What they add need not be added again.": _forgets_own,
}


def _examine_least(answer: Answer) -> str | None:
    cases = [(size, padding) for size in range(1, 16) for padding in range(0, 12, 2)]
    return compare(answer, least, cases, _LEAST_FAULTS)


def chain(kernels: list[int], strides: list[int]) -> tuple[int, int]:
    """Return size and stride of the receptive field of layers one after the other."""
    size = stride = 1
    for kernel, step in zip(kernels, strides, strict=True):
        size += (kernel - 1) * stride
        stride *= step
    return size, stride


def _ignores_strides(kernels: list[int], strides: list[int]) -> tuple[int, int]:
    return 1 + sum(kernel - 1 for kernel in kernels), math.prod(strides)


def _own_stride_first(kernels: list[int], strides: list[int]) -> tuple[int, int]:
    size = stride = 1
    for kernel, step in zip(kernels, strides, strict=True):
        stride *= step
        size += (kernel - 1) * stride
    return size, stride


def _sums_kernels(kernels: list[int], strides: list[int]) -> tuple[int, int]:
    size, stride = chain(kernels, strides)
    return size - 1 + sum(np.cumprod([1, *strides[:-1]]).tolist()), stride


def _adds_strides(kernels: list[int], strides: list[int]) -> tuple[int, int]:
    return chain(kernels, strides)[0], sum(strides)


_CHAIN_FAULTS = {
    "The strides do not enlarge your field. After a stride of 2 each step of a kernel is 2 pixels wide.": (
        _ignores_strides
    ),
    "A layer's own stride came too early: its kernel steps over what the layers before it give.": _own_stride_first,
    "You added kernel × stride. A kernel of 1 adds nothing, so it is (kernel − 1) × stride.": _sums_kernels,
    "Your strides are summed. Two layers of stride 2 step by 4 pixels, three by 8.": _adds_strides,
}


def _examine_chain(answer: Answer) -> str | None:
    rng = np.random.default_rng(2)
    cases = []
    for _ in range(40):
        layers = int(rng.integers(2, 6))
        cases.append((rng.integers(1, 6, layers).tolist(), rng.integers(1, 4, layers).tolist()))
    return compare(answer, chain, cases, _CHAIN_FAULTS)


def border_share(side: int, layers: int, kernel: int) -> float:
    """Return the share of units that padding reaches, of layers of stride 1 that keep a square map's side."""
    # Each layer carries the border half a kernel further in, from all four sides.
    untouched = max(0, side - 2 * layers * (kernel // 2))
    return 1 - (untouched / side) ** 2


def _one_layer(side: int, layers: int, kernel: int) -> float:
    return border_share(side, 1, kernel)


def _share_of_a_row(side: int, layers: int, kernel: int) -> float:
    return 1 - max(0, side - 2 * layers * (kernel // 2)) / side


def _two_borders(side: int, layers: int, kernel: int) -> float:
    return 1 - (max(0, side - layers * (kernel // 2)) / side) ** 2


def _whole_kernel(side: int, layers: int, kernel: int) -> float:
    return 1 - (max(0, side - 2 * layers * (kernel - 1)) / side) ** 2


def _untouched(side: int, layers: int, kernel: int) -> float:
    return 1 - border_share(side, layers, kernel)


def _beyond_the_middle(side: int, layers: int, kernel: int) -> float:
    return 1 - (1 - 2 * layers * (kernel // 2) / side) ** 2


_BORDER_FAULTS = {
    "You counted the border of one layer. The next layer also reads units that padding has reached.": _one_layer,
    "That is the share of one row in the middle. The map has rows at the top and the bottom too: take areas.": (
        _share_of_a_row
    ),
    "Padding comes in from two borders only in your formula. A map has four.": _two_borders,
    "A kernel reaches half its width to either side of its middle, so each layer carries the border kernel // 2 "
    "further.": _whole_kernel,
    "That is the share that padding does not reach. Asked is the other part.": _untouched,
    "With many layers the borders meet in the middle. From there on all units are reached, and the share is 1.": (
        _beyond_the_middle
    ),
}


def _examine_border(answer: Answer) -> str | None:
    rng = np.random.default_rng(3)
    sides, layers = rng.integers(16, 80, 40).tolist(), rng.integers(1, 16, 40).tolist()
    cases = [(*case, int(kernel)) for *case, kernel in zip(sides, layers, rng.choice([1, 3, 5, 7], 40), strict=True)]
    return compare(answer, border_share, cases, _BORDER_FAULTS)


def pooled_row(row: np.ndarray, start: float, end: float, bins: int) -> np.ndarray:
    """Return RoIAlign of a row of units, one sample in the middle of each bin; unit k covers k to k + 1."""
    width = (end - start) / bins
    places = start + (np.arange(bins) + 0.5) * width
    return np.interp(places - 0.5, np.arange(len(row)), row)


def _missing_half(row: np.ndarray, start: float, end: float, bins: int) -> np.ndarray:
    return pooled_row(row, start + 0.5, end + 0.5, bins)


def _half_added(row: np.ndarray, start: float, end: float, bins: int) -> np.ndarray:
    return pooled_row(row, start + 1, end + 1, bins)


def _edges_of_bins(row: np.ndarray, start: float, end: float, bins: int) -> np.ndarray:
    return np.interp(start + np.arange(bins) * (end - start) / bins, np.arange(len(row)), row)


def _only_start(row: np.ndarray, start: float, end: float, bins: int) -> np.ndarray:
    return pooled_row(row, start, end + 0.5, bins)


def _nearest(row: np.ndarray, start: float, end: float, bins: int) -> np.ndarray:
    places = start + (np.arange(bins) + 0.5) * (end - start) / bins
    return row[np.floor(places).astype(int)]


_HALF_FAULTS = {
    "Pool the row 10, 20, 30 from 0 to 3 into three bins. Each bin lies on one unit, so the row itself should come "
    "out. What does?": _missing_half,
    "You added the half unit. Now it is a whole unit that is wrong: take it off.": _half_added,
    "You took the half out of the bins. A sample stands in the middle of its bin, and with one bin as wide as the row "
    "yours reads unit 0.": _edges_of_bins,
    "You moved the box's start and left its end, so the box has become wider. Move both.": _only_start,
    "You took the value of the unit in which the sample lies. RoIAlign interpolates between two.": _nearest,
}


def _examine_half(answer: Answer) -> str | None:
    rng = np.random.default_rng(4)
    cases = []
    for _ in range(30):
        row = rng.integers(0, 100, int(rng.integers(4, 9))).astype(float)
        start, end = sorted(rng.choice(4 * len(row), 2, replace=False) / 4)
        cases.append((row, float(start), float(end), int(rng.integers(1, 5))))
    return compare(answer, pooled_row, cases, _HALF_FAULTS)


EXERCISES = (
    Exercise(
        "receptive field",
        "Write f(kernels, strides) that returns (size, stride) of the receptive field; both are lists, first layer "
        "first.",
        _examine_chain,
        chain,
        (
            (_ignores_strides, "enlarge"),
            (_own_stride_first, "too early"),
            (_sums_kernels, "adds nothing"),
            (_adds_strides, "summed"),
        ),
        (
            "One layer sees as many pixels as its kernel is wide. How much more does a second layer add, if the "
            "first one's stride is 2?",
            "Go through the layers and keep two numbers, size and stride. A kernel adds (k − 1) steps, each as long "
            "as the stride of all layers before it; only then the layer's own stride comes in.",
        ),
    ),
    Exercise(
        "projection",
        "Write f(x, size, stride, padding) that returns the place on the map of pixel index x. It may be a fraction: 0 "
        "is the first unit. x = 0 is the middle of the first pixel; size, stride, padding are r, S, P of the net.",
        _examine_projection,
        projection,
        (
            (_shortcut, "nothing else"),
            (_forgets_padding, "padding"),
            (_half_pixel_off, "half a pixel"),
            (_first_pixel, "first pixel"),
        ),
        (
            "Where is the middle of what unit 0 sees, as a pixel index? Without padding it is (size − 1) / 2.",
            "Units lie `stride` pixels apart, so the place is (x − middle of unit 0) / stride. Padding moves that "
            "middle to the left.",
        ),
    ),
    Exercise(
        "least padding",
        "Write f(size, padding) that returns the fewest pixels to pad the image with so that a box at its left border "
        "keeps its extent; size and padding are r and P of the net.",
        _examine_least,
        least,
        (
            (_whole_field, "too much"),
            (_same_size, "number of units"),
            (_half_rounded_down, "round up"),
            (_takes_away, "negative"),
            (_forgets_own, "own padding"),
        ),
        (
            "Unit 0's centre must come to the image's edge. How far from the edge is it without padding?",
            "It is half the field, less what the layers pad already; take whole pixels, and never fewer than none.",
        ),
    ),
    Exercise(
        "how far padding reaches",
        "Write f(side, layers, kernel) that returns the share of the units of the last map that padding reaches. The "
        "map is square, `kernel` is odd, all layers have stride 1 and pad so that the side stays the same.",
        _examine_border,
        border_share,
        (
            (_one_layer, "one layer"),
            (_share_of_a_row, "one row"),
            (_two_borders, "two borders"),
            (_whole_kernel, "half its width"),
            (_untouched, "does not reach"),
            (_beyond_the_middle, "meet in the middle"),
        ),
        (
            "After one layer with a kernel of 3, the outermost units have seen padding. Which ones read these in the "
            "next layer?",
            "Each layer carries the border kernel // 2 further in. What stays untouched is a square in the middle, "
            "smaller by twice that for each layer.",
            "The share is 1 less (side of that square / side) squared; and that side is never below 0.",
        ),
    ),
    Exercise(
        "half a cell",
        "Mend f(row, start, end, bins), RoIAlign along one row of a map, with one sample in the middle of each bin. "
        "Start and end count units and lie on the map: a box from 0 to 3 covers the first three.",
        _examine_half,
        pooled_row,
        (
            (_missing_half, "the row itself"),
            (_half_added, "whole unit"),
            (_edges_of_bins, "middle of its bin"),
            (_only_start, "wider"),
            (_nearest, "interpolates"),
        ),
        (
            "Where does np.interp think that the value of unit 0 belongs, and where is the middle of what unit 0 "
            "covers?",
            "Unit k covers k to k + 1, so the values belong at ½, 1½, 2½. Take half a unit off the places where you "
            "look, all of them.",
        ),
    ),
)
