"""Pictures whose every pixel has a class and, where it belongs to a thing, an identity; and ways to get them wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8
from scipy import ndimage

from fpnlib.data import labelled_photo, load_image
from fpnlib.data.scenes import SCENE_CLASSES, scene
from fpnlib.metrics.arrays import ArrayLike, as_array
from fpnlib.validation import require

PHOTOS = ("cafe", "bin")


@dataclass(frozen=True, eq=False)
class Labelled:
    """A labelled picture with n instances.

    instances: (H, W) ids 1 … n, 0 for the background
    labels:    (n + 1,) the class of each id; that of the background, first, is 0
    names:     of the classes, background first
    image:     (H, W, 3) RGB, or None
    """

    instances: Int64[np.ndarray, "h w"]
    labels: Int64[np.ndarray, " n"]
    names: tuple[str, ...]
    image: UInt8[np.ndarray, "h w 3"] | None = None

    @cached_property
    def classes(self) -> Int64[np.ndarray, "h w"]:
        """The class of each pixel."""
        return self.labels[self.instances]

    @cached_property
    def areas(self) -> Int64[np.ndarray, " n"]:
        """Pixels of each id, the background's first."""
        return np.bincount(self.instances.ravel(), minlength=len(self.labels))

    @cached_property
    def present(self) -> Int64[np.ndarray, " classes"]:
        """The classes that occur, in order."""
        return np.unique(self.classes)

    @cached_property
    def depth(self) -> Float64[np.ndarray, "h w"]:
        """How far each pixel of a thing is from the nearest pixel that is not of this thing; 0 in the background."""
        found = np.zeros(self.instances.shape)
        for number, window in enumerate(ndimage.find_objects(self.instances), 1):
            if window is None:
                continue
            # One pixel more on each side, so that its surroundings are seen; beyond the image there are none.
            around = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in window)
            mine = self.instances[around] == number
            found[around][mine] = ndimage.distance_transform_edt(mine)[mine]
        return found

    @cached_property
    def _surroundings(self) -> tuple[np.ndarray, np.ndarray]:
        """For each pixel of the background the nearest thing: its distance and its id."""
        distance, place = ndimage.distance_transform_edt(self.instances == 0, return_indices=True)
        return distance, self.instances[tuple(place)]

    def grown(self, pixels: float) -> Int64[np.ndarray, "h w"]:
        """Ids with every thing dilated by so many pixels into the background, or eroded if it is negative."""
        if pixels < 0:
            return np.where(self.depth > -pixels, self.instances, 0)
        distance, nearest = self._surroundings
        return np.where(distance <= pixels, nearest, 0)

    def bitten(self, pixels: int) -> Int64[np.ndarray, "h w"]:
        """Ids with one compact region of so many pixels lost to the background, from the largest thing on."""
        left = self.instances.copy().ravel()
        for number in 1 + np.argsort(-self.areas[1:], kind="stable"):
            places = np.flatnonzero(self.instances == number)
            rows, columns = np.divmod(places, self.instances.shape[1])
            middle = np.argmax(self.depth.ravel()[places])
            far = (rows - rows[middle]) ** 2 + (columns - columns[middle]) ** 2
            lost = places[np.argsort(far, kind="stable")[:pixels]]
            left[lost] = 0
            pixels -= len(lost)
            if pixels == 0:
                break
        return left.reshape(self.instances.shape)


@lru_cache(maxsize=8)
def example(name: str, step: int = 1) -> Labelled:
    """The café photo or the bin, every `step`-th pixel of every `step`-th row."""
    known = labelled_photo(name)
    masks = known.masks.numpy()[:, ::step, ::step]
    numbers = np.arange(1, len(masks) + 1)[:, None, None]
    return Labelled(
        instances=(masks * numbers).max(0).astype(np.int64),
        labels=np.concatenate([[0], known.labels.numpy()]),
        names=known.class_names,
        image=known.image[::step, ::step],
    )


def labelled_scene(seed: int, size: int) -> Labelled:
    """A generated scene."""
    drawn = scene(seed, size=size)
    return Labelled(
        instances=drawn.instances.numpy(),
        labels=np.concatenate([[0], drawn.classes.numpy()]),
        names=SCENE_CLASSES,
        image=drawn.image.permute(1, 2, 0).numpy(),
    )


def from_maps(instances: ArrayLike, categories: Mapping[int, str], image: Any = None) -> Labelled:
    """The reader's own picture.

    Args:
        instances: (H, W) whole numbers, an id per thing; 0 is the background.
        categories: the name of each id's class.
        image: the photo, an array (H, W, 3) or a path.

    Raises:
        ValueError: a map that is not of whole numbers (H, W), no thing in it, an id without a category, another size.
    """
    ids = as_array("instances", instances)
    require(ids.dtype.kind in "iu" and ids.ndim == 2, "instances", f"{ids.dtype} {ids.shape}", "whole numbers (h, w)")
    found = [int(number) for number in np.unique(ids) if number != 0]
    require(bool(found), "instances", "only background", "one thing or more")
    missing = [number for number in found if number not in categories]
    require(not missing, "categories", f"none for {missing}", "a name for each id of instances")
    names = ("background", *sorted({categories[number] for number in found}))
    pixels = None if image is None else load_image(image)
    if pixels is not None:
        require(pixels.shape[:2] == ids.shape, "image", f"{pixels.shape[:2]}", f"{ids.shape}, the size of instances")
    return Labelled(
        instances=np.where(ids == 0, 0, 1 + np.searchsorted(found, ids)).astype(np.int64),
        labels=np.array([0, *(names.index(categories[number]) for number in found)]),
        names=names,
        image=pixels,
    )


def smaller(labelled: Labelled, longest: int) -> Labelled:
    """Every second, third, … pixel, so that no side is longer than `longest`; things that vanish keep their id."""
    step = -(-max(labelled.instances.shape) // longest)
    if step == 1:
        return labelled
    image = None if labelled.image is None else labelled.image[::step, ::step]
    return Labelled(labelled.instances[::step, ::step], labelled.labels, labelled.names, image)


def class_mask(classes: Int64[np.ndarray, "h w"], number: int) -> Bool[np.ndarray, "h w"]:
    """Where a class is."""
    return classes == number
