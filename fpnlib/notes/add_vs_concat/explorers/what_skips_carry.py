"""What each map carries: test scores of pyramids that add and that concatenate, whole and with one map cut."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from fpnlib.claims import Result
from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, GREEN, INK, MUTED, ORANGE
from fpnlib.notes.add_vs_concat.experiments.skips import COURSES, KINDS, LEVELS

SCORES = {"mIoU": "miou", "boundary IoU": "boundary_iou"}
KIND_NAMES = {"add": "add, same width", "wide": "add, same parameters", "concat": "concat"}
_COLOURS = {"add": BLUE, "wide": GREEN, "concat": ORANGE}
_BAR = 0.26
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
    def chosen(self) -> np.ndarray:
        """The chosen kind's score in the chosen course."""
        return self.scores[KINDS.index(self.kind), list(COURSES).index(self.course)]


@functools.cache
def stored() -> dict[str, np.ndarray]:
    """Each score (kinds, courses, 3) by name, `alone_…` (3,), and under "lost" what a cut costs (kinds, courses, maps,
    3)."""
    result = Result.load("AC-10")

    def three(name: str) -> list[float]:
        return [result.number(f"{name}{end}") for end in ("", "_low", "_high")]

    names = [[f"{kind}_{course}" for course in COURSES] for kind in KINDS]
    found: dict[str, list[Any]] = {
        "lost": [[[three(f"cut{stride}_{name}") for stride in LEVELS] for name in row] for row in names]
    }
    for score in SCORES.values():
        found[score] = [[three(f"{score}_{name}") for name in row] for row in names]
    every = {name: np.array(values) for name, values in found.items()}
    return every | {f"alone_{score}": np.array(three(f"{score}_alone_much")) for score in SCORES.values()}


class SkipExplorer(Explorer[SkipData]):
    """Scores of three kinds against data and steps, and bars for what each loses when one map is cut."""

    title = "Test scores of pyramids that add or concatenate, and what is lost when one of their maps is cut"
    size = (1000, 400)

    def __init__(self) -> None:
        stored()
        super().__init__()

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
            scores=stored()[SCORES[score]],
            alone=stored()[f"alone_{SCORES[score]}"],
            lost=stored()["lost"][:, list(COURSES).index(course)],
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out curves and bars."""
        curves, bars = figure.subplots(1, 2, width_ratios=[1.15, 1])
        self._lines, self._intervals = {}, {}
        for kind in KINDS:
            (self._lines[kind],) = curves.plot([], [], color=_COLOURS[kind], marker="o", ms=5, label=KIND_NAMES[kind])
            self._intervals[kind] = curves.add_collection(LineCollection([], colors=_COLOURS[kind], lw=5, alpha=0.35))
        (self._alone,) = curves.plot([], [], "_", ms=22, mew=2.5, color=MUTED, label="the finest map alone")
        curves.set(title=" ", ylabel="score", xlim=(-0.3, len(COURSES) - 0.7), ylim=(0, 1))
        self._title = curves.text(0, 1.02, "", fontsize=11, transform=curves.transAxes)
        curves.set_xticks(
            range(len(COURSES)), [f"{scenes} scenes\n{steps} steps" for scenes, steps in COURSES.values()]
        )
        curves.legend(loc="upper left")
        self._mark = curves.axvline(0, color=MUTED, ls="--", lw=1, zorder=0)
        (self._point,) = curves.plot([], [], "o", ms=12, mfc="none", mec=INK, mew=2)
        lost = stored()["lost"]
        bars.set(title="mIoU lost without one of the maps")
        bars.set(xlim=(-0.5, len(LEVELS) - 0.5), ylim=(1.1 * min(lost.min(), -0.005), 1.08 * lost.max()))
        bars.set_xticks(range(len(LEVELS)), [f"stride {stride}\n" for stride in LEVELS])
        bars.axhline(0, color=MUTED, lw=0.8)
        self._bars = {
            kind: bars.add_collection(PolyCollection([], facecolors=_COLOURS[kind], edgecolors="none"))
            for kind in KINDS
        }
        self._whiskers = bars.add_collection(LineCollection([], colors=INK, lw=1.5))
        return [
            *(self._title, self._mark, *self._lines.values(), *self._intervals.values(), self._alone, self._point),
            *(*self._bars.values(), self._whiskers),
        ]

    def draw(self, data: SkipData) -> None:
        """Move curves and bars."""
        self._title.set_text(f"{data.score} on test scenes, mean of 16 seeds")
        places = np.arange(len(COURSES))
        for aside, kind, scores in zip(_ASIDE, KINDS, data.scores, strict=True):
            self._lines[kind].set_data(places + aside, scores[:, 0])
            self._intervals[kind].set_segments(
                [[(x, low), (x, high)] for x, (_, low, high) in zip(places + aside, scores, strict=True)]
            )
        self._alone.set_data([list(COURSES).index("much")], data.alone[:1])
        at = list(COURSES).index(data.course)
        self._mark.set_xdata([at, at])
        self._point.set_data([at + _ASIDE[KINDS.index(data.kind)]], [data.chosen[0]])
        whiskers = []
        for place, (kind, lost) in enumerate(zip(KINDS, data.lost, strict=True)):
            middles = np.arange(len(LEVELS)) + _BAR * (place - 1)
            half = 0.45 * _BAR
            self._bars[kind].set_verts(
                [
                    [(x - half, 0), (x - half, mean), (x + half, mean), (x + half, 0)]
                    for x, mean in zip(middles, lost[:, 0], strict=True)
                ]
            )
            whiskers += [[(x, low), (x, high)] for x, (_, low, high) in zip(middles, lost, strict=True)]
        self._whiskers.set_segments(whiskers)

    def describe(self, data: SkipData) -> str:
        """Say the score and what each map is worth to it."""
        at = list(COURSES).index(data.course)
        others = ", ".join(
            f"{KIND_NAMES[kind]} {number(float(data.scores[i, at, 0]))}"
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
            f"{number(low)} to {number(high)}); {others}.\nmIoU lost without one of the maps: {parts}."
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
