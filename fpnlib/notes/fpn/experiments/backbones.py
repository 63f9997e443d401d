"""Backbones for the pyramids of photos: the book's and the reader's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from fpnlib.models import FPN, EfficientNetLite0
from fpnlib.models.detector import Detector
from fpnlib.models.taps import last_maps
from fpnlib.notes.fpn.experiments.lite_pyramid import lite_pyramid
from fpnlib.validation import require, require_finite

# torchvision's constants, with which most public backbones were trained.
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class Backbone:
    """A backbone with the pyramid on it.

    name:    as a list of choices shows it
    maps:    from a photo (1, 3, H, W) 0…255 to its maps, finest first; a dict has them by the names of their layers
    fpn:     the pyramid, or None for one made from each photo's own maps
    weights: whose weights these are, in a few words
    """

    name: str
    maps: Callable[[Tensor], Sequence[Tensor] | Mapping[str, Tensor]]
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

    The maps may come finest first or coarsest first. Of a module that returns something else, such as a classifier, the
    last map of each stride from 4 on is taken; see `last_maps`.

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

    def maps(batch: Tensor) -> Sequence[Tensor] | Mapping[str, Tensor]:
        prepared = prepare(batch)
        answer = backbone(prepared)
        if isinstance(backbone, torch.nn.Module) and not _are_maps(_listed(answer)):
            return _finest_first(last_maps(backbone, prepared))
        return _finest_first(answer)

    return Backbone("yours", maps, fpn, whose)


def _listed(answer: Any) -> Any:
    return list(answer.values()) if isinstance(answer, Mapping) else answer


def _are_maps(maps: Any) -> bool:
    listed = isinstance(maps, list | tuple) and len(maps) >= 2 and all(isinstance(one, Tensor) for one in maps)
    return listed and all(one.ndim == 4 and len(one) == 1 for one in maps)


def _finest_first(answer: Any) -> list[Tensor] | dict[str, Tensor]:
    maps = _listed(answer)
    listed = isinstance(maps, list | tuple) and all(isinstance(one, Tensor) for one in maps)
    require(listed, "backbone", f"one that returns {type(answer).__name__}", "one that returns a list or dict of maps")
    shapes = [tuple(one.shape) for one in maps]
    require(_are_maps(maps), "backbone", f"maps of shapes {shapes}", "two or more (1, C, h, w)")
    for number, one in enumerate(maps):
        require_finite(f"backbone, map {number}", one)
    cells = [one.shape[2] * one.shape[3] for one in maps]
    order = list(range(len(maps)))
    if cells[0] < cells[-1]:  # before sorting, which leaves maps of equal size in the order they came
        order.reverse()
    order.sort(key=lambda place: -cells[place])
    floats = [maps[place].float() for place in order]
    if not isinstance(answer, Mapping):
        return floats
    names = list(map(str, answer))
    return {names[place]: one for place, one in zip(order, floats, strict=True)}
