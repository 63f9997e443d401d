"""Four norms on real maps: which maps of a batch share their statistics, and whose output hangs on the neighbours."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fpnlib.data import photo, photo_names
from fpnlib.models import EfficientNetLite0
from fpnlib.ops import normalize

NORMS = ("batch", "layer", "instance", "group")
AVERAGED, APART, ABSENT = range(3)
PHOTOS = photo_names()[:8]
_SIDE = 64  # pixels of a photo; a map has half as many


@lru_cache(maxsize=1)
def trained_norm() -> tuple[nn.BatchNorm2d, Float[Tensor, "8 16 32 32"]]:
    """Return the third batch norm of EfficientNet-Lite0 as ImageNet left it, and what eight photos send into it.

    The net is in eval mode, so that no photo's maps depend on the other photos. Copy both before you change them. What
    `EfficientNetLite0.pretrained` raises, this raises.
    """
    net = EfficientNetLite0.pretrained().requires_grad_(False)
    *before, norm = net.stages[0][0].layers  # type: ignore[index, misc]
    photos = torch.cat([net.preprocess(photo(name), _SIDE) for name in PHOTOS])
    return norm, nn.Sequential(net.stem, *before)(photos)


def family_maps() -> Float[Tensor, "8 16 32 32"]:
    """Return what eight photos send into a trained batch norm; yours to change."""
    return trained_norm()[1].clone()


def groups_of(norm: str, channels: int, groups: int) -> int:
    """Return into how many groups a norm parts the channels; `groups` is group norm's number."""
    return {"batch": channels, "layer": 1, "instance": channels, "group": groups}[norm]


def batch_of(image: int, size: int, images: int) -> Int[np.ndarray, " size"]:
    """Return a batch: an image and those after it; after the last comes the first."""
    return (image + np.arange(size)) % images


def shared(
    norm: str, groups: int, image: int, channel: int, size: int, shape: tuple[int, int]
) -> Int[np.ndarray, "n c"]:
    """Tell for every map whether it is averaged with the chosen one: AVERAGED, APART, or ABSENT from the batch."""
    images, channels = shape
    batch = batch_of(image, size, images)
    wide = channels // groups_of(norm, channels, groups)
    first = channel // wide * wide
    where = np.full(shape, ABSENT)
    where[batch] = APART
    where[batch if norm == "batch" else image, first : first + wide] = AVERAGED
    return where


def middle_outputs(maps: Float[Tensor, "n c h w"], groups: int, image: int, channel: int) -> Float[np.ndarray, "4 n"]:
    """Return what each norm makes of the middle of one map, in a batch of 1, 2, … images."""
    images, channels, height, width = maps.shape
    column = maps[batch_of(image, images, images), channel, None]
    y, x = height // 2, width // 2
    by_batch = [normalize(column[:n], groups=1, over_batch=True).y[0, 0, y, x].item() for n in range(1, images + 1)]
    alone = [normalize(maps[[image]], groups=groups_of(norm, channels, groups)).y for norm in NORMS[1:]]
    return np.array([by_batch, *([out[0, channel, y, x].item()] * images for out in alone)])
