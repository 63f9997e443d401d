"""What note 07 shows: when concat is an add, what each costs, the nets that use one or the other, and their kin."""

from typing import Any

import numpy as np
import torch

from fpnlib.data.photos import labelled_photo, load_image, photo
from fpnlib.explore import explorer
from fpnlib.metrics import instance_boundaries
from fpnlib.notes.add_vs_concat.experiments.edges import cafe_edges, outlines, photo_edges
from fpnlib.notes.add_vs_concat.explorers.add_is_tied_concat import IdentityExplorer
from fpnlib.notes.add_vs_concat.explorers.alignment import AlignmentExplorer
from fpnlib.notes.add_vs_concat.explorers.edge_fusion import EdgeFusionExplorer
from fpnlib.notes.add_vs_concat.explorers.fusion_costs import CostsExplorer
from fpnlib.notes.add_vs_concat.explorers.fusion_kin import KinExplorer
from fpnlib.notes.add_vs_concat.explorers.gradient_highway import HighwayExplorer
from fpnlib.notes.add_vs_concat.explorers.lstm_memory import MemoryExplorer
from fpnlib.notes.add_vs_concat.explorers.small_pyramids import PyramidsExplorer
from fpnlib.validation import require


@explorer
def add_is_tied_concat(x: Any = None, y: Any = None) -> IdentityExplorer:
    """Move a weight with the kernel's halves tied, then free: the difference between add and concat, as a picture.

    Args:
        x: a grey map (H, W), array or tensor; by default a piece of a photo.
        y: another of the same size.
    """
    if x is None and y is None:
        return IdentityExplorer(*_two_pieces())
    require(x is not None and y is not None, "x, y", "only one of the two", "both or neither")
    return IdentityExplorer(torch.as_tensor(x), torch.as_tensor(y))


def _two_pieces() -> tuple[torch.Tensor, torch.Tensor]:
    grey = (torch.from_numpy(photo(name).mean(2)) / 255 for name in ("coffee", "chelsea"))
    coffee, cat = grey
    return coffee[90:314:4, 250:474:4], cat[20:244:4, 110:334:4]


@explorer
def fusion_costs() -> CostsExplorer:
    """Choose maps, channels and kernel: what the next convolution costs, and what four pyramids do."""
    return CostsExplorer()


@explorer
def edge_fusion(image: Any = None, instances: Any = None) -> EdgeFusionExplorer:
    """Weigh HED's five side outputs and watch the fused edges and their F at the labelled outlines.

    Args:
        image: your photo, an array (H, W, 3) or a path; by default the café photo with its 19 labelled instances.
        instances: (H, W) whole numbers, another one for each instance; needed with a photo of your own.
    """
    if image is None and instances is None:
        cafe = labelled_photo("cafe")
        return EdgeFusionExplorer(cafe.image, cafe_edges(), outlines(cafe))
    require(image is not None and instances is not None, "image, instances", "only one of the two", "both or neither")
    pixels = load_image(image)
    return EdgeFusionExplorer(pixels, photo_edges(pixels), instance_boundaries(torch.as_tensor(np.asarray(instances))))


@explorer
def gradient_highway() -> HighwayExplorer:
    """Choose what goes past each of 60 blocks and see how much of the gradient arrives at each."""
    return HighwayExplorer()


@explorer
def lstm_memory() -> MemoryExplorer:
    """Hold an LSTM's forget gate at a value and see how far back along a row of pixels it looks."""
    return MemoryExplorer()


@explorer
def alignment() -> AlignmentExplorer:
    """Choose how aligned two inputs are and how many pairs there are: where add wins, where concat."""
    return AlignmentExplorer()


@explorer
def small_pyramids() -> PyramidsExplorer:
    """Compare small pyramids that add and that concatenate, with more data and longer training."""
    return PyramidsExplorer()


@explorer
def fusion_kin() -> KinExplorer:
    """Add beside weighted and gated adds, attention and the residual stream: their weights, costs and results."""
    return KinExplorer()


EXPLORERS = (
    add_is_tied_concat,
    fusion_costs,
    edge_fusion,
    alignment,
    gradient_highway,
    lstm_memory,
    small_pyramids,
    fusion_kin,
)
