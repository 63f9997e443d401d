"""A strip of pixels, and the layers above it: where an RoI lands, and when it shrinks to a point."""

import dataclasses
from collections.abc import Iterable

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from fpnlib.explore import Explorer, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, SKY
from fpnlib.ops import AxisField, ReceptiveField, degenerate_width, project_box

PIXELS = 40
MOST_LAYERS = 3
_MARGIN = 14.5  # pixels beyond the strip, where the first unit may lie with padding
_CELL = 0.36  # half the height of a pixel, in layers


@dataclasses.dataclass(frozen=True)
class GeometryData:
    """An RoI on the strip and on each layer; the first entry of every list is the image."""

    begin: int
    end: int
    centers: list[np.ndarray]  # of the units, in pixels from the left border of the image
    clipped: np.ndarray  # (layers + 1, 2), what the layer keeps of the RoI, in pixels
    size: int
    stride: int
    start: float
    padding: int  # of the whole net, in pixels
    whole: float  # width of the RoI in units of the last layer
    kept: float  # what the last layer has of it
    limit: float  # width up to which an RoI at the left border is a point
    right_limit: float  # and at the right border
    read: int  # units that RoIPool reads if the box is divided by the stride
    asked: int  # and those that it asks for, whether the map has them or not


class GeometryExplorer(Explorer[GeometryData]):
    """Cells layer by layer, the RoI as a bar on each, the field of the first unit, and the closed form."""

    title = "A strip of pixels with layers above it, and an RoI projected onto each layer"
    size = (1000, 430)

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

    def compute(self, position: int, width: int, layers: int, kernel: int, stride: int, padding: int) -> GeometryData:
        """Project the RoI onto every layer. It stops at the right border of the strip."""
        begin, end = position, min(position + width, PIXELS)
        one = AxisField(kernel, stride, padding, padding)
        axis, centers, clipped = AxisField(), [np.arange(PIXELS) + 0.5], [(begin, end)]
        for _ in range(layers):
            axis = axis.then(one)
            units = axis.units(PIXELS)
            centers.append(axis.center(0) + 0.5 + axis.stride * np.arange(units))
            clipped.append(tuple(np.clip((begin, end), centers[-1][0], centers[-1][-1])))
        field = ReceptiveField(axis, axis)
        box = torch.tensor([begin, begin, end, end], dtype=torch.float64)
        x0, _, x1, _ = project_box(box, field).tolist()
        kept0, _, kept1, _ = project_box(box, field, clip_to=(units, units)).tolist()
        limit = degenerate_width(field)
        first, last = (int(edge / axis.stride + 0.5) for edge in (begin, end))  # RoIPool rounds to whole units
        return GeometryData(
            begin=begin,
            end=end,
            centers=centers,
            clipped=np.array(clipped),
            size=axis.size,
            stride=axis.stride,
            start=axis.start,
            padding=axis.padding,
            whole=x1 - x0,
            kept=kept1 - kept0,
            limit=float(limit),  # type: ignore[arg-type]
            right_limit=float(degenerate_width(field, image_size=(PIXELS, PIXELS))),  # type: ignore[arg-type]
            read=max(0, min(last + 1, units) - first),
            asked=last + 1 - first,
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the strip and the numbers."""
        strip, text = figure.subplots(1, 2, width_ratios=[2.7, 1])
        strip.set(xlim=(-_MARGIN, PIXELS + _MARGIN), ylim=(-0.75, MOST_LAYERS + 0.6), xlabel="pixels of the image")
        strip.set_xticks(range(0, PIXELS + 1, 5))
        strip.set_yticks(range(MOST_LAYERS + 1), ["image", "layer 1", "layer 2", "layer 3"])
        strip.tick_params(length=0)
        strip.spines[["left", "bottom"]].set_visible(False)
        strip.axvspan(0, PIXELS, color=FAINT, alpha=0.25, lw=0, zorder=0)
        self._field = strip.add_patch(Polygon([[0, 0]] * 4, color=SKY, alpha=0.35, lw=0, zorder=1))
        self._cells = strip.add_collection(LineCollection([], colors=MUTED, linewidths=1.2, zorder=2))
        self._centers = strip.add_collection(LineCollection([], colors=BLUE, linewidths=2.4, zorder=3))
        self._bars = strip.add_collection(LineCollection([], colors=ORANGE, linewidths=7, alpha=0.9, zorder=4))
        (self._points,) = strip.plot([], [], "D", ms=10, color=ORANGE, mec=INK, ls="", zorder=5)
        self.grab(strip, layers=lambda value: (None, value))
        self.grab(strip, position=lambda value: (value, None))
        strip.plot([], [], color=ORANGE, lw=7, label="RoI")
        strip.plot([], [], "D", ms=8, color=ORANGE, mec=INK, ls="", label="shrunk to a point")
        strip.plot([], [], "|", ms=12, mew=2.4, color=BLUE, ls="", label="centre of a unit")
        strip.plot([], [], color=SKY, alpha=0.5, lw=7, label="what the first unit sees")
        strip.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4)
        text.set_axis_off()
        text.set(xlim=(0, 1), ylim=(0, 1))
        rows = (
            (0.96, "receptive field r"),
            (0.87, "stride S"),
            (0.78, "padding of the whole net P"),
            (0.69, "middle of unit 0, in pixels"),
            (0.6, "RoI on the image, in pixels"),
            (0.51, "RoI / S, in units"),
            (0.42, "what the map keeps of it"),
            (0.33, "units by box / S, on the map"),
        )
        for height, name in rows:
            text.text(0, height, name, va="top", fontsize=9.5, color=INK)
        text.text(0, 0.22, "At the left border an RoI is a\npoint up to the width r / 2 − P:", va="top", fontsize=9.5)
        self._numbers = [
            text.text(1, height, "", va="top", ha="right", fontsize=10, weight="bold", color=INK) for height, _ in rows
        ]
        text.text(0, 0.0, "at the right border:", va="top", fontsize=9.5)
        place = {"va": "top", "ha": "right", "fontsize": 13, "weight": "bold", "color": ORANGE}
        self._limits = [text.text(1, height, "", **place) for height in (0.12, 0.015)]
        return [self._field, self._cells, self._centers, self._bars, self._points, *self._numbers, *self._limits]

    def draw(self, data: GeometryData) -> None:
        """Move cells, bars and numbers."""
        edges = [[(x, -_CELL), (x, _CELL)] for x in range(PIXELS + 1)]
        self._cells.set_segments([*edges, *([(0, y), (PIXELS, y)] for y in (-_CELL, _CELL))])
        ticks = [[(x, level - 0.2), (x, level + 0.2)] for level, row in enumerate(data.centers) if level for x in row]
        self._centers.set_segments(ticks)
        lengths = data.clipped[:, 1] - data.clipped[:, 0]
        levels = np.arange(len(lengths))
        wide = lengths > 0
        self._bars.set_segments(
            [[(x0, y), (x1, y)] for (x0, x1), y in zip(data.clipped[wide], levels[wide], strict=True)]
        )
        self._points.set_data(data.clipped[~wide, 0], levels[~wide])
        first, top = data.centers[-1][0], len(data.centers) - 1
        self._field.set_xy([(first - data.size / 2, _CELL), (first + data.size / 2, _CELL), (first, top), (first, top)])
        middle = data.start + 0.5
        values = (data.size, data.stride, data.padding, middle, data.end - data.begin, data.whole, data.kept)
        for text, value in zip(self._numbers, [*map(number, values), f"{data.read} of {data.asked}"], strict=True):
            text.set_text(value)
        for text, limit in zip(self._limits, (data.limit, data.right_limit), strict=True):
            text.set_text(f"{number(limit)} pixels" if limit > 0 else "never")

    def describe(self, data: GeometryData) -> str:
        """Say where the RoI lies and what the map keeps of it."""
        layers = len(data.centers) - 1
        shape = "a point" if data.kept == 0 else f"{_units(data.kept)} wide"
        left, right = (
            f"up to a width of {number(limit)} pixels" if limit > 0 else "at no width"
            for limit in (data.limit, data.right_limit)
        )
        asked = f"{data.asked} unit{'' if data.asked == 1 else 's'}"
        return (
            f"{layers} layer{'s' if layers > 1 else ''}: receptive field {data.size}, stride {data.stride}, the middle "
            f"of unit 0 at {number(data.start + 0.5)}. The RoI from {data.begin} to {data.end} should be "
            f"{_units(data.whole)} wide; on the feature map it is {shape}.\n"
            f"At the left border an RoI shrinks to a point {left}, at the right border {right}. Code that divides by "
            f"the stride asks RoIPool for {asked}; the map has {data.read} of them."
        )

    def invariants(self, data: GeometryData) -> dict[str, bool]:
        """Check the closed form against what the picture shows."""
        at_border = data.begin == 0
        return {
            "the map keeps no more than there is": data.kept <= data.whole + 1e-9,
            "at the border the closed form decides": not at_border or (data.kept == 0) == (data.end <= data.limit),
            "at the right border too": data.end < PIXELS
            or (data.kept == 0) == (data.end - data.begin <= max(data.right_limit, 0))
            or data.begin <= data.limit,
            "no more units are read than asked for": 0 <= data.read <= data.asked,
            "the bar is what the numbers say": bool(
                np.isclose((data.clipped[-1, 1] - data.clipped[-1, 0]) / data.stride, data.kept)
            ),
        }


def _units(count: float) -> str:
    return f"{number(count)} unit{'' if count == 1 else 's'}"
