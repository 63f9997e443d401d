"""A small segmentation net: EfficientNet-Lite0's maps, frozen, on one grid, and a head of two 1×1 convolutions.

The grid's stride is the output stride. At every stride the head reads the same maps and has the same parameters.

    python -m fpnlib.notes.segmentation_difficulties.nets

trains the two nets that the explorers show and writes their weights (a minute on one core).
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fpnlib.data.scenes import SCENE_CLASSES, TRAINING_SEEDS, SceneBatch, scene_batch
from fpnlib.models import EfficientNetLite0
from fpnlib.training import Ensemble, minibatches

SIZE = 128  # pixels
OUTPUT_STRIDES = (32, 16, 8)
STORED = {"weak": 32, "strong": 8}  # output strides
FILE = Path(__file__).with_name("unaries.safetensors")
_TRAINING = TRAINING_SEEDS[:256]
_STEPS, _BATCH, _RATE, _HIDDEN = 400, 8, 3e-3, 32
_FINE = 32  # the side of the grid on which the loss is taken
_CHANNELS = sum(EfficientNetLite0.channels[2:])


class Maps(NamedTuple):
    """EfficientNet-Lite0's maps at strides 8, 16 and 32: (n, c, h, w) each."""

    c3: Float[Tensor, "n _ _ _"]
    c4: Float[Tensor, "n _ _ _"]
    c5: Float[Tensor, "n _ _ _"]


class Head(nn.Module):
    """From maps on one grid (n, channels, h, w) to a logit for each class, (n, classes, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(_CHANNELS, affine=False)
        self.hidden = nn.Conv2d(_CHANNELS, _HIDDEN, 1)
        self.last = nn.Conv2d(_HIDDEN, len(SCENE_CLASSES), 1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes h w"]:
        """Logits on the grid."""
        return self.last(self.hidden(self.norm(x)).relu())


@functools.cache
def _backbone() -> EfficientNetLite0:
    return EfficientNetLite0.pretrained().requires_grad_(False)


@torch.no_grad()
def maps_of(images: Float[Tensor, "n 3 h w"]) -> Maps:
    """The backbone's maps of images with values from 0 to 1."""
    parts = [_backbone().features((part * 255 - 127) / 128)[2:] for part in images.split(32)]
    return Maps(*(torch.cat(level) for level in zip(*parts, strict=True)))


def on_grid(maps: Maps, stride: int) -> Float[Tensor, "n channels h w"]:
    """All maps on the grid of an output stride: finer ones averaged over its cells, coarser ones enlarged."""
    height, width = (side * 8 // stride for side in maps.c3.shape[2:])
    parts = []
    for level in maps:
        finer = level.shape[2] // height
        parts.append(
            F.avg_pool2d(level, finer)
            if finer > 0
            else F.interpolate(level, (height, width), mode="bilinear", align_corners=False)
        )
    return torch.cat(parts, 1)


def enlarge(logits: Float[Tensor, "n classes h w"], size: int = SIZE) -> Float[Tensor, "n classes size size"]:
    """Logits on a grid, bilinearly at every pixel."""
    return F.interpolate(logits, (size, size), mode="bilinear", align_corners=False)


@functools.lru_cache(maxsize=4)
def labelled(seeds: Sequence[int]) -> tuple[SceneBatch, Maps]:
    """Scenes and the backbone's maps of them."""
    batch = scene_batch(seeds, size=SIZE)
    return batch, maps_of(batch.images)


def loss(model: nn.Module, x: Float[Tensor, "n c h w"], classes: Int64[Tensor, "n fine fine"]) -> Tensor:
    """Cross-entropy at every fourth pixel."""
    return F.cross_entropy(enlarge(model(x), _FINE), classes)


def train(stride: int, seeds: Sequence[int], steps: int = _STEPS) -> Ensemble:
    """Train one head per seed on the same scenes; a seed has its own first weights and order of scenes.

    The order does not depend on the stride.
    """
    batch, maps = labelled(_TRAINING)
    classes = F.interpolate(batch.semantic[:, None].float(), (_FINE, _FINE), mode="nearest-exact")[:, 0].long()
    ensemble = Ensemble(Head, list(seeds), optimizer="adam", learning_rate=_RATE)
    batches = minibatches(on_grid(maps, stride), classes, size=_BATCH, seed=list(seeds))
    ensemble.fit(batches, loss, steps=steps, schedule=lambda step: 1 - step / _STEPS, in_dims=0)
    return ensemble


@functools.lru_cache(maxsize=2 * len(OUTPUT_STRIDES))
def trained(stride: int, seeds: tuple[int, ...]) -> Ensemble:
    """The trained heads of some seeds."""
    return train(stride, seeds)


@functools.cache
def stored(name: str) -> Head:
    """The "weak" or "strong" net that the explorers show: seed 0 at output stride 32 or 8."""
    prefix = f"{name}."
    tensors = {key.removeprefix(prefix): value for key, value in load_file(FILE).items() if key.startswith(prefix)}
    head = Head()
    head.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in tensors.items()})
    return head.eval().requires_grad_(False)


def logits_of(name: str, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes h w"]:
    """Logits of a stored net at every pixel of images with values from 0 to 1."""
    return enlarge(stored(name)(on_grid(maps_of(images), STORED[name])), images.shape[-1])


def main() -> None:
    """Train and store, in half precision."""
    torch.set_num_threads(1)
    tensors = {}
    for name, stride in STORED.items():
        for key, value in train(stride, [0]).member(0).state_dict().items():
            tensors[f"{name}.{key}"] = value.half() if value.is_floating_point() else value
    save_file(tensors, FILE)


if __name__ == "__main__":
    main()
