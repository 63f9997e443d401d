"""Scores of two classes, sorted once, so that a threshold costs two look-ups; and the two panels that show them."""

from typing import Any

import numpy as np
from ipywidgets import Widget

from fpnlib.explore import Panel, slider
from fpnlib.explore.controls import scale
from fpnlib.explore.style import BLUE, FAINT, INK, ORANGE
from fpnlib.metrics import roc_curve
from fpnlib.metrics.arrays import ArrayLike, as_floats, as_mask
from fpnlib.validation import require

UNIT: dict[str, Any] = {"xlim": (-0.02, 1.02), "ylim": (-0.02, 1.08)}
"""Axes of two rates."""


class Scored:
    """The scores of positives and negatives, each sorted, and the ROC curve that they make.

    Raises:
        ValueError: what the metrics refuse, only one class, or scores that are all the same.
    """

    def __init__(self, scores: ArrayLike, targets: ArrayLike) -> None:
        values, positive = as_floats("scores", scores).astype(float), as_mask("targets", targets)
        require(values.ndim == 1 and values.size > 0, "scores", f"shape {values.shape}", "one dimension, not empty")
        require(values.shape == positive.shape, "targets", f"shape {positive.shape}", f"{values.shape}, as scores")
        require(bool(np.isfinite(values).all()), "scores", "infinite scores", "finite numbers, to draw them")
        self.positives = np.sort(values[positive])
        self.negatives = np.sort(values[~positive])
        self.size = len(values)
        self.ranking = positive[np.argsort(-values, kind="stable")]
        got = f"{len(self.positives)} positives, {len(self.negatives)} negatives"
        require(min(len(self.positives), len(self.negatives)) > 0, "targets", got, "at least one of each")
        self._low, self._high = float(values.min()), float(values.max())
        require(self._low < self._high, "scores", f"only the value {self._low:g}", "at least two different values")
        roc = roc_curve(scores, targets)
        self.fpr, self.recall, self.thresholds = (np.asarray(one) for one in (roc.fpr, roc.tpr, roc.thresholds))
        self.ratio = len(self.negatives) / len(self.positives)

    def slider(self) -> Widget:
        """Return a slider for a threshold, at first the median of the positives; at each stop somebody is flagged."""
        low, high, step = scale(self._low, self._high)
        middle = low + round((np.median(self.positives) - low) / step) * step
        return slider("threshold", float(min(middle, high)), low, high, step)

    @property
    def ends(self) -> tuple[float, float]:
        """Where the slider begins, and the highest score."""
        return scale(self._low, self._high)[0], self._high

    def ratio_slider(self) -> Widget:
        """Return a slider for the negatives per positive, at first those of the data."""
        return slider("negatives per positive", min(max(round(self.ratio), 1), 100), 1, 100, 1)

    def counts(self, threshold: float) -> tuple[int, int, int, int]:
        """Return TP, FP, FN, TN when scores of at least `threshold` are flagged."""
        fn = int(np.searchsorted(self.positives, threshold, side="left"))
        tn = int(np.searchsorted(self.negatives, threshold, side="left"))
        return len(self.positives) - fn, len(self.negatives) - tn, fn, tn

    def rates(self, threshold: float) -> tuple[float, float]:
        """Return false positive rate and recall, as on the ROC curve."""
        tp, fp, fn, tn = self.counts(threshold)
        return fp / (fp + tn), tp / (tp + fn)

    def histograms(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return `number` bins' edges, and the share of the positives and of the negatives in each."""
        bins = np.linspace(*self.ends, number + 1)
        positive, negative = (np.histogram(one, bins)[0] / len(one) for one in (self.positives, self.negatives))
        return bins, positive, negative

    def show_crowd(self, crowd: Panel, bins: np.ndarray, positive: Any, negative: Any, top: float) -> None:
        """Fill a panel with both histograms, as `Panel.steps` takes them, and the threshold.

        `top` is the height of the highest bar there can be.
        """
        crowd.axes.set(xlabel="score", xlim=bins[[0, -1]], ylim=(0, 1.18 * top))
        crowd.steps(negative, color=BLUE, alpha=0.65, label="negative")
        crowd.steps(positive, color=ORANGE, alpha=0.75, label="positive")
        crowd.axes.legend(loc="upper left", ncols=2, handlelength=1, columnspacing=1)
        crowd.box(lambda data: (data.threshold, 0, self._high, 1.18 * top), fill=True, color=INK, alpha=0.08, lw=0)
        crowd.upright(lambda data: data.threshold, color=INK, grab="threshold")

    def show_roc(self, roc: Panel, curve: Any = None) -> None:
        """Fill a panel with the ROC curve, or a `curve` that follows the data, and the threshold's point on it."""
        roc.axes.set(xlabel="false positive rate", ylabel="recall", **UNIT)
        roc.line(([0, 1], [0, 1]), color=FAINT, lw=1, zorder=0)
        roc.line(curve or (self.fpr, self.recall), color=BLUE)
        roc.dot(lambda data: (data.false_positive_rate, data.recall), grab={"threshold": self.rates})
