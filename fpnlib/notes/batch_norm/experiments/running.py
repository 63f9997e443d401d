"""Running statistics of many batches, and how far eval mode, which uses them, is from training mode."""

import numpy as np

BATCHES = 300
LAST = 100  # batches that the gap is about
MEAN, STD = 3.0, 2.0  # of the values after training; the running statistics begin at 0 and 1
EPS = 1e-5
AVERAGE = "None (plain average)"


def true_mean(drift: float) -> np.ndarray:
    """Return the mean that each batch is drawn around, (BATCHES,); over all of them it moves by `drift`."""
    return MEAN + drift * np.linspace(0, 1, BATCHES)


def run(
    momentum: str, size: int, drift: float, unbiased: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Return batch means and variances, running ones after each batch, each (BATCHES,), and the gap.

    The gap is the median difference, over the last batches, of a value normalised by its batch and by the running
    statistics that it meets. `momentum` is a number or `AVERAGE`.
    """
    rng = np.random.default_rng(size)
    x = true_mean(drift)[:, None] + STD * rng.standard_normal((BATCHES, size))
    means, variances = x.mean(1), x.var(1)
    stored = variances * (size / (size - 1) if unbiased else 1.0)
    running_means, running_variances = np.empty(BATCHES), np.empty(BATCHES)
    running_mean, running_variance = 0.0, 1.0
    for step in range(BATCHES):
        weight = 1 / (step + 1) if momentum == AVERAGE else float(momentum)
        running_mean += weight * (means[step] - running_mean)
        running_variance += weight * (stored[step] - running_variance)
        running_means[step], running_variances[step] = running_mean, running_variance
    # A batch meets the running statistics of those before it.
    now, before = slice(BATCHES - LAST, BATCHES), slice(BATCHES - LAST - 1, BATCHES - 1)
    training = (x[now] - means[now, None]) / np.sqrt(variances[now, None] + EPS)
    evaluated = (x[now] - running_means[before, None]) / np.sqrt(running_variances[before, None] + EPS)
    return means, variances, running_means, running_variances, float(np.median(abs(training - evaluated)))
