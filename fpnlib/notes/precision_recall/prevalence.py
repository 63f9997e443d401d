"""Rarer positives, same scores."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.metrics import roc_auc, roc_curve
from fpnlib.metrics.arrays import ArrayLike
from fpnlib.notes.precision_recall.scored import Scored


@dataclasses.dataclass(frozen=True)
class PrevalenceData:
    """The PR curve at one class ratio, and the point of one threshold on it."""

    ratio: int
    threshold: float
    recall: float
    false_positive_rate: float
    precision: float
    average_precision: float
    curve: np.ndarray
    positive_share: np.ndarray
    negative_share: np.ndarray


def precision_at_ratio(recall: np.ndarray, false_positive_rate: np.ndarray, ratio: float) -> np.ndarray:
    """Return the precision when there are `ratio` negatives per positive, from the two rates that do not depend on it.

    Of one positive and `ratio` negatives, recall + ratio · FPR are flagged, and recall of them rightly. Where nothing
    is flagged the precision is 1, as in scikit-learn's curve.
    """
    flagged = recall + ratio * false_positive_rate
    return np.divide(recall, flagged, out=np.ones_like(flagged), where=flagged > 0)


class PrevalenceExplorer(Explorer[PrevalenceData]):
    """Histograms weighted by class ratio, the PR curve that sinks, the ROC curve that stays."""

    title = "Score histograms, precision-recall curve and ROC curve at one class ratio"
    size = (1000, 400)

    def __init__(self, scores: ArrayLike, targets: ArrayLike) -> None:
        self._scored = Scored(scores, targets)
        roc = roc_curve(scores, targets)
        self._recall, self._fpr = np.asarray(roc.tpr), np.asarray(roc.fpr)
        self._auc = roc_auc(scores, targets)
        self._bins = self._scored.bins(40)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the class ratio, at first that of the data, and the threshold."""
        own = round(len(self._scored.negatives) / len(self._scored.positives))
        low, high, middle, step = self._scored.scale()
        return {
            "ratio": slider("negatives per positive", min(max(own, 1), 100), 1, 100, 1),
            "threshold": slider("threshold", middle, low, high, step),
        }

    def compute(self, ratio: int, threshold: float) -> PrevalenceData:
        """Weight the negatives so that there are `ratio` of them per positive."""
        recall, fpr = self._rates(threshold)
        curve = precision_at_ratio(self._recall, self._fpr, ratio)
        shares = [
            np.histogram(values, self._bins)[0] / len(values) * weight
            for values, weight in (
                (self._scored.positives, 1 / (1 + ratio)),
                (self._scored.negatives, ratio / (1 + ratio)),
            )
        ]
        return PrevalenceData(
            ratio=ratio,
            threshold=threshold,
            recall=recall,
            false_positive_rate=fpr,
            precision=recall / (recall + ratio * fpr),
            average_precision=float(np.sum(np.diff(self._recall) * curve[1:])),
            curve=curve,
            positive_share=shares[0],
            negative_share=shares[1],
        )

    def _rates(self, threshold: float) -> tuple[float, float]:
        """Return recall and false positive rate."""
        tp, fp, fn, tn = self._scored.counts(threshold)
        return tp / (tp + fn), fp / (fp + tn)

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out three panels."""
        hist, pr, roc = figure.subplots(1, 3)
        low, high = self._bins[0], self._bins[-1]
        empty = np.zeros(len(self._bins) - 1)
        self._negative = hist.stairs(empty, self._bins, fill=True, color=BLUE, alpha=0.65, label="negative")
        self._positive = hist.stairs(empty, self._bins, fill=True, color=ORANGE, alpha=0.8, label="positive")
        top = max(self.compute(r, low).negative_share.max() for r in (1, 100))
        top = max(top, self.compute(1, low).positive_share.max())
        hist.set(
            title="The crowd", xlabel="score", ylabel="share of all examples", xlim=(low, high), ylim=(0, 1.08 * top)
        )
        self._line = hist.axvline(low, color=INK)
        self.grab(hist, threshold=lambda value: (value, None))
        hist.legend(loc="upper left")
        even = precision_at_ratio(self._recall, self._fpr, 1)
        pr.plot(self._recall, even, color=FAINT)
        pr.annotate("1 : 1", (0.02, 1.01), color=MUTED, fontsize=9, va="bottom")
        (self._curve,) = pr.plot([], [], color=BLUE)
        (self._point,) = pr.plot([], [], "o", ms=10, color=ORANGE, mec=INK, clip_on=False)
        pr.set(title="Precision sinks", xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.08))
        self._text = pr.text(0.04, 0.04, "", fontsize=9.5, color=INK, linespacing=1.5)
        # Where everything is flagged, precision is the share of the positives.
        self.grab(pr, ratio=lambda value: (1, 1 / (1 + value)))
        self.grab(pr, threshold=lambda value: (self._rates(value)[0], None))
        roc.plot(self._fpr, self._recall, color=BLUE)
        roc.plot([0, 1], [0, 1], color=FAINT, lw=1, zorder=0)
        (self._roc_point,) = roc.plot([], [], "o", ms=10, color=ORANGE, mec=INK, clip_on=False)
        roc.set(
            title="ROC stays", xlabel="false positive rate", ylabel="recall", xlim=(-0.02, 1.02), ylim=(-0.02, 1.08)
        )
        roc.text(0.96, 0.04, f"area {number(self._auc)}", ha="right", fontsize=9.5, color=INK)
        self.grab(roc, threshold=lambda value: self._rates(value)[::-1])
        return [self._negative, self._positive, self._line, self._curve, self._point, self._roc_point, self._text]

    def draw(self, data: PrevalenceData) -> None:
        """Move histograms, curve and points."""
        self._negative.set_data(values=data.negative_share)
        self._positive.set_data(values=data.positive_share)
        self._line.set_xdata([data.threshold, data.threshold])
        self._curve.set_data(self._recall, data.curve)
        self._point.set_data([data.recall], [data.precision])
        self._roc_point.set_data([data.false_positive_rate], [data.recall])
        self._text.set_text(f"1 : {data.ratio}\nAP {number(data.average_precision)}")

    def describe(self, data: PrevalenceData) -> str:
        """Say what sank and what stayed."""
        return (
            f"One positive for {counted(data.ratio, 'negative')}: precision {number(data.precision)}, "
            f"average precision {number(data.average_precision)}.\n"
            f"Unmoved by the ratio: recall {number(data.recall)}, false positive rate "
            f"{number(data.false_positive_rate)}, area under ROC {number(self._auc)}."
        )

    def invariants(self, data: PrevalenceData) -> dict[str, bool]:
        """Check that the crowd is whole and the rates are rates."""
        return {
            "the shares sum to 1": bool(np.isclose(data.positive_share.sum() + data.negative_share.sum(), 1)),
            "precision lies between 0 and 1": 0 <= data.precision <= 1,
            "rarer positives never raise precision": data.precision
            <= data.recall / (data.recall + data.false_positive_rate) + 1e-12,
        }
