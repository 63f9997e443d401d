"""Two heads on one scene while they learn: labels, margins of the logits, and the last layer's weights."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fpnlib.data.collages import COLLAGE_CLASSES
from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PURPLE, SKY
from fpnlib.notes.segmentation_head.claims import BEST, NORMS, RATES, WORDS
from fpnlib.notes.segmentation_head.snapshots import AFTER, HEADS, logits, stored

MARGIN = 8.0  # a margin that is drawn as bright as any larger one
_COLOURS = ListedColormap(["#ECECEC", PURPLE, SKY, GREEN, ORANGE, BLUE])
_LINES = {HEADS[0]: (ORANGE, "-"), HEADS[1]: (BLUE, "--")}
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
    gradient: np.ndarray  # (2, snapshots) and of their gradient


class InsideExplorer(Explorer[InsideData]):
    """The scene and its labels, for each head its labels and margins, and two sizes over training."""

    title = "A scene, what two heads make of it with their margins, and the size of their last weights over training"
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
            gradient=stored()["gradient"][:, int(norm), at].numpy(),
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the scene, two rows of maps and two charts."""
        grid = figure.add_gridspec(2, 4, width_ratios=[1, 1, 1, 1.5])
        truth, classes = stored()["truth"].numpy(), {"cmap": _COLOURS, "vmin": -0.5, "vmax": len(COLLAGE_CLASSES) - 0.5}
        scene, wanted = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
        scene.imshow(stored()["image"].permute(1, 2, 0).numpy())
        scene.set_title("a scene not trained on")
        wanted.imshow(truth, **classes)
        wanted.set_title("its true labels")
        self._labels, self._margins = [], []
        maps = []
        for row, head in enumerate(HEADS):
            labels, margin = figure.add_subplot(grid[row, 1]), figure.add_subplot(grid[row, 2])
            self._labels.append(labels.imshow(np.zeros(truth.shape), **classes))
            self._margins.append(margin.imshow(np.zeros(truth.shape), cmap="cividis", vmin=0, vmax=MARGIN))
            labels.set_title(f"labels of {head}")
            margin.set_title("margin, bright: sure")
            maps += [labels, margin]
        for panel in (scene, wanted, *maps):
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
        patches = [Patch(color=_COLOURS(place), label=name) for place, name in enumerate(COLLAGE_CLASSES)]
        figure.legend(handles=patches, loc="lower left", ncols=len(patches), columnspacing=1.2, labelcolor=INK)
        self._curves, self._cursors = [], []
        for row, name in enumerate(("weight", "gradient")):
            panel = figure.add_subplot(grid[row, 3])
            low, high = (float(one) for one in (stored()[name].min(), stored()[name].max()))
            panel.set(xlim=(-5, AFTER[-1] + 5), yscale="log", ylim=(low / 1.4, high * 1.4))
            panel.set_title("last layer: size of a weight" if row == 0 else "and of a weight's gradient")
            panel.grid(color=FAINT, lw=0.6)
            panel.tick_params(labelsize=8, which="both")
            self._cursors.append(panel.axvline(0, color=MUTED, lw=1.5))
            self._curves.append([panel.plot([], [], ls=ls, color=c, marker="o", ms=3)[0] for c, ls in _LINES.values()])
            if row == 0:
                panel.set_xticklabels([])
                for line, head in zip(self._curves[0], HEADS, strict=True):
                    line.set_label(head)
                panel.legend(loc="upper right", ncols=2, labelcolor=INK)
            else:
                panel.set_xlabel("training step")
        return [*self._labels, *self._margins, *self._cursors, *(line for lines in self._curves for line in lines)]

    def draw(self, data: InsideData) -> None:
        """Show the step's maps and move the cursors."""
        for place in range(len(HEADS)):
            self._labels[place].set_data(data.labels[place])
            self._margins[place].set_data(data.margin[place])
            for lines, values in zip(self._curves, (data.weight, data.gradient), strict=True):
                lines[place].set_data(AFTER, values[place])
        for cursor in self._cursors:
            cursor.set_xdata([data.step, data.step])

    def describe(self, data: InsideData) -> str:
        """Say how much of the objects each head has right, how sure it is, and the sizes."""
        when = AFTER.index(data.step)
        parts = [
            f"{head}: {number(100 * float(right), 2)} % of the objects' pixels right, mean margin "
            f"{number(float(margin.mean()), 2)}, a weight {number(float(weight[when]), 2)}, its gradient "
            f"{number(float(gradient[when]), 2)}"
            for head, right, margin, weight, gradient in zip(
                HEADS, data.right, data.margin, data.weight, data.gradient, strict=True
            )
        ]
        return f"After step {data.step} at learning rate {number(data.rate)}, {data.before}. {'. '.join(parts)}."

    def invariants(self, data: InsideData) -> dict[str, bool]:
        """Check ranges."""
        return {
            "labels are classes": bool((data.labels < len(COLLAGE_CLASSES)).all()),
            "margins are positive": bool((data.margin >= 0).all()),
            "sizes are positive": bool((data.weight > 0).all() and (data.gradient > 0).all()),
            "shares are shares": bool(((data.right >= 0) & (data.right <= 1)).all()),
        }
