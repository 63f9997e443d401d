"""Binary classification by score: counts at a threshold, curves over all thresholds, and the areas under them.

Everywhere a sample counts as positive when its score is at or above the threshold. Scores may be probabilities, logits
or anything else that orders the samples; infinite ones are allowed, NaN is not.
"""

import math
import operator
from dataclasses import dataclass
from typing import Literal, SupportsIndex

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from fpnlib.metrics.arrays import ArrayLike, as_floats, as_mask
from fpnlib.validation import require, require_choice

Interpolation = Literal["none", "all", "voc11", "coco101"]
INTERPOLATIONS = ("none", "all", "voc11", "coco101")

# The tenths themselves, so that a recall of 3 of 5 reaches .6, which np.linspace puts a little higher. The hundredths
# are pycocotools' own, with its rounding.
RECALL_LEVELS = {"voc11": np.arange(11) / 10, "coco101": np.linspace(0, 1, 101)}


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """Precision and recall at each distinct score, thresholds rising; one last point (1, 0) has no threshold."""

    precision: Float64[Tensor, " points"]
    recall: Float64[Tensor, " points"]
    thresholds: Float64[Tensor, " thresholds"]


@dataclass(frozen=True, eq=False)
class ROCCurve:
    """False and true positive rate at each distinct score, thresholds falling from an infinite one at (0, 0)."""

    fpr: Float64[Tensor, " points"]
    tpr: Float64[Tensor, " points"]
    thresholds: Float64[Tensor, " points"]


@dataclass(frozen=True)
class ConfusionCounts:
    """The four counts of a binary decision, and the rates made of them; a rate of nothing (0/0) is 0."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def precision(self) -> float:
        """Share of the samples called positive that are."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of the positives that are called so; the true positive rate."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def fpr(self) -> float:
        """Share of the negatives that are called positive."""
        return _ratio(self.fp, self.fp + self.tn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _samples(scores: ArrayLike, targets: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    ranks, hits = as_floats("scores", scores), as_mask("targets", targets)
    require(ranks.ndim == 1 and ranks.size > 0, "scores", f"shape {ranks.shape}", "one dimension, not empty")
    require(hits.shape == ranks.shape, "targets", f"shape {hits.shape}", f"the shape of scores, {ranks.shape}")
    return ranks, hits


def _count_positives(num_positives: SupportsIndex | None, found: int) -> int:
    if num_positives is None:
        return found
    allowed = f"an integer, at least the {found} positive targets"
    require(hasattr(num_positives, "__index__"), "num_positives", repr(num_positives), allowed)
    count = operator.index(num_positives)
    require(count >= found, "num_positives", count, allowed)
    return count


def _last_of_ties(ranked: np.ndarray) -> np.ndarray:
    """Return the last index of each run of equal values."""
    return np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), ranked.size - 1)


