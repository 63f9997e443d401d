"""Five weights for HED's five side outputs, and how well the fused edges find the outlines."""

import dataclasses
from collections.abc import Iterable

import numpy as np
import torch
from ipywidgets import Widget
from jaxtyping import Bool
from matplotlib.artist import Artist
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

from fpnlib.explore import Explorer, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, PAPER
from fpnlib.metrics import BoundaryReference
from fpnlib.notes.add_vs_concat.experiments.edges import SIDES, Edges, tolerance
from fpnlib.validation import require

_GREYS = 4  # few, so that a saved picture stays small
_POINTS = 60  # of a curve as it is drawn
_EVERY = 4  # pixels between two that are drawn, so that a saved picture stays small


@dataclasses.dataclass(frozen=True)
class EdgeFusionData:
    """The fused edge map with its curve and best point."""

    weights: tuple[float, ...]
    fused: np.ndarray  # (h, w) probabilities, at a quarter of the size
    recall: np.ndarray
    precision: np.ndarray
    f: float
    best_recall: float
    best_precision: float


class EdgeFusionExplorer(Explorer[EdgeFusionData]):
    """The photo, five side outputs with their F, the fused edges, and precision against recall."""

    title = "A photo, HED's five side outputs, their weighted sum, and its precision and recall at the outlines"
    size = (1000, 470)

    def __init__(self, image: np.ndarray, edges: Edges, boundary: Bool[Tensor, "h w"]) -> None:
        got = tuple(boundary.shape)
        require(got == image.shape[:2], "boundary", f"shape {got}", f"{image.shape[:2]}, that of the photo")
        self._image, self._edges = image, edges
        self._reference = BoundaryReference(boundary, tolerance(boundary))
        self._curves = [self._reference.curve(side) for side in edges.sides]
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return a weight for each side output; HED's training began at .2 for each and left it nearly there."""
        return {f"side_{n}": slider(f"weight of side output {n}", 0.2, 0.0, 1.0, 0.05) for n in range(1, SIDES + 1)}

    def compute(self, **weights: float) -> EdgeFusionData:
        """Fuse the logits, thin, and find the best threshold."""
        values = tuple(weights.values())
        fused = self._edges.fused(torch.tensor(values))
        picture = fused[::_EVERY, ::_EVERY].sigmoid().numpy()
        if not any(values):  # nothing is fused, so nothing is found
            nothing = np.zeros(_POINTS)
            return EdgeFusionData(values, picture, nothing, nothing, 0.0, 0.0, 0.0)
        curve = self._reference.curve(fused)
        shown = np.linspace(0, len(curve.thresholds) - 1, _POINTS).astype(int)
        return EdgeFusionData(
            weights=values,
            fused=picture,
            recall=curve.recall.numpy()[shown],
            precision=curve.precision.numpy()[shown],
            f=curve.f,
            best_recall=curve.recall[curve.best].item(),
            best_precision=curve.precision[curve.best].item(),
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the photo and the sides above, the fusion and its curve below."""
        top, bottom = figure.add_gridspec(2, 1, height_ratios=[1, 2.1])
        panels = top.subgridspec(1, SIDES + 1).subplots()
        below = bottom.subgridspec(1, 2, width_ratios=[1.25, 1]).subplots()
        shades = LinearSegmentedColormap.from_list("edges", [PAPER, INK], _GREYS)
        edges = {"cmap": shades, "vmin": 0, "vmax": 1}
        panels[0].imshow(self._image[::2, ::2], interpolation="antialiased")
        panels[0].set_title("the photo")
        for panel, side, curve, name in zip(panels[1:], self._edges.sides, self._curves, range(1, 6), strict=True):
            panel.imshow(side[::5, ::5].sigmoid().numpy(), **edges)
            panel.set_title(f"side {name}: F {number(curve.f)}")
        fusion, plot = below
        self._fused = fusion.imshow(np.zeros(self._edges.sides[0, ::_EVERY, ::_EVERY].shape), **edges)
        fusion.set_title("the weighted sum of the five")
        for panel in (*panels, fusion):
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(True)
            panel.spines[:].set_color(FAINT)
        for n, curve in enumerate(self._curves, 1):
            recall, precision = curve.recall[curve.best].item(), curve.precision[curve.best].item()
            plot.plot(recall, precision, "o", ms=5, color=MUTED)
            plot.annotate(str(n), (recall, precision), (5, -11), textcoords="offset points", color=MUTED, fontsize=9)
        (self._curve,) = plot.plot([], [], color=BLUE)
        (self._point,) = plot.plot([], [], "o", ms=10, color=ORANGE, mec=INK)
        self._text = plot.text(0.97, 0.93, "", ha="right", va="top", fontsize=15, weight="bold", color=INK)
        plot.set(
            title="Precision and recall at the labelled outlines",
            xlabel="recall (grey: each side output at its best)",
            ylabel="precision",
            xlim=(0, 1.02),
            ylim=(0, 1.02),
        )
        return [self._fused, self._curve, self._point, self._text]

    def draw(self, data: EdgeFusionData) -> None:
        """Show the fusion and move its curve."""
        self._fused.set_data(data.fused)
        self._curve.set_data(data.recall, data.precision)
        self._point.set_data([data.best_recall], [data.best_precision])
        self._text.set_text(f"F {number(data.f)}")

    def describe(self, data: EdgeFusionData) -> str:
        """Say the weights, and F beside the side outputs'."""
        weights = ", ".join(number(weight) for weight in data.weights)
        sides = [curve.f for curve in self._curves]
        best = 1 + int(np.argmax(sides))
        if not any(data.weights):
            return f"Weights {weights}: nothing is fused, no edge is found. Best side output: {best}."
        return (
            f"Weights {weights}: F {number(data.f)}, precision {number(data.best_precision)} and recall "
            f"{number(data.best_recall)} at the best threshold, within {number(self._reference.tolerance)} pixels.\n"
            f"Best of the side outputs alone: number {best} with F {number(max(sides))}."
        )

    def invariants(self, data: EdgeFusionData) -> dict[str, bool]:
        """Check that F is the harmonic mean, and that one output alone scores as itself."""
        both = data.best_precision + data.best_recall
        f = 2 * data.best_precision * data.best_recall / both if both else 0.0
        used = [n for n, weight in enumerate(data.weights) if weight]
        return {
            "F is the harmonic mean": bool(np.isclose(f, data.f)),
            "one side output alone scores as itself": len(used) != 1
            or bool(np.isclose(data.f, self._curves[used[0]].f, atol=2e-3)),
        }
