"""What each skip carries: test scores of U-Net and DenseNet, concatenating or adding, whole and with one map cut."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from fpnlib.claims import Result
from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, GREEN, INK, MUTED, ORANGE
from fpnlib.notes.add_vs_concat.skips import COURSES, KINDS, LEVELS

AMOUNTS = {"little": "16 scenes", "much": "512 scenes", "longer": "512 scenes, twice as long"}
KIND_NAMES = {"add": "add, same width", "wide": "add, same parameters", "concat": "concat"}
_COLOURS = {"add": BLUE, "wide": GREEN, "concat": ORANGE}
_BAR = 0.26


@dataclasses.dataclass(frozen=True)
class SkipData:
    """Scores and costs of one net from the ledger; last axis: mean, low, high over seeds."""

    size: int
    kind: str
    scores: np.ndarray  # (kinds, sizes, 3)
    lost: np.ndarray  # (kinds, cuts, 3), at the chosen size

    @property
    def score(self) -> np.ndarray:
        """The chosen kind's score at the chosen size."""
        return self.scores[KINDS.index(self.kind), SIZES[self.net].index(self.size)]


def cut_names(net: str) -> list[str]:
    """Name the maps that can be cut, in their order."""
    if net == "densenet":
        return [f"layer {i + 1}" for i in range(skip_count(net))]
    return [*(f"skip at 1/{2**level}" for level in range(skip_count(net) - 1)), "the way round"]


@functools.cache
def stored_scores(net: str) -> tuple[np.ndarray, np.ndarray]:
    """Scores (kinds, sizes, 3) and what cutting costs (kinds, sizes, cuts, 3)."""
    stored = Result.load("AC-10")

    def three(name: str) -> list[float]:
        return [stored.number(f"{name}{end}") for end in ("", "_low", "_high")]

    names = [[f"{net}_{kind}_{size}" for size in SIZES[net]] for kind in KINDS]
    scores = np.array([[three(name) for name in row] for row in names])
    cuts = range(skip_count(net))
    return scores, np.array([[[three(f"{name}_cut{cut}") for cut in cuts] for name in row] for row in names])


class SkipExplorer(Explorer[SkipData]):
    """Learning curves of three kinds, and bars for what each loses when one map no longer tells images apart."""

    title = "Test scores against the number of examples, and what is lost when one skip is cut, for concat and add"
    size = (1000, 400)

    def __init__(self) -> None:
        for net in NETS:
            stored_scores(net)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the net, the amount of data, and the kind to read out."""
        return {
            "net": choice("net", tuple(NET_NAMES)),
            "data": slider("data: little, some, much", len(AMOUNTS), 1, len(AMOUNTS), 1),
            "kind": choice("read out", tuple(KIND_NAMES.values())),
        }

    def compute(self, net: str, data: int, kind: str) -> SkipData:
        """Look up the ledger."""
        which = NET_NAMES[net]
        scores, lost = stored_scores(which)
        amount = data - 1
        return SkipData(
            net=which,
            size=SIZES[which][amount],
            kind=next(name for name, shown in KIND_NAMES.items() if shown == kind),
            scores=scores,
            lost=lost[:, amount],
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out curves and bars."""
        curves, bars = figure.subplots(1, 2, width_ratios=[1, 1.6])
        self._lines, self._intervals = {}, {}
        for kind in KINDS:
            (self._lines[kind],) = curves.plot([], [], color=_COLOURS[kind], marker="o", ms=5, label=KIND_NAMES[kind])
            self._intervals[kind] = curves.add_collection(LineCollection([], colors=_COLOURS[kind], lw=5, alpha=0.35))
        curves.set(title="Test score, 8 seeds", ylabel="IoU of objects, or accuracy", ylim=(0, 1), xlim=(-0.3, 2.3))
        curves.set_xticks(range(3), AMOUNTS)
        curves.set_xlabel("training data")
        curves.legend(loc="lower right")
        self._mark = curves.axvline(0, color=MUTED, ls="--", lw=1, zorder=0)
        (self._point,) = curves.plot([], [], "o", ms=12, mfc="none", mec=INK, mew=2)
        lost = np.concatenate([stored_scores(net)[1].ravel() for net in NETS])
        bars.set(title="What is lost when one map no longer tells images apart", ylabel="score lost")
        bars.set(
            xlim=(-0.5, _MOST_CUTS - 0.5), ylim=(1.1 * min(lost.min(), -0.01), 1.08 * lost.max()), xticks=[], xlabel=" "
        )
        bars.axhline(0, color=MUTED, lw=0.8)
        self._bars = {
            kind: bars.add_collection(PolyCollection([], facecolors=_COLOURS[kind], edgecolors="none"))
            for kind in KINDS
        }
        self._whiskers = bars.add_collection(LineCollection([], colors=INK, lw=1.5))
        below = bars.get_xaxis_transform()
        self._names = [
            bars.text(0, -0.03, "", ha="center", va="top", fontsize=9, transform=below) for _ in range(_MOST_CUTS)
        ]
        return [
            *(self._mark, *self._lines.values(), *self._intervals.values(), self._point),
            *(*self._bars.values(), self._whiskers, *self._names),
        ]

    def draw(self, data: SkipData) -> None:
        """Move curves and bars."""
        places = range(len(SIZES[data.net]))
        for kind, scores in zip(KINDS, data.scores, strict=True):
            self._lines[kind].set_data(places, scores[:, 0])
            self._intervals[kind].set_segments([[(x, low), (x, high)] for x, (_, low, high) in enumerate(scores)])
        at = SIZES[data.net].index(data.size)
        self._mark.set_xdata([at, at])
        self._point.set_data([at], [data.score[0]])
        cuts = data.lost.shape[1]
        wide = _MOST_CUTS / cuts  # few maps get more room
        whiskers = []
        for place, (kind, lost) in enumerate(zip(KINDS, data.lost, strict=True)):
            boxes = []
            for cut, (mean, low, high) in enumerate(lost):
                x = wide * (cut + 0.5) - 0.5 + wide * _BAR * (place - 1)
                half = wide * _BAR / 2 * 0.9
                boxes.append([(x - half, 0), (x - half, mean), (x + half, mean), (x + half, 0)])
                whiskers.append([(x, low), (x, high)])
            self._bars[kind].set_verts(boxes)
        self._whiskers.set_segments(whiskers)
        for cut, text in enumerate(self._names):
            text.set_visible(cut < cuts)
            text.set_text(cut_names(data.net)[cut] if cut < cuts else "")
            text.set_x(wide * (cut + 0.5) - 0.5)

    def describe(self, data: SkipData) -> str:
        """Say the score and what each map is worth to it."""
        what = "IoU of objects" if data.net == "unet" else "accuracy"
        lost = data.lost[KINDS.index(data.kind)]
        parts = ", ".join(
            f"{name} {number(mean, 2)}" for name, (mean, _, _) in zip(cut_names(data.net), lost, strict=True)
        )
        others = ", ".join(
            f"{KIND_NAMES[kind]} {number(float(data.scores[i, SIZES[data.net].index(data.size), 0]))}"
            for i, kind in enumerate(KINDS)
            if kind != data.kind
        )
        mean, low, high = (float(value) for value in data.score)
        return (
            f"{'U-Net' if data.net == 'unet' else 'DenseNet'}, {KIND_NAMES[data.kind]}, {data.size} examples: {what} "
            f"{number(mean)} (95 % interval {number(low)} to {number(high)}); {others}.\nLost when one map is cut: "
            f"{parts}."
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
