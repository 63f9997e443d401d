"""Real masks made wrong: by a boundary that is off, by a region of another class, by a box, by a coarse grid."""

import functools
import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64
from torch import Tensor

from fpnlib.data import labelled_photo
from fpnlib.data.photos import LabelledPhoto
from fpnlib.validation import require

STRIDES = (4, 8, 16, 32)


@functools.cache
def cafe() -> LabelledPhoto:
    """Return the café with its 19 instances."""
    return labelled_photo("cafe")


def grown(mask: Bool[Tensor, "h w"], pixels: int) -> Bool[Tensor, "h w"]:
    """Dilate a mask by a square of 2·pixels + 1, or erode it where `pixels` is negative; the border stops neither."""
    if pixels == 0:
        return mask
    inside = (mask if pixels > 0 else ~mask).float()[None, None]
    side = 2 * abs(pixels) + 1
    wide = F.max_pool2d(inside, (1, side), 1, (0, abs(pixels)))
    spread = F.max_pool2d(wide, (side, 1), 1, (abs(pixels), 0))[0, 0] > 0
    return spread if pixels > 0 else ~spread


def shifted_boundaries(labels: Int64[Tensor, "h w"], pixels: int) -> Int64[Tensor, "h w"]:
    """Move every boundary between the background, 0, and the rest: objects grow, or shrink where `pixels` is negative.

    A pixel that is gained takes the class of the nearest object pixel; boundaries between objects stay.
    """
    thing = labels > 0
    if pixels <= 0:
        return labels.where(grown(thing, pixels), 0)
    result = labels.clone()
    for _ in range(pixels):
        # The largest label among the eight neighbours, for background pixels only.
        near = F.max_pool2d(result.float()[None, None], 3, 1, 1)[0, 0].long()
        result = torch.where(result > 0, result, near)
    return result


def swapped(labels: Int64[Tensor, "h w"], mask: Bool[Tensor, "h w"], to: int, area: int) -> Int64[Tensor, "h w"]:
    """Give `area` pixels of a mask, from its top row by row, another class: one wrong region in one piece."""
    places = mask.flatten().nonzero().flatten()
    require(0 <= area <= len(places), "area", area, f"0 to {len(places)}, the mask's pixels")
    result = labels.flatten().clone()
    result[places[:area]] = to
    return result.view_as(labels)


class Boxed(NamedTuple):
    """A box x0 y0 x1 y1 and how well it fits."""

    box: tuple[int, int, int, int]
    box_iou: float  # with the tight box
    ceiling: float  # IoU of the best mask inside the box with the whole mask


def tight_box(mask: Bool[Tensor, "h w"]) -> tuple[int, int, int, int]:
    """Return the smallest box around a mask, x0 y0 x1 y1, the last two just past it."""
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


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


def through_stride(mask: Bool[Tensor, "h w"], stride: int, mode: str) -> Bool[Tensor, "h w"]:
    """Return how a perfect answer at this stride comes back: the mask's share in each cell, enlarged, cut at one half.

    `mode` is "nearest" or "bilinear", torch's, without aligned corners.
    """
    height, width = mask.shape
    padded = F.pad(mask.float()[None, None], (0, -width % stride, 0, -height % stride), mode="replicate")
    cells = F.avg_pool2d(padded, stride)
    return F.interpolate(cells, scale_factor=stride, mode=mode)[0, 0, :height, :width] >= 0.5


def iou(prediction: Bool[Tensor, "h w"], target: Bool[Tensor, "h w"]) -> float:
    """Return the intersection over union of two masks; nan for two empty ones."""
    union = int((prediction | target).sum())
    return int((prediction & target).sum()) / union if union else math.nan