def _threshold_counts(scores: np.ndarray, hits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct scores, falling, with the true positives and all that is flagged at each."""
    order = np.argsort(-scores)
    ranked = scores[order]
    last = _last_of_ties(ranked)
    return ranked[last].astype(np.float64), np.cumsum(hits[order])[last], last + 1


def _tensor(values: np.ndarray) -> Tensor:
    # a copy: torch takes no negative strides, and NumPy calls a reversed single element contiguous
    return torch.from_numpy(np.array(values, dtype=np.float64, order="C"))


def precision_recall_curve(
    scores: ArrayLike, targets: ArrayLike, *, num_positives: SupportsIndex | None = None
) -> PrecisionRecallCurve:
    """Precision and recall at every distinct score, ordered as in scikit-learn: recall falls, thresholds rise.

    `scores` (n,) and `targets` (n,) of 0 and 1, or booleans; tensors, arrays or sequences. `num_positives` is the
    recall's denominator where some positives have no score, such as missed objects. With no positive at all recall is
    1, as in scikit-learn; with `num_positives=0` it is nan. ValueError on empty, unequal or NaN input, other targets,
    fewer positives than the targets hold.
    """
    ranks, hits = _samples(scores, targets)
    positives = _count_positives(num_positives, int(hits.sum()))
    thresholds, tp, predicted = _threshold_counts(ranks, hits)
    undefined = 1.0 if num_positives is None else math.nan
    recall = tp / positives if positives else np.full(tp.size, undefined)
    return PrecisionRecallCurve(
        precision=_tensor(np.append((tp / predicted)[::-1], 1.0)),
        recall=_tensor(np.append(recall[::-1], 0.0)),
        thresholds=_tensor(thresholds[::-1]),
    )


def roc_curve(scores: ArrayLike, targets: ArrayLike, *, drop_intermediate: bool = False) -> ROCCurve:
    """False and true positive rate at every distinct score, ordered as in scikit-learn: both rise, thresholds fall.

    Input and errors as for `precision_recall_curve`. `drop_intermediate` leaves out points on a straight line between
    their neighbours. A rate without samples (no positive, no negative) is nan throughout.
    """
    ranks, hits = _samples(scores, targets)
    thresholds, tp, predicted = _threshold_counts(ranks, hits)
    fp = predicted - tp
    if drop_intermediate and tp.size > 2:
        corners = (np.diff(fp, 2) != 0) | (np.diff(tp, 2) != 0)
        keep = np.concatenate(([True], corners, [True]))
        thresholds, tp, fp = thresholds[keep], tp[keep], fp[keep]
    return ROCCurve(
        fpr=_tensor(_rate(fp)), tpr=_tensor(_rate(tp)), thresholds=_tensor(np.concatenate(([np.inf], thresholds)))
    )


def _rate(counts: np.ndarray) -> np.ndarray:
    rate = counts / counts[-1] if counts[-1] else np.full(counts.size, np.nan)
    return np.concatenate((rate[:1] * 0, rate))


def roc_auc(scores: ArrayLike, targets: ArrayLike) -> float:
    """Area under the ROC curve: how likely a positive scores above a negative, ties counting half. nan if one lacks."""
    curve = roc_curve(scores, targets)
    return torch.trapezoid(curve.tpr, curve.fpr).item()


def average_precision(
    scores: ArrayLike,
    targets: ArrayLike,
    *,
    interpolation: Interpolation = "none",
    num_positives: SupportsIndex | None = None,
) -> float:
    """Average precision of one ranking, in one of the four ways it is defined.

    - `"none"`: precision summed over the steps of recall; equal scores form one step (scikit-learn).
    - `"all"`: the same sum over the precision's envelope, the best precision at this recall or higher (VOC 2010 on).
    - `"voc11"`: mean of the envelope at the recalls 0, .1, … 1 (VOC 2007).
    - `"coco101"`: mean of the envelope at the recalls 0, .01, … 1 (COCO, as pycocotools computes it).

    The last three come from detection, where every detection is a point of its own: equal scores keep input order.
    Input and errors as for `precision_recall_curve`; an unknown interpolation is a ValueError. With no positive the
    answer is 0, as in scikit-learn; with `num_positives=0`, which says that there was nothing to find, it is nan.
    """
    require_choice("interpolation", interpolation, INTERPOLATIONS)
    ranks, hits = _samples(scores, targets)
    positives = _count_positives(num_positives, int(hits.sum()))
    if positives == 0:
        return 0.0 if num_positives is None else math.nan
    order = np.argsort(-ranks, kind=None if interpolation == "none" else "stable")
    return ranked_average_precision(ranks[order], hits[order], positives, interpolation)


def ranked_average_precision(
    scores: np.ndarray, hits: np.ndarray, positives: int, interpolation: Interpolation
) -> float:
    """Average precision of samples already in falling order of score, not checked; none at all give 0."""
    if hits.size == 0:
        return 0.0
    points = _last_of_ties(scores) if interpolation == "none" else np.arange(hits.size)
    tp = np.cumsum(hits)[points]
    precision, recall = tp / (points + 1), tp / positives
    if interpolation != "none":
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    if interpolation in RECALL_LEVELS:
        levels = RECALL_LEVELS[interpolation]
        reached = np.searchsorted(recall, levels)
        return float(np.append(precision, 0.0)[reached].sum() / levels.size)
    return float(np.diff(recall, prepend=0.0) @ precision)


def confusion_counts(scores: ArrayLike, targets: ArrayLike, threshold: float | int) -> ConfusionCounts:
    """Count true and false positives and negatives when scores at or above `threshold` are called positive.

    Input and errors as for `precision_recall_curve`; a NaN threshold is a ValueError.
    """
    ranks, hits = _samples(scores, targets)
    require(not math.isnan(threshold), "threshold", threshold, "a number")
    called = ranks >= np.float64(threshold)  # not in float32, where a threshold could round up onto a score
    tp = int((called & hits).sum())
    fp, fn = int(called.sum()) - tp, int(hits.sum()) - tp
    return ConfusionCounts(tp=tp, fp=fp, fn=fn, tn=hits.size - tp - fp - fn)


def f_score(
    precision: float | int | ArrayLike, recall: float | int | ArrayLike, beta: float | int = 1.0
) -> float | Tensor:
    """Weighted harmonic mean of precision and recall; recall weighs `beta`² times as much. 0/0 is 0.

    Two numbers give a float; anything else broadcasts to a float64 tensor. Source: van Rijsbergen, Information
    Retrieval (1979), chapter 7. ValueError for values outside [0, 1], shapes that do not broadcast, beta below 0.
    """
    require(math.isfinite(beta) and beta >= 0, "beta", beta, "a finite number from 0 up")
    p, r = _fraction("precision", precision), _fraction("recall", recall)
    try:
        p, r = torch.broadcast_tensors(p, r)
    except RuntimeError as error:
        raise ValueError(f"recall: got shape {tuple(r.shape)}, allowed: one that fits {tuple(p.shape)}") from error
    weight = beta**2
    below = weight * p + r
    score = (1 + weight) * p * (r / torch.where(below > 0, below, 1.0))  # p · r alone may underflow
    return score.item() if isinstance(precision, float | int) and isinstance(recall, float | int) else score


def _fraction(argument: str, values: float | int | ArrayLike) -> Tensor:
    array = as_floats(argument, np.asarray(values) if isinstance(values, float | int) else values)
    require(bool(((array >= 0) & (array <= 1)).all()), argument, "values outside", "0 to 1")
    return _tensor(array)
