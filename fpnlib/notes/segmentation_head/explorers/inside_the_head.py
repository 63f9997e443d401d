"""Two heads on one scene while they learn: labels, margins of the logits, and how far the last layer's steps go."""

import dataclasses
from functools import partial
from typing import Any

import numpy as np
from ipywidgets import Widget
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fpnlib.data.collages import COLLAGE_CLASSES
from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, SKY, YELLOW, pixel
from fpnlib.notes.segmentation_head.experiments.last_layer import BEST, NORMS, RATES, WORDS
from fpnlib.notes.segmentation_head.experiments.snapshots import AFTER, HEADS, logits, stored

MARGIN = 8.0  # a margin that is drawn as bright as any larger one
_LAST = len(AFTER) - 1  # the last step's rate is next to nothing; how far it goes is not drawn
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
    moved: np.ndarray  # (2, snapshots so far) how far the last layer's step moved a logit


class InsideExplorer(Explorer[InsideData]):
    """The scene and its labels, for each head its labels and margins, and how far its steps went up to now."""

    title = "A scene, what two heads make of it with their margins, and how far their last layers' steps move a logit"
    size = (1000, 430)

    def make_controls(self) -> dict[str, Widget]:
        """Return the learning rate, whether there is batch norm, and the moment."""
        return {
            "rate": choice("learning rate", RATES, RATES[BEST]),
            "before": choice("before the last layer", list(_BEFORE)),
            "snapshot": slider("snapshot, from the first step to the last", 0, 0, _LAST, 1),
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
            moved=stored()["moved"][:, int(norm), at, : min(snapshot + 1, _LAST)].numpy(),
        )

    def build(self, figure: Figure) -> None:
        """Lay out the scene, two rows of maps and the chart."""
        grid = figure.add_gridspec(2, 4, width_ratios=[1, 1, 1, 1.5])
        axes = np.array([[figure.add_subplot(grid[row, column]) for column in range(3)] for row in range(2)])
        classes = COLLAGE_CLASSES, np.stack([pixel(colour) for colour in _COLOURS.values()])
        self.panel(axes[0, 0], bare=True, title="a scene not trained on").image(
            stored()["image"].permute(1, 2, 0).numpy()
        )
        self.panel(axes[1, 0], bare=True, title="its true labels").classes(stored()["truth"].numpy(), *classes)
        for row in range(len(HEADS)):
            self._head(row, axes[row, 1:], classes)
        patches = [Patch(color=colour, label=name) for name, colour in _COLOURS.items()]
        figure.legend(handles=patches, loc="lower left", ncols=len(patches), columnspacing=1.2, labelcolor=INK)
        self._chart(figure.add_subplot(grid[:, 3]))

    def _head(self, head: int, axes: np.ndarray, classes: tuple[Any, ...]) -> None:
        """One head's labels and margins."""
        labels = self.panel(axes[0], bare=True, title=f"labels of {HEADS[head]}")
        labels.classes(lambda data: data.labels[head], *classes)
        margin = self.panel(axes[1], bare=True, title="margin, bright: sure")
        margin.image(lambda data: data.margin[head], cmap="cividis", vmin=0, vmax=MARGIN)

    def _chart(self, axes: Axes) -> None:
        """How far a step moved a logit, for both heads, up to the moment."""
        every = stored()["moved"][..., :_LAST]
        low, high = every.min().item() / 1.4, every.max().item() * 2.5
        chart = self.panel(axes, xlim=(-5, AFTER[-1] + 5), yscale="log", ylim=(low, high), xlabel="training step")
        axes.set_title("how far one step of the\nlast layer moves a logit", loc="left")
        axes.grid(color=FAINT, lw=0.6)
        chart.upright(lambda data: data.step, color=ORANGE, grab={"snapshot": lambda value: (AFTER[value], None)})
        styles = (("o-", BLUE), ("o--", GREEN))
        lines = [
            chart.line(partial(_moved, head), style, color=colour, ms=4, label=HEADS[head])
            for head, (style, colour) in enumerate(styles)
        ]
        axes.legend(handles=lines, loc="upper right", labelcolor=INK, frameon=False, handlelength=3)

    def describe(self, data: InsideData) -> str:
        """Say how much of the objects each head has right, how sure it is, and how far its step went."""
        drawn = AFTER.index(data.step) < _LAST
        parts = [
            f"{head}: {number(100 * float(right), 2)} % of the objects' pixels right, mean margin "
            f"{number(float(margin.mean()), 2)}"
            + (f", a step of the last layer moves a logit by {number(float(moved[-1]), 2)}" if drawn else "")
            for head, right, margin, moved in zip(HEADS, data.right, data.margin, data.moved, strict=True)
        ]
        return f"After step {data.step} at learning rate {number(data.rate)}, {data.before}. {'. '.join(parts)}."

    def invariants(self, data: InsideData) -> dict[str, bool]:
        """Check ranges."""
        return {
            "labels are classes": bool((data.labels < len(COLLAGE_CLASSES)).all()),
            "margins are positive": bool((data.margin >= 0).all()),
            "steps move something": bool((data.moved > 0).all()),
            "shares are shares": bool(((data.right >= 0) & (data.right <= 1)).all()),
        }


def _moved(head: int, data: InsideData) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the steps up to the moment and how far they moved a logit of this head."""
    return AFTER[: data.moved.shape[1]], data.moved[head]
