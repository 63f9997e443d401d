"""Small pyramids that add and that concatenate: their test scores, and what concat gains, as training goes on."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.claims import Result
from fpnlib.explore import Explorer, Panel, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, PURPLE, SKY
from fpnlib.notes.add_vs_concat.experiments.skips import COURSES, KINDS, MARGIN, stored_scores

SCORES = {"mIoU": "miou", "boundary IoU": "boundary_iou"}
KIND_NAMES = {"add": "add, same width", "wide": "add, same parameters", "concat": "concat"}
_COLOURS = {"add": BLUE, "wide": SKY, "concat": PURPLE}
_ASIDE = (-0.06, 0.0, 0.06)  # so that no interval hides another
_MUCH = list(COURSES).index("much")


@dataclasses.dataclass(frozen=True)
class PyramidsData:
    """From the ledger, up to the chosen course; last axis: mean, low, high over seeds."""

    score: str
    course: str
    scores: np.ndarray  # (kinds, courses so far, 3)
    gains: np.ndarray  # (2, courses so far, 3), of concat over the other two kinds
    alone: np.ndarray | None  # (3,): the finest map alone, with much data

    @property
    def at(self) -> int:
        """The chosen course's place among `COURSES`."""
        return list(COURSES).index(self.course)


class PyramidsExplorer(Explorer[PyramidsData]):
    """Scores of three kinds of pyramid, and what concat gains over the two that add, course by course."""

    title = "Test scores of pyramids that add or concatenate, and what concat gains, for more data and longer training"
    size = (1000, 400)

    def make_controls(self) -> dict[str, Widget]:
        """Return the course of training and the score."""
        return {
            "training": slider("training: little data, much, much for twice as long", 1, 1, len(COURSES), 1),
            "score": choice("score", tuple(SCORES)),
        }

    def compute(self, training: int, score: str) -> PyramidsData:
        """Look up the ledger; what comes after the chosen course stays unseen."""
        found, name = stored_scores(), SCORES[score]
        return PyramidsData(
            score=score,
            course=list(COURSES)[training - 1],
            scores=found[name][:, :training],
            gains=found[f"gains_{name}"][:, :training],
            alone=found[f"alone_{name}"] if training > _MUCH else None,
        )

    def build(self, figure: Figure) -> None:
        """Lay out scores and gains."""
        left, right = figure.subplots(1, 2)
        scores = self.panel(left, ylim=(0, 1), title=" ", ylabel="score")
        seeds = f"mean of {len(Result.load('AC-10').seeds)} seeds"
        at_top = {"fontsize": 11, "transform": left.transAxes}
        scores.text(lambda data: f"{data.score} on test scenes, {seeds}", 0, 1.02, **at_top)
        gains = self.panel(right, ylim=(-0.05, 0.11), title="What concat gains over each add", ylabel="score")
        gains.level(0, color=MUTED, lw=1, zorder=0)
        for edge in (-MARGIN, MARGIN):
            gains.level(edge, color=FAINT, lw=1.5, zorder=0)
        gains.text("between these lines: as good", 0.03, -MARGIN - 0.002, va="top", color=MUTED, fontsize=9)
        for panel in (scores, gains):
            panel.columns([f"{scenes} scenes\n{steps} steps" for scenes, steps in COURSES.values()])
            panel.axes.set_xlim(-0.3, len(COURSES) - 0.7)
            by_course = {"training": lambda value: (value - 1, None)}
            panel.upright(lambda data: data.at, color=ORANGE, lw=1.5, zorder=0, grab=by_course)
        for at, (kind, label) in enumerate(KIND_NAMES.items()):
            self._kind(scores, at, label, color=_COLOURS[kind])
        for at, kind in enumerate(KINDS[:-1]):
            self._gain(gains, at, f"over {KIND_NAMES[kind]}", color=_COLOURS[kind])
        names = [name.replace("same ", "same\n") for name in KIND_NAMES.values()]
        scores.names(lambda data: (0.85, 0.7, 0.58), names, [*_COLOURS.values()])
        scores.line(_alone, "_", label="finest map alone", ms=22, mew=2.5, color=INK)
        scores.text(
            lambda data: "" if data.alone is None else "the finest map alone",
            at=lambda data: (_MUCH, 0.0 if data.alone is None else data.alone[0] - 0.07),
            ha="center",
        )

    @staticmethod
    def _kind(scores: Panel, at: int, label: str, **look: str) -> None:
        """A kind's scores so far."""
        scores.means(lambda data: (np.arange(data.at + 1) + _ASIDE[at], data.scores[at]), label=label, **look)

    @staticmethod
    def _gain(gains: Panel, at: int, label: str, **look: str) -> None:
        """What concat gains over a kind so far."""
        gains.means(lambda data: (np.arange(data.at + 1) + 2 * _ASIDE[at] + 0.06, data.gains[at]), label=label, **look)

    def describe(self, data: PyramidsData) -> str:
        """Say the scores of the chosen course, and what concat gains there."""
        scenes, steps = COURSES[data.course]
        found = ", ".join(
            f"{KIND_NAMES[kind]} {number(float(data.scores[at, data.at, 0]))}" for at, kind in enumerate(KINDS)
        )
        gains = "; ".join(
            f"over {KIND_NAMES[kind]} {number(float(mean), 2)} (95 % interval {number(float(low), 2)} to "
            f"{number(float(high), 2)})"
            for kind, (mean, low, high) in zip(KINDS[:-1], data.gains[:, data.at], strict=True)
        )
        alone = "" if data.alone is None else f"; the finest map alone, 400 steps: {number(float(data.alone[0]))}"
        return f"{scenes} scenes, {steps} steps, {data.score}: {found}{alone}.\nConcat gains {gains}."

    def invariants(self, data: PyramidsData) -> dict[str, bool]:
        """Check that scores are scores, that means lie in their intervals, and that gains are differences."""
        every = np.concatenate([data.scores.reshape(-1, 3), data.gains.reshape(-1, 3)])
        means = data.scores[..., 0]
        return {
            "scores lie between 0 and 1": bool(((data.scores >= 0) & (data.scores <= 1)).all()),
            "means lie in their intervals": bool(
                ((every[:, 1] <= every[:, 0] + 1e-12) & (every[:, 0] <= every[:, 2] + 1e-12)).all()
            ),
            "gains are differences": bool(np.allclose(data.gains[..., 0], means[-1] - means[:-1])),
        }


def _alone(data: PyramidsData) -> tuple[list[int], list[float]]:
    """Where the finest map alone stands, once training has come that far."""
    return ([], []) if data.alone is None else ([_MUCH], [float(data.alone[0])])
