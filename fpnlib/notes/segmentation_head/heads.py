"""A small segmentation network with one of five heads, and scenes to train it on."""

import functools
import math
from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fpnlib.data.scenes import SCENE_CLASSES, TRAINING_SEEDS, VALIDATION_SEEDS, scene_batch
from fpnlib.validation import require_choice

CLASSES = len(SCENE_CLASSES)
SIZE = 32  # pixels of a scene
WIDTH = 12  # channels of the trunk
TRAINING, VALIDATION = 256, 48  # scenes
HEADS = ("3×3", "3×3→1×1", "1×1", "wide 3×3", "3×3→3×3")
"""The last two are controls with the parameters of 3×3→1×1: a wider trunk below a 3×3, and two 3×3."""


class HeadNet(nn.Module):
    """A trunk of three convolutions with batch norm at stride 2, a head, and logits enlarged to the image's size."""

    def __init__(self, head: str) -> None:
        require_choice("head", head, HEADS)
        super().__init__()
        width = wide_trunk() if head == "wide 3×3" else WIDTH
        self.trunk = nn.Sequential(
            *_layer(3, width, stride=2), *_layer(width, width), *_layer(width, width, dilation=2)
        )
        self.head = _head(head, width)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b classes h w"]:
        """Logits (B, classes, H, W) of images 0…1."""
        logits = self.head(self.trunk(images * 2 - 1))
        return F.interpolate(logits, scale_factor=2.0, mode="bilinear")

    @property
    def last(self) -> nn.Conv2d:
        """The layer that gives the logits."""
        layer = self.head[-1]
        assert isinstance(layer, nn.Conv2d)
        return layer


def _layer(channels: int, width: int, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(channels, width, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)
    return [conv, nn.BatchNorm2d(width), nn.ReLU()]


def _head(head: str, width: int) -> nn.Sequential:
    if head == "1×1":
        return nn.Sequential(nn.Conv2d(width, CLASSES, 1))
    if head in ("3×3", "wide 3×3"):
        return nn.Sequential(nn.Conv2d(width, CLASSES, 3, padding=1))
    last = 1 if head == "3×3→1×1" else 3
    between = width if last == 1 else narrow_middle()
    return nn.Sequential(
        nn.Conv2d(width, between, 3, padding=1), nn.ReLU(), nn.Conv2d(between, CLASSES, last, padding=last // 2)
    )


def wide_trunk() -> int:
    """Return the trunk's channels with which a net that ends in one 3×3 has the parameters of 3×3→1×1."""
    wanted = _trunk_weights(WIDTH) + 9 * WIDTH**2 + WIDTH * (1 + CLASSES) + CLASSES
    # 18 w² + (9 · 3 + 6 + 9 · classes) w + classes = wanted
    linear = 33 + 9 * CLASSES
    return round((math.sqrt(linear**2 + 72 * (wanted - CLASSES)) - linear) / 36)


def narrow_middle() -> int:
    """Return the channels between two 3×3 with which a head has the parameters of 3×3→1×1."""
    return round((9 * WIDTH**2 + WIDTH * (1 + CLASSES)) / (9 * WIDTH + 1 + 9 * CLASSES))


def _trunk_weights(width: int) -> int:
    return 27 * width + 18 * width**2 + 6 * width


class Scenes(NamedTuple):
    """Images (n, 3, h, w) and their classes (n, h, w)."""

    images: Float[Tensor, "n 3 h w"]
    semantic: Int64[Tensor, "n h w"]


@functools.lru_cache(maxsize=4)
def scenes(count: int, *, training: bool) -> Scenes:
    """Return the first `count` scenes for training or for validation."""
    seeds = TRAINING_SEEDS if training else VALIDATION_SEEDS
    batch = scene_batch(list(seeds[:count]), size=SIZE)
    return Scenes(batch.images, batch.semantic)


@functools.lru_cache(maxsize=1)
def class_weights() -> Float[Tensor, " classes"]:
    """Return the loss's weight of each class: one over the root of its share of the training pixels, mean 1."""
    pixels = scenes(TRAINING, training=True).semantic.flatten().bincount(minlength=CLASSES)
    weights = pixels.float().rsqrt()
    return weights / weights.mean()


def mean_ious(logits: Float[Tensor, "n classes h w"], semantic: Int64[Tensor, "n h w"]) -> Tensor:
    """Mean IoU over all pixels, a scalar tensor; as `fpnlib.metrics.mean_iou`, in a form that vmap can run."""
    predicted = F.one_hot(logits.argmax(1), CLASSES).flatten(0, 2).to(logits.dtype)
    wanted = F.one_hot(semantic, CLASSES).flatten(0, 2).to(logits.dtype)
    hits = (predicted * wanted).sum(0)
    return (hits / (predicted.sum(0) + wanted.sum(0) - hits)).nanmean()
