"""Scores of two classes, sorted once, so that a threshold costs two look-ups."""

import numpy as np

from fpnlib.explore.controls import step_for
from fpnlib.metrics.arrays import ArrayLike, as_floats, as_mask
from fpnlib.validation import require


class Scored:
    """The scores of positives and negatives, each sorted.

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

    def scale(self) -> tuple[float, float, float, float]:
        """Return low, high, middle and step of a slider over the scores; at each stop at least one is flagged."""
        step = step_for(self._high - self._low)
        low = np.floor(self._low / step) * step
        stops = int((self._high - low) / step)
        middle = low + round((np.median(self.positives) - low) / step) * step
        high = min(round(low + stops * step, 10), self._high)  # rounding may carry the last stop past every score
        return float(low), float(high), float(min(middle, high)), step

    def bins(self, number: int) -> np.ndarray:
        """Return edges of `number` bins that hold every score."""
        low, high, _, _ = self.scale()
        return np.linspace(low, max(high, self._high), number + 1)

    def counts(self, threshold: float) -> tuple[int, int, int, int]:
        """Return TP, FP, FN, TN when scores of at least `threshold` are flagged."""
        fn = int(np.searchsorted(self.positives, threshold, side="left"))
        tn = int(np.searchsorted(self.negatives, threshold, side="left"))
        return len(self.positives) - fn, len(self.negatives) - tn, fn, tn
