"""Log odds that are made more sure of themselves or less, and how far they can then be taken at their word."""

import functools

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit

from fpnlib.metrics import CalibrationCurve, brier_score, calibration_curve

TEMPERATURES = np.geomspace(0.2, 5, 25)


class Forecasts:
    """Log odds (n,) of examples of which we know what they are, targets (n,)."""

    def __init__(self, logits: Float[np.ndarray, " n"], targets: Bool[np.ndarray, " n"]) -> None:
        self.logits, self.targets = logits, targets
        self.prevalence = float(targets.mean())
        self.by_temperature = functools.lru_cache(64)(self._by_temperature)

    def probabilities(self, temperature: float, offset: float) -> Float[np.ndarray, " n"]:
        """Return what log odds say that are divided by a temperature, and have something added."""
        return expit(self.logits / temperature + offset)

    def curve(self, temperature: float, offset: float, bins: int) -> CalibrationCurve:
        """Return the probabilities in bins, with the share of positives in each."""
        return calibration_curve(self.probabilities(temperature, offset), self.targets, bins=bins)

    def brier(self, temperature: float, offset: float) -> float:
        """Return the Brier score."""
        return brier_score(self.probabilities(temperature, offset), self.targets)

    def _by_temperature(self, offset: float, bins: int) -> Float[np.ndarray, "2 temperatures"]:
        """Return the Brier score and the miscalibration at each of `TEMPERATURES`."""
        pairs = [(self.brier(one, offset), self.curve(one, offset, bins).miscalibration) for one in TEMPERATURES]
        return np.array(pairs).T
