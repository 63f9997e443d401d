"""One net's labels, drawn at random: each pixel by itself, or all together from a CRF."""

import dataclasses
from collections.abc import Callable

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fpnlib.data.collages import COLLAGE_CLASSES
from fpnlib.explore import Explorer, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK
from fpnlib.notes.segmentation_difficulties.experiments.draws import SWEEPS, differ, drawn, given
from fpnlib.notes.segmentation_difficulties.experiments.post_processing import CRFS
from fpnlib.notes.segmentation_difficulties.experiments.shown import SCENES
from fpnlib.notes.segmentation_difficulties.explorers.colours import class_colours

_TITLES = ("scene", "true labels", "likeliest labels", "drawn one by one", "drawn together")


@dataclasses.dataclass(frozen=True)
class DrawnData:
    """Labels of one scene."""

    scene: int
    weight: float
    sweeps: int
    likeliest: np.ndarray  # (h, w)
    draw: int  # 0: nothing is drawn yet
    moments: np.ndarray  # (1 + SWEEPS, h, w) drawn: before the first sweep, and after each
    differ: np.ndarray  # (1 + SWEEPS,) share of neighbours that differ, 0 if nothing is drawn
    differ_likeliest: float
    differ_true: float
    right: tuple[float, float, float]  # shares of pixels: likeliest, drawn one by one, drawn together


class DrawnExplorer(Explorer[DrawnData]):
    """A scene, the net's likeliest labels, labels drawn twice, and how ragged they are after each sweep."""

    title = "A scene, its likeliest labels, labels drawn pixel by pixel and together, and how many neighbours differ"
    size = (1000, 270)

    def make_controls(self) -> dict[str, Widget]:
        """Return scene, sweeps, the CRF's weight and the number of the draw."""
        return {
            "scene": slider("scene", 4, 1, SCENES, 1),
            "sweeps": slider("sweeps", SWEEPS // 2, 0, SWEEPS, 1),
            "weight": slider("weight of near and alike", CRFS[8].bilateral_weight, 0.0, 10.0, 1.0),
            "draw": slider("draw", 0, 0, 8, 1),
        }

    def compute(self, scene: int, sweeps: int, weight: float, draw: int) -> DrawnData:
        """Draw, with the same chance for every weight; nothing before the first draw, so that a reader may guess."""
        known = given(scene - 1)
        likeliest = known.log_p.argmax(0)
        moments = drawn(scene - 1, weight, draw) if draw else np.repeat(0 * likeliest[None], 1 + SWEEPS, 0)
        of_likeliest, of_truth = map(float, differ(np.stack([likeliest, known.truth])))
        likely, alone, together = (
            float((one == known.truth).mean()) for one in (likeliest, moments[0], moments[sweeps])
        )
        return DrawnData(
            scene,
            weight,
            sweeps,
            likeliest,
            draw,
            moments,
            differ(moments),
            of_likeliest,
            of_truth,
            (likely, alone, together),
        )

    def build(self, figure: Figure) -> None:
        """Lay out five maps and the chart."""
        axes = figure.subplots(1, 6, width_ratios=[1, 1, 1, 1, 1, 1.2])
        panels = [self.panel(one, bare=True, title=title) for one, title in zip(axes, _TITLES, strict=False)]
        panels[0].image(lambda data: given(data.scene - 1).picture)
        maps: tuple[Callable[[DrawnData], np.ndarray], ...] = (
            lambda data: given(data.scene - 1).truth,
            lambda data: data.likeliest,
            lambda data: data.moments[0],
            lambda data: data.moments[data.sweeps],
        )
        for panel, of in zip(panels[1:], maps, strict=True):
            panel.classes(of, COLLAGE_CLASSES, class_colours())
        keys = [Patch(color=class_colours()[place] / 255, label=name) for place, name in enumerate(COLLAGE_CLASSES)]
        key = axes[2].legend(handles=keys, loc="upper center", bbox_to_anchor=(0.5, -0.05), ncols=len(keys), fontsize=9)
        key.set_in_layout(False)
        chart = self.panel(axes[5], xlim=(-0.5, SWEEPS + 0.5), ylim=(0, 33), title="unequal neighbours, %")
        chart.axes.set(xlabel="sweeps", xticks=range(0, SWEEPS + 1, 2))
        chart.axes.grid(color=FAINT, lw=0.6)
        chart.level(lambda data: 100 * data.differ_true, color=INK, lw=1, ls="--")
        chart.text("true", SWEEPS, at=lambda data: (SWEEPS, 100 * data.differ_true - 2), ha="right", fontsize=9)
        chart.line(lambda data: (range(SWEEPS + 1), _percent(data)), "o-", ms=3, color=BLUE)
        chart.dot(lambda data: (data.sweeps, _percent(data)[data.sweeps]), grab={"sweeps": lambda value: (value, None)})

    def describe(self, data: DrawnData) -> str:
        """Say how many neighbours differ in each."""
        likely, apart, tied = (number(100 * share) for share in data.right)
        words = (
            f"Scene {data.scene}. Of all pairs of neighbours {number(100 * data.differ_true, 2)} % differ in the true "
            f"labels and {number(100 * data.differ_likeliest, 2)} % in the likeliest, which are right at {likely} % of "
            "the pixels."
        )
        if not data.draw:
            return f"{words} Nothing is drawn yet."
        alone, together = 100 * data.differ[0], 100 * data.differ[data.sweeps]
        return (
            f"{words} Draw {data.draw}: with each pixel drawn by itself {number(alone, 2)} % differ and {apart} % of "
            f"the pixels are right; after {data.sweeps} sweeps of a CRF of weight {number(data.weight)}, "
            f"{number(together, 2)} % differ and {tied} % are right."
        )

    def invariants(self, data: DrawnData) -> dict[str, bool]:
        """Check that ties make labels smoother, and that each label is one that there is."""
        return {
            "what is drawn apart is more ragged than what is likeliest": bool(
                not data.draw or data.differ[0] >= data.differ_likeliest
            ),
            "ties smooth": bool(not data.draw or data.weight < 2 or data.differ[-1] < data.differ[0]),
            "labels are classes": bool(data.moments.max() < len(COLLAGE_CLASSES)),
        }


def _percent(data: DrawnData) -> np.ndarray:
    """What the chart shows of unequal neighbours: nothing before the first draw."""
    return 100 * data.differ if data.draw else np.full(1 + SWEEPS, np.nan)
