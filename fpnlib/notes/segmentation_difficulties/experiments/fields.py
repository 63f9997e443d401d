"""Two units of EfficientNet-Lite0's maps on a photo: what each could see, and what it looks at."""

import functools
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8

from fpnlib.models import EfficientNetLite0
from fpnlib.models.efficientnet import SameConv2d
from fpnlib.ops import AxisField

STRIDES = (4, 8, 16, 32)
MOST = 6  # units apart
SIDES = (192, 256)  # of the photo as the network gets it
_HALF, _MOST_OF = 0.5, 0.9


class Looked(NamedTuple):
    """What MOST + 1 units in a row look at."""

    each: Float[np.ndarray, "units h w"]  # at each pixel, a unit's largest as 1
    shared: Float[np.ndarray, " units"]  # of what the first looks at, by share
    half: float  # radius in pixels that holds half of what the first looks at
    most: float  # 90 %


@functools.cache
def _net() -> EfficientNetLite0:
    return EfficientNetLite0.pretrained().requires_grad_(False)


@functools.cache
def fields() -> dict[int, AxisField]:
    """The receptive field of the map at each stride. Both SIDES are multiples of 32, so every layer pads k − s."""
    axis, found = AxisField(), {}
    for layer in _net().modules():
        if isinstance(layer, SameConv2d):
            axis = _then(axis, layer)
            found[axis.stride] = axis  # the last map of each stride is the one taken; a 1×1 layer sees no more
    return found


def _then(axis: AxisField, layer: SameConv2d) -> AxisField:
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    before = (kernel - stride) // 2
    return axis.then(AxisField(kernel, stride, before, kernel - stride - before))


@functools.lru_cache(maxsize=2 * len(STRIDES))
def looked_at(pixels: bytes, stride: int) -> Looked:
    """Measure the units of one map by gradients, on a photo of `SIDES`.

    What a unit looks at is the gradient of half its squared length, as a share of its sum over the photo.
    """
    photo = np.frombuffer(pixels, np.uint8).reshape(*SIDES, 3)
    batch = EfficientNetLite0.preprocess(photo, None).repeat(MOST + 1, 1, 1, 1).requires_grad_()
    maps = dict(zip((2, *STRIDES), _net().features(batch), strict=True))[stride]
    row, column = first_unit(stride)
    units = maps[torch.arange(MOST + 1), :, row, column + torch.arange(MOST + 1)]
    (gradient,) = torch.autograd.grad(units.square().sum() / 2, batch)
    looked = gradient.abs().sum(1).double().numpy()
    looked /= looked.sum((1, 2), keepdims=True)
    axis = fields()[stride]
    rows, columns = np.indices(SIDES)
    far = np.hypot(rows - axis.center(row), columns - axis.center(column)).ravel()
    order = far.argsort()
    held = looked[0].ravel()[order].cumsum()
    half, most = (float(far[order][np.searchsorted(held, part)]) for part in (_HALF, _MOST_OF))
    shared = np.minimum(looked, looked[0]).sum((1, 2))
    return Looked((looked / looked.max((1, 2), keepdims=True)).astype(np.float32), shared, half, most)


def resized(photo: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "height width 3"]:
    """The middle of a photo, in `SIDES`."""
    batch = torch.tensor(photo).permute(2, 0, 1)[None].float()
    height, width = photo.shape[:2]
    tall, wide = min(height, width * SIDES[0] // SIDES[1]), min(width, height * SIDES[1] // SIDES[0])
    top, left = (height - tall) // 2, (width - wide) // 2
    part = batch[:, :, top : top + tall, left : left + wide]
    small = F.interpolate(part, SIDES, mode="bilinear", antialias=True).round().clamp(0, 255)
    return small[0].permute(1, 2, 0).byte().numpy()


def first_unit(stride: int) -> tuple[int, int]:
    """Row and column of the first unit: in the middle of the height, so that all fit to its right."""
    height, width = (side // stride for side in SIDES)
    return height // 2, max(0, (width - MOST) // 2)
