"""Backbones for the pyramids of photos: the book's and the reader's own."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from fpnlib.models import FPN, EfficientNetLite0
from fpnlib.models.detector import Detector
from fpnlib.notes.fpn.experiments.lite_pyramid import lite_pyramid
from fpnlib.validation import require, require_finite

# torchvision's constants, with which most public backbones were trained.
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class Backbone:
    """A backbone with the pyramid on it.

    name:    as a list of choices shows it
    maps:    from a photo (1, 3, H, W) 0…255 to its maps, finest first
    fpn:     the pyramid, or None for one made from each photo's own maps
    weights: whose weights these are, in a few words
    """

    name: str
    maps: Callable[[Tensor], Sequence[Tensor]]
    fpn: FPN | None
    weights: str


@lru_cache(maxsize=1)
def lite0() -> Backbone:
    """EfficientNet-Lite0 with ImageNet's weights, and the pyramid that was trained on scenes."""
    net = EfficientNetLite0.pretrained()
    return Backbone(
        "EfficientNet-Lite0",
        lambda batch: net.features((batch - 127) / 128)[1:],
        lite_pyramid(),
        "backbone trained on ImageNet, pyramid on scenes",
    )


@lru_cache(maxsize=1)
def scene_resnet() -> Backbone:
    """The small ResNet and the pyramid of the detector that was trained on scenes."""
    detector = Detector.pretrained("full")
    return Backbone(
        "small ResNet",
        lambda batch: detector.maps(batch / 255),
        detector.fpn,
        "backbone and pyramid trained together, to detect objects in scenes",
    )


def book_backbones() -> tuple[Backbone, ...]:
    """The book's own."""
    return lite0(), scene_resnet()


def own_backbone(
    backbone: Callable[[Tensor], Any],
    *,
    preprocess: Callable[[Tensor], Tensor] | None = None,
    fpn: FPN | None = None,
) -> Backbone:
    """The reader's: a module or function from a batch to a list or dict of maps (1, C, h, w) of any sizes.

    The maps may come finest first or coarsest first.

    `preprocess` takes (1, 3, H, W) 0…255; by default ImageNet's mean and spread, as torchvision's nets want it. `fpn`
    is a pyramid for the maps. ValueError for anything that cannot be called.
    """
    require(callable(backbone), "backbone", type(backbone).__name__, "a module, or a function of a batch")
    require(fpn is None or isinstance(fpn, FPN), "fpn", type(fpn).__name__, "an fpnlib.models.FPN")

    def scaled(batch: Tensor) -> Tensor:
        return (batch / 255 - torch.tensor(_MEAN).view(3, 1, 1)) / torch.tensor(_SPREAD).view(3, 1, 1)

    if isinstance(backbone, torch.nn.Module):
        backbone.eval()
    if fpn is not None:
        fpn.eval()
    whose = "your backbone and pyramid" if fpn else "your backbone; nobody trained this pyramid: laterals onto "
    whose += "" if fpn else "principal components, a fixed 3×3"
    prepare = preprocess or scaled
    return Backbone("yours", lambda batch: _as_maps(backbone(prepare(batch))), fpn, whose)


def _as_maps(answer: Any) -> list[Tensor]:
    maps = list(answer.values()) if isinstance(answer, Mapping | OrderedDict) else answer
    listed = isinstance(maps, list | tuple) and all(isinstance(one, Tensor) for one in maps)
    require(listed, "backbone", f"one that returns {type(answer).__name__}", "one that returns a list or dict of maps")
    shapes = [tuple(one.shape) for one in maps]
    fits = len(maps) >= 2 and all(len(shape) == 4 and shape[0] == 1 for shape in shapes)
    require(fits, "backbone", f"maps of shapes {shapes}", "two or more (1, C, h, w)")
    for number, one in enumerate(maps):
        require_finite(f"backbone, map {number}", one)
    cells = [one.shape[2] * one.shape[3] for one in maps]
    if cells[0] < cells[-1]:  # before sorting, which leaves maps of equal size in the order they came
        maps = maps[::-1]
    return sorted((one.float() for one in maps), key=lambda one: -one.shape[2] * one.shape[3])
