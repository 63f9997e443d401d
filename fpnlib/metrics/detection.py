"""Detection: which box found which object, and the average precision that follows, by the rules of COCO.

Boxes are x0 y0 x1 y1 in any one unit, areas in its square. Predictions and targets are one mapping per image, in the
form torchvision's detectors answer in: `boxes` (n, 4), `labels` (n,) and, for predictions, `scores` (n,). A target may
carry `iscrowd` (n,), a box around many objects that no detector is asked to find one by one, and `area` (n,).
"""

import math
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from fpnlib.metrics.arrays import ArrayLike, as_array, as_floats, as_mask
from fpnlib.metrics.classification import (
    INTERPOLATIONS,
    Interpolation,
    PrecisionRecallCurve,
    precision_recall_curve,
    ranked_average_precision,
)
from fpnlib.validation import require, require_choice

# The default thresholds as floating-point numbers are pycocotools': its ninth is 0.8999999999999999.
COCO_IOU_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
COCO_AREA_RANGES = {
    "all": (0.0, 1e5**2),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e5**2),
}


@dataclass(frozen=True, eq=False)
class Matches:
    """Who found whom in one image: indices are those of the input, -1 stands for nobody.

    `ignored` detections lie on a crowd and count neither for nor against. A crowd keeps the last of its detections.
    """

    matched_target: Int64[Tensor, " detections"]
    matched_iou: Float64[Tensor, " detections"]
    ignored: Bool[Tensor, " detections"]
    matched_detection: Int64[Tensor, " targets"]

    @property
    def true_positive(self) -> Tensor:
        """Detections that found an object, (detections,)."""
        return (self.matched_target >= 0) & ~self.ignored

    @property
    def false_positive(self) -> Tensor:
        """Detections that found nothing, (detections,)."""
        return (self.matched_target < 0) & ~self.ignored


@dataclass(frozen=True, eq=False)
class Ranking:
    """The detections of one class over all images, best score first, and whether each hit at one IoU threshold."""

    scores: Float64[Tensor, " detections"]
    hits: Bool[Tensor, " detections"]
    num_positives: int

    def curve(self) -> PrecisionRecallCurve:
        """Precision and recall with missed objects counted; ValueError if there is no detection at all."""
        return precision_recall_curve(self.scores, self.hits, num_positives=self.num_positives)


@dataclass(frozen=True, eq=False)
class DetectionAveragePrecision:
    """Average precision for each IoU threshold (rows) and class (columns); nan where a class has no object to find."""

    iou_thresholds: tuple[float, ...]
    classes: tuple[int, ...]
    values: Float64[Tensor, "thresholds classes"]
    max_recall: Float64[Tensor, "thresholds classes"]
    rankings: Mapping[tuple[int, float], Ranking]

    @property
    def mean(self) -> float:
        """Mean over thresholds and classes, COCO's AP; nan where no class has an object."""
        return self.values.nanmean().item()

    @property
    def average_recall(self) -> float:
        """Mean over thresholds and classes of the recall all detections reach, COCO's AR."""
        return self.max_recall.nanmean().item()

    @property
    def per_iou(self) -> Float64[Tensor, " thresholds"]:
        """Mean over classes at each threshold; the first is AP50 with the default thresholds."""
        return self.values.nanmean(dim=1)

    @property
    def per_class(self) -> dict[int, float]:
        """Mean over thresholds of each class, by label."""
        return dict(zip(self.classes, self.values.mean(dim=0).tolist(), strict=True))

    def curve(self, label: int, iou_threshold: float | int) -> PrecisionRecallCurve:
        """Precision-recall points of one class at one of the thresholds; ValueError for any other."""
        require_choice("label", label, self.classes)
        require_choice("iou_threshold", iou_threshold, self.iou_thresholds)
        return self.rankings[label, iou_threshold].curve()


@dataclass(frozen=True, eq=False)
class _Detections:
    """All detections, sorted by group (a class in an image) and falling score."""

    boxes: np.ndarray
    scores: np.ndarray
    group: np.ndarray


@dataclass(frozen=True, eq=False)
class _Targets:
    """All objects, sorted by group."""

    boxes: np.ndarray
    crowd: np.ndarray
    ignored: np.ndarray
    group: np.ndarray


