"""The exercises of note 08."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fpnlib.exercises import Exercise, compare

Answer = Callable[..., Any]


def _ious(confusion: np.ndarray) -> np.ndarray:
    """Return the IoU of each class that is in the prediction or the target."""
    hits = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hits
    return hits[union > 0] / union[union > 0]


def image_miou(confusions: list[np.ndarray]) -> float:
    """Return the mean over images of each image's own mean IoU."""
    return float(np.mean([_ious(one).mean() for one in confusions]))


def _dataset_miou(confusions: list[np.ndarray]) -> float:
    return float(_ious(np.sum(confusions, axis=0)).mean())


def _absent_as_zero(confusions: list[np.ndarray]) -> float:
    return float(np.mean([_ious(one).sum() / len(one) for one in confusions]))


def _all_at_once(confusions: list[np.ndarray]) -> float:
    return float(np.mean(np.concatenate([_ious(one) for one in confusions])))


def _recall(confusions: list[np.ndarray]) -> float:
    values = []
    for one in confusions:
        there = one.sum(1) > 0
        values.append((np.diag(one)[there] / one.sum(1)[there]).mean())
    return float(np.mean(values))


def _of_the_truth(confusions: list[np.ndarray]) -> float:
    values = []
    for one in confusions:
        occurs = (one.sum(0) + one.sum(1)) > 0
        values.append(_ious(one)[one.sum(1)[occurs] > 0].mean())
    return float(np.mean(values))


def _of_the_found(confusions: list[np.ndarray]) -> float:
    return float(np.mean([_ious(one)[_ious(one) > 0].mean() for one in confusions]))


_MIOU_FAULTS = {
    "You added up all images first. That is dataset-mIoU.": _dataset_miou,
    "A class that is neither in the prediction nor in the target of an image is not wrong there. Leave it out of that "
    "image's mean.": _absent_as_zero,
    "You took one mean over all classes of all images. An image with more classes then counts more.": _all_at_once,
    "You left out classes that an image does not hold but that were predicted there. Their IoU is 0, and it counts.": (
        _of_the_truth
    ),
    "You left out classes of which nothing was found. Their IoU is 0, and it counts.": _of_the_found,
    "You divided by the pixels of the class. What was called so and is not belongs to the union too.": _recall,
}


def _confusions(rng: np.random.Generator) -> list[np.ndarray]:
    images = []
    for _ in range(int(rng.integers(2, 5))):
        counts = rng.integers(0, 30, (4, 4)) + np.diag(rng.integers(0, 200, 4))
        counts[counts < 8] = 0
        there = np.arange(4) >= rng.integers(1, 4)
        said = there.copy()
        # One class may be only in the truth, another only in the prediction; the last is always in both.
        there[rng.integers(0, 3)], said[rng.integers(0, 3)] = rng.random(2) < 0.5
        images.append((counts + np.eye(4, dtype=int)) * there[:, None] * said)
    return images


def _examine_miou(answer: Answer) -> str | None:
    rng = np.random.default_rng(0)
    return compare(answer, image_miou, [(_confusions(rng),) for _ in range(20)], _MIOU_FAULTS)


def quality(iou: np.ndarray) -> float:
    """Return the panoptic quality of one category from the IoU of each prediction (rows) with each true segment."""
    matched = iou > 0.5
    tp = matched.sum()
    fp, fn = (~matched.any(1)).sum(), (~matched.any(0)).sum()
    return float(iou[matched].sum() / (tp + fp / 2 + fn / 2))


def _at_half(iou: np.ndarray) -> float:
    matched = iou >= 0.5
    return float(iou[matched].sum() / (matched.sum() + (~matched.any(1)).sum() / 2 + (~matched.any(0)).sum() / 2))


def _no_halves(iou: np.ndarray) -> float:
    matched = iou > 0.5
    return float(iou[matched].sum() / (matched.sum() + (~matched.any(1)).sum() + (~matched.any(0)).sum()))


def _counts_only(iou: np.ndarray) -> float:
    matched = iou > 0.5
    return float(matched.sum() / (matched.sum() + (~matched.any(1)).sum() / 2 + (~matched.any(0)).sum() / 2))


def _no_misses(iou: np.ndarray) -> float:
    matched = iou > 0.5
    return float(iou[matched].sum() / (matched.sum() + (~matched.any(1)).sum() / 2))


_QUALITY_FAULTS = {
    "An IoU of exactly one half is no match. Above one half each segment can have one partner only.": _at_half,
    "False positives and false negatives count half each.": _no_halves,
    "That is RQ alone. A match counts with its IoU, not with 1.": _counts_only,
    "The true segments that nobody found are missing.": _no_misses,
}


def _examine_quality(answer: Answer) -> str | None:
    rng = np.random.default_rng(1)
    cases = []
    for _ in range(30):
        predictions, segments = rng.integers(2, 6, 2)
        iou = np.zeros((predictions, segments))
        partners = rng.permutation(min(predictions, segments))
        iou[partners, np.arange(len(partners))] = rng.choice([0.3, 0.5, 0.6, 0.75, 0.9], len(partners))
        iou[partners[0], 0] = 0.8
        cases.append((iou,))
    return compare(answer, quality, cases, _QUALITY_FAULTS)


