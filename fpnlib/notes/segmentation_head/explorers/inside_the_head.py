"""Two heads on one scene while they learn: labels, margins of the logits, the last layer's weights, and its steps."""

import dataclasses
from typing import Any

import numpy as np
from ipywidgets import Widget
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fpnlib.data.collages import COLLAGE_CLASSES
from fpnlib.explore import Explorer, Panel, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, SKY, YELLOW, pixel
from fpnlib.notes.segmentation_head.experiments.last_layer import BEST, NORMS, RATES, WORDS
from fpnlib.notes.segmentation_head.experiments.snapshots import AFTER, HEADS, logits, stored

MARGIN = 8.0  # a margin that is drawn as bright as any larger one
LEAST = 4e-4  # the shortest way of a logit that is drawn
_COLOURS = dict(zip(COLLAGE_CLASSES, (FAINT, PURPLE, SKY, GREEN, YELLOW, BLUE), strict=True))
_BEFORE = {WORDS[normed]: norm for norm, normed in NORMS.items()}


@dataclasses.dataclass(frozen=True)
class InsideData:
    """Both heads at one step; the first axis of arrays is the head."""

    rate: float
    before: str
    step: int
    labels: np.ndarray  # (2, h, w)
    margin: np.ndarray  # (2, h, w) how far the best logit lies above the next
    right: np.ndarray  # (2,) share of the objects' pixels that are right
    weight: np.ndarray  # (2, snapshots) root mean square of the last layer's weights
    moved: np.ndarray  # (2, snapshots) how far the last layer's step moved a logit


class InsideExplorer(Explorer[InsideData]):
    """The scene and its labels, for each head its labels and margins, and two sizes over training."""

    title = "A scene, what two heads make of it with their margins, and their last layers' weights and steps"
    size = (1000, 430)

    def make_controls(self) -> dict[str, Widget]:
        """Return the learning rate, whether there is batch norm, and the moment."""
        return {
            "rate": choice("learning rate", RATES, RATES[BEST]),
            "before": choice("before the last layer", list(_BEFORE)),
            "snapshot": slider("snapshot, from the first step to the last", len(AFTER) - 1, 0, len(AFTER) - 1, 1),
        }

    def compute(self, rate: float, before: str, snapshot: int) -> InsideData:
        """Look up what was stored."""
        at, norm, wanted = RATES.index(rate), _BEFORE[before], stored()["truth"].numpy()
        maps = np.stack([logits(head, norm, at, snapshot).numpy() for head in range(len(HEADS))])
        best, second = -np.partition(-maps, 1, axis=1)[:, :2].transpose(1, 0, 2, 3)
        labels = maps.argmax(1)
        return InsideData(
            rate=rate,
            before=before,
            step=AFTER[snapshot],
            labels=labels,
            margin=best - second,
            right=(labels == wanted)[:, wanted > 0].mean(1),
            weight=stored()["weight"][:, int(norm), at].numpy(),
            moved=stored()["moved"][:, int(norm), at].numpy(),
        )

    def build(self, figure: Figure) -> None:
        """Lay out the scene, two rows of maps and two charts."""
        axes = figure.subplots(2, 4, width_ratios=[1, 1, 1, 1.5])
        classes = COLLAGE_CLASSES, np.stack([pixel(colour) for colour in _COLOURS.values()])
        self.panel(axes[0, 0], bare=True, title="a scene not trained on").image(
            stored()["image"].permute(1, 2, 0).numpy()
        )
        self.panel(axes[1, 0], bare=True, title="its true labels").classes(stored()["truth"].numpy(), *classes)
        for row in range(len(HEADS)):
            self._head(row, axes[row, 1:3], classes)
        patches = [Patch(color=colour, label=name) for name, colour in _COLOURS.items()]
        figure.legend(handles=patches, loc="lower left", ncols=len(patches), columnspacing=1.2, labelcolor=INK)
        weights = self._chart(axes[0, 3], "weight", title="the last layer", ylabel="size of a weight", xticklabels=[])
        weights.axes.set_yticks([0.03, 0.1, 0.3], ["0.03", "0.1", "0.3"])
        weights.axes.minorticks_off()
        look: dict[str, Any] = {"ha": "right", "weight": "bold"}
        weights.text(HEADS[0], at=lambda data: (AFTER[-1], data.weight[0, -1] / 1.2), color=BLUE, va="top", **look)
        weights.text(HEADS[1], at=lambda data: (AFTER[-1], data.weight[1, -1] * 1.2), color=GREEN, va="bottom", **look)
        moved = self._chart(axes[1, 3], "moved", xlabel="training step", ylabel="a step moves a logit")
        moved.axes.set_ylim(bottom=LEAST)  # the last step's rate is next to nothing

    def _head(self, head: int, axes: np.ndarray, classes: tuple[Any, ...]) -> None:
        """One head's labels and margins."""
        labels = self.panel(axes[0], bare=True, title=f"labels of {HEADS[head]}")
        labels.classes(lambda data: data.labels[head], *classes)
        margin = self.panel(axes[1], bare=True, title="margin, bright: sure")
        margin.image(lambda data: data.margin[head], cmap="cividis", vmin=0, vmax=MARGIN)

    def _chart(self, axes: Axes, name: str, **settings: Any) -> Panel:
        """One size over training for both heads, with the moment."""
        low, high = (float(one) for one in (stored()[name].min(), stored()[name].max()))
        chart = self.panel(axes, xlim=(-5, AFTER[-1] + 5), yscale="log", ylim=(low / 1.4, high * 1.4), **settings)
        chart.axes.grid(color=FAINT, lw=0.6)
        chart.axes.tick_params(labelsize=8)
        chart.upright(lambda data: data.step, color=ORANGE, grab={"snapshot": lambda value: (AFTER[value], None)})
        chart.line(lambda data: (AFTER, getattr(data, name)[0]), "o-", color=BLUE, ms=3, label=HEADS[0])
        chart.line(lambda data: (AFTER, getattr(data, name)[1]), "o--", color=GREEN, ms=3, label=HEADS[1])
        return chart

    def describe(self, data: InsideData) -> str:
        """Say how much of the objects each head has right, how sure it is, and the sizes."""
        when = AFTER.index(data.step)
        parts = [
            f"{head}: {number(100 * float(right), 2)} % of the objects' pixels right, mean margin "
            f"{number(float(margin.mean()), 2)}, a weight {number(float(weight[when]), 2)}, a step of the last "
            f"layer moves a logit by {number(float(moved[when]), 2)}"
            for head, right, margin, weight, moved in zip(
                HEADS, data.right, data.margin, data.weight, data.moved, strict=True
            )
        ]
        return f"After step {data.step} at learning rate {number(data.rate)}, {data.before}. {'. '.join(parts)}."

    def invariants(self, data: InsideData) -> dict[str, bool]:
        """Check ranges."""
        return {
            "labels are classes": bool((data.labels < len(COLLAGE_CLASSES)).all()),
            "margins are positive": bool((data.margin >= 0).all()),
            "sizes are positive": bool((data.weight > 0).all() and (data.moved > 0).all()),
            "shares are shares": bool(((data.right >= 0) & (data.right <= 1)).all()),
        }