def match_detections(
    boxes: ArrayLike,
    scores: ArrayLike,
    target_boxes: ArrayLike,
    *,
    iou_threshold: float | int = 0.5,
    crowd: ArrayLike | None = None,
) -> Matches:
    """Give each detection, best score first, the free target it overlaps most, if IoU is at least `iou_threshold`.

    `boxes` (n, 4), `scores` (n,), `target_boxes` (m, 4), `crowd` (m,) of 0 and 1; n and m may be 0. The rules are
    COCO's (pycocotools' `COCOeval.evaluateImg`): equal scores keep input order, of equal overlaps the later target
    wins. A crowd is taken only if no other target fits, by any number of detections, and with it overlap is measured
    over the detection's own area. ValueError for malformed boxes, unequal lengths, NaN, a threshold outside (0, 1].
    """
    thresholds = _iou_thresholds("iou_threshold", [iou_threshold])
    detected, score = _boxes("boxes", boxes), _scores("scores", scores)
    wanted = _boxes("target_boxes", target_boxes)
    is_crowd = np.zeros(len(wanted), dtype=bool) if crowd is None else as_mask("crowd", crowd)
    _same_length("scores", score, "boxes", detected)
    _same_length("crowd", is_crowd, "target_boxes", wanted)

    order = np.argsort(-score, kind="stable")
    detections = _Detections(detected[order], score[order], np.zeros(len(order), dtype=np.int64))
    targets = _Targets(wanted, is_crowd, is_crowd, np.zeros(len(wanted), dtype=np.int64))
    found = np.empty(len(order), dtype=np.int64)
    found[order] = _match(detections, targets, thresholds)[0]

    hit = found >= 0
    iou, ignored = np.zeros(len(found)), np.zeros(len(found), dtype=bool)
    iou[hit] = _pair_iou(detected[hit], wanted[found[hit]], is_crowd[found[hit]])
    ignored[hit] = is_crowd[found[hit]]
    finder = np.full(len(wanted), -1, dtype=np.int64)
    in_order = order[found[order] >= 0]
    finder[found[in_order]] = in_order
    return Matches(*map(torch.from_numpy, (found, iou, ignored, finder)))


def detection_average_precision(
    predictions: Sequence[Mapping[str, ArrayLike]],
    targets: Sequence[Mapping[str, ArrayLike]],
    *,
    iou_thresholds: Sequence[float | int] = COCO_IOU_THRESHOLDS,
    interpolation: Interpolation = "coco101",
    max_detections: int = 100,
    area_range: tuple[float | int, float | int] | None = None,
) -> DetectionAveragePrecision:
    """Average precision over images and classes, by default COCO's AP@[.5:.95], equal to pycocotools'.

    `predictions` and `targets` are as the module says, one mapping per image, in the same order; pycocotools orders
    images by id, which matters only between equal scores of different images. Per image and class the
    `max_detections` best count. With `area_range`, smallest and largest area, objects outside it are ignored: finding
    one is neither right nor wrong; so are detections outside it that find nothing (`COCO_AREA_RANGES` has COCO's).
    An object's area is its box's unless the target gives `area`. A class without objects is nan and leaves the means.
    ValueError for missing keys, malformed boxes, unequal lengths, NaN, unknown interpolation.
    """
    require_choice("interpolation", interpolation, INTERPOLATIONS)
    require(max_detections >= 1, "max_detections", max_detections, "1 or more")
    _same_length("predictions", predictions, "targets", targets)
    thresholds = _iou_thresholds("iou_thresholds", iou_thresholds)
    low, high = (-math.inf, math.inf) if area_range is None else area_range
    require(low <= high, "area_range", area_range, "smallest and largest area")

    detected, score, detected_label, detected_image = _gather("predictions", predictions, scored=True)
    wanted, _, wanted_label, wanted_image = _gather("targets", targets, scored=False)
    crowd = _optional("iscrowd", targets, as_mask, np.zeros(len(wanted), dtype=bool), wanted_image)
    area = _optional("area", targets, as_floats, _areas(wanted), wanted_image)

    classes, label = np.unique(np.concatenate((detected_label, wanted_label)), return_inverse=True)
    group = label * len(targets) + np.concatenate((detected_image, wanted_image))
    detected_group, wanted_group = group[: len(detected)], group[len(detected) :]
    order = np.lexsort((-score, detected_group))
    order = order[_place_in_run(detected_group[order]) < max_detections]
    detections = _Detections(detected[order], score[order], detected_group[order])
    order = np.argsort(wanted_group, kind="stable")
    ignored = crowd | (area < low) | (area > high)
    objects = _Targets(wanted[order], crowd[order], ignored[order], wanted_group[order])

    found = _match(detections, objects, thresholds)
    sizes = _areas(detections.boxes)
    # index -1, nobody, reads the entry put at the end: a miss is ignored only by its own size
    on_ignored = np.append(objects.ignored, False)[found]
    skipped = on_ignored | ((found < 0) & ((sizes < low) | (sizes > high)))

    # one list per class: best score first, equal scores by image and place in it
    class_of = detections.group // max(len(targets), 1)
    order = np.lexsort((-detections.scores, class_of))
    bounds = np.searchsorted(class_of[order], np.arange(len(classes) + 1))
    target_class = objects.group // max(len(targets), 1)
    positives = np.bincount(target_class[~objects.ignored], minlength=len(classes))

    values = np.full((len(thresholds), len(classes)), np.nan)
    max_recall = values.copy()
    rankings = {}
    for column, name in enumerate(classes.tolist()):
        members = order[bounds[column] : bounds[column + 1]]
        count = int(positives[column])
        for row, threshold in enumerate(thresholds):
            counted = members[~skipped[row, members]]
            ranked, hits = detections.scores[counted], found[row, counted] >= 0
            rankings[name, threshold] = Ranking(torch.from_numpy(ranked), torch.from_numpy(hits), count)
            if count:
                values[row, column] = ranked_average_precision(ranked, hits, count, interpolation)
                max_recall[row, column] = hits.sum() / count
    return DetectionAveragePrecision(
        iou_thresholds=thresholds,
        classes=tuple(classes.tolist()),
        values=torch.from_numpy(values),
        max_recall=torch.from_numpy(max_recall),
        rankings=rankings,
    )


