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


def larger_rectangle(height: float, width: float, line: float) -> float:
    """Return the IoU of a rectangle and the same one grown by `line` on all four sides."""
    return height * width / ((height + 2 * line) * (width + 2 * line))


def _one_side(height: float, width: float, line: float) -> float:
    return height * width / ((height + line) * (width + line))


def _rule(height: float, width: float, line: float) -> float:
    return 1 - line * 2 * (height + width) / (height * width)


def _rule_within_union(height: float, width: float, line: float) -> float:
    return 1 / (1 + line * 2 * (height + width) / (height * width))


def _lost(height: float, width: float, line: float) -> float:
    return 1 - larger_rectangle(height, width, line)


_RECTANGLE_FAULTS = {
    "The rectangle grows on both sides of each direction, so each side is longer by two lines.": _one_side,
    "That is the rule, right for a thin line only. Here you know the larger rectangle's area.": _rule,
    "That is x / (1 + x), which leaves out the four corners. You know the larger rectangle's area.": (
        _rule_within_union
    ),
    "That is what is lost, 1 − IoU. Asked is what is left.": _lost,
}


def _examine_rectangle(answer: Answer) -> str | None:
    rng = np.random.default_rng(3)
    cases = [tuple(float(one) for one in rng.integers((4, 4, 1), (200, 200, 8))) for _ in range(30)]
    return compare(answer, larger_rectangle, cases, _RECTANGLE_FAULTS)


def void_miou(said: np.ndarray, true: np.ndarray, classes: int) -> float:
    """Return the mean IoU over the classes that are in the truth or the answer, pixels whose truth is 255 left out."""
    said, true = said[true != 255], true[true != 255]
    values = []
    for kind in range(classes):
        one, other = said == kind, true == kind
        if (one | other).any():
            values.append((one & other).sum() / (one | other).sum())
    return float(np.mean(values))


def _void_in_the_union(said: np.ndarray, true: np.ndarray, classes: int) -> float:
    return void_miou(said, np.where(true == 255, classes, true), classes)


def _void_is_background(said: np.ndarray, true: np.ndarray, classes: int) -> float:
    return void_miou(said, np.where(true == 255, 0, true), classes)


def _void_is_right(said: np.ndarray, true: np.ndarray, classes: int) -> float:
    return void_miou(said, np.where(true == 255, said, true), classes)


def _all_classes(said: np.ndarray, true: np.ndarray, classes: int) -> float:
    kept = said[true != 255], true[true != 255]
    unions = [((kept[0] == kind) | (kept[1] == kind)).sum() for kind in range(classes)]
    return sum(((kept[0] == k) & (kept[1] == k)).sum() / unions[k] for k in range(classes) if unions[k]) / classes


_VOID_FAULTS = {
    "Void pixels are still in it: whatever is said there belongs to that class's union.": _void_in_the_union,
    "You made void background. Then an object that is too large is wrong in the border again.": _void_is_background,
    "You counted every void pixel as right. It must not count at all.": _void_is_right,
    "A class that is in neither the truth nor the answer has no IoU; it is left out of the mean.": _all_classes,
}


def _examine_void(answer: Answer) -> str | None:
    rng = np.random.default_rng(4)
    cases = []
    for _ in range(25):
        true = rng.integers(0, 4, (6, 8)).repeat(2, 0).repeat(2, 1)
        said = np.where(rng.random(true.shape) < 0.2, rng.integers(0, 4, true.shape), true)
        true[rng.random(true.shape) < 0.3] = 255
        cases.append((said, true, 6))
    return compare(answer, void_miou, cases, _VOID_FAULTS)


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
    Exercise(
        "a line's price",
        "Write f(height, width, line) that returns the IoU of a rectangle and the same rectangle grown by `line` on "
        "all four sides.",
        _examine_rectangle,
        larger_rectangle,
        ((_one_side, "two lines"), (_rule, "thin line"), (_rule_within_union, "corners"), (_lost, "what is left")),
        (
            "The smaller rectangle lies wholly in the larger one. What are intersection and union then?",
            "The larger one is higher by two lines and wider by two lines. IoU is the smaller area by the larger.",
        ),
    ),
    Exercise(
        "void that counts",
        "Mend f(said, true, classes): the mean IoU of two label maps, NumPy arrays. Pixels whose true label is 255 "
        "must not count. A class in neither map is left out of the mean.",
        _examine_void,
        void_miou,
        (
            (_void_in_the_union, "union"),
            (_void_is_background, "background"),
            (_void_is_right, "as right"),
            (_all_classes, "neither"),
        ),
        (
            "Take a pixel whose truth is 255 and of which a chair is said. Of which sets in the loop is it a part?",
            "No true class has the label 255, so it is in no intersection. But it is in the union of what was said. "
            "Leave such pixels out before the loop.",
        ),
    ),
)
