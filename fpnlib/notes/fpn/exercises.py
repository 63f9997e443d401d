"""The exercises of note 04."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fpnlib.exercises import Exercise, compare

Answer = Callable[..., Any]


def _compare_maps(
    answer: Any, reference: Answer, cases: Sequence[tuple[np.ndarray, ...]], faults: Mapping[str, Answer]
) -> str | None:
    """As `compare`, for functions from maps to a map."""

    def first_difference(given: Sequence[np.ndarray], other: Answer) -> int | None:
        for number, (one, case) in enumerate(zip(given, cases, strict=True)):
            right = other(*case)
            if one.shape != right.shape or not np.allclose(one, right):
                return number
        return None

    if callable(answer):
        given = [answer(*copy.deepcopy(case)) for case in cases]
        if all(isinstance(one, np.ndarray) for one in given):
            wrong = first_difference(given, reference)
            if wrong is None:
                return None
            for fault, formula in faults.items():
                if first_difference(given, formula) is None:
                    return fault
            shown = ", ".join(str(part.tolist()) for part in cases[wrong])
            return f"For ({shown}) you gave {given[wrong].tolist()}, it is {reference(*cases[wrong]).tolist()}."
    return compare(answer, lambda *case: reference(*case).ravel(), cases, {})


def _doubled(coarse: np.ndarray) -> np.ndarray:
    return coarse.repeat(2, axis=0).repeat(2, axis=1)


def top_down(fine: np.ndarray, middle: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """Return the finest merged map of three laterals, each half as large as the one before."""

    def doubled(level: np.ndarray) -> np.ndarray:
        return level.repeat(2, axis=0).repeat(2, axis=1)

    merged = middle + doubled(coarse)
    return fine + doubled(merged)


def _stops_halfway(fine: np.ndarray, middle: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    return fine + _doubled(middle)


def _averages(fine: np.ndarray, middle: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    return (fine + _doubled((middle + _doubled(coarse)) / 2)) / 2


def _tiles(fine: np.ndarray, middle: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    return fine + np.tile(middle + np.tile(coarse, (2, 2)), (2, 2))


def _no_laterals(fine: np.ndarray, middle: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    return _doubled(_doubled(coarse))


_TOP_DOWN_FAULTS = {
    "You enlarged the middle lateral, not the middle merged map: the coarse level never reaches the finest.": (
        _stops_halfway
    ),
    "You took means. The pyramid adds.": _averages,
    "You laid copies of the whole map side by side. Each cell becomes a block of 2×2: repeat, not tile.": _tiles,
    "Only the coarse map is in it. Every level adds its own lateral.": _no_laterals,
}


def _examine_top_down(answer: Answer) -> str | None:
    rng = np.random.default_rng(0)
    cases = []
    for rows, columns in ((1, 1), (1, 2), (2, 1), (2, 3)):
        cases.append(tuple(rng.integers(-9, 10, (rows * n, columns * n)).astype(float) for n in (4, 2, 1)))
    return _compare_maps(answer, top_down, cases, _TOP_DOWN_FAULTS)


def level_sides(side: int) -> tuple[int, int, int, int]:
    """Return how many cells P2, P3, P4 and P5 have along an image's side, each step half of the last, rounded up."""
    cells = []
    side = -(-side // 2)  # the stem's first convolution
    for _ in range(4):
        side = -(-side // 2)
        cells.append(side)
    return cells[0], cells[1], cells[2], cells[3]


def _rounds_down(side: int) -> tuple[int, ...]:
    return tuple(side // 2**level for level in (2, 3, 4, 5))


def _to_nearest(side: int) -> tuple[int, ...]:
    return tuple(int(side / 2**level + 0.5) for level in (2, 3, 4, 5))


def _one_more(side: int) -> tuple[int, ...]:
    return tuple(side // 2**level + 1 for level in (2, 3, 4, 5))


def _one_level_off(side: int) -> tuple[int, ...]:
    return tuple(-(-side // 2**level) for level in (1, 2, 3, 4))


_SIDES_FAULTS = {
    "You rounded down. A convolution of stride 2 with its padding also has a cell for what is left over.": _rounds_down,
    "You rounded to the nearest. Even a single pixel left over gets a cell.": _to_nearest,
    "You always add a cell. Where the stride divides the side nothing is left over.": _one_more,
    "You are one level off: P2 has stride 4, since the stem halves twice before C2.": _one_level_off,
}


def _examine_sides(answer: Answer) -> str | None:
    cases = [(side,) for side in (32, 33, 63, 64, 65, 97, 100, 127, 224, 225, 333, 480, 641)]
    return compare(answer, level_sides, cases, _SIDES_FAULTS)


def planted(lateral: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Add the level above to a lateral. There is a bug in it."""
    return lateral + above.repeat(2, axis=0).repeat(2, axis=1)


def mended(lateral: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Add the level above, enlarged to the lateral's size whatever that is: each cell looks up the one it lies in."""
    rows, columns = (np.arange(fine) * coarse // fine for fine, coarse in zip(lateral.shape, above.shape, strict=True))
    return lateral + above[rows][:, columns]


def _cuts_both(lateral: np.ndarray, above: np.ndarray) -> np.ndarray:
    big = _doubled(above)
    rows, columns = (min(pair) for pair in zip(lateral.shape, big.shape, strict=True))
    return lateral[:rows, :columns] + big[:rows, :columns]


def _fills_with_zeros(lateral: np.ndarray, above: np.ndarray) -> np.ndarray:
    result, part = lateral.copy(), _cuts_both(lateral, above)
    result[: part.shape[0], : part.shape[1]] = part
    return result


def _copies_the_last(lateral: np.ndarray, above: np.ndarray) -> np.ndarray:
    rows, columns = (
        np.minimum(np.arange(fine) // 2, coarse - 1) for fine, coarse in zip(lateral.shape, above.shape, strict=True)
    )
    return lateral + above[rows][:, columns]


def _shrinks_the_lateral(lateral: np.ndarray, above: np.ndarray) -> np.ndarray:
    return lateral[: 2 * above.shape[0] : 2, : 2 * above.shape[1] : 2][: above.shape[0], : above.shape[1]] + above


_MENDED_FAULTS = {
    "You cut the lateral. Every level must keep its own size: where half was rounded down, the lateral is one larger "
    "than twice the level above.": _cuts_both,
    "The last row or column gets nothing from above, where half was rounded down. It lies in the last coarse cell.": (
        _fills_with_zeros
    ),
    "Where half was rounded down you repeated the last coarse cell once more. Here fine cell i takes coarse cell "
    "i · coarse // fine, which spreads them evenly.": _copies_the_last,
    "You brought the lateral down to the coarse size. The sum has the fine one.": _shrinks_the_lateral,
}


def _examine_mended(answer: Answer) -> str | None:
    rng = np.random.default_rng(1)
    cases = []
    for fine, coarse in (((2, 4), (1, 2)), ((3, 4), (2, 2)), ((5, 3), (3, 2)), ((5, 4), (2, 2)), ((7, 3), (3, 1))):
        cases.append((rng.integers(-9, 10, fine).astype(float), rng.integers(-9, 10, coarse).astype(float)))
    try:
        return _compare_maps(answer, mended, cases, _MENDED_FAULTS)
    except ValueError as error:
        if _compare_maps(answer, mended, cases[:1], {}) is not None:
            raise
        return (
            f"It is right for even sizes. For odd ones it raised: {error}. Enlarge to the lateral's size, not by two."
        )


def level_after(width: float, height: float, scale: float) -> int:
    """Return the level, 2 to 5, of a box in an image that was resized by `scale`."""
    side = scale * np.sqrt(width * height)
    return int(np.clip(np.floor(4 + np.log2(side / 224)), 2, 5))


def _by_area(width: float, height: float, scale: float) -> int:
    return level_after(width, height, scale**2)


def _not_resized(width: float, height: float, scale: float) -> int:
    return level_after(width, height, 1)


def _unbounded(width: float, height: float, scale: float) -> int:
    return int(np.floor(4 + np.log2(scale * np.sqrt(width * height) / 224)))


def _longer_side(width: float, height: float, scale: float) -> int:
    return level_after(max(width, height), max(width, height), scale)


_AFTER_FAULTS = {
    "The area grows by scale², but the rule takes its root, so the side grows by scale.": _by_area,
    "The scale is not in it. A box grows with its image.": _not_resized,
    "There is no level below P2 or above P5: cut off at both ends.": _unbounded,
    "You took the longer side. The rule takes the root of width times height.": _longer_side,
}


def _examine_after(answer: Answer) -> str | None:
    rng = np.random.default_rng(2)
    cases = [(*map(int, rng.integers(10, 900, 2)), float(rng.choice([0.5, 1.5, 2, 3]))) for _ in range(40)]
    return compare(answer, level_after, cases, _AFTER_FAULTS)


EXERCISES = (
    Exercise(
        "top-down path",
        "Write f(fine, middle, coarse) that takes three laterals as NumPy arrays (rows, columns), each half as large "
        "as the one before, and returns the finest merged map. Enlarge by repeating cells.",
        _examine_top_down,
        top_down,
        (
            (_stops_halfway, "never reaches"),
            (_averages, "means"),
            (_tiles, "tile"),
            (_no_laterals, "its own lateral"),
        ),
        (
            "Begin at the top: the coarse map is its own merged map. What is added to it one level down?",
            "np.repeat along both axes enlarges a map. Do the same step twice, and let the second one take the "
            "result of the first.",
        ),
    ),
    Exercise(
        "sizes of the levels",
        "Write f(side) that returns how many cells P2, P3, P4 and P5 have along an image's side of so many pixels.",
        _examine_sides,
        level_sides,
        (
            (_rounds_down, "rounded down"),
            (_to_nearest, "nearest"),
            (_one_more, "always add"),
            (_one_level_off, "one level off"),
        ),
        (
            "P2 has a stride of four: the image is halved twice before it. What happens to an odd side?",
            "A halving with padding rounds up. Halve again and again, rounding up each time, and keep the last four.",
        ),
    ),
    Exercise(
        "planted bug",
        "Write f(lateral, above) that adds the level above to the lateral whatever their sizes are: half was rounded "
        "up or down. Along each side, fine cell i takes coarse cell i · coarse // fine. The given one fails where a "
        "side is odd.",
        _examine_mended,
        mended,
        (
            (planted, "even sizes"),
            (_cuts_both, "cut the lateral"),
            (_fills_with_zeros, "gets nothing"),
            (_copies_the_last, "repeated the last"),
            (_shrinks_the_lateral, "coarse size"),
        ),
        (
            "Try a fine side of 5 and a coarse side of 3, then one of 2. How many cells come out of a repeat?",
            "Make an index for each side: np.arange(fine) * coarse // fine, and take the rows and the columns of the "
            "level above by it.",
        ),
    ),
    Exercise(
        "level after resizing",
        "Write f(width, height, scale) that returns the level, 2 to 5, of a box of the original image by the paper's "
        "rule, after the image was resized by `scale` in both directions.",
        _examine_after,
        level_after,
        ((_by_area, "root"), (_not_resized, "not in it"), (_unbounded, "both ends"), (_longer_side, "longer side")),
        (
            "What becomes of the box's width, its height, and the root of their product?",
            "Put scale · √(width · height) into the rule, round down, and only then cut off at 2 and 5.",
        ),
    ),
)