def coco_summary(
    predictions: Sequence[Mapping[str, ArrayLike]], targets: Sequence[Mapping[str, ArrayLike]]
) -> dict[str, float]:
    """COCO's twelve numbers in the order in which pycocotools' `summarize` prints them; nan where it prints −1.

    AP over ten IoU thresholds, at 0.5 and at 0.75, of small, medium and large objects; AR with at most 1, 10 and 100
    detections an image and class, and of small, medium and large objects. Arguments as for
    `detection_average_precision`; `fpnlib.data.coco.load_coco_results` reads them from COCO's files.
    """
    sizes = {"small": "S", "medium": "M", "large": "L"}
    whole = detection_average_precision(predictions, targets)
    by_size = {
        letter: detection_average_precision(predictions, targets, area_range=COCO_AREA_RANGES[size])
        for size, letter in sizes.items()
    }
    few = {n: detection_average_precision(predictions, targets, max_detections=n).average_recall for n in (1, 10)}
    return {
        "AP": whole.mean,
        "AP50": whole.per_iou[0].item(),
        "AP75": whole.per_iou[5].item(),
        **{f"AP{letter}": part.mean for letter, part in by_size.items()},
        **{f"AR{n}": recall for n, recall in few.items()},
        "AR100": whole.average_recall,
        **{f"AR{letter}": part.average_recall for letter, part in by_size.items()},
    }


def _match(detections: _Detections, targets: _Targets, thresholds: tuple[float, ...]) -> np.ndarray:
    """Return for each threshold (rows) and detection the target it takes, or -1."""
    limits = [min(threshold, 1 - 1e-10) for threshold in thresholds]
    first = np.searchsorted(targets.group, detections.group)
    count = np.searchsorted(targets.group, detections.group, side="right") - first
    detection = np.repeat(np.arange(len(count)), count)
    target = np.repeat(first, count) + _place_in_run(detection)
    iou = _pair_iou(detections.boxes[detection], targets.boxes[target], targets.crowd[target])
    near = iou >= min(limits)
    detection, target, iou = detection[near], target[near], iou[near]
    # a detection's candidates in the order it wants them, so that it takes the first free one
    order = np.lexsort((-target, -iou, targets.ignored[target], detection))
    detection, target, iou = detection[order], target[order], iou[order]

    found = np.full((len(limits), len(count)), -1, dtype=np.int64)
    crowd = targets.crowd.tolist()
    for row, limit in zip(found, limits, strict=True):
        near = iou >= limit
        free = [True] * len(crowd)
        pairs = []
        served = -1
        for one, wants in zip(detection[near].tolist(), target[near].tolist(), strict=True):
            if one != served and free[wants]:
                served = one
                free[wants] = crowd[wants]
                pairs.append((one, wants))
        takers, taken = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        row[takers] = taken
    return found


