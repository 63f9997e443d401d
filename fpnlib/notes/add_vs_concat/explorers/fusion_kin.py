"""Add and its kin: what their weights depend on, what they cost, and what they make of three maps of a pyramid."""

import dataclasses

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.data import photo
from fpnlib.explore import Explorer, Panel, choice, number, slider
from fpnlib.explore.style import faded
from fpnlib.notes.add_vs_concat.experiments.kin import (
    ADD,
    KIN,
    MAPS,
    PER_PLACE,
    WEIGHTED,
    book_maps,
    cost_of,
    fused,
    mean_of_maps,
)
from fpnlib.notes.add_vs_concat.explorers.fusion_kin_pictures import COLOURS, colours, marked, mixed, whose_words
from fpnlib.notes.add_vs_concat.explorers.fusion_kin_table import fill_table, short


@dataclasses.dataclass(frozen=True)
class KinData:
    """One kin on the maps, and all kin's costs."""

    kind: str
    strength: float
    place: tuple[int, int]  # row and column
    side: int
    coefficients: np.ndarray  # (maps,) at the place, mean over the channels
    shares: np.ndarray  # (maps, rows, columns): the coefficients over their sum
    sources: np.ndarray  # (rows, columns): what each place counts at the chosen one, the most 1
    result: np.ndarray  # (rows, columns, 3), bytes
    from_mean: float  # how far the result is from the mean of the maps, which has length 1
    costs: dict[str, tuple[int, int, int]]  # parameters, products, numbers kept

    @property
    def here(self) -> np.ndarray:
        """The shares at the place, (maps,)."""
        return self.shares[:, self.place[0], self.place[1]]


class KinExplorer(Explorer[KinData]):
    """A table of all kin, and what the chosen one makes of the maps."""

    title = "Ways to add maps by what their weights depend on and by their costs, and one of them on three real maps"
    size = (1000, 500)
    groups = (("the place", ("x", "y")),)

    def __init__(self) -> None:
        grey = photo("coffee").mean(2).astype(np.uint8)
        self._photo = np.repeat(grey[..., None], 3, 2)
        self._cells = book_maps()[0].shape[2:]
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the kin, how far its weights part, the place that is looked at, and the size for the costs."""
        return {
            "kind": choice("fusion", KIN, PER_PLACE),
            "strength": slider("how far the logits part", 1.0, 0.0, 3.0, 0.25),
            "x": slider("across (%)", 45, 0, 100, 5),
            "y": slider("down (%)", 45, 0, 100, 5),
            "side": slider("costs for maps of so many cells a side", 32, 8, 128, 8),
        }

    def compute(self, kind: str, strength: float, x: int, y: int, side: int) -> KinData:
        """Fuse the maps; count for maps of `side` cells."""
        made, channels = fused(kind, strength), book_maps()[0].shape[1]
        rows, columns = self._cells
        row, column = min(y * rows // 100, rows - 1), min(x * columns // 100, columns - 1)
        sources = torch.zeros(rows, columns)
        sources[row, column] = 1
        if made.attention is not None:
            sources = made.attention[row * columns + column].view(rows, columns)
        mean = mean_of_maps()
        return KinData(
            *(kind, strength, (row, column), side),
            coefficients=made.coefficients[:, row, column].numpy(),
            shares=(made.coefficients / made.coefficients.sum(0)).numpy(),
            sources=(sources / sources.max()).numpy(),
            result=colours(made.result),
            from_mean=float((made.result - mean).norm() / mean.norm()),
            costs={name: cost_of(name, len(MAPS), channels, side * side) for name in KIN},
        )

    def build(self, figure: Figure) -> None:
        """Lay out the table, and beside it where the result comes from, whose it is, the weights, and the result."""
        axes = figure.subplot_mosaic(
            [["table", "sources", "result"], ["table", "whose", "here"]], width_ratios=[2.15, 1, 1]
        )
        fill_table(self.panel(axes["table"]))
        rows, columns = self._cells
        whole = {"xlim": (0, columns), "ylim": (rows, 0), "bare": True}
        extent = 0, 0, columns, rows

        sources = self.panel(axes["sources"], title="Where the values come from", **whole)
        sources.image(faded(self._photo, 0.6), extent, interpolation="bilinear")
        sources.image(marked, extent, zorder=2)
        result = self.panel(axes["result"], title="The result", **whole)
        result.image(lambda data: data.result, extent)
        whose = self.panel(axes["whose"], title="Which map counts, and where", **whole)
        whose.image(mixed, extent, says=whose_words)
        for panel in (sources, result, whose):
            self._cursor(panel)
        here = self.panel(axes["here"], title="Shares of the weight here")
        here.bars(lambda data: data.here.round(2), MAPS, COLOURS, digits=2)

    def _cursor(self, panel: Panel) -> None:
        rows, columns = self._cells
        places = {
            "x": lambda value: (min(value * columns // 100, columns - 1) + 0.5, None),
            "y": lambda value: (None, min(value * rows // 100, rows - 1) + 0.5),
        }
        panel.cross(lambda data: (data.place[1] + 0.5, data.place[0] + 0.5), grab=places)

    def describe(self, data: KinData) -> str:
        """Say the weights at the place, what comes out, and the costs."""
        at = ", ".join(f"{name} × {number(one)}" for name, one in zip(MAPS, data.coefficients, strict=True))
        mean = data.shares.mean((1, 2))
        over = ", ".join(f"{name} {number(one, 2)}" for name, one in zip(MAPS, mean, strict=True))
        seen = int((data.sources > 0.1).sum())
        looks = f"Its values come from {seen} places with a tenth of the largest weight or more. " if seen > 1 else ""
        parameters, products, kept = map(short, data.costs[data.kind])
        far = number(100 * data.from_mean)
        return (
            f"{data.kind.capitalize()}, logits {number(data.strength)} apart: at row {data.place[0]}, column "
            f"{data.place[1]} it takes {at} (mean over channels). {looks}Shares of the weight over all places: {over}. "
            f"The result differs from the mean of the maps by {far} % of its length.\nFor maps of {data.side}×"
            f"{data.side} places: {parameters} weights, {products} products, {kept} numbers kept."
        )

    def invariants(self, data: KinData) -> dict[str, bool]:
        """Check that shares are shares, and where the kin meet."""
        gates = data.kind in KIN[KIN.index(PER_PLACE) - 1 : -1] or data.kind == WEIGHTED
        return {
            "shares sum to one": bool(np.isclose(data.shares.sum(0), 1, atol=1e-5).all()),
            "equal logits are the mean": not gates or data.strength > 0 or data.from_mean < 1e-5,
            "an add is as many times the mean as there are maps": data.kind != ADD
            or bool(np.isclose(data.from_mean, len(MAPS) - 1)),
        }
