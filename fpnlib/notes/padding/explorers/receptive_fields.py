"""Receptive fields that grow layer by layer, and how much two units share."""

import dataclasses

import numpy as np
from ipywidgets import Widget
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

    @property
    def half(self) -> np.ndarray:
        """Half of what a unit sees on each layer, in pixels: on layer k as many units as the layers above it give."""
        return ((self.size[-1] - self.size) / self.stride + 1) * self.stride / 2

    def middle(self, unit: int) -> float:
        """Where a unit lies, as a share of the picture's width, in which unit 0 and unit `apart` just fit."""
        return float((self.half.max() + unit * self.stride[-1]) / self.span)

    @property
    def span(self) -> float:
        """Pixels that the picture is wide."""
        return float(2 * self.half.max() + self.apart * self.stride[-1])

    def bars(self, unit: int) -> list[list[tuple[float, float]]]:
        """The outlines of what a unit sees on each layer."""
        x, reach = self.middle(unit), self.half / self.span
        return [[(x - r, y - 0.3), (x + r, y - 0.3), (x + r, y + 0.3), (x - r, y + 0.3)] for y, r in enumerate(reach)]


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

    def build(self, figure: Figure) -> None:
        """Lay out the fields and the table."""
        both = figure.subplots(1, 2, width_ratios=[2, 1])
        fields, table = (self.panel(axes, ylim=(-1.1, MOST_LAYERS + 0.9), xticks=[]) for axes in both)
        levels = range(MOST_LAYERS + 1)
        fields.axes.set(title="What two units of the last layer see; mixed colour: both", xlim=(-0.02, 1.02))
        fields.axes.set_yticks(levels, ["image", *(f"layer {n}" for n in levels[1:])])
        fields.axes.tick_params(length=0)
        fields.axes.spines[["left", "bottom"]].set_visible(False)
        fields.areas(lambda data: data.bars(0), facecolors=BLUE, alpha=0.55)
        fields.areas(lambda data: data.bars(data.apart), facecolors=ORANGE, alpha=0.55)
        fields.line(lambda data: (_ruler(data.span)[1], [-0.75, -0.75]), color=INK, lw=1.5, marker="|", ms=9)
        fields.text(lambda data: f"scale: {counted(_ruler(data.span)[0], 'pixel')}", 0.02, -1.05)
        fields.dot(
            lambda data: (data.middle(data.apart), 0),
            ms=8,
            grab={"apart": lambda units, data: (dataclasses.replace(data, apart=units).middle(units), 0)},
        )
        columns = (0.3, 0.62, 0.98)
        table.axes.set_axis_off()
        table.axes.set(title="In pixels of the image", xlim=(0, 1))
        for x, name in zip(columns, ("size", "stride", "start"), strict=True):
            table.text(name, x, MOST_LAYERS + 0.7, ha="right", va="center", color=MUTED)
        table.table(
            lambda data: [map(number, row) for row in zip(data.size, data.stride, data.start, strict=True)],
            columns,
            levels,
            weight="bold",
        )
        table.level(-0.4, color=FAINT, lw=1)
        table.text("both see, in pixels", 0, -0.85, va="center")
        table.table(lambda data: [[f"{data.shared} of {data.size[-1]}"]], (0.98,), (-0.85,), weight="bold")
        for panel in (fields, table):
            panel.grab(layers=lambda value: (None, value))

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


def _ruler(span: float) -> tuple[int, list[float]]:
    """A round length in pixels, at most a quarter of `span` but at least 1, and its ends in the picture's corner."""
    length = max([m * 10**power for power in range(4) for m in (1, 2, 5) if m * 10**power <= span / 4], default=1)
    return length, [0.0, length / span]
