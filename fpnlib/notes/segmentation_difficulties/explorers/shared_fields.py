"""Two units of a real network's feature map: what they could both see, and what they do look at."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from jaxtyping import UInt8
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, ORANGE, faded, pixel
from fpnlib.notes.segmentation_difficulties.experiments.fields import (
    MOST,
    SIDES,
    STRIDES,
    fields,
    first_unit,
    looked_at,
    resized,
)
from fpnlib.validation import require


@dataclasses.dataclass(frozen=True)
class ReachData:
    """Two units, `apart` units from each other in one row of a map."""

    stride: int
    apart: int
    size: int  # of the receptive field, in pixels
    first: tuple[int, int]  # the left edges of both fields
    top: int
    looked: np.ndarray  # (2, h, w) how much each looks at each pixel, its largest 1
    shared: np.ndarray  # (MOST + 1,) share of the pixels of both fields, by distance
    looked_shared: np.ndarray  # (MOST + 1,) share of what both look at
    half: float  # radius in pixels that holds half of what the first looks at
    most: float  # 90 %


class ReachExplorer(Explorer[ReachData]):
    """Both fields on the photo with what each unit looks at, and what they share against the distance."""

    title = "Two receptive fields on a photo, where two units really look, and what they share against their distance"
    size = (1000, 380)

    def __init__(self, photo: UInt8[np.ndarray, "h w 3"]) -> None:
        require(min(photo.shape[:2]) >= 64, "photo", f"sides {photo.shape[:2]}", "64 pixels or more")
        self._photo = resized(photo)
        self._levels = {stride: looked_at(self._photo.tobytes(), stride) for stride in STRIDES}
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the map and the distance."""
        return {
            "stride": choice("stride of the map", STRIDES, 8),
            "apart": slider("the second unit lies further to the right by (units)", 2, 0, MOST, 1),
        }

    def compute(self, stride: int, apart: int) -> ReachData:
        """Take the two units of those measured."""
        level, axis = self._levels[stride], fields()[stride]
        row, column = first_unit(stride)
        return ReachData(
            stride=stride,
            apart=apart,
            size=axis.size,
            first=(axis.first(column), axis.first(column + apart)),
            top=axis.first(row),
            looked=level.each[[0, apart]],
            shared=np.maximum(0, axis.size - stride * np.arange(MOST + 1)) / axis.size,
            looked_shared=level.shared,
            half=level.half,
            most=level.most,
        )

    def build(self, figure: Figure) -> None:
        """Lay out the photo and the chart."""
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        height, width = SIDES
        page = faded(self._photo, 0.5)
        photo = self.panel(left, bare=True, title="frames: what each unit can see; colour: what it looks at")
        photo.axes.set(xlim=(-4, width + 4), ylim=(height + 4, -4))
        photo.image(lambda data: _painted(page, data.looked), (0, 0, width, height))
        photo.box(lambda data: _frame(data, 0), ec=BLUE)
        photo.box(
            lambda data: _frame(data, 1),
            ls="--",
            grab={"apart": lambda value, data: (_middle(data) + data.stride * value, None)},
        )
        chart = self.panel(right, xlim=(-0.2, MOST + 0.2), ylim=(0, 1.04), xlabel="units apart")
        chart.axes.set_ylabel("share that both have")
        chart.axes.grid(color=FAINT, lw=0.6)
        apart = range(MOST + 1)
        names = ("both can see", "both look at")
        chart.line(lambda data: (apart, data.shared), "s--", color=INK, ms=5, label=names[0])
        chart.line(lambda data: (apart, data.looked_shared), "o-", color=BLUE, ms=5, label=names[1])
        chart.names(lambda data: (data.shared[-1], data.looked_shared[-1]), names, (INK, BLUE))
        chart.dot(
            lambda data: ([data.apart] * 2, [data.shared[data.apart], data.looked_shared[data.apart]]),
            grab={"apart": lambda value: (value, None)},
        )

    def describe(self, data: ReachData) -> str:
        """Say what is shared and how far a unit really looks."""
        wide = ", larger than the photo," if data.size > max(SIDES) else ""
        return (
            f"Stride {data.stride}: a unit can see {data.size}×{data.size} pixels{wide} but half of what it looks at "
            f"lies within {number(data.half)} pixels of the middle of its field, 90 % within {number(data.most)}. "
            f"Units {data.apart} apart can both see {number(100 * data.shared[data.apart])} % of a field; of what one "
            f"looks at the other shares {number(100 * data.looked_shared[data.apart])} %."
        )

    def invariants(self, data: ReachData) -> dict[str, bool]:
        """Check that nobody looks beyond the field, and that a unit shares all with itself."""
        seen = np.zeros((2, *SIDES), bool)
        for place, left in enumerate(data.first):
            seen[place, max(0, data.top) : data.top + data.size, max(0, left) : left + data.size] = True
        return {
            "nobody looks beyond the field": not data.looked[~seen].any(),
            "a unit shares all with itself": bool(np.isclose(data.looked_shared[0], 1) and data.shared[0] == 1),
            "further apart, less is seen by both": bool((np.diff(data.shared) <= 0).all()),
        }


def _frame(data: ReachData, unit: int) -> tuple[int, int, int, int]:
    left = data.first[unit]
    return left, data.top, left + data.size, data.top + data.size


def _middle(data: ReachData) -> float:
    """Of the first unit's field, across."""
    return data.first[0] + data.size / 2


def _painted(page: np.ndarray, looked: np.ndarray) -> np.ndarray:
    """The photo where the first unit looks in blue, where the second does in orange, both in a mixture."""
    first, second = _blocks(looked)[..., None]
    both = np.maximum(first + second, 1e-6)
    paint = (first * pixel(BLUE) + second * pixel(ORANGE)) / both
    return (page + np.maximum(first, second) * (paint - page)).astype(np.uint8)


def _blocks(looked: np.ndarray) -> np.ndarray:
    """Return the root of the mean over cells of 4×4 pixels, the largest as 1: single pixels are noise to the eye."""
    height, width = SIDES
    cells = np.sqrt(looked.reshape(-1, height // 4, 4, width // 4, 4).mean((2, 4)))
    cells /= cells.max((1, 2), keepdims=True)
    return cells.repeat(4, 1).repeat(4, 2)
