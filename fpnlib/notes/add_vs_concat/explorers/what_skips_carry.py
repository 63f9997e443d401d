"""What each map carries: test scores of pyramids that add and that concatenate, whole and with one map cut."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.claims import Result
from fpnlib.explore import Explorer, Panel, choice, number, slider
from fpnlib.explore.style import BLUE, INK, MUTED, ORANGE, PURPLE, SKY
from fpnlib.notes.add_vs_concat.experiments.skips import COURSES, KINDS, LEVELS, stored_scores

SCORES = {"mIoU": "miou", "boundary IoU": "boundary_iou"}
KIND_NAMES = {"add": "add, same width", "wide": "add, same parameters", "concat": "concat"}
_COLOURS = {"add": BLUE, "wide": SKY, "concat": PURPLE}
_BARS = np.arange(0.0, len(KINDS))[:, None] * (len(LEVELS) + 1) + np.arange(len(LEVELS))  # where they stand
_ASIDE = (-0.06, 0.0, 0.06)  # so that no interval hides another


@dataclasses.dataclass(frozen=True)
class SkipData:
    """Scores and costs from the ledger; last axis: mean, low, high over seeds."""

    score: str
    course: str
    kind: str
    scores: np.ndarray  # (kinds, courses, 3)
    alone: np.ndarray  # (3,): the finest map alone, with much data
    lost: np.ndarray  # (kinds, maps, 3) of mIoU, in the chosen course

    @property
    def at(self) -> int:
        """The chosen course's place among `COURSES`."""
        return list(COURSES).index(self.course)

    @property
    def chosen(self) -> np.ndarray:
        """The chosen kind's score in the chosen course."""
        return self.scores[KINDS.index(self.kind), self.at]


