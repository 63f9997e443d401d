"""What note 08 shows: errors that numbers see or miss, boxes that cap masks, grids that are too coarse, three tasks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fpnlib.data import load_image, photo
from fpnlib.explore import explorer
from fpnlib.metrics.arrays import as_array
from fpnlib.notes.segmentation_difficulties.experiments.means import scene_maps
from fpnlib.notes.segmentation_difficulties.explorers.box_limited_mask import BoxesExplorer
from fpnlib.notes.segmentation_difficulties.explorers.crf import CRFExplorer
from fpnlib.notes.segmentation_difficulties.explorers.dataset_or_image import MeansExplorer
from fpnlib.notes.segmentation_difficulties.explorers.drawn_labels import DrawnExplorer
from fpnlib.notes.segmentation_difficulties.explorers.price_of_a_line import PriceExplorer
from fpnlib.notes.segmentation_difficulties.explorers.shared_fields import ReachExplorer
from fpnlib.notes.segmentation_difficulties.explorers.stride_ceiling import StridesExplorer
from fpnlib.notes.segmentation_difficulties.explorers.superpixels import RegionsExplorer
from fpnlib.notes.segmentation_difficulties.explorers.thin_or_region import ErrorsExplorer
from fpnlib.notes.segmentation_difficulties.explorers.three_tasks import TasksExplorer
from fpnlib.notes.segmentation_difficulties.explorers.weak_labels import LabelsExplorer
from fpnlib.validation import require


@explorer
def thin_or_region() -> ErrorsExplorer:
    """Move every boundary by a few pixels, or make one region of that area wrong, and watch three numbers."""
    return ErrorsExplorer()


@explorer
def price_of_a_line(mask: Any = None) -> PriceExplorer:
    """Draw a line along the contours of real masks, and see what it costs each, beside the rule length / area.

    Args:
        mask: one more mask, your own, (h, w), true on the object; by default a square.

    Raises:
        ValueError: a mask of another shape or type, without pixels, or with all.
    """
    square = np.zeros((100, 100), bool)
    square[20:60, 20:60] = True
    yours = square if mask is None else as_array("mask", mask)
    require(yours.ndim == 2 and yours.dtype == bool, "mask", f"{yours.dtype}, shape {yours.shape}", "bool, (h, w)")
    return PriceExplorer(yours)


@explorer
def box_limited_mask() -> BoxesExplorer:
    """Move an instance's box and see the best mask that still fits into it."""
    return BoxesExplorer()


@explorer
def stride_ceiling() -> StridesExplorer:
    """Send a real mask through a coarse grid and back, and see what is lost, by size."""
    return StridesExplorer()


@explorer
def dataset_or_image(targets: Any = None, names: Sequence[str] | None = None) -> MeansExplorer:
    """Lose part of one class in one of a few images, and see what dataset-mIoU and image-mIoU make of it.

    Args:
        targets: 2 to 6 label maps of one size, (n, h, w), 0 is the background; by default six scenes.
        names: of the classes, the background first; by default their numbers.

    Raises:
        ValueError: other shapes, labels without a name, more than 9 classes, names without maps.
    """
    if targets is None:
        require(names is None, "names", "names without targets", "both, targets alone, or neither")
        return MeansExplorer(*scene_maps())
    labels = as_array("targets", targets)
    require(labels.dtype.kind in "iu" and labels.size > 0, "targets", f"{labels.dtype}", "whole numbers, one or more")
    known = ["background", *(f"class {i}" for i in range(1, int(labels.max()) + 1))] if names is None else names
    return MeansExplorer(labels.astype(np.int64), known)


@explorer
def three_tasks() -> TasksExplorer:
    """Answer one photo as semantic, instance or panoptic segmentation, and see the panoptic quality of each."""
    return TasksExplorer()


@explorer
def shared_fields(image: Any = None) -> ReachExplorer:
    """Take two units of a real network apart: what both could see, and what both look at.

    Args:
        image: your photo, an array (H, W, 3) or a path; by default the café.
    """
    return ReachExplorer(photo("cafe") if image is None else load_image(image))


@explorer
def drawn_labels() -> DrawnExplorer:
    """Draw a net's labels at random, each pixel by itself and all together from a CRF, and see the difference."""
    return DrawnExplorer()


@explorer
def crf() -> CRFExplorer:
    """Let a fully connected CRF go over a trained net's labels, and see what its settings do."""
    return CRFExplorer()


@explorer
def weak_labels() -> LabelsExplorer:
    """Label a few pixels of an instance, or its box, and see the mask that the image gives for them."""
    return LabelsExplorer()


@explorer
def superpixels() -> RegionsExplorer:
    """Cut a scene into superpixels, pool a net's logits over them, and see what that is worth."""
    return RegionsExplorer()


EXPLORERS = (
    thin_or_region,
    price_of_a_line,
    box_limited_mask,
    stride_ceiling,
    dataset_or_image,
    three_tasks,
    shared_fields,
    drawn_labels,
    crf,
    weak_labels,
    superpixels,
)
