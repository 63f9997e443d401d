"""What note 08 shows: errors that numbers see or miss, boxes that cap masks, grids that are too coarse."""

from fpnlib.explore import explorer
from fpnlib.notes.segmentation_difficulties.boxes import BoxesExplorer
from fpnlib.notes.segmentation_difficulties.errors import ErrorsExplorer
from fpnlib.notes.segmentation_difficulties.strides import StridesExplorer


@explorer
def thin_or_region() -> ErrorsExplorer:
    """Move every boundary by a few pixels, or make one region of that area wrong, and watch three numbers."""
    return ErrorsExplorer()


@explorer
def box_limited_mask() -> BoxesExplorer:
    """Move an instance's box and see the best mask that still fits into it."""
    return BoxesExplorer()


@explorer
def stride_ceiling() -> StridesExplorer:
    """Send a real mask through a coarse grid and back, and see what is lost, by size."""
    return StridesExplorer()


EXPLORERS = (thin_or_region, box_limited_mask, stride_ceiling)