class SkipExplorer(Explorer[SkipData]):
    """Scores of three kinds against data and steps, and bars for what each loses when one map is cut."""

    title = "Test scores of pyramids that add or concatenate, and what is lost when one of their maps is cut"
    size = (1000, 400)

    def make_controls(self) -> dict[str, Widget]:
        """Return the score, the course of training, and the kind to read out."""
        return {
            "score": choice("score", tuple(SCORES)),
            "training": slider("training: little data, much, much for twice as long", 2, 1, len(COURSES), 1),
            "kind": choice("read out", tuple(KIND_NAMES.values()), KIND_NAMES["concat"]),
        }

    def compute(self, score: str, training: int, kind: str) -> SkipData:
        """Look up the ledger."""
        course = list(COURSES)[training - 1]
        return SkipData(
            score=score,
            course=course,
            kind=next(name for name, shown in KIND_NAMES.items() if shown == kind),
            scores=stored_scores()[SCORES[score]],
            alone=stored_scores()[f"alone_{SCORES[score]}"],
            lost=stored_scores()["lost"][:, list(COURSES).index(course)],
        )

    def build(self, figure: Figure) -> None:
        """Lay out curves and bars."""
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        curves = self.panel(left, ylim=(0, 1), title=" ", ylabel="score")
        curves.columns([f"{scenes} scenes\n{steps} steps" for scenes, steps in COURSES.values()])
        curves.axes.set_xlim(-0.3, len(COURSES) - 0.8)
        seeds = f"mean of {len(Result.load('AC-10').seeds)} seeds"
        title = {"fontsize": 11, "transform": left.transAxes}
        curves.text(lambda data: f"{data.score} on test scenes, {seeds}", 0, 1.02, **title)
        by_course = {"training": lambda value: (value - 1, None)}
        curves.upright(lambda data: data.at, color=ORANGE, lw=1.5, zorder=0, grab=by_course)
        much = list(COURSES).index("much")
        curves.line(lambda data: ([much], data.alone[:1]), "_", ms=22, mew=2.5, color=MUTED, label="finest map alone")
        curves.text("the finest map alone", at=lambda data: (much + 0.1, data.alone[0] - 0.06), color=MUTED)
        curves.dot(
            lambda data: (data.at + _ASIDE[KINDS.index(data.kind)], data.chosen[0]),
            ms=12,
            mfc="none",
            mec=ORANGE,
            mew=2.5,
        )

        lost = stored_scores()["lost"]
        bars = self.panel(right, title="mIoU lost when a trained net's map is cut", ylabel="mIoU lost")
        bars.columns([*map(str, LEVELS), ""] * len(KINDS))
        bars.axes.set(ylim=(1.1 * min(lost.min(), -0.005), 1.2 * lost.max()), xlim=(-0.8, _BARS[-1, -1] + 0.8))
        bars.level(0, color=MUTED, lw=0.8)
        names = [name.replace("same ", "same\n") for name in KIND_NAMES.values()]
        curves.names(lambda data: data.scores[:, -1, 0], names, [*_COLOURS.values()], apart=0.12)
        for at, name in enumerate(names):
            bars.text(name, _BARS[at, 1], 1.19 * lost.max(), ha="center", va="top", color=_COLOURS[KINDS[at]])
            self._kind(curves, bars, at)
        bars.intervals(
            lambda data: (_BARS[KINDS.index(data.kind)], *data.lost[KINDS.index(data.kind)].T[1:]), colors=ORANGE, lw=3
        )
        bars.grab(kind=lambda name: (_BARS[[*KIND_NAMES.values()].index(name), 1], None))

    @staticmethod
    def _kind(curves: Panel, bars: Panel, at: int) -> None:
        """A kind's curve of scores and its bars, with their intervals."""
        colour, label, courses = _COLOURS[KINDS[at]], KIND_NAMES[KINDS[at]], np.arange(len(COURSES))
        curves.means(lambda data: (courses + _ASIDE[at], data.scores[at]), color=colour, label=label)
        bars.areas(
            lambda data: [
                [(x - 0.42, 0), (x - 0.42, mean), (x + 0.42, mean), (x + 0.42, 0)]
                for x, mean in zip(_BARS[at], data.lost[at, :, 0], strict=True)
            ],
            facecolors=colour,
        )
        bars.intervals(lambda data: (_BARS[at], *data.lost[at].T[1:]), colors=INK, lw=1.5)
        bars.line(lambda data: (_BARS[at], data.lost[at, :, 0]), "o", ms=4, color=INK, label=f"{label}, cut at stride")

    def describe(self, data: SkipData) -> str:
        """Say the score and what each map is worth to it."""
        others = ", ".join(
            f"{KIND_NAMES[kind]} {number(float(data.scores[i, data.at, 0]))}"
            for i, kind in enumerate(KINDS)
            if kind != data.kind
        )
        lost = data.lost[KINDS.index(data.kind), :, 0]
        parts = ", ".join(
            f"stride {stride} {number(float(mean), 2)}" for stride, mean in zip(LEVELS, lost, strict=True)
        )
        mean, low, high = (float(value) for value in data.chosen)
        scenes, steps = COURSES[data.course]
        return (
            f"{KIND_NAMES[data.kind]}, {scenes} scenes, {steps} steps: {data.score} {number(mean)} (95 % interval "
            f"{number(low)} to {number(high)}); {others}.\nmIoU lost when one map of the trained net is cut: {parts}."
        )

    def invariants(self, data: SkipData) -> dict[str, bool]:
        """Check that scores are scores and means lie in their intervals."""
        every = np.concatenate([data.scores.reshape(-1, 3), data.lost.reshape(-1, 3)])
        return {
            "scores lie between 0 and 1": bool(((data.scores >= 0) & (data.scores <= 1)).all()),
            "means lie in their intervals": bool(
                ((every[:, 1] <= every[:, 0] + 1e-12) & (every[:, 0] <= every[:, 2] + 1e-12)).all()
            ),
            "nothing lost is more than all": bool((data.lost <= 1).all()),
        }
