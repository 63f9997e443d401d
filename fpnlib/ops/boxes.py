"""Boxes as x0 y0 x1 y1: how much two overlap, and which of many overlapping ones to keep."""

import torch
from jaxtyping import Float, Int64, Num
from torch import Tensor

from fpnlib.validation import require


def box_iou(boxes1: Num[Tensor, "n 4"], boxes2: Num[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """Intersection over union of every box of one set with every box of the other.

    `boxes1` (n, 4), `boxes2` (m, 4), in any unit. Two boxes without area give 0/0, nan, as in torchvision.
    ValueError for another shape.
    """
    first, second = _at_least_single("boxes1", boxes1), _at_least_single("boxes2", boxes2)
    corner = torch.maximum(first[:, None, :2], second[None, :, :2])
    sides = (torch.minimum(first[:, None, 2:], second[None, :, 2:]) - corner).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    return shared / (_areas(first)[:, None] + _areas(second) - shared)


def nms(boxes: Num[Tensor, "n 4"], scores: Num[Tensor, " n"], iou_threshold: float | int) -> Int64[Tensor, " kept"]:
    """Non-maximum suppression: keep the best box, drop those whose IoU with it is greater than the threshold, repeat.

    `boxes` (n, 4), `scores` (n,). Returns indices by falling score; equal scores keep input order.
    ValueError for another shape, NaN scores, a threshold outside [0, 1].
    """
    candidates = _at_least_single("boxes", boxes)
    shape = tuple(scores.shape)
    require(shape == (len(boxes),), "scores", f"shape {shape}", f"({len(boxes)},), one per box")
    require(not bool(scores.isnan().any()), "scores", "NaN", "numbers")
    require(0 <= iou_threshold <= 1, "iou_threshold", iou_threshold, "0 to 1")
    left = scores.sort(descending=True, stable=True).indices
    kept = []
    while len(left) > 0:
        best, left = left[:1], left[1:]
        kept.append(best)
        overlap = box_iou(candidates[best], candidates[left])[0]
        left = left[~(overlap > iou_threshold)]
    return torch.cat(kept) if kept else left


def _at_least_single(argument: str, boxes: Tensor) -> Tensor:
    """Check the shape; integers stay exact, half precision would overflow in an area."""
    require(boxes.ndim == 2 and boxes.shape[1] == 4, argument, f"shape {tuple(boxes.shape)}", "(n, 4)")
    if boxes.is_floating_point():
        return boxes.to(torch.promote_types(boxes.dtype, torch.float32))
    return boxes.to(torch.promote_types(boxes.dtype, torch.int32))


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
