"""A threshold by what errors cost."""

import dataclasses
from typing import Any

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, Panel, counted, number, slider, toggle
from fpnlib.explore.style import BLUE, GREEN, INK, MUTED, ORANGE
from fpnlib.metrics.arrays import ArrayLike
from fpnlib.notes.precision_recall.experiments.costs import best_by_slope, losses
from fpnlib.notes.precision_recall.explorers.scored import Scored

_TOP = 2.0  # of the panel of losses; what is more lies on its edge
_HIDDEN = "  with the best threshold\n  a curve is shown here"
_SLOPES = (0.04, 1200)
_BEST: dict[str, Any] = {"ms": 8, "color": GREEN, "mec": INK, "clip_on": False}


@dataclasses.dataclass(frozen=True)
class OperatingPointData:
    """One threshold and the best one, with their losses, as `costs.losses` has them."""

    threshold: float
    cost: float
    ratio: int
    slope: float  # of a line of equal cost
    false_positive_rate: float
    recall: float
    loss: float
    losses: np.ndarray  # at each point of the ROC curve
    best: int  # which of them
    best_shown: bool


class OperatingPointExplorer(Explorer[OperatingPointData]):
    """The ROC curve with lines of equal cost, the loss over thresholds, and the best threshold for each slope."""

    title = "ROC curve with a line of equal cost, the loss at each threshold, and the best threshold for each slope"
    size = (1000, 400)

    def __init__(self, scores: ArrayLike, targets: ArrayLike) -> None:
        self._scored = Scored(scores, targets)
        self._corners, self._edges = best_by_slope(self._scored.fpr, self._scored.recall)
        self._xs = np.minimum(self._scored.thresholds, self._scored.ends[1])  # infinite where nobody is flagged
        self._points = np.stack([self._scored.fpr, self._scored.recall], 1)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the threshold, what its best place depends on, and whether that place is shown."""
        return {
            "threshold": self._scored.slider(),
            "cost": slider("cost of a miss, in false alarms", 1.0, 0.1, 20.0, 0.1),
            "ratio": self._scored.ratio_slider(),
            "best": toggle("show the best threshold", True),
        }

    def compute(self, threshold: float, cost: float, ratio: int, best: bool) -> OperatingPointData:
        """Weigh misses and false alarms at this threshold and at all others."""
        fpr, recall = self._scored.rates(threshold)
        every = losses(self._scored.fpr, self._scored.recall, cost, ratio)
        return OperatingPointData(
            *(threshold, cost, ratio, ratio / cost),
            false_positive_rate=fpr,
            recall=recall,
            loss=losses(fpr, recall, cost, ratio),
            losses=every,
            best=int(every.argmin()),  # of equals the highest threshold
            best_shown=best,
        )

    def build(self, figure: Figure) -> None:
        """Lay out three panels."""
        roc, loss, slopes = (self.panel(axes) for axes in figure.subplots(1, 3))
        roc.axes.set_title("Above the line it is cheaper")
        roc.areas(lambda data: [_above(data)], color=ORANGE, alpha=0.15)
        roc.line(lambda data: _equal_cost(data, data.false_positive_rate, data.recall), color=ORANGE, lw=1.5)
        roc.line(lambda data: _shown(data, _equal_cost(data, *self._points[data.best])), color=GREEN, lw=1.5)
        roc.line(lambda data: _shown(data, self._points[data.best]), "D", **_BEST)
        self._scored.show_roc(roc)
        roc.text(lambda data: f"slope {number(data.slope)}", 0.97, 0.03, ha="right")

        loss.axes.set(title="Loss (1: answering blind)", xlabel="threshold", xlim=self._scored.ends, ylim=(0, _TOP))
        loss.level(1, color=MUTED, lw=1, ls=":")
        loss.line(lambda data: _shown(data, (self._xs[::-1], data.losses[::-1])), color=BLUE, drawstyle="steps-pre")
        loss.upright(lambda data: data.threshold, color=INK, grab="threshold")
        loss.line(lambda data: _shown(data, (self._xs[data.best], data.losses[data.best])), "D", **_BEST)
        loss.dot(lambda data: (data.threshold, min(data.loss, _TOP)))
        loss.text(_both_losses, self._scored.ends[0], 1.7)
        loss.text(lambda data: "" if data.best_shown else _HIDDEN, self._scored.ends[0], 0.06, color=MUTED)
        self._show_slopes(slopes)

    def _show_slopes(self, panel: Panel) -> None:
        """The best threshold for each slope, in steps; dashed is what log odds would say."""
        panel.axes.set(title="The best for each slope", xscale="log", xlim=_SLOPES, ylim=self._scored.ends)
        panel.axes.set(xlabel="negatives per positive / cost of a miss", ylabel="threshold")
        steps = np.repeat([_SLOPES[1], *self._edges.clip(*_SLOPES), _SLOPES[0]], 2)[1:-1]
        panel.line(lambda data: _shown(data, (steps, np.repeat(self._xs[self._corners], 2))), color=GREEN)
        odds = np.log(np.array(_SLOPES) / self._scored.ratio)
        panel.line(lambda data: _shown(data, (_SLOPES, odds)), color=MUTED, lw=1.5, ls="--")
        panel.text(lambda data: "" if data.best_shown else _HIDDEN, 0.06, self._scored.ends[0] + 1, color=MUTED)
        panel.dot(lambda data: (data.slope, data.threshold), grab={"cost": _by_cost, "threshold": lambda t: (None, t)})

    def describe(self, data: OperatingPointData) -> str:
        """Say both errors at this threshold, and the best one where it is shown."""
        _, false_alarms, missed, _ = self._scored.counts(data.threshold)
        blind = "everybody" if data.ratio < data.cost else "nobody"
        (fpr, recall), best = self._points[data.best], number(self._scored.thresholds[data.best])
        shown = f"The best threshold is {best}: loss {number(data.losses[data.best])}, recall {number(recall)}, "
        return (
            f"A miss costs {number(data.cost)} times a false alarm, {counted(data.ratio, 'negative')} per positive: "
            f"equal cost has slope {number(data.slope)}.\nThreshold {number(data.threshold)} misses "
            f"{counted(missed, 'positive')} and raises {counted(false_alarms, 'false alarm')} here; its loss is "
            f"{number(data.loss)} of that of flagging {blind}.\n"
        ) + (f"{shown}false positive rate {number(fpr)}." if data.best_shown else "The best threshold is hidden.")

    def invariants(self, data: OperatingPointData) -> dict[str, bool]:
        """Check the best against all others, and the line through it against the curve."""
        (fpr, recall), least = self._points[data.best], data.losses[data.best]
        above = self._scored.recall - recall - data.slope * (self._scored.fpr - fpr)
        return {
            "no threshold is better than the best": bool(least <= data.loss + 1e-12),
            "the curve nowhere crosses the best line": bool((above <= 1e-9 * max(1, data.slope)).all()),
            "a corner of the hull is as good": bool(np.isclose(data.losses[self._corners].min(), least)),
        }


def _equal_cost(data: OperatingPointData, fpr: float, recall: float) -> tuple[np.ndarray, np.ndarray]:
    x = np.array([-1.0, 2.0])
    return x, recall + data.slope * (x - fpr)


def _above(data: OperatingPointData) -> np.ndarray:
    x, y = _equal_cost(data, data.false_positive_rate, data.recall)
    return np.stack([[*x, *x[::-1]], [*y, *[max(2.0, y[1])] * 2]], 1)


def _shown(data: OperatingPointData, line: Any) -> Any:
    return line if data.best_shown else ([], [])


def _both_losses(data: OperatingPointData) -> str:
    best = f"\n  best {number(data.losses[data.best])}" if data.best_shown else ""
    return f"  yours {number(data.loss)}{best}"


def _by_cost(cost: float, data: OperatingPointData) -> tuple[float, None]:
    return data.ratio / cost, None
