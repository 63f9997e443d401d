"""The book's own examples for padding: P-Net, and real faces that leave through the border of a photo."""

import functools
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from fpnlib.data.photos import photo
from fpnlib.models import PNet
from fpnlib.models.face_detector import pnet
from fpnlib.ops import ReceptiveField, receptive_field
from fpnlib.validation import require, require_choice

Mode = Literal["zero", "mean", "reflect", "replicate"]
MODES: tuple[Mode, ...] = ("zero", "mean", "reflect", "replicate")
ASTRONAUT_FACE = (178, 72, 270, 183)  # x0 y0 x1 y1 by eye: hairline to chin, ear to ear
FACE_SIDES = (12, 15, 18)  # of an LFW photo, in pixels of P-Net's input
_LFW_SIDE = 25
_AROUND = 6  # pixels kept above and below a face


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
    """Photos with (left, right, top, bottom) more pixels: black, each photo's mean colour, mirrored, or repeated."""
    require_choice("mode", mode, MODES)
    require(min(padding) >= 0, "padding", padding, "at least 0 pixels on each side")
    fits = mode != "reflect" or (max(padding[:2]) < photos.shape[3] and max(padding[2:]) < photos.shape[2])
    require(fits, "padding", padding, f"for reflect, less than the photo's sides {tuple(photos.shape[2:])}")
    if mode == "mean":
        mean = photos.mean((2, 3), keepdim=True)
        return F.pad(photos - mean, padding) + mean
    return F.pad(photos, padding, mode="constant" if mode == "zero" else mode)


@functools.cache
def _mosaics() -> Float[Tensor, "200 1 75 75"]:
    """Each of scikit-image's 200 LFW photos amid eight others without a face; the first 100 show a face."""
    import skimage.data

    photos = (skimage.data.lfw_subset() * 255).astype(np.float32)
    rng = np.random.default_rng(0)
    mosaics = []
    for subject in range(len(photos)):
        others = rng.permutation(np.setdiff1d(np.arange(100, 200), subject))[:8]
        tiles = photos[np.insert(others, 4, subject)].reshape(3, 3, _LFW_SIDE, _LFW_SIDE)
        mosaics.append(tiles.transpose(0, 2, 1, 3).reshape(3 * _LFW_SIDE, 3 * _LFW_SIDE))
    return torch.tensor(np.stack(mosaics))[:, None]


def lfw_is_face() -> Bool[Tensor, " 200"]:
    """Which of the 200 LFW photos show a face."""
    return torch.arange(200) < 100


@functools.cache
def _resized(side: int) -> Tensor:
    return F.interpolate(_mosaics(), (3 * side, 3 * side), mode="bilinear", antialias=True)


@torch.inference_mode()
def lfw_border_scores(
    hidden: float | None, padding: int, mode: Mode = "zero", *, upside_down: bool = False
) -> Float[Tensor, " 200"]:
    """P-Net's best score on each LFW photo while it leaves its surroundings through the left border.

    `hidden`: the share of the photo's width beyond the border, or None for the photo amid the others. `padding`: pixels
    put before the border. A window counts if it covers at least half of the visible part, or of itself if that is
    less. The best over three sizes; 0 to 1. `upside_down`: the padding is turned over, so that it has the same pixels
    but does not go on with the face.
    """
    best = torch.zeros(len(_mosaics()))
    for side in FACE_SIDES:
        cut = -_AROUND if hidden is None else round(hidden * side)
        # Rows further off are never in a window that counts.
        crops = _resized(side)[:, :, side - _AROUND : 2 * side + _AROUND, side + cut :]
        padded = pad_photos(crops, (padding, 0, 0, 0), mode)
        if upside_down:
            padded = torch.cat([padded[..., :padding].flip(2), crops], 3)
        padded = padded.expand(-1, 3, -1, -1)
        scores = pnet()((padded - 127.5) / 128).scores
        left, right = max(0, -cut), side - cut  # of the visible part
        covered = overlap(scores.shape[1], 0, _AROUND, _AROUND + side)[:, None] * overlap(
            scores.shape[2], padding, left, right
        )
        counts = covered >= min(PNet.receptive_field**2, side * (right - left)) / 2
        best = best.maximum(scores[:, counts].amax(1))
    return best


def overlap(windows: int, padding: int, begin: float, end: float) -> Tensor:
    """Pixels that each window along an axis shares with begin … end."""
    first = torch.arange(windows) * PNet.stride - padding
    return ((first + PNet.receptive_field).clamp(max=end) - first.clamp(min=begin)).clamp(min=0)


def wins(scores: Float[Tensor, " n"], others: Float[Tensor, " m"]) -> Float[Tensor, "n m"]:
    """Whether each score lies above each of `others`, equal ones a half; the mean is the area under ROC."""
    return (scores[:, None] > others).float() + 0.5 * (scores[:, None] == others).float()


@torch.inference_mode()
def astronaut_scores(hidden: float, padding: int, mode: Mode = "zero") -> float:
    """P-Net's best score when the photo is cut so that this share of the astronaut's face lies beyond the left border.

    At the scale that makes the face 12 pixels high.
    """
    x0, y0, x1, y1 = ASTRONAUT_FACE
    image = photo("astronaut")[: 2 * y1, round(x0 + hidden * (x1 - x0)) : x1 + x1 - x0]
    scaled = PNet.preprocess(np.ascontiguousarray(image), PNet.receptive_field / (y1 - y0)) * 128 + 127.5
    padded = pad_photos(scaled, (padding, 0, 0, 0), mode)
    return float(pnet()((padded - 127.5) / 128).scores.max())
