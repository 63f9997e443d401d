"""A threshold over scores."""

import dataclasses
import operator
from collections.abc import Callable

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, counted, number, slider, toggle
from fpnlib.explore.style import BLUE, MUTED
from fpnlib.metrics import average_precision, f_score, precision_recall_curve, roc_auc
from fpnlib.metrics.arrays import ArrayLike
from fpnlib.notes.precision_recall.explorers.examples import Examples, tile
from fpnlib.notes.precision_recall.explorers.scored import UNIT, Scored


@dataclasses.dataclass(frozen=True)
class ThresholdData:
    """The counts at one threshold and what follows from them."""

    threshold: float
    tp: int
    fp: int
    fn: int
    tn: int
    precision: float
    recall: float
    false_positive_rate: float
    beta: float
    f: float
    whole: bool


class ThresholdExplorer(Explorer[ThresholdData]):
    """Histograms, confusion matrix, both curves with the moving point, and the formulas with the counts in them."""

    title = "Score histograms, confusion matrix, precision-recall and ROC curves at one threshold"
    size = (1000, 600)

    def __init__(self, scores: ArrayLike, targets: ArrayLike, examples: Examples | None = None) -> None:
        self._scored, self._examples = Scored(scores, targets), examples
        self._curve = precision_recall_curve(scores, targets)
        self._ap = average_precision(scores, targets)
        self._auc = roc_auc(scores, targets)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the threshold in the scores' own unit, β of the F-score, and whether curves go on beyond."""
        return {
            "threshold": self._scored.slider(),
            "beta": slider("β (recall weighs β² times)", 1.0, 0.25, 4.0, 0.25),
            "whole": toggle("show the whole curves", True),
        }

    def compute(self, threshold: float, beta: float, whole: bool) -> ThresholdData:
        """Count at the threshold."""
        tp, fp, fn, tn = self._scored.counts(threshold)
        precision, recall, fpr = tp / (tp + fp), tp / (tp + fn), fp / (fp + tn)
        f = float(f_score(precision, recall, beta))
        return ThresholdData(threshold, tp, fp, fn, tn, precision, recall, fpr, beta, f, whole)

    def _on_curve(self, threshold: float) -> tuple[float, float]:
        """Return recall and precision."""
        tp, fp, fn, _ = self._scored.counts(threshold)
        return tp / (tp + fn), tp / (tp + fp)

    def build(self, figure: Figure) -> None:
        """Lay out five panels."""
        axes = figure.subplot_mosaic(
            [["hist", "hist", "hist", "table", "table"], ["pr", "pr", "roc", "roc", "formulas"]],
            width_ratios=[1, 1, 1, 1, 1.8],
            height_ratios=[1, 1.25],
        )
        bins, positive, negative = self._scored.histograms(60)
        crowd = self.panel(axes["hist"], title="Who gets which score", ylabel="share of its class")
        self._scored.show_crowd(crowd, bins, (positive, bins), (negative, bins), max(positive.max(), negative.max()))

        table = self.panel(axes["table"], title="Confusion matrix", xlim=(-0.5, 1.5), ylim=(1.5, -0.5))
        table.axes.set_xticks([0, 1], ["said positive", "said negative"])
        table.axes.set_yticks([0, 1], ["positive", "negative"], rotation=90, va="center")
        table.axes.tick_params(length=0)
        for place, (name, pair) in enumerate({"TP": "fn", "FN": "tp", "FP": "tn", "TN": "fp"}.items()):
            tile(table, place % 2, place // 2, name, pair, self._examples)

        curve = self.panel(axes["pr"], title="Precision and recall", xlabel="recall", ylabel="precision", **UNIT)
        points = self._curve.recall.numpy(), self._curve.precision.numpy()
        curve.line(lambda data: _trail(data, *points), color=BLUE, drawstyle="steps-pre")
        curve.text(lambda data: f"AP {number(self._ap)}" if data.whole else "", 0.04, 0.04)
        curve.dot(lambda data: (data.recall, data.precision), grab={"threshold": self._on_curve})
        roc = self.panel(axes["roc"], title="ROC")
        self._scored.show_roc(roc, lambda data: _trail(data, self._scored.recall, self._scored.fpr)[::-1])
        roc.text(lambda data: f"area {number(self._auc)}" if data.whole else "", 0.96, 0.04, ha="right")

        words = self.panel(axes["formulas"], title="The same in numbers")
        words.formulas(
            [
                ("precision = TP / (TP + FP)", _share("tp", "fp", "precision")),
                ("recall = TP / (TP + FN)", _share("tp", "fn", "recall")),
                ("false positive rate = FP / (FP + TN)", _share("fp", "tn", "false_positive_rate")),
                ("F = (1 + β²) P R / (β² P + R)", lambda data: f"{number(data.f)}   (β = {number(data.beta)})"),
            ],
            fontsize=9.5,
        )
        words.text("flagged: score ≥ threshold", 0, 0.02, color=MUTED, fontsize=9)

    def describe(self, data: ThresholdData) -> str:
        """Say the counts and the three rates; of the whole curves their areas."""
        areas = f"\nAverage precision {number(self._ap)}, area under ROC {number(self._auc)}." if data.whole else ""
        return (
            f"At threshold {number(data.threshold)}, {counted(data.tp + data.fp, 'example')} flagged: {data.tp} "
            f"rightly, {data.fp} wrongly; {counted(data.fn, 'positive')} missed.\n"
            f"Precision {number(data.precision)}, recall {number(data.recall)}, false positive rate "
            f"{number(data.false_positive_rate)}, F {number(data.f)}.{areas}"
        )

    def invariants(self, data: ThresholdData) -> dict[str, bool]:
        """Check the counts against the whole and the point against the curve."""
        on_curve = np.isclose(self._curve.recall, data.recall) & np.isclose(self._curve.precision, data.precision)
        return {
            "every example is counted once": data.tp + data.fp + data.fn + data.tn == self._scored.size,
            "rates lie between 0 and 1": all(0 <= one <= 1 for one in (data.precision, data.recall, data.f)),
            "the point lies on the curve": bool(on_curve.any()),
        }


def _trail(data: ThresholdData, recall: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A curve, or what of it belongs to thresholds as high as the present one."""
    shown = recall <= (1 if data.whole else data.recall + 1e-12)
    return recall[shown], other[shown]


def _share(part: str, rest: str, share: str) -> Callable[[ThresholdData], str]:
    counts = operator.attrgetter(part, rest, share)
    return lambda data: "{0} / ({0} + {1}) = {2}".format(*counts(data)[:2], number(counts(data)[2]))
