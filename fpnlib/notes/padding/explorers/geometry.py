"""A strip of pixels, and the layers above it: where an RoI lands, and when it shrinks to a point."""

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, PAPER, SKY
from fpnlib.notes.padding.experiments.strip import PIXELS, Strip, strip_of

MOST_LAYERS = 3
_MARGIN = 14.5  # pixels beyond the strip, where the first unit may lie with padding
_CELL = 0.36  # half the height of a pixel, in layers
_ROWS = (
    "receptive field r",
    "stride S",
    "padding of the whole net P",
    "middle of unit 0, in pixels",
    "RoI on the image, in pixels",
    "RoI / S, in units",
    "what the map keeps of it",
    "by box / S (▲), on the map",
    "An RoI is a point up to a width of",
    "left border:",
    "right border:",
)


class GeometryExplorer(Explorer[Strip]):
    """Cells layer by layer, the RoI as a bar on each, the field of the first unit, and the closed form."""

    title = "A strip of pixels with layers above it, and an RoI projected onto each layer"
    size = (1000, 430)
    groups = (("RoI", ("position", "width")), ("each layer", ("kernel", "stride", "padding")))

    def make_controls(self) -> dict[str, Widget]:
        """Return the RoI and the layers, all alike."""
        return {
            "position": slider("left edge of the RoI (pixels)", 0, 0, PIXELS - 1, 1),
            "width": slider("width of the RoI (pixels)", 6, 1, 20, 1),
            "layers": slider("layers", 3, 1, MOST_LAYERS, 1),
            "kernel": slider("kernel", 3, 1, 5, 1),
            "stride": slider("stride", 2, 1, 2, 1),
            "padding": slider("padding in each layer", 0, 0, 2, 1),
        }

    def compute(self, position: int, width: int, layers: int, kernel: int, stride: int, padding: int) -> Strip:
        """Project the RoI onto every layer."""
        return strip_of(position, width, layers, kernel, stride, padding)

    def build(self, figure: Figure) -> None:
        """Lay out the strip and the numbers."""
        both = figure.subplots(1, 2, width_ratios=[2.7, 1])
        strip = self.panel(both[0], xlim=(-_MARGIN, PIXELS + _MARGIN), ylim=(-0.75, MOST_LAYERS + 0.6))
        strip.axes.set(xlabel="pixels of the image", xticks=range(0, PIXELS + 1, 5))
        strip.axes.set_yticks(range(MOST_LAYERS + 1), ["image", "layer 1", "layer 2", "layer 3"])
        strip.axes.tick_params(length=0)
        strip.axes.spines[["left", "bottom"]].set_visible(False)
        strip.axes.axvspan(0, PIXELS, color=FAINT, alpha=0.25, lw=0, zorder=0)
        strip.strokes([[(x, -_CELL), (x, _CELL)] for x in range(PIXELS + 1)], colors=MUTED, linewidths=1.2)
        strip.strokes([[(0, y), (PIXELS, y)] for y in (-_CELL, _CELL)], colors=MUTED, linewidths=1.2)
        strip.text("centres of units", PIXELS + 1.5, 1, va="center")
        strip.areas(self._first_field, color=SKY, alpha=0.35)
        strip.text("unit 0 and\nwhat it sees", at=_beside_first, ha="right", va="center")
        strip.strokes(
            lambda data: [
                [(x, level - 0.2), (x, level + 0.2)] for level, row in enumerate(data.centers) if level for x in row
            ],
            colors=BLUE,
            linewidths=2.4,
        )
        strip.strokes(
            lambda data: [[(x0, y), (x1, y)] for y, (x0, x1) in enumerate(data.clipped) if x0 < x1],
            colors=ORANGE,
            linewidths=7,
        )
        strip.line(self._points, "D", ms=10, color=ORANGE, mec=INK)
        strip.line(lambda data: (data.places, [data.top - 0.32] * data.asked), "^", ms=7, color=PAPER, mec=INK)
        strip.line(lambda data: (data.places[: data.read], [data.top - 0.32] * data.read), "^", ms=7, color=INK)
        strip.text("RoI", at=lambda data: ((data.begin + data.end) / 2, -0.45), ha="center", va="top", weight="bold")
        strip.text(_kept, at=lambda data: (data.clipped[-1].mean(), data.top + 0.27), ha="center", weight="bold")
        strip.grab(layers=lambda value: (None, value))
        strip.dot(lambda data: (data.end, 0), ms=7)
        strip.grab(width=lambda width, data: (min(data.begin + width, PIXELS), 0))
        strip.grab(position=lambda value: (value, None))
        words = self.panel(both[1], xlim=(0, 1), ylim=(len(_ROWS) - 0.4, -0.6))
        words.axes.set_axis_off()
        for row, name in enumerate(_ROWS):
            words.text(name, 0, row, va="center", fontsize=9.5)
        words.table(self._numbers, (1,), range(len(_ROWS)), weight="bold")

    @staticmethod
    def _first_field(data: Strip) -> list[list[tuple[float, float]]]:
        first, half = data.centers[-1][0], data.size / 2
        return [[(first - half, _CELL), (first + half, _CELL), (first, data.top)]]

    @staticmethod
    def _points(data: Strip) -> tuple[np.ndarray, np.ndarray]:
        """On which layers the RoI has shrunk to a point, and where."""
        (levels,) = np.nonzero(data.clipped[:, 0] == data.clipped[:, 1])
        return data.clipped[levels, 0], levels

    @staticmethod
    def _numbers(data: Strip) -> list[list[str]]:
        values = (data.size, data.stride, data.padding, data.start + 0.5, data.end - data.begin, data.whole, data.kept)
        words = (*map(number, values), f"{data.read} of {data.asked}", "", _limit(data, 0), _limit(data, 1))
        return [[word] for word in words]

    def describe(self, data: Strip) -> str:
        """Say where the RoI lies and what the map keeps of it."""
        shape = "a point" if data.kept == 0 else f"{_kept(data)} wide"
        return (
            f"{counted(data.top, 'layer')}: receptive field {data.size}, stride {data.stride}, the middle "
            f"of unit 0 at {number(data.start + 0.5)}. The RoI from {data.begin} to {data.end} should be "
            f"{_units(data.whole)} wide; on the feature map it is {shape}.\n"
            f"A point up to a width of: {_limit(data, 0)} at the left border, {_limit(data, 1)} at the right one. "
            f"Code that divides by the stride asks for {counted(data.asked, 'unit')}; the map has {data.read} of them."
        )

    def invariants(self, data: Strip) -> dict[str, bool]:
        """Check the closed form against what the picture shows."""
        return {
            "the map keeps no more than there is": data.kept <= data.whole + 1e-9,
            "at the border the closed form decides": data.begin > 0 or (data.kept == 0) == (data.end <= data.limit),
            "at the right border too": data.end < PIXELS
            or (data.kept == 0) == (data.end - data.begin <= max(data.right_limit, 0))
            or data.begin <= data.limit,
            "no more units are read than asked for": 0 <= data.read <= data.asked,
            "the bar is what the numbers say": bool(
                np.isclose((data.clipped[-1, 1] - data.clipped[-1, 0]) / data.stride, data.kept)
            ),
        }


def _limit(data: Strip, side: int) -> str:
    """Up to which width an RoI is a point at this border, once the RoI has come to it."""
    here, limit = ((data.begin == 0, data.limit), (data.end == PIXELS, data.right_limit))[side]
    return (f"{number(limit)} pixels" if limit > 0 else "never") if here else "?"


def _beside_first(data: Strip) -> tuple[float, int]:
    return max(data.centers[-1][0] - 1.5, -6), data.top


def _kept(data: Strip) -> str:
    return _units(data.kept) if data.kept else "a point"


def _units(count: float) -> str:
    return f"{number(count)} unit{'' if count == 1 else 's'}"
