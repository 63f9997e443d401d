"""Panoptic quality: one number for a picture in which every pixel has a class and every thing an identity."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

import numpy as np

from fpnlib.metrics.arrays import ArrayLike, as_array
from fpnlib.validation import require


@dataclasses.dataclass(frozen=True)
class CategoryQuality:
    """What was counted for one category; `iou` sums the matched pairs' IoU."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    iou: float = 0.0

    @property
    def sq(self) -> float:
        """Segmentation quality, the mean IoU of matched pairs; 0 without any."""
        return self.iou / self.tp if self.tp else 0.0

    @property
    def rq(self) -> float:
        """Recognition quality, the F1 of finding segments; 0 without any segment."""
        return self.tp / segments if (segments := self.tp + self.fp / 2 + self.fn / 2) else 0.0

    @property
    def pq(self) -> float:
        """Panoptic quality, SQ × RQ."""
        return self.sq * self.rq

    def __add__(self, other: "CategoryQuality") -> "CategoryQuality":
        return CategoryQuality(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.iou + other.iou)


@dataclasses.dataclass(frozen=True)
class PanopticQuality:
    """Counts by category, and their means over the categories that have a segment; nan where none has."""

    per_category: Mapping[int, CategoryQuality]

    @property
    def pq(self) -> float:
        """Mean panoptic quality."""
        return self._mean("pq")

    @property
    def sq(self) -> float:
        """Mean segmentation quality."""
        return self._mean("sq")

    @property
    def rq(self) -> float:
        """Mean recognition quality. The means' product is not the mean PQ."""
        return self._mean("rq")

    @classmethod
    def pooled(cls, images: Iterable["PanopticQuality"]) -> "PanopticQuality":
        """Return the quality over several images: counts are added up by category first."""
        total: dict[int, CategoryQuality] = {}
        for image in images:
            for category, counts in image.per_category.items():
                total[category] = total.get(category, CategoryQuality()) + counts
        return cls(MappingProxyType(dict(sorted(total.items()))))

    def _mean(self, quality: str) -> float:
        counted = [getattr(one, quality) for one in self.per_category.values() if one.tp + one.fp + one.fn]
        return float(np.mean(counted)) if counted else float("nan")


def panoptic_quality(
    prediction: ArrayLike,
    target: ArrayLike,
    prediction_categories: Mapping[int, int],
    target_categories: Mapping[int, int],
    *,
    crowd: Collection[int] = (),
    void: int = 0,
) -> PanopticQuality:
    """Panoptic quality of one image, counted as the panoptic API counts.

    `prediction` and `target` (h, w) hold segment ids; the two mappings give each id its category. Pixels of `void`
    belong to no segment. `crowd`: ids of the target's segments that stand for many things at once.

    A predicted and a true segment of one category match if their IoU is above ½, so each has one partner at most. True
    void pixels leave the union. A crowd is neither matched nor missed. A predicted segment without a partner is false,
    unless more than half of it lies on true void and on crowds of its own category.

    ValueError for sizes that differ, ids that are not whole, an id in a map without a category, a crowd that is not
    among the target's ids, a category for void.
    torchmetrics differs in one thing: it also excuses a missed segment that lies on void in the prediction.
    Source: Kirillov et al., "Panoptic Segmentation" (2019), section 4; the panoptic API's `pq_compute_single_core`.
    """
    predicted, wanted = _ids("prediction", prediction), _ids("target", target)
    require(predicted.shape == wanted.shape, "prediction", f"shape {predicted.shape}", f"{wanted.shape}, as target")
    found = _areas("prediction", predicted, prediction_categories, void)
    there = _areas("target", wanted, target_categories, void)
    strangers = sorted(set(crowd) - set(target_categories))
    require(not strangers, "crowd", f"{strangers}", "ids of target_categories")
    crowds = set(crowd)
    overlap = _overlaps(predicted, wanted)

    counts: dict[int, CategoryQuality] = {}

    def count(category: int, **what: float) -> None:
        counts[category] = counts.get(category, CategoryQuality()) + CategoryQuality(**what)  # type: ignore[arg-type]

    matched_found, matched_there = set(), set()
    for (mine, true), shared in overlap.items():
        if mine == void or true == void or true in crowds or prediction_categories[mine] != target_categories[true]:
            continue
        iou = shared / (found[mine] + there[true] - shared - overlap.get((mine, void), 0))
        if iou > 0.5:
            count(target_categories[true], tp=1, iou=iou)
            matched_found.add(mine)
            matched_there.add(true)
    for true in there.keys() - matched_there - crowds:
        count(target_categories[true], fn=1)
    for mine in found.keys() - matched_found:
        category = prediction_categories[mine]
        alike = [true for true in crowds if target_categories[true] == category]
        excused = sum(overlap.get((mine, true), 0) for true in [void, *alike])
        if excused / found[mine] <= 0.5:
            count(category, fp=1)
    return PanopticQuality(MappingProxyType(dict(sorted(counts.items()))))


def _ids(argument: str, values: ArrayLike) -> np.ndarray:
    ids = as_array(argument, values)
    require(ids.dtype.kind in "iu", argument, f"dtype {ids.dtype}", "whole numbers")
    require(ids.ndim == 2, argument, f"shape {ids.shape}", "(h, w)")
    return ids.astype(np.int64)


def _areas(argument: str, ids: np.ndarray, categories: Mapping[int, int], void: int) -> dict[int, int]:
    """Return the pixels of each segment, void left out."""
    require(void not in categories, f"{argument}_categories", f"a category for void, {void}", "segments only")
    present, pixels = np.unique(ids, return_counts=True)
    areas = {one: area for one, area in zip(present.tolist(), pixels.tolist(), strict=True) if one != void}
    unknown = sorted(areas.keys() - set(categories))
    require(
        not unknown, f"{argument}_categories", f"no category for the ids {unknown}", f"one for each id of {argument}"
    )
    return areas


def _overlaps(predicted: np.ndarray, wanted: np.ndarray) -> dict[tuple[int, int], int]:
    """Return how many pixels each pair of predicted and true id shares, where they do."""
    mine, at_mine = np.unique(predicted, return_inverse=True)
    true, at_true = np.unique(wanted, return_inverse=True)
    shared = np.bincount(at_mine.ravel() * len(true) + at_true.ravel(), minlength=len(mine) * len(true))
    pairs = np.flatnonzero(shared)
    return {(int(mine[at // len(true)]), int(true[at % len(true)])): int(shared[at]) for at in pairs}
