"""Rarer positives, same scores."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, counted, number
from fpnlib.explore.style import BLUE, FAINT, MUTED
from fpnlib.metrics import roc_auc
from fpnlib.metrics.arrays import ArrayLike
from fpnlib.notes.precision_recall.experiments.class_ratio import precision_at_ratio
from fpnlib.notes.precision_recall.explorers.scored import UNIT, Scored


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


class PrevalenceExplorer(Explorer[PrevalenceData]):
    """Histograms weighted by class ratio, the PR curve that sinks, the ROC curve that stays."""

    title = "Score histograms, precision-recall curve and ROC curve at one class ratio"
    size = (1000, 400)

    def __init__(self, scores: ArrayLike, targets: ArrayLike) -> None:
        self._scored = Scored(scores, targets)
        self._auc = roc_auc(scores, targets)
        self._bins, self._positive, self._negative = self._scored.histograms(40)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the class ratio, at first that of the data, and the threshold."""
        return {"ratio": self._scored.ratio_slider(), "threshold": self._scored.slider()}

    def compute(self, ratio: int, threshold: float) -> PrevalenceData:
        """Weight the negatives so that there are `ratio` of them per positive."""
        fpr, recall = self._scored.rates(threshold)
        curve = precision_at_ratio(self._scored.recall, self._scored.fpr, ratio)
        return PrevalenceData(
            ratio=ratio,
            threshold=threshold,
            recall=recall,
            false_positive_rate=fpr,
            precision=recall / (recall + ratio * fpr),
            average_precision=float(np.sum(np.diff(self._scored.recall) * curve[1:])),
            curve=curve,
            positive_share=self._positive / (1 + ratio),
            negative_share=self._negative * (ratio / (1 + ratio)),
        )

    def build(self, figure: Figure) -> None:
        """Lay out three panels."""
        crowd, pr, roc = (self.panel(axes) for axes in figure.subplots(1, 3))
        crowd.axes.set(title="The crowd", ylabel="share of all examples")
        self._scored.show_crowd(
            crowd,
            self._bins,
            lambda data: (data.positive_share, self._bins),
            lambda data: (data.negative_share, self._bins),
            max(self._negative.max(), self._positive.max() / 2),
        )
        pr.axes.set(title="Precision and recall", xlabel="recall", ylabel="precision", **UNIT)
        even = precision_at_ratio(self._scored.recall, self._scored.fpr, 1)
        pr.line((self._scored.recall, even), color=FAINT, label="1 : 1")
        pr.text("1 : 1", 0.02, 1.015, color=MUTED, fontsize=9, va="bottom")
        pr.line(lambda data: (self._scored.recall, data.curve), color=BLUE)
        pr.text(lambda data: f"1 : {data.ratio}\nAP {number(data.average_precision)}", 0.04, 0.04)
        # Where everything is flagged, precision is the share of the positives.
        pr.dot(lambda data: (1, 1 / (1 + data.ratio)), ms=7, grab={"ratio": lambda ratio: (1, 1 / (1 + ratio))})
        pr.dot(lambda data: (data.recall, data.precision), grab={"threshold": self._on_curve})
        roc.axes.set_title("ROC")
        self._scored.show_roc(roc)
        roc.text(f"area {number(self._auc)}", 0.96, 0.04, ha="right")

    def _on_curve(self, threshold: float, data: PrevalenceData) -> tuple[float, float]:
        """Return recall and precision at the present ratio."""
        fpr, recall = self._scored.rates(threshold)
        return recall, recall / (recall + data.ratio * fpr)

    def describe(self, data: PrevalenceData) -> str:
        """Say the rates at this ratio."""
        return (
            f"One positive for {counted(data.ratio, 'negative')}: precision {number(data.precision)}, "
            f"average precision {number(data.average_precision)}.\n"
            f"Recall {number(data.recall)}, false positive rate "
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
