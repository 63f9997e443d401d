"""Masks and label maps: the void border along their contours, and contours and regions made wrong."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64
from torch import Tensor

from fpnlib.data.voc import VOID, with_void
from fpnlib.validation import require

VOID_WIDTH = 5
"""Pixels of VOC's own border."""


def void_border(instances: Int64[Tensor, "h w"], width: int) -> Bool[Tensor, "h w"]:
    """Return where a border of `width` pixels lies along each contour, half of it on either side.

    Of an odd width the larger half lies on the background; where two objects touch it is a pixel narrower.
    """
    require(width >= 0, "width", width, "0 or more")
    nothing, thing = torch.zeros_like(instances), (instances > 0) & (instances != VOID)
    inner, outer = (with_void(nothing, instances, side) == VOID for side in (width // 2, width - width // 2))
    return torch.where(thing, inner, outer)


def with_border(labels: Int64[Tensor, "h w"], instances: Int64[Tensor, "h w"], width: int) -> Int64[Tensor, "h w"]:
    """Return labels with `VOID` along the contours of `instances`, as VOC marks them."""
    return labels.where(~void_border(instances, width), VOID)


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

    A pixel that is gained takes a class beside it, the largest number if there are several; boundaries between objects
    stay, and what is `VOID` stays so.
    """
    known = labels.where(labels != VOID, 0)
    return torch.where(labels == VOID, VOID, _shifted(known, pixels))


def _shifted(labels: Int64[Tensor, "h w"], pixels: int) -> Int64[Tensor, "h w"]:
    if pixels <= 0:
        return labels.where(grown(labels > 0, pixels), 0)
    result = labels.clone()
    for _ in range(pixels):
        # The largest label among the eight neighbours, for background pixels only.
        near = F.max_pool2d(result.float()[None, None], 3, 1, 1)[0, 0].long()
        result = torch.where(result > 0, result, near)
    return result


def lines_off(labels: Int64[Tensor, "h w"], pixels: int) -> Int64[Tensor, "h w"]:
    """Move every boundary between two classes: objects grow, or shrink where `pixels` is negative.

    Where two objects touch, the one with the larger number grows or shrinks. What is `VOID` stays so and moves nothing.
    """
    low, high = int(labels.min()), int(labels.where(labels != VOID, 0).max())
    sign = 1 if pixels > 0 else -1
    values = sign * labels.where(labels != VOID, low if sign > 0 else high).float()[None, None]
    side = 2 * abs(pixels) + 1
    spread = sign * F.max_pool2d(values, side, 1, abs(pixels))[0, 0].long()
    return torch.where(labels == VOID, VOID, spread)


def swapped(labels: Int64[Tensor, "h w"], mask: Bool[Tensor, "h w"], to: int, area: int) -> Int64[Tensor, "h w"]:
    """Give `area` pixels of a mask, from its top row by row, another class: one wrong region in one piece."""
    places = mask.flatten().nonzero().flatten()
    require(0 <= area <= len(places), "area", area, f"0 to {len(places)}, the mask's pixels")
    result = labels.flatten().clone()
    result[places[:area]] = to
    return result.view_as(labels)


def tight_box(mask: Bool[Tensor, "h w"]) -> tuple[int, int, int, int]:
    """Return the smallest box around a mask, x0 y0 x1 y1, the last two just past it."""
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def square_around(mask: Bool[Tensor, "h w"], margin: int) -> tuple[slice, slice]:
    """Return the square around a mask, with a margin, as large as the map lets it be."""
    x0, y0, x1, y1 = tight_box(mask)
    side = min(max(x1 - x0, y1 - y0) + 2 * margin, *mask.shape)
    top, left = (
        min(max(0, (low + high - side) // 2), whole - side)
        for low, high, whole in ((y0, y1, mask.shape[0]), (x0, x1, mask.shape[1]))
    )
    return slice(top, top + side), slice(left, left + side)


def iou(prediction: Bool[Tensor, "h w"], target: Bool[Tensor, "h w"]) -> float:
    """Return the intersection over union of two masks; nan for two empty ones."""
    union = int((prediction | target).sum())
    return int((prediction & target).sum()) / union if union else math.nan