def _pair_iou(boxes: np.ndarray, target_boxes: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Overlap of each box with its partner; over the box's own area where the partner is a crowd, 0 without overlap."""
    corner = np.maximum(boxes[:, :2], target_boxes[:, :2])
    sides = np.maximum(np.minimum(boxes[:, 2:], target_boxes[:, 2:]) - corner, 0)
    shared = sides[:, 0] * sides[:, 1]
    own = _areas(boxes)
    whole = np.where(crowd, own, own + _areas(target_boxes) - shared)
    return np.divide(shared, whole, out=np.zeros(len(shared)), where=shared > 0)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _place_in_run(values: np.ndarray) -> np.ndarray:
    """Count 0, 1, … within each run of equal values of a sorted array."""
    return np.arange(len(values)) - np.searchsorted(values, values)


def _gather(
    argument: str, images: Sequence[Mapping[str, ArrayLike]], *, scored: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Check and join all images: boxes, scores (none unless `scored`), labels and image numbers."""
    boxes, scores, labels = [np.zeros((0, 4))], [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
    for number, image in enumerate(images):
        name = f"{argument}[{number}]"
        for key in ("boxes", "labels", "scores") if scored else ("boxes", "labels"):
            require(key in image, name, f"the keys {sorted(image)}", f"a mapping that has {key!r} too")
        boxes.append(_boxes(f"{name}['boxes']", image["boxes"]))
        labels.append(_labels(f"{name}['labels']", image["labels"]))
        _same_length(f"{name}['labels']", labels[-1], "its boxes", boxes[-1])
        if scored:
            scores.append(_scores(f"{name}['scores']", image["scores"]))
            _same_length(f"{name}['scores']", scores[-1], "its boxes", boxes[-1])
    numbers = np.repeat(np.arange(len(images)), [len(each) for each in boxes[1:]])
    return np.concatenate(boxes), np.concatenate(scores), np.concatenate(labels), numbers


def _optional(
    key: str,
    images: Sequence[Mapping[str, ArrayLike]],
    convert: Callable[[str, ArrayLike], np.ndarray],
    default: np.ndarray,
    image_of: np.ndarray,
) -> np.ndarray:
    """Return `default`, one value per target, with the entries of those images that carry `key` replaced."""
    values = default.copy()
    ends = np.searchsorted(image_of, np.arange(len(images) + 1))
    for number, image in enumerate(images):
        if key in image:
            given = convert(f"targets[{number}]['{key}']", image[key])
            own = values[ends[number] : ends[number + 1]]
            require(given.shape == own.shape, f"targets[{number}]['{key}']", f"shape {given.shape}", f"{own.shape}")
            own[:] = given
    return values


def _iou_thresholds(argument: str, values: Sequence[float | int]) -> tuple[float, ...]:
    thresholds = tuple(float(value) for value in values)
    require(len(thresholds) > 0, argument, "none", "one or more")
    require(all(0 < value <= 1 for value in thresholds), argument, thresholds, "above 0, at most 1")
    return thresholds


def _boxes(argument: str, values: ArrayLike) -> np.ndarray:
    boxes = as_floats(argument, values).astype(np.float64, copy=False)
    if boxes.size == 0:
        return boxes.reshape(0, 4)
    require(boxes.ndim == 2 and boxes.shape[1] == 4, argument, f"shape {boxes.shape}", "(n, 4)")
    require(bool(np.isfinite(boxes).all()), argument, "infinite values", "finite numbers")
    require(bool((boxes[:, 2:] >= boxes[:, :2]).all()), argument, "a box that ends before it starts", "x0 y0 x1 y1")
    return boxes


def _scores(argument: str, values: ArrayLike) -> np.ndarray:
    scores = as_floats(argument, values).astype(np.float64, copy=False)
    require(scores.ndim == 1, argument, f"shape {scores.shape}", "one dimension")
    return scores


def _labels(argument: str, values: ArrayLike) -> np.ndarray:
    labels = as_array(argument, values)
    require(labels.ndim == 1, argument, f"shape {labels.shape}", "one dimension")
    require(labels.dtype.kind in "iu" or labels.size == 0, argument, f"dtype {labels.dtype}", "integers")
    return labels.astype(np.int64, copy=False)


def _same_length(argument: str, values: Sized, other: str, wanted: Sized) -> None:
    require(len(values) == len(wanted), argument, f"{len(values)} values", f"as many as {other}, {len(wanted)}")