def mean_field(unary: np.ndarray, q: np.ndarray, kernel: np.ndarray, weight: float) -> np.ndarray:
    """Return Q after one step: all pixels at once, `unary` and `q` (labels, pixels), `kernel` (pixels, pixels)."""
    logits = -unary + weight * q @ kernel
    return _softmax(logits)


def _softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(0))
    return shares / shares.sum(0)


def _penalised(unary: np.ndarray, q: np.ndarray, kernel: np.ndarray, weight: float) -> np.ndarray:
    return _softmax(-unary - weight * q @ kernel)


def _from_last(unary: np.ndarray, q: np.ndarray, kernel: np.ndarray, weight: float) -> np.ndarray:
    return _softmax(np.log(q) + weight * q @ kernel)


def _over_pixels(unary: np.ndarray, q: np.ndarray, kernel: np.ndarray, weight: float) -> np.ndarray:
    return _softmax((-unary + weight * q @ kernel).T).T


def _logits(unary: np.ndarray, q: np.ndarray, kernel: np.ndarray, weight: float) -> np.ndarray:
    return -unary + weight * q @ kernel


_MEAN_FIELD_FAULTS = {
    "Your pixels push each other apart. What others say for a label is added to that label, not taken off.": _penalised,
    "You started from the last Q instead of the unary. Each step weighs the unary anew.": _from_last,
    "You made each label sum to 1 over the pixels. Each pixel must sum to 1 over the labels.": _over_pixels,
    "These are logits. The softmax over the labels is missing.": _logits,
}


def _examine_mean_field(answer: Answer) -> str | None:
    rng = np.random.default_rng(2)
    cases = []
    for _ in range(20):
        labels, pixels = (int(n) for n in rng.integers(2, 5, 2))
        places = rng.uniform(0, 3, pixels)
        kernel = np.exp(-0.5 * (places[:, None] - places) ** 2)
        q = rng.dirichlet(np.ones(labels), pixels).T
        unary = -np.log(rng.dirichlet(np.ones(labels), pixels).T)
        cases.append((unary, q, kernel, float(rng.integers(1, 5)) / 2))

    def flat(formula: Answer) -> Answer:
        return lambda *case: np.ravel(formula(*case))

    if not callable(answer):
        return compare(answer, mean_field, cases, {})
    return compare(
        lambda *case: _raveled(answer(*case)),
        flat(mean_field),
        cases,
        {fault: flat(formula) for fault, formula in _MEAN_FIELD_FAULTS.items()},
    )


def _raveled(given: Any) -> Any:
    return np.ravel(given) if isinstance(given, np.ndarray | list | tuple) else given


EXERCISES = (
    Exercise(
        "image mIoU",
        "Write f(confusions) that returns the image-mIoU. `confusions` is a list of NumPy arrays, one confusion matrix "
        "an image, rows the true class, columns the predicted one. Leave a class out of an image's mean "
        "where neither truth nor prediction has it.",
        _examine_miou,
        image_miou,
        (
            (_dataset_miou, "dataset-mIoU"),
            (_absent_as_zero, "neither"),
            (_all_at_once, "counts more"),
            (_of_the_truth, "does not hold"),
            (_of_the_found, "nothing was found"),
            (_recall, "union"),
        ),
        (
            "First the IoU of each class in one image: what stands on the diagonal, what in its row and its column?",
            "A class's union is its row plus its column less the diagonal. Average over the classes whose union is "
            "not 0, then over the images.",
        ),
    ),
    Exercise(
        "panoptic matching",
        "Write f(iou) that returns the panoptic quality of one category. `iou` is a NumPy array, the IoU of each "
        "predicted segment (rows) with each true one (columns); there is neither void nor crowd.",
        _examine_quality,
        quality,
        ((_at_half, "exactly"), (_no_halves, "half each"), (_counts_only, "RQ alone"), (_no_misses, "nobody")),
        (
            "Which pairs match? IoU above one half is enough: no segment can have two such partners.",
            "PQ is the sum of the matches' IoU over matches plus half of the unmatched on either side.",
        ),
    ),
    Exercise(
        "mean-field step",
        "Write f(unary, q, kernel, weight) that returns Q after one mean-field step, without normalising the kernel. "
        "`unary` (labels, pixels) is −log p, `q` (labels, pixels) the probabilities so far, `kernel` (pixels, pixels) "
        "symmetric, its diagonal kept.",
        _examine_mean_field,
        mean_field,
        (
            (_penalised, "apart"),
            (_from_last, "unary anew"),
            (_over_pixels, "over the pixels"),
            (_logits, "softmax"),
        ),
        (
            "What does pixel i hear of label l from all others? That is a sum over pixels of kernel times q.",
            "What it hears is subtracted from its unary term, times the weight; then a softmax over the labels, of "
            "minus that.",
        ),
    ),
)
