"""What note 03 shows: how steadily five heads train, and two of them from inside."""

from fpnlib.explore import explorer
from fpnlib.notes.segmentation_head.explorers.head_stability import StabilityExplorer
from fpnlib.notes.segmentation_head.explorers.inside_the_head import InsideExplorer


@explorer
def head_stability() -> StabilityExplorer:
    """Choose head, rate and batch norm or not; see all nets' curves, where they end, spread, jitter, boundaries."""
    return StabilityExplorer()


@explorer
def inside_the_head() -> InsideExplorer:
    """Go through the training of a 3×3 and a 3×3→1×1 head: labels, margins, how far steps move a logit."""
    return InsideExplorer()


EXPLORERS = (head_stability, inside_the_head)
