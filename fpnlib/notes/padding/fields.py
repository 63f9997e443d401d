"""Receptive fields that grow layer by layer, and how much two units share."""

import dataclasses
import itertools
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.ops import AxisField

MOST_LAYERS = 5


@dataclasses.dataclass(frozen=True)
class FieldsData:
    """Receptive field after each layer, first the image's own; and what two units of the last layer share."""

    size: np.ndarray  # (layers + 1,)
    stride: np.ndarray
    start: np.ndarray
    apart: int
    shared: int  # pixels that both fields hold
    share: float  # the same as a share of one field


class FieldsExplorer(Explorer[FieldsData]):
    """Two units of the last layer, what each sees of every layer below, and a table of size, stride and start."""

    title = "The receptive fields of two units, layer by layer down to the image, with size, stride and start"
    size = (1000, 400)

    def make_controls(self) -> dict[str, Widget]:
        """Return the layers, all alike, and how far the two units are apart."""
        return {
            "layers": slider("layers", 3, 1, MOST_LAYERS, 1),
            "kernel": slider("kernel", 3, 1, 5, 1),
            "stride": slider("stride", 1, 1, 2, 1),
            "dilation": slider("dilation", 1, 1, 3, 1),
            "padding": slider("padding in each layer", 0, 0, 4, 1),
            "apart": slider("the second unit lies further by (units)", 1, 1, 12, 1),
        }

    def compute(self, layers: int, kernel: int, stride: int, dilation: int, padding: int, apart: int) -> FieldsData:
        """Stack the layers."""
        one = AxisField(dilation * (kernel - 1) + 1, stride, padding, padding)
        fields = [AxisField()]
        for _ in range(layers):
            fields.append(fields[-1].then(one))
        top = fields[-1]
        shared = max(0, top.size - apart * top.stride)
        return FieldsData(
            size=np.array([field.size for field in fields]),
            stride=np.array([field.stride for field in fields]),
            start=np.array([field.start for field in fields]),
            apart=apart,
            shared=shared,
            share=shared / top.size,
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the fields and the table."""
        fields, table = figure.subplots(1, 2, width_ratios=[2, 1])
        fields.set(xlim=(-0.02, 1.02), ylim=(-1.1, MOST_LAYERS + 0.9), xticks=[])
        fields.set_yticks(range(MOST_LAYERS + 1), ["image", *(f"layer {n}" for n in range(1, MOST_LAYERS + 1))])
        fields.tick_params(length=0)
        fields.spines[["left", "bottom"]].set_visible(False)
        self._first = fields.add_collection(PolyCollection([], facecolors=BLUE, alpha=0.55, lw=0))
        self._second = fields.add_collection(PolyCollection([], facecolors=ORANGE, alpha=0.55, lw=0))
        (self._ruler,) = fields.plot([], [], color=INK, lw=1.5, marker="|", ms=9)
        self._ruler_text = fields.text(0.5, -0.98, "", ha="center", fontsize=10, color=INK)
        fields.set_title("What two units of the last layer see; mixed colour: both")
        self.grab(fields, layers=lambda value: (None, value))
        table.set_axis_off()
        table.set_title("In pixels of the image")
        table.set(xlim=(0, 1), ylim=(-1.1, MOST_LAYERS + 0.9))
        self.grab(table, layers=lambda value: (None, value))
        place = {"ha": "right", "va": "center", "fontsize": 10}
        for x, name in ((0.3, "size"), (0.62, "stride"), (0.98, "start")):
            table.text(x, MOST_LAYERS + 0.7, name, color=MUTED, **place)
        self._rows = [
            [table.text(x, level, "", color=INK, weight="bold", **place) for x in (0.3, 0.62, 0.98)]
            for level in range(MOST_LAYERS + 1)
        ]
        table.axhline(-0.4, color=FAINT, lw=1)
        table.text(0, -0.85, "both see, in pixels", va="center", fontsize=10, color=INK)
        self._shared = table.text(0.98, -0.85, "", weight="bold", color=INK, **place)
        return [self._first, self._second, self._ruler, self._ruler_text, self._shared, *itertools.chain(*self._rows)]

    def draw(self, data: FieldsData) -> None:
        """Scale both fields to the width of the panel."""
        layers = len(data.size) - 1
        top_size, top_stride = int(data.size[-1]), int(data.stride[-1])
        # Seen from the top: on layer k a unit sees as many units as the layers above k give.
        seen = (top_size - data.size) / data.stride + 1
        half = seen * data.stride / 2
        shift = data.apart * top_stride
        span = 2 * half.max() + shift  # pixels across the panel
        for patches, center in ((self._first, half.max()), (self._second, half.max() + shift)):
            bars = zip((center - half) / span, (center + half) / span, strict=True)
            patches.set_verts(
                [[(a, y - 0.3), (b, y - 0.3), (b, y + 0.3), (a, y + 0.3)] for y, (a, b) in enumerate(bars)]
            )
        length = _round_length(span)
        self._ruler.set_data([0.5 - length / span / 2, 0.5 + length / span / 2], [-0.55, -0.55])
        self._ruler_text.set_text(counted(length, "pixel"))
        for level, row in enumerate(self._rows):
            values = (data.size, data.stride, data.start)
            for text, column in zip(row, values, strict=True):
                text.set_text(number(float(column[level])) if level <= layers else "")
        self._shared.set_text(f"{data.shared} of {top_size}")

    def describe(self, data: FieldsData) -> str:
        """Say size, stride, start and what is shared."""
        layers, units = len(data.size) - 1, "neighbours" if data.apart == 1 else f"units {data.apart} apart"
        return (
            f"After {counted(layers, 'layer')}: receptive field {counted(int(data.size[-1]), 'pixel')}, stride "
            f"{data.stride[-1]}, unit 0 at pixel index {number(data.start[-1])}. Two {units} share "
            f"{counted(data.shared, 'pixel')}, {number(100 * data.share)} % of what each sees."
        )

    def invariants(self, data: FieldsData) -> dict[str, bool]:
        """Check that fields grow and that no more is shared than there is."""
        return {
            "fields never shrink": bool((np.diff(data.size) >= 0).all()),
            "strides never shrink": bool((np.diff(data.stride) >= 0).all()),
            "two units share less than one sees": data.shared < data.size[-1],
        }


def _round_length(span: float) -> int:
    """Return the largest of 1, 2, 5, 10, 20, … that is at most a quarter of `span`, at least 1."""
    candidates = [m * 10**power for power in range(4) for m in (1, 2, 5)]
    return max([length for length in candidates if length <= span / 4], default=1)
