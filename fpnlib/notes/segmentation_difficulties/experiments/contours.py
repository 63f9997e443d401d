"""What a line along one mask's contour costs its IoU, beside the rule line · length / area."""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from skimage.measure import find_contours

from fpnlib.notes.segmentation_difficulties.experiments.photos import cafe, photos
from fpnlib.validation import require


class Contour(NamedTuple):
    """A mask's contour: its length in pixels, and how far from it pixels lie.

    inside:  (h, w) of the mask's pixels, to the nearest one that is not the mask's; 0 elsewhere
    outside: (h, w) of the other pixels, to the nearest one of the mask; 0 in the mask
    """

    length: float
    inside: Float[np.ndarray, "h w"]
    outside: Float[np.ndarray, "h w"]

    @property
    def length_by_area(self) -> float:
        """What a line of one pixel costs by the rule: length / area."""
        return self.length / float((self.inside > 0).sum())

    def wrong(self, line: int) -> Bool[np.ndarray, "h w"]:
        """The pixels that a mask too large by a line of so many pixels gets wrong."""
        return (self.outside > 0) & (self.outside <= line)

    def void(self, width: int) -> Bool[np.ndarray, "h w"]:
        """A border that no score counts, half of it on either side, the larger half outside."""
        inner, outer = width // 2, width - width // 2
        return np.where(self.inside > 0, self.inside <= inner, self.outside <= outer)

    def cost(self, line: int, void: int) -> float:
        """1 − IoU of a mask too large by a line; 0 where the border hides all of the line, whatever it leaves."""
        counted = ~self.void(void)
        wrong = int((self.wrong(line) & counted).sum())
        return wrong / (wrong + int((counted & (self.inside > 0)).sum())) if wrong else 0.0


def contour(mask: Bool[np.ndarray, "h w"]) -> Contour:
    """Measure a mask. Where it ends with the photo there is no contour.

    Raises:
        ValueError: for a mask without pixels, or with all.
    """
    require(bool(mask.any() and not mask.all()), "mask", f"{int(mask.sum())} of {mask.size} pixels", "some, not all")
    lines = (np.diff(line, axis=0) for line in find_contours(mask.astype(float), 0.5))
    length = sum(float(np.hypot(*line.T).sum()) for line in lines)
    return Contour(length, ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask))


@functools.cache
def contours() -> tuple[tuple[Contour, ...], tuple[Contour, ...]]:
    """The contours of the café's instances, and those of all instances of the other four photos."""
    others = [known.masks for name, known in photos().items() if name != "cafe"]
    return (
        tuple(contour(mask.numpy()) for mask in cafe().masks),
        tuple(contour(mask.numpy()) for masks in others for mask in masks),
    )


@functools.cache
def costs(line: int, void: int) -> tuple[Float[np.ndarray, " cafe"], Float[np.ndarray, " others"]]:
    """`Contour.cost` of each of `contours`."""
    of_cafe, of_others = (np.array([one.cost(line, void) for one in group]) for group in contours())
    return of_cafe, of_others
