"""Detected boxes of some pictures, moved and judged, and how far each lies on its object."""

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from fpnlib.notes.precision_recall.experiments import moved_boxes
from fpnlib.notes.precision_recall.experiments.moved_boxes import Boxes, Judged, Overlaps


@dataclasses.dataclass(frozen=True)
class DetectionData:
    """The kept boxes of one picture by what they count as; average precision is over all boxes of all pictures."""

    picture: int
    iou: float
    error: int
    shifted: bool
    boxes: Judged
    overlaps: Overlaps
    labels: np.ndarray  # (n, 4)
    per_iou: np.ndarray
    at_iou: float

    @property
    def mean(self) -> float:
        """Mean average precision from IoU .5 to .95."""
        return float(self.per_iou[-10:].mean())


class Detected:
    """Boxes and labels of some pictures; `shifted` are other labels for the same pictures."""

    def __init__(
        self, predictions: Sequence[Boxes], targets: Sequence[Boxes], shifted: Sequence[Boxes] | None = None
    ) -> None:
        self.predictions = predictions
        self.labels = [targets, shifted or targets]
        self._average_precision = functools.lru_cache(maxsize=64)(self._sum_up)

    def _sum_up(self, shifted: bool, error: int, ious: tuple[float, ...]) -> Float[np.ndarray, " ious"]:
        return moved_boxes.average_precisions(self.predictions, self.labels[shifted], error, ious)

    def data(
        self, iou: float, error: int, score: float = -math.inf, picture: int = 1, shifted: bool = False
    ) -> DetectionData:
        """Move the boxes, match those that are kept class by class, and sum up the whole ranking."""
        given, target = moved_boxes.moved(self.predictions, error)[picture - 1], self.labels[shifted][picture - 1]
        keep = given["scores"] >= score
        kept = {key: value[keep] for key, value in given.items()}
        return DetectionData(
            *(picture, iou, error, shifted),
            boxes=moved_boxes.judged(kept, target, iou),
            overlaps=moved_boxes.overlaps(kept, target),
            labels=target["boxes"].numpy(),
            per_iou=self._average_precision(shifted, error, moved_boxes.IOU_THRESHOLDS),
            at_iou=float(self._average_precision(shifted, error, (iou,))[0]),
        )

    def middle_of_best(self, error: int) -> tuple[float, float]:
        """Return where the middle of the box with the best score in the first picture lies."""
        best = int(self.predictions[0]["scores"].argmax())
        x0, y0, x1, y1 = moved_boxes.moved(self.predictions, error)[0]["boxes"][best].tolist()
        return (x0 + x1) / 2, (y0 + y1) / 2
