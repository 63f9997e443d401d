"""C, M and P of a photo: the book's backbones and the reader's own."""

import itertools
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from fpnlib.data.photos import image_batch, load_image, photo, photo_names
from fpnlib.models import FPN, EfficientNetLite0
from fpnlib.models.detector import Detector
from fpnlib.notes.fpn.experiments.lite_pyramid import lite_pyramid
from fpnlib.notes.fpn.explorers.colours import preview
from fpnlib.validation import require, require_finite

Stage = Literal["C", "M", "P"]
STAGES: tuple[Stage, ...] = ("C", "M", "P")
PHOTOS = ("coffee", "chelsea", "astronaut", "china")
LONGEST = 512  # pixels of a photo as the backbones see it
_PANEL = 390  # pixels of a photo's longer side in a panel, on a dense screen
_PROJECTED = 32  # channels of a pyramid that nobody trained
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


@dataclass(frozen=True, eq=False)
class Pyramid:
    """C, M and P of one photo, finest level first, each map (channels, rows, columns).

    photo:   (H, W, 3) uint8, shrunk to LONGEST
    levels:  the number k of each level; its stride is 2ᵏ where the maps halve
    strides: pixels that a cell of each level is high and wide
    fpn:     that made M and P
    """

    photo: UInt8[np.ndarray, "h w 3"]
    backbone: Backbone
    levels: tuple[int, ...]
    strides: tuple[tuple[float, float], ...]
    fpn: FPN
    maps: Mapping[Stage, tuple[Float[Tensor, "_ _ _"], ...]]
    _colours: dict[Stage, tuple[Tensor, ...]] = field(default_factory=dict)

    @cached_property
    def page(self) -> UInt8[np.ndarray, "rows columns 3"]:
        """The photo as large as a panel shows it."""
        return preview(self.photo, _PANEL)

    def place(self, level: int) -> int:
        """Where the level nearest to `level` stands in `levels`."""
        return min(range(len(self.levels)), key=lambda i: abs(self.levels[i] - level))

    def require_halves(self) -> None:
        """ValueError for maps that do not halve from level to level."""
        halves = all(coarse == (2 * fine[0], 2 * fine[1]) for fine, coarse in itertools.pairwise(self.strides))
        sizes = [tuple(one.shape[1:]) for one in self.maps["C"]]
        require(halves, "backbone", f"maps of sizes {sizes}", "maps that halve from level to level")

    def colours(self, stage: Stage) -> tuple[Float[Tensor, "3 _ _"], ...]:
        """The first three principal components of each level, with spread about one.

        The channels of M and P mean the same on every level, so there one set of components serves all, found after
        every level was brought to mean 0 and the same spread; each C has its own.
        """
        if stage not in self._colours:
            centred = [one - one.mean((1, 2), keepdim=True) for one in self.maps[stage]]
            maps = [one / one.std(correction=0).clamp(min=1e-12) for one in centred]
            shared = None if stage == "C" else principal_components(maps, 3)[0]
            self._colours[stage] = tuple(
                torch.einsum("kc,chw->khw", principal_components([one], 3)[0] if shared is None else shared, one)
                for one in maps
            )
        return self._colours[stage]


def principal_components(maps: Sequence[Float[Tensor, "c _ _"]], number: int) -> tuple[Tensor, Tensor]:
    """Directions (number, c) with spread one along each, and the mean (c,); every map counts alike.

    Where the maps vary along fewer directions the rest are 0.
    """
    flat = [one.flatten(1).double() for one in maps]
    mean = torch.stack([one.mean(1) for one in flat]).mean(0)
    centred = [one - mean[:, None] for one in flat]
    covariance = torch.stack([one @ one.T / one.shape[1] for one in centred]).mean(0)
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0)[:number], vectors.flip(1)[:, :number].T
    # A direction and its opposite are equally right; the largest entry is made positive.
    vectors = vectors * vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()
    real = values > 1e-9 * values[0].clamp(min=1e-30)
    scale = torch.where(real, values.clamp(min=1e-30).rsqrt(), 0)
    missing = number - len(values)
    directions = F.pad(vectors * scale[:, None], (0, 0, 0, missing))
    return directions.float(), mean.float()


def projected_fpn(maps: Sequence[Float[Tensor, "_ _ _"]]) -> FPN:
    """A pyramid that nobody trained: laterals onto each map's principal components, a fixed binomial 3×3."""
    channels = min(_PROJECTED, *(len(one) for one in maps))
    pyramid = FPN([len(one) for one in maps], channels)
    binomial = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])) / 16
    with torch.no_grad():
        blocks: Any = zip(maps, pyramid.inner_blocks, pyramid.layer_blocks, strict=True)
        for one, lateral, smooth in blocks:
            directions, mean = principal_components([one], channels)
            lateral[0].weight.copy_(directions[:, :, None, None])
            lateral[0].bias.copy_(-directions @ mean)
            smooth[0].weight.copy_(torch.eye(channels)[:, :, None, None] * binomial)
    return pyramid.eval().requires_grad_(False)


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


