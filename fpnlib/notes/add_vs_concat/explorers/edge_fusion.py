"""Five weights for HED's five side outputs, and how well the fused edges find the outlines."""

import dataclasses

import numpy as np
import torch
from ipywidgets import Widget
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

from fpnlib.explore import Explorer, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, PAPER
from fpnlib.metrics import BoundaryReference
from fpnlib.notes.add_vs_concat.experiments.edges import SIDES, Edges, tolerance
from fpnlib.validation import require

_POINTS = 60  # of a curve as it is drawn


@dataclasses.dataclass(frozen=True)
class EdgeFusionData:
    """The fused edge map with its curve and best point."""

    weights: tuple[float, ...]
    fused: np.ndarray  # (h, w) probabilities, at half the size
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
        picture = fused[::2, ::2].sigmoid().numpy()
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

    def build(self, figure: Figure) -> None:
        """Lay out the sides and their weights above, the photo, the fusion and its curve below."""
        height, width = self._image.shape[:2]
        grid = figure.add_gridspec(2, 1, height_ratios=[1, 1.35])
        above = grid[0].subgridspec(2, SIDES, height_ratios=[1, 0.12], hspace=0).subplots()
        below = grid[1].subgridspec(1, 3, width_ratios=[1, 1, 1.25]).subplots()
        edges = {"cmap": LinearSegmentedColormap.from_list("edges", [PAPER, INK]), "vmin": 0, "vmax": 1}
        whole = (0, 0, width, height)
        maps = {"xticks": [], "yticks": [], "xlim": (0, width), "ylim": (height, 0)}
        for n, (side, curve) in enumerate(zip(self._edges.sides, self._curves, strict=True), 1):
            panel = self.panel(above[0, n - 1], title=f"side {n}: F {number(curve.f)}", **maps)
            panel.image(side[::2, ::2].sigmoid().numpy(), whole, **edges)
            panel.axes.spines[:].set(visible=True, color=FAINT)
            self._weight(above[1, n - 1], n)
        photo, fusion = (
            self.panel(axes, title=title, **maps)
            for axes, title in zip(below[:2], ("the photo", "the weighted sum of the five"), strict=True)
        )
        photo.image(self._image, whole)
        fusion.image(lambda data: data.fused, whole, **edges)
        for panel in (photo, fusion):
            panel.axes.spines[:].set(visible=True, color=FAINT)
        plot = self.panel(below[2], title="Precision and recall at the outlines", xlim=(0.3, 1.02), ylim=(0, 1.02))
        plot.axes.set(xlabel="recall (grey: each side output at its best)", ylabel="precision")
        for n, curve in enumerate(self._curves, 1):
            recall, precision = curve.recall[curve.best].item(), curve.precision[curve.best].item()
            plot.line(([recall], [precision]), "o", ms=5, color=MUTED, label=f"side {n}")
            plot.text(str(n), recall + 0.01, precision - 0.09, color=MUTED, fontsize=9)
        plot.line(lambda data: (data.recall, data.precision), color=BLUE)
        plot.dot(lambda data: (data.best_recall, data.best_precision), label="the sum at its best")
        plot.text(lambda data: f"F {number(data.f)}", 0.97, 0.95, ha="right", va="top", fontsize=15, weight="bold")

    def _weight(self, axes: Axes, n: int) -> None:
        """A side output's weight as a bar that is dragged, from 0 to 1 below its map."""
        panel = self.panel(axes, bare=True, xlim=(-0.06, 1.3), ylim=(-1, 1))
        panel.line(([0, 1], [0, 0]), color=FAINT, lw=3, solid_capstyle="round")
        panel.strokes(lambda data: [[(0, 0), (data.weights[n - 1], 0)]], colors=ORANGE, linewidths=3)
        panel.text(lambda data: f"× {number(data.weights[n - 1])}", 1.07, 0, va="center", fontsize=9)
        panel.dot(lambda data: (data.weights[n - 1], 0), grab={f"side_{n}": lambda value: (value, 0)})

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
