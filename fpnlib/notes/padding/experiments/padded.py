"""Photos with padding, and P-Net up to its feature map."""

import functools
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.models.face_detector import pnet
from fpnlib.ops import ReceptiveField, receptive_field
from fpnlib.validation import require, require_choice

Mode = Literal["zero", "mean", "reflect", "replicate", "circular"]
MODES: tuple[Mode, ...] = ("zero", "mean", "reflect", "replicate", "circular")


def pnet_features() -> nn.Sequential:
    """P-Net up to its 32-channel feature map: three convolutions and a pooling, none with padding."""
    net = pnet()
    return nn.Sequential(net.conv1, net.prelu1, net.pool1, net.conv2, net.prelu2, net.conv3, net.prelu3)


@functools.cache
def pnet_field() -> ReceptiveField:
    """P-Net's receptive field."""
    return receptive_field(pnet_features())


def pad_photos(
    photos: Float[Tensor, "n c h w"], padding: tuple[int, int, int, int], mode: Mode
) -> Float[Tensor, "n c h2 w2"]:
    """Photos with (left, right, top, bottom) more pixels.

    Black, each photo's mean colour, its mirror image, its last pixels repeated, or what lies at its far side.
    """
    require_choice("mode", mode, MODES)
    require(min(padding) >= 0, "padding", padding, "at least 0 pixels on each side")
    fits = mode != "reflect" or (max(padding[:2]) < photos.shape[3] and max(padding[2:]) < photos.shape[2])
    require(fits, "padding", padding, f"for reflect, less than the photo's sides {tuple(photos.shape[2:])}")
    wraps = mode != "circular" or (max(padding[:2]) <= photos.shape[3] and max(padding[2:]) <= photos.shape[2])
    require(wraps, "padding", padding, f"for circular, at most the photo's sides {tuple(photos.shape[2:])}")
    if mode == "mean":
        mean = photos.mean((2, 3), keepdim=True)
        return F.pad(photos - mean, padding) + mean
    return F.pad(photos, padding, mode="constant" if mode == "zero" else mode)
