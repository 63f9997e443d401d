"""Boxes moved away from where they were, and what each of them then counts as."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fpnlib.metrics import detection_average_precision, match_detections
from fpnlib.ops import box_iou

Boxes = dict[str, Tensor]
"""Those of one image, with labels and scores, as `fpnlib.data.detections.read_detections` returns them."""
IOU_THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(1, 20))


def moved(predictions: Sequence[Boxes], distance: float) -> list[Boxes]:
    """Move each box by `distance` pixels, each in a direction of its own that stays the same."""

    def steps(count: int) -> Float[Tensor, "count 4"]:
        angle = torch.arange(count, dtype=torch.float64) * 2.399963  # the golden angle spreads them evenly
        return torch.stack([angle.cos(), angle.sin()], 1).repeat(1, 2)

    return [one | {"boxes": one["boxes"] + distance * steps(len(one["boxes"]))} for one in predictions]


def average_precisions(
    predictions: Sequence[Boxes], targets: Sequence[Boxes], distance: float, ious: tuple[float, ...] = IOU_THRESHOLDS
) -> Float[np.ndarray, " ious"]:
    """Average precision at each IoU threshold when every box is moved by `distance` pixels."""
    return detection_average_precision(moved(predictions, distance), targets, iou_thresholds=ious).per_iou.numpy()


@dataclasses.dataclass(frozen=True)
class Judged:
    """Boxes that are right and wrong, and objects that are missed; (n, 4) each."""

    right: Float[np.ndarray, "n 4"]
    wrong: Float[np.ndarray, "m 4"]
    missed: Float[np.ndarray, "k 4"]

    @property
    def counts(self) -> tuple[int, int, int]:
        """TP, FP, FN."""
        return len(self.right), len(self.wrong), len(self.missed)

    @property
    def precision(self) -> float:
        """Share of the boxes that are right; nan without a box that counts."""
        right, wrong, _ = self.counts
        return right / (right + wrong) if right + wrong else math.nan

    @property
    def recall(self) -> float:
        """Share of the objects that are found; 1 without an object."""
        right, _, missed = self.counts
        return right / (right + missed) if right + missed else 1.0


def judged(prediction: Boxes, target: Boxes, iou: float) -> Judged:
    """Match one image's boxes with its objects class by class."""
    right, wrong = (torch.zeros(len(prediction["boxes"]), dtype=torch.bool) for _ in range(2))
    missed = ~target["iscrowd"]
    for label in torch.cat([prediction["labels"], target["labels"]]).unique():
        ours, theirs = prediction["labels"] == label, target["labels"] == label
        matches = match_detections(
            prediction["boxes"][ours],
            prediction["scores"][ours],
            target["boxes"][theirs],
            iou_threshold=iou,
            crowd=target["iscrowd"][theirs],
        )
        right[ours], wrong[ours] = matches.true_positive, matches.false_positive
        missed[theirs] &= matches.matched_detection < 0
    found, wanted = prediction["boxes"].numpy(), target["boxes"].numpy()
    return Judged(found[right.numpy()], found[wrong.numpy()], wanted[missed.numpy()])


@dataclasses.dataclass(frozen=True)
class Overlaps:
    """Boxes, of each the IoU with the object of its class that it overlaps most, and that object's box."""

    boxes: Float[np.ndarray, "n 4"]
    objects: Float[np.ndarray, "n 4"]
    ious: Float[np.ndarray, " n"]
    best: int | None  # which box has the best score, if it overlaps an object

    @property
    def middles(self) -> Float[np.ndarray, "2 n"]:
        """Where the boxes' middles lie."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]).T / 2

    @property
    def best_iou(self) -> float:
        """The IoU of the best box."""
        return 0.0 if self.best is None else float(self.ious[self.best])

    @property
    def best_pair(self) -> list[Float[np.ndarray, "4 2"]]:
        """The corners of the best box and of its object."""
        return [] if self.best is None else [_corners(self.boxes[self.best]), _corners(self.objects[self.best])]

    @property
    def best_shared(self) -> list[Float[np.ndarray, "4 2"]]:
        """The corners of the area that the two share."""
        if self.best is None:
            return []
        one, other = self.boxes[self.best], self.objects[self.best]
        return [_corners(np.append(np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])))]


def overlaps(prediction: Boxes, target: Boxes) -> Overlaps:
    """Compare each box of one image with the objects of its class; without one its IoU is zero, and the object nan."""
    same = prediction["labels"][:, None] == target["labels"][None]
    boxes, objects = prediction["boxes"].numpy(), target["boxes"].numpy()
    ious = (box_iou(prediction["boxes"], target["boxes"]) * same).numpy()
    # A row of zeros stands for no object.
    ious, objects = np.pad(ious, ((0, 0), (0, 1))), np.pad(objects, ((0, 1), (0, 0)), constant_values=np.nan)
    most = ious.max(1)
    best = int(prediction["scores"].argmax()) if len(boxes) else None
    return Overlaps(boxes, objects[ious.argmax(1)], most, None if best is None or not most[best] else best)


def _corners(box: Float[np.ndarray, " 4"]) -> Float[np.ndarray, "4 2"]:
    return box[[[0, 1], [2, 1], [2, 3], [0, 3]]]
