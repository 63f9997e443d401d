"""C, M and P of a photo, of the book or the reader's own."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from fpnlib.data.photos import image_batch, load_image, photo, photo_names, shrunk
from fpnlib.models import FPN
from fpnlib.notes.fpn.experiments.backbones import Backbone, book_backbones
from fpnlib.notes.fpn.experiments.principal import principal_components, projected_fpn
from fpnlib.validation import require

Stage = Literal["C", "M", "P"]
STAGES: tuple[Stage, ...] = ("C", "M", "P")
PHOTOS = ("coffee", "chelsea", "astronaut", "china")
LONGEST = 512  # pixels of a photo as the backbones see it
_PANEL = 390  # pixels of a photo's longer side in a panel, on a dense screen


@dataclass(frozen=True, eq=False)
class Pyramid:
    """C, M and P of one photo, finest level first, each map (channels, rows, columns).

    photo:   (H, W, 3) uint8, shrunk to LONGEST
    levels:  the number k of each level; its stride is 2ᵏ where the maps halve
    strides: pixels that a cell of each level is high and wide
    fpn:     that made M and P
    layers:  the names of the layers that gave C, where they have names
    """

    photo: UInt8[np.ndarray, "h w 3"]
    backbone: Backbone
    levels: tuple[int, ...]
    strides: tuple[tuple[float, float], ...]
    fpn: FPN
    maps: Mapping[Stage, tuple[Float[Tensor, "_ _ _"], ...]]
    layers: tuple[str, ...] = ()
    _colours: dict[Stage, tuple[Tensor, ...]] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Whose weights these are and which layers gave C, in words."""
        of = f"; C is what these layers give: {', '.join(self.layers)}" if self.layers else ""
        return self.backbone.weights + of

    @cached_property
    def page(self) -> UInt8[np.ndarray, "rows columns 3"]:
        """The photo as large as a panel shows it."""
        return shrunk(self.photo, _PANEL)

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


@torch.inference_mode()
def build(image: UInt8[np.ndarray, "h w 3"], backbone: Backbone) -> Pyramid:
    """C, M and P of a photo.

    ValueError when a map is wider or higher than the finer one before it, or the maps do not fit the pyramid.
    """
    small = shrunk(image, LONGEST)
    answer = backbone.maps(image_batch(small))
    layers = tuple(answer) if isinstance(answer, Mapping) else ()
    stages = list(answer.values() if isinstance(answer, Mapping) else answer)
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
    return Pyramid(small, backbone, tuple(range(first, first + len(stages))), strides, fpn, maps, layers)


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
        high = wide = None
        for times in (first, *range(1, max(size) + 1)):
            fits_high = is_stride(size[0], cells[0], times * down)
            fits_wide = is_stride(size[1], cells[1], times * across)
            high = high or (times if fits_high else None)
            wide = wide or (times if fits_wide else None)
            if fits_high and fits_wide:
                high = wide = times
                break
        down = high * down if high else size[0] / cells[0]
        across = wide * across if wide else size[1] / cells[1]
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
