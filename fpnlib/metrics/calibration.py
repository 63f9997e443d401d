"""Whether probabilities can be taken at their word: what was said against what came, and the Brier score's parts."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from fpnlib.metrics.arrays import ArrayLike, as_floats, as_mask
from fpnlib.validation import require


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """Samples in bins of equal width by their probability; bins that hold none are left out."""

    predicted: Float64[Tensor, " bins"]  # the mean probability
    observed: Float64[Tensor, " bins"]  # the share of positives
    counts: Int64[Tensor, " bins"]

    @property
    def prevalence(self) -> float:
        """Share of positives among all samples."""
        return self._mean(self.observed)

    @property
    def miscalibration(self) -> float:
        """Mean squared gap between what was said and what came; 0 is best. Also called reliability."""
        return self._mean((self.predicted - self.observed) ** 2)

    @property
    def resolution(self) -> float:
        """Variance of what came, between bins: how well the bins part the classes; more is better."""
        return self._mean((self.observed - self.prevalence) ** 2)

    @property
    def uncertainty(self) -> float:
        """Variance of the targets, which no prediction changes."""
        return self.prevalence * (1 - self.prevalence)

    @property
    def expected_error(self) -> float:
        """Mean absolute gap, the expected calibration error, ECE (Naeini, Cooper and Hauskrecht, AAAI 2015)."""
        return self._mean((self.predicted - self.observed).abs())

    def _mean(self, values: Tensor) -> float:
        return float(self.counts.double() @ values / self.counts.sum())


def calibration_curve(probabilities: ArrayLike, targets: ArrayLike, *, bins: int = 10) -> CalibrationCurve:
    """Group probabilities (n,) into `bins` of equal width, as scikit-learn does: an edge belongs to the bin below it.

    Were each probability its bin's mean, the Brier score would be miscalibration − resolution + uncertainty (Murphy,
    Journal of Applied Meteorology 1973). ValueError on empty or unequal input, values outside 0 to 1, no bin.
    """
    values, hits = _probabilities(probabilities, targets)
    require(bins >= 1, "bins", bins, "at least 1")
    at = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], values)
    counts = np.bincount(at, minlength=bins)
    held = counts > 0
    said, came = (np.bincount(at, weights, bins)[held] / counts[held] for weights in (values, hits))
    return CalibrationCurve(*map(torch.from_numpy, (said, came, counts[held])))


def brier_score(probabilities: ArrayLike, targets: ArrayLike) -> float:
    """Mean squared gap between probabilities (n,) and targets of 0 and 1 (Brier 1950). Errors as above."""
    values, hits = _probabilities(probabilities, targets)
    return float(np.mean((values - hits) ** 2))


def _probabilities(probabilities: ArrayLike, targets: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    values, hits = as_floats("probabilities", probabilities).astype(float), as_mask("targets", targets)
    require(values.ndim == 1 and values.size > 0, "probabilities", f"shape {values.shape}", "one dimension, not empty")
    require(hits.shape == values.shape, "targets", f"shape {hits.shape}", f"the shape of probabilities, {values.shape}")
    require(bool(((values >= 0) & (values <= 1)).all()), "probabilities", "values outside", "0 to 1")
    return values, hits
