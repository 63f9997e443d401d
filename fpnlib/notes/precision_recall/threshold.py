"""A threshold over scores."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fpnlib.explore import Explorer, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.metrics import average_precision, f_score, precision_recall_curve, roc_auc, roc_curve
from fpnlib.metrics.arrays import ArrayLike
from fpnlib.notes.precision_recall.scored import Scored


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


class ThresholdExplorer(Explorer[ThresholdData]):
    """Histograms, confusion matrix, both curves with the moving point, and the formulas with the counts in them."""

    title = "Score histograms, confusion matrix, precision-recall and ROC curves at one threshold"
    size = (1000, 600)

    def __init__(self, scores: ArrayLike, targets: ArrayLike) -> None:
        self._scored = Scored(scores, targets)
        self._curve = precision_recall_curve(scores, targets)
        self._roc = roc_curve(scores, targets)
        self._ap = average_precision(scores, targets)
        self._auc = roc_auc(scores, targets)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the threshold in the scores' own unit, and β of the F-score."""
        low, high, middle, step = self._scored.scale()
        return {
            "threshold": slider("threshold", middle, low, high, step),
            "beta": slider("β (recall weighs β² times)", 1.0, 0.25, 4.0, 0.25),
        }

    def compute(self, threshold: float, beta: float) -> ThresholdData:
        """Count at the threshold."""
        tp, fp, fn, tn = self._scored.counts(threshold)
        precision, recall, false_positive_rate = self._rates(threshold)
        f = float(f_score(precision, recall, beta))
        return ThresholdData(threshold, tp, fp, fn, tn, precision, recall, false_positive_rate, beta, f)

    def _rates(self, threshold: float) -> tuple[float, float, float]:
        """Return precision, recall and false positive rate."""
        tp, fp, fn, tn = self._scored.counts(threshold)
        return tp / (tp + fp), tp / (tp + fn), fp / (fp + tn)

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out five panels."""
        panels = figure.subplot_mosaic(
            [["hist", "hist", "hist", "table", "table"], ["pr", "pr", "roc", "roc", "formulas"]],
            width_ratios=[1, 1, 1, 1, 1.8],
            height_ratios=[1, 1.25],
        )
        low, high, _, _ = self._scored.scale()
        panel = panels["hist"]
        bins = self._scored.bins(60)
        for values, colour, label in (
            (self._scored.negatives, BLUE, f"negative ({len(self._scored.negatives)})"),
            (self._scored.positives, ORANGE, f"positive ({len(self._scored.positives)})"),
        ):
            share = np.histogram(values, bins)[0] / len(values)
            panel.stairs(share, bins, fill=True, color=colour, alpha=0.65, label=label)
        panel.set(title="Who gets which score", xlabel="score", ylabel="share of its class", xlim=(low, bins[-1]))
        panel.margins(y=0.1)
        panel.legend(loc="upper left")
        self._line = panel.axvline(low, color=INK)
        self._flagged = panel.axvspan(low, high, color=INK, alpha=0.08, lw=0)
        self.grab(panel, threshold=lambda value: (value, None))

        panel = panels["table"]
        panel.set(title="Confusion matrix", xlim=(-0.5, 1.5), ylim=(1.5, -0.5))
        panel.set_xticks([0, 1], ["said positive", "said negative"])
        panel.set_yticks([0, 1], ["positive", "negative"], rotation=90, va="center")
        panel.tick_params(length=0)
        corners = [(x, y) for y in (0, 1) for x in (0, 1)]
        self._tiles = [panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1)) for x, y in corners]
        self._cells = [panel.text(x, y, "", ha="center", va="center", fontsize=13) for x, y in corners]

        points = []
        for key, title, x, y, names in (
            (
                "pr",
                f"Precision and recall: AP {number(self._ap)}",
                self._curve.recall,
                self._curve.precision,
                ("recall", "precision"),
            ),
            ("roc", f"ROC: area {number(self._auc)}", self._roc.fpr, self._roc.tpr, ("false positive rate", "recall")),
        ):
            panel = panels[key]
            panel.plot(x, y, color=BLUE, drawstyle="steps-pre" if key == "pr" else "default")
            panel.set(title=title, xlabel=names[0], ylabel=names[1], xlim=(-0.02, 1.02), ylim=(-0.02, 1.05))
            points += panel.plot([], [], "o", ms=10, color=ORANGE, mec=INK, clip_on=False)
        panels["roc"].plot([0, 1], [0, 1], color=FAINT, lw=1, zorder=0)
        self._point, self._roc_point = points
        self.grab(panels["pr"], threshold=lambda value: self._rates(value)[1::-1])
        self.grab(panels["roc"], threshold=lambda value: self._rates(value)[:0:-1])

        panel = panels["formulas"]
        panel.set_axis_off()
        panel.set_title("The same in numbers")
        # Glyphs are dear to draw, so only the numbers move.
        fixed = (
            "precision = TP / (TP + FP)\n\nrecall = TP / (TP + FN)\n\nfalse positive rate = FP / (FP + TN)\n\n"
            "F = (1 + β²) P R / (β² P + R)"
        )
        place = {"x": 0, "y": 0.97, "va": "top", "fontsize": 9.5, "linespacing": 1.8, "color": INK}
        panel.text(s=fixed, **place)
        self._formulas = panel.text(s="", **place | {"weight": "bold"})
        panel.text(0, 0.02, "flagged: score ≥ threshold", color=MUTED, fontsize=9)
        return [self._line, self._flagged, *self._tiles, *self._cells, *points, self._formulas]

    def draw(self, data: ThresholdData) -> None:
        """Move the line, the points, and the counts."""
        self._line.set_xdata([data.threshold, data.threshold])
        self._flagged.set_x(data.threshold)
        self._flagged.set_width(self._scored.bins(1)[-1] - data.threshold)
        found, alarmed = data.tp + data.fn, data.fp + data.tn
        counts = {"TP": (data.tp, found), "FN": (data.fn, found), "FP": (data.fp, alarmed), "TN": (data.tn, alarmed)}
        for tile, cell, (name, (count, row)) in zip(self._tiles, self._cells, counts.items(), strict=True):
            tile.set_facecolor((INK, 0.45 * count / row))  # the darker, the larger its share of the row
            cell.set_text(f"{name} {count}")
        self._point.set_data([data.recall], [data.precision])
        self._roc_point.set_data([data.false_positive_rate], [data.recall])
        self._formulas.set_text(
            f"\n{data.tp} / ({data.tp} + {data.fp}) = {number(data.precision)}\n\n"
            f"{data.tp} / ({data.tp} + {data.fn}) = {number(data.recall)}\n\n"
            f"{data.fp} / ({data.fp} + {data.tn}) = {number(data.false_positive_rate)}\n\n"
            f"{number(data.f)}   (β = {number(data.beta)})"
        )

    def describe(self, data: ThresholdData) -> str:
        """Say the counts and the three rates."""
        return (
            f"At threshold {number(data.threshold)}, {counted(data.tp + data.fp, 'example')} flagged: {data.tp} "
            f"rightly, {data.fp} wrongly; {counted(data.fn, 'positive')} missed.\n"
            f"Precision {number(data.precision)}, recall {number(data.recall)}, false positive rate "
            f"{number(data.false_positive_rate)}, F {number(data.f)}."
        )

    def invariants(self, data: ThresholdData) -> dict[str, bool]:
        """Check the counts against the whole and the point against the curve."""
        rates: Any = (data.precision, data.recall, data.false_positive_rate, data.f)
        on_curve = np.isclose(self._curve.recall, data.recall) & np.isclose(self._curve.precision, data.precision)
        return {
            "every example is counted once": data.tp + data.fp + data.fn + data.tn == self._scored.size,
            "rates lie between 0 and 1": all(0 <= rate <= 1 for rate in rates),
            "the point lies on the curve": bool(on_curve.any()),
        }
