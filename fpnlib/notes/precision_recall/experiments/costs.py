"""What errors cost, at every point of a ROC curve."""

from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int

Rates = TypeVar("Rates", float, np.ndarray)


def losses(fpr: Rates, recall: Rates, cost: float, ratio: float) -> Rates:
    """Return the mean loss at one point or each, as a share of what the better of two blind answers loses.

    The blind answers are to flag everybody and to flag nobody.

    Args:
        fpr: false positive rates.
        recall: recall at the same thresholds.
        cost: of a miss, in false alarms.
        ratio: negatives per positive.
    """
    return (cost * (1 - recall) + ratio * fpr) / min(cost, ratio)


def upper_hull(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> Int[np.ndarray, " corners"]:
    """Return which points, given from left to right, are corners of the least concave curve above them all."""
    corners: list[int] = []
    for place in range(len(x)):
        while len(corners) > 1:
            a, b = corners[-2:]
            if (y[b] - y[a]) * (x[place] - x[a]) > (y[place] - y[a]) * (x[b] - x[a]):
                break
            corners.pop()
        corners.append(place)
    return np.array(corners)


def best_by_slope(
    fpr: Float[np.ndarray, " n"], recall: Float[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " corners"], Float[np.ndarray, " edges"]]:
    """Return which points of a ROC curve are ever best, and the slopes of equal cost where the best one changes.

    Left to right, so the slopes fall; from one point of the curve to the next corner all others lie below the edge.
    """
    corners = upper_hull(fpr, recall)
    rise, run = np.diff(recall[corners]), np.diff(fpr[corners])
    return corners, np.divide(rise, run, out=np.full(len(rise), np.inf), where=run > 0)
