"""SD-4: how much of an instance is lost to the best mask that lies in a box which is off."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from fpnlib.claims import Claim, Measurement, Said, all_of, exceeds, within
from fpnlib.notes.segmentation_difficulties.experiments.bounds import COCO_STEP, STEP, spread, together, with_effect
from fpnlib.notes.segmentation_difficulties.experiments.masks import tight_box
from fpnlib.notes.segmentation_difficulties.experiments.photos import Labelled, on_photos, photos

BOXES = 200  # for each mask


class Boxed(NamedTuple):
    """A box x0 y0 x1 y1 and how well it fits."""

    box: tuple[int, int, int, int]
    box_iou: float  # with the tight box
    ceiling: float  # IoU of the best mask inside the box with the whole mask


def in_box(mask: Bool[Tensor, "h w"], box: tuple[int, int, int, int]) -> Boxed:
    """Return what a box allows: the best mask that lies inside it is the part of the true mask that does."""
    (a0, b0, a1, b1), (x0, y0, x1, y1) = tight_box(mask), box
    shared = max(0, min(a1, x1) - max(a0, x0)) * max(0, min(b1, y1) - max(b0, y0))
    union = (a1 - a0) * (b1 - b0) + (x1 - x0) * (y1 - y0) - shared
    kept = mask[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)].sum() / mask.sum()
    return Boxed(box, shared / union, float(kept))


def random_boxes(mask: Bool[Tensor, "h w"], count: int, seed: int) -> list[Boxed]:
    """Return boxes whose four sides are off, each by up to ±30 % of the box's side, uniformly."""
    x0, y0, x1, y1 = tight_box(mask)
    off = np.random.default_rng(seed).uniform(-0.3, 0.3, (count, 4)) * [x1 - x0, y1 - y0, x1 - x0, y1 - y0]
    sides = np.rint(np.array([x0, y0, x1, y1]) + off).astype(int)
    return [in_box(mask, (a, b, max(c, a + 1), max(d, b + 1))) for a, b, c, d in sides.tolist()]


def boxes_of(known: Labelled, first: int) -> dict[str, list[float]]:
    """How much of each mask is lost even to the best mask in a box that is off at random, by the box's IoU."""
    lost: dict[str, list[float]] = {}
    for seed, mask in enumerate(known.masks, first):
        lost.setdefault("tight", []).append(1 - in_box(mask, tight_box(mask)).ceiling)
        boxed = random_boxes(mask, BOXES, seed)
        for low in (50, 60, 70, 80, 90):
            kept = [one.ceiling for one in boxed if low <= 100 * one.box_iou < low + 10]
            if kept:
                lost.setdefault(f"lost_{low}", []).append(1 - float(np.mean(kept)))
                lost.setdefault(f"most_{low}", []).append(1 - min(kept))
    return lost


def over_boxes(found: Sequence[Mapping[str, Sequence[float]]]) -> Measurement:
    """The mean of what is lost, one value an instance."""
    lost = together(found)
    tight = lost.pop("tight")
    numbers = {"tight": max(tight), "worst": max(lost["most_70"])}
    for name, values in lost.items():
        if len(values) > 1:  # of few instances no box may fit so well, or so badly
            numbers |= spread(name, values)
    return with_effect("lost_70", len(tight), numbers)


def measure_boxes() -> Measurement:
    """How much of the masks of five photos is lost to boxes that are off."""
    counts = itertools.accumulate((len(known.masks) for known in photos().values()), initial=0)
    return over_boxes([boxes_of(known, first) for known, first in zip(photos().values(), counts, strict=False)])


SD_4 = Claim(
    "SD-4",
    "Instance masks that are cut out of boxes are capped by the boxes",
    Said(
        "source",
        "基于bounding box的方法上限被目标检测限制了",
        "methods based on boxes are capped by the detection",
    ),
    {
        "for boxes of IoU .7 to .8": exceeds(
            STEP, "mean share of an instance that the best mask in such a box loses", because=COCO_STEP
        ),
        "for boxes of IoU .8 to .9": exceeds(
            STEP,
            "mean share of an instance that the best mask in such a box loses",
            of="lost_80",
            because=COCO_STEP,
        ),
    },
    measure_boxes,
    control=all_of(
        within(0, "what a tight box loses", of="tight"),
        exceeds(STEP, "what boxes of IoU .5 to .6 lose", of="lost_50", because=COCO_STEP),
    ),
    on=on_photos(boxes_of, over_boxes),
    told={
        "depends": "A box that most would call good cuts off enough of a mask to be seen in the score; a very good "
        "box does not."
    },
)
