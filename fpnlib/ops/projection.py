"""Boxes between image and feature map, and what an unpadded border does to them."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from fpnlib.ops.receptive_field import AxisField, ReceptiveField
from fpnlib.validation import require, require_choice, require_finite

Convention = Literal["corner", "center"]
Number = int | float
# How far the centre of pixel 0 lies from the origin.
_PIXEL_CENTER = {"corner": 0.5, "center": 0.0}


def project_box(
    boxes: Float[Tensor, "*k 4"],
    field: ReceptiveField,
    *,
    convention: Convention = "corner",
    inverse: bool = False,
    clip_to: tuple[int, int] | None = None,
) -> Float[Tensor, "*k 4"]:
    """Boxes on the image as boxes on the feature map, or back with `inverse`.

    Derivation. Unit u sees pixels u·stride − padding … u·stride − padding + size − 1; their middle is the pixel
    index start + u·stride, with start = (size − 1)/2 − padding. A point x on the image, as a pixel index, therefore
    lies at unit u = (x − start)/stride, whole or not. That is all; the conventions only say where the origin is:

    - "center": whole numbers are the centres of pixels and of units, so x → (x − start)/stride. A map pooled with
      `roi_align(..., aligned=False)` expects this.
    - "corner": pixel i covers [i, i + 1], so its centre is i + ½; the half goes off before and on again after:
      x → (x − ½ − start)/stride + ½. A map pooled with `aligned=True` expects this.

    The usual shortcut x → x/stride (`spatial_scale`) is the same in "corner" if start = (stride − 1)/2, that is
    size − 2·padding = stride, and in "center" only if start = 0, that is padding = (size − 1)/2.

    Clipping. A feature map of n units has values between the centres of its first and last unit; `clip_to` =
    (height, width) of the feature map moves coordinates into that span: [0, n − 1] in "center", [½, n − ½] in
    "corner". With `inverse`, `clip_to` is the image's and keeps boxes on its pixels, edges included.

    Shapes: (..., 4) rows `x0 y0 x1 y1` in, the same out. Units: pixels and units of the feature map.
    Errors: ValueError for NaN, boxes that end before they begin, sizes to clip to that are not positive.
    """
    require_choice("convention", convention, tuple(_PIXEL_CENTER))
    require(boxes.shape[-1:] == (4,), "boxes", f"shape {tuple(boxes.shape)}", "(..., 4)")
    require(boxes.is_floating_point(), "boxes", boxes.dtype, "a floating-point tensor")
    require_finite("boxes", boxes)
    inverted = int((boxes[..., 2:] < boxes[..., :2]).any(-1).sum())
    require(inverted == 0, "boxes", f"{inverted} boxes that end before they begin", "x0 <= x1 and y0 <= y1")

    horizontal, vertical = field.horizontal, field.vertical
    stride = boxes.new_tensor([horizontal.stride, vertical.stride] * 2)
    start = boxes.new_tensor([horizontal.start, vertical.start] * 2)
    half = _PIXEL_CENTER[convention]
    projected = (boxes - half) * stride + start + half if inverse else (boxes - half - start) / stride + half
    if clip_to is None:
        return projected
    height, width = clip_to
    require(min(clip_to) > 0, "clip_to", clip_to, "a height and a width of at least 1")
    # Pixels reach half a pixel beyond the outermost centres; values of a feature map end at the centres.
    beyond = 0.5 if inverse else 0.0
    last_center = boxes.new_tensor([width, height] * 2) - 1 + half
    return torch.minimum(projected.clamp(min=half - beyond), last_center + beyond)


def degenerate_width(
    field: ReceptiveField, *, image_size: tuple[int, int] | None = None
) -> float | tuple[float, float]:
    """Width up to which a RoI that touches the image's border clips to a point of the feature map.

    Unit 0 is the first with a value, and its centre lies start + ½ = size/2 − padding pixels from the left border.
    A RoI that ends before it lies outside the map altogether: a width w ≤ size/2 − padding clips to the centre of
    unit 0, and of a wider one only (w − size/2 + padding)/stride units of its w/stride remain. 0 or less: no RoI
    degenerates. Across the top border the same holds for heights.
    With `image_size` (height, width) the answer is for the bottom and right border instead: there the pixels that
    the last stride leaves over come on top.
    One number, or the pair (vertical, horizontal); units: pixels.
    Errors: ValueError for sizes that are not positive, or an image too small for a single unit.
    """
    if image_size is None:
        return field.per_axis(lambda axis: axis.start + 0.5)
    units = field.units(*image_size)
    require(min(units) > 0, "image_size", image_size, f"an image that holds a receptive field of {field.size} pixels")
    bottom, right = (
        length - 0.5 - axis.center(count - 1)
        for length, axis, count in zip(image_size, (field.vertical, field.horizontal), units, strict=True)
    )
    return bottom if bottom == right else (bottom, right)


def least_padding(
    field: ReceptiveField,
    box: tuple[Number, Number, Number, Number],
    image_size: tuple[int, int],
    *,
    convention: Convention = "corner",
    keep_grid: bool = False,
) -> tuple[int, int, int, int]:
    """Fewest pixels to pad the image with so that a box keeps its full extent on the feature map.

    Nothing is clipped if unit 0 lies at or before the box and the last unit at or after it. Padding the image by p
    pixels on the left moves unit 0 to start − p, so p = ⌈start − x0⌉ pixels suffice, and no fewer. To the right, the
    map must reach unit m = ⌈(x1 − start + p)/stride⌉, and has it from m·stride + size pixels on, all padding counted.
    (x0, x1 as pixel indices.) Another pixel on the left saves one on the
    right at most, so the fewest on the left are the fewest in all.

    `box`: `x0 y0 x1 y1` on an image of `image_size` (height, width), in pixels by `convention` (see `project_box`).
    `keep_grid` rounds left and top up to whole strides: units of a net without padding keep their values, and only
    new ones appear around them.
    Returns (left, right, top, bottom), the order of `torch.nn.functional.pad`; 0 where nothing is needed.
    Errors: ValueError for a box that is not finite or ends before it begins, or sizes that are not positive.
    """
    require_choice("convention", convention, tuple(_PIXEL_CENTER))
    require(min(image_size) > 0, "image_size", image_size, "a height and a width of at least 1")
    require(all(map(math.isfinite, box)), "box", box, "finite numbers")
    x0, y0, x1, y1 = (value - _PIXEL_CENTER[convention] for value in box)
    require(x0 <= x1 and y0 <= y1, "box", box, "x0 <= x1 and y0 <= y1")
    height, width = image_size
    return (
        *_least_padding_along(field.horizontal, x0, x1, width, keep_grid),
        *_least_padding_along(field.vertical, y0, y1, height, keep_grid),
    )


def _least_padding_along(axis: AxisField, begin: Number, end: Number, length: int, keep_grid: bool) -> tuple[int, int]:
    before = max(0, math.ceil(axis.start - begin))
    if keep_grid:
        before = math.ceil(before / axis.stride) * axis.stride
    last_unit = math.ceil((end - axis.start + before) / axis.stride)
    needed = max(0, last_unit) * axis.stride + axis.size
    return before, max(0, needed - (before + length + axis.padding + axis.padding_end))