def shrunk(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A photo with its longest side at most LONGEST pixels."""
    height, width = image.shape[:2]
    scale = LONGEST / max(height, width)
    if scale >= 1:
        return image
    sides = [max(1, round(side * scale)) for side in (height, width)]
    small = F.interpolate(image_batch(image), sides, mode="bilinear", antialias=True)
    return small[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()


@torch.inference_mode()
def build(image: UInt8[np.ndarray, "h w 3"], backbone: Backbone) -> Pyramid:
    """C, M and P of a photo.

    ValueError when a map is wider or higher than the finer one before it, or the maps do not fit the pyramid.
    """
    small = shrunk(image)
    stages = backbone.maps(image_batch(small))
    fpn = backbone.fpn or projected_fpn([one[0] for one in stages])
    merged = fpn.merged(stages)
    levels = fpn(stages)
    strides = strides_of(small.shape[:2], [one.shape[2:] for one in stages])
    first = max(0, round(math.log2(max(strides[0]))))
    maps: dict[Stage, tuple[Tensor, ...]] = {
        "C": tuple(one[0] for one in stages),
        "M": tuple(one[0] for one in merged),
        "P": tuple(one[0] for one in levels),
    }
    return Pyramid(small, backbone, tuple(range(first, first + len(stages))), strides, fpn, maps)


def strides_of(size: Sequence[int], maps: Sequence[Sequence[int]]) -> tuple[tuple[float, float], ...]:
    """Pixels that a cell of each map is high and wide, from the sizes (rows, columns) of a photo and its maps.

    Backbones round, so several strides may explain a size. First choice is a power of two for the finest map and twice
    the finer map's stride for the others, then the finer's least multiple, if need be for each side alone, then
    side / cells.
    """
    strides: list[tuple[float, float]] = []
    down, across = 1.0, 1.0
    for cells in maps:
        largest = max(side / count for side, count in zip(size, cells, strict=True))
        first = 2 if strides else 2 ** max(0, round(math.log2(largest)))
        multiples = (first, *range(1, max(size) + 1))
        high = [times for times in multiples if is_stride(size[0], cells[0], times * down)]
        wide = [times for times in multiples if is_stride(size[1], cells[1], times * across)]
        both = [times for times in high if times in wide]
        high, wide = both or high, both or wide
        down = high[0] * down if high else size[0] / cells[0]
        across = wide[0] * across if wide else size[1] / cells[1]
        strides.append((down, across))
    return tuple(strides)


def is_stride(side: int, cells: int, stride: float) -> bool:
    """Whether `cells` are side / stride, rounded up or down."""
    return abs(cells - side / stride) < 1


class Library:
    """Photos and backbones to choose from: the book's, and first the reader's, if any. A few pyramids are kept.

    Args:
        image: the name of a photo of the book to begin with, or the reader's own as `load_image` takes it, or an upload
            widget or its value.
        backbone: the reader's own.
    """

    def __init__(self, image: Any = None, backbone: Backbone | None = None) -> None:
        known = isinstance(image, str) and image in photo_names()
        self._photos = {} if image is None or known else {"yours": load_image(_file(image))}
        self._backbones = {one.name: one for one in ([backbone] if backbone else []) + list(book_backbones())}
        self.photos = tuple(dict.fromkeys([*([image] if known else self._photos), *PHOTOS]))
        self.backbones = tuple(self._backbones)
        self._own = lru_cache(maxsize=4)(self._build)

    def get(self, photo_name: str, backbone: str) -> Pyramid:
        """The pyramid of a photo."""
        if photo_name in self._photos or backbone == "yours":
            return self._own(photo_name, backbone)
        return _book_pyramid(photo_name, self._backbones[backbone])

    def _build(self, photo_name: str, backbone: str) -> Pyramid:
        image = self._photos[photo_name] if photo_name in self._photos else photo(photo_name)
        return build(image, self._backbones[backbone])


def _file(image: Any) -> Any:
    """An upload widget, its value, or one entry of it, as the bytes of the file; anything else as it is."""
    image = getattr(image, "value", image)
    if isinstance(image, tuple | list):
        require(len(image) == 1, "photo", f"{len(image)} uploaded files", "one")
        image = image[0]
    return bytes(image["content"]) if isinstance(image, Mapping) and "content" in image else image


@lru_cache(maxsize=len(PHOTOS) * 2)
def _book_pyramid(photo_name: str, backbone: Backbone) -> Pyramid:
    return build(photo(photo_name), backbone)
