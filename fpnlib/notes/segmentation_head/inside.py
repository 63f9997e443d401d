"""Two heads on one scene while they learn: labels, margins of the logits, and the last layer's weights."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fpnlib.data.scenes import SCENE_CLASSES
from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PURPLE, RED, SKY
from fpnlib.notes.segmentation_head.claims import RATES
from fpnlib.notes.segmentation_head.snapshots import HEADS, MARGIN, NETS, STEPS, stored, validation_scene

_COLOURS = ListedColormap(["#F2F2F2", RED, BLUE, GREEN, SKY, ORANGE, PURPLE])
_LINES = {HEADS[0]: (ORANGE, "-"), HEADS[1]: (BLUE, "--")}


@dataclasses.dataclass(frozen=True)
class InsideData:
    """Both heads at one step; the first axis of arrays is the head."""

    rate: float
    step: int
    labels: np.ndarray  # (2, h, w)
    margin: np.ndarray  # (2, h, w) how far the best logit lies above the next
    right: np.ndarray  # (2,) share of the objects' pixels that are right
    weight: np.ndarray  # (2, steps) length of the last layer's weights
    gradient: np.ndarray  # (2, steps) and of their gradient


class InsideExplorer(Explorer[InsideData]):
    """The scene and its labels, for each head its labels and margins, and two norms over training."""

    title = "A scene, what two heads make of it with their margins, and the norms of their last layer over training"
    size = (1000, 430)

    def make_controls(self) -> dict[str, Widget]:
        """Return the learning rate, the net of the pair, and the moment."""
        return {
            "rate": choice("learning rate", RATES, RATES[1]),
            "net": choice("net", tuple(range(NETS))),
            "snapshot": slider(f"snapshot, one every {STEPS[1]} training steps", len(STEPS) - 1, 0, len(STEPS) - 1, 1),
        }

    def compute(self, rate: float, net: int, snapshot: int) -> InsideData:
        """Look up what was stored."""
        at = RATES.index(rate)
        found = [stored()[head] for head in HEADS]
        labels = np.stack([one["labels"][at, net, snapshot].numpy() for one in found])
        truth = validation_scene()[1].numpy()
        return InsideData(
            rate=rate,
            step=STEPS[snapshot],
            labels=labels,
            margin=np.stack([one["margin"][at, net, snapshot].numpy() for one in found]) * (MARGIN / 255),
            right=(labels == truth)[:, truth > 0].mean(1),
            weight=np.stack([one["weight"][at, net].numpy() for one in found]),
            gradient=np.stack([one["gradient"][at, net].numpy() for one in found]),
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the scene, two rows of maps and two charts."""
        grid = figure.add_gridspec(2, 4, width_ratios=[1, 1, 1, 1.5])
        image, truth = validation_scene()
        scene, wanted = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
        scene.imshow(image[0].permute(1, 2, 0).numpy())
        scene.set_title("a scene not trained on")
        wanted.imshow(truth.numpy(), cmap=_COLOURS, vmin=-0.5, vmax=len(SCENE_CLASSES) - 0.5)
        wanted.set_title("its true labels")
        shape = truth.shape
        self._labels, self._margins = [], []
        maps = []
        for row, head in enumerate(HEADS):
            labels, margin = figure.add_subplot(grid[row, 1]), figure.add_subplot(grid[row, 2])
            self._labels.append(labels.imshow(np.zeros(shape), cmap=_COLOURS, vmin=-0.5, vmax=len(SCENE_CLASSES) - 0.5))
            self._margins.append(margin.imshow(np.zeros(shape), cmap="cividis", vmin=0, vmax=MARGIN))
            labels.set_title(f"labels of {head}")
            margin.set_title("margin, bright: sure")
            maps += [labels, margin]
        for panel in (scene, wanted, *maps):
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
        classes = [Patch(color=_COLOURS(place), label=name) for place, name in enumerate(SCENE_CLASSES)]
        figure.legend(handles=classes, loc="lower left", ncols=len(classes), columnspacing=1.2, labelcolor=INK)
        self._curves, self._cursors = [], []
        for row, name in enumerate(("weight", "gradient")):
            panel = figure.add_subplot(grid[row, 3])
            low, high = self._range(name)
            panel.set_xlim(-5, STEPS[-1] + 5)
            if name == "gradient":
                panel.set(yscale="log", ylim=(low / 1.4, high * 1.4))
            else:
                panel.set_ylim(0, high * 1.05)
            panel.set_title(f"last layer: norm of its {name}{'s' if name == 'weight' else ''}")
            panel.grid(color=FAINT, lw=0.6)
            panel.tick_params(labelsize=8, which="both")
            self._cursors.append(panel.axvline(0, color=MUTED, lw=1.5))
            lines = [panel.plot([], [], ls=ls, color=c, marker="o", ms=3)[0] for c, ls in _LINES.values()]
            self._curves.append(lines)
            if row == 0:
                panel.set_xticklabels([])
                for line, head in zip(lines, HEADS, strict=True):
                    line.set_label(head)
                panel.legend(loc="lower right", labelcolor=INK)
            else:
                panel.set_xlabel("training step")
        return [*self._labels, *self._margins, *self._cursors, *(line for lines in self._curves for line in lines)]

    def _range(self, name: str) -> tuple[float, float]:
        values = np.concatenate([stored()[head][name].numpy().ravel() for head in HEADS])
        return float(values.min()), float(values.max())

    def draw(self, data: InsideData) -> None:
        """Show the step's maps and move the cursors."""
        for place in range(len(HEADS)):
            self._labels[place].set_data(data.labels[place])
            self._margins[place].set_data(data.margin[place])
            for lines, values in zip(self._curves, (data.weight, data.gradient), strict=True):
                lines[place].set_data(STEPS, values[place])
        for cursor in self._cursors:
            cursor.set_xdata([data.step, data.step])

    def describe(self, data: InsideData) -> str:
        """Say how much of the objects each head has right, how sure it is, and the norms."""
        when = STEPS.index(data.step)
        parts = [
            f"{head}: {number(100 * float(right), 2)} % of the objects' pixels right, mean margin "
            f"{number(float(margin.mean()), 2)}, weights {number(float(weight[when]), 2)}, gradient "
            f"{number(float(gradient[when]), 2)}"
            for head, right, margin, weight, gradient in zip(
                HEADS, data.right, data.margin, data.weight, data.gradient, strict=True
            )
        ]
        return f"Step {data.step} at learning rate {number(data.rate)}. {'. '.join(parts)}."

    def invariants(self, data: InsideData) -> dict[str, bool]:
        """Check ranges."""
        return {
            "labels are classes": bool((data.labels < len(SCENE_CLASSES)).all()),
            "margins are in range": bool((data.margin >= 0).all() and (data.margin <= MARGIN).all()),
            "norms are positive": bool((data.weight > 0).all() and (data.gradient > 0).all()),
            "shares are shares": bool(((data.right >= 0) & (data.right <= 1)).all()),
        }
