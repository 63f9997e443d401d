"""What note 04 shows: a photo's pyramid, one step of it, which level an object goes to, the architecture,
a detector, how far away a cue may lie, and what came after."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from fpnlib.data import load_image
from fpnlib.explore import explorer
from fpnlib.models import FPN
from fpnlib.notes.fpn.experiments.backbones import own_backbone
from fpnlib.notes.fpn.experiments.photo_pyramid import Library
from fpnlib.notes.fpn.explorers.after_fpn import AfterExplorer
from fpnlib.notes.fpn.explorers.architecture import ArchitectureExplorer
from fpnlib.notes.fpn.explorers.cue_distance import CueDistanceExplorer
from fpnlib.notes.fpn.explorers.detections import DetectionsExplorer
from fpnlib.notes.fpn.explorers.level_assignment import AssignmentExplorer
from fpnlib.notes.fpn.explorers.pyramid import PyramidExplorer
from fpnlib.notes.fpn.explorers.top_down_step import StepExplorer


def _library(
    photo: Any, backbone: Callable[[Tensor], Any] | None, fpn: FPN | None, preprocess: Callable[[Tensor], Tensor] | None
) -> Library:
    return Library(photo, None if backbone is None else own_backbone(backbone, preprocess=preprocess, fpn=fpn))


@explorer
def pyramid(
    photo: Any = None,
    backbone: Callable[[Tensor], Any] | None = None,
    fpn: FPN | None = None,
    preprocess: Callable[[Tensor], Tensor] | None = None,
) -> PyramidExplorer:
    """Every map of a photo: choose stage, level and channel, and read the values under a cursor.

    Args:
        photo: yours: a path, an array, the bytes of a file, an upload widget; or the name of a photo of the book.
        backbone: yours: a module, or a function of a batch, that returns a list or dict of maps of any sizes, such as a
            dilated net's, whose last maps are equally large; or any classifier, of which the last map of each stride is
            taken.
        fpn: the pyramid on your backbone; without one the laterals are principal components, which nobody trained.
        preprocess: what your backbone wants of a batch 0…255; by default ImageNet's mean and spread.

    Raises:
        ValueError: a photo that cannot be read, a map larger than the finer one before it, maps that hold NaN.
    """
    return PyramidExplorer(_library(photo, backbone, fpn, preprocess))


@explorer
def top_down_step(
    photo: Any = None,
    backbone: Callable[[Tensor], Any] | None = None,
    fpn: FPN | None = None,
    preprocess: Callable[[Tensor], Tensor] | None = None,
) -> StepExplorer:
    """One step of the top-down path: lateral + level above = sum, then the 3×3, as pictures and as spectra.

    Args:
        photo: as `pyramid` takes it.
        backbone: as `pyramid` takes it, with maps that halve from level to level.
        fpn: as `pyramid` takes it.
        preprocess: as `pyramid` takes it.
    """
    return StepExplorer(_library(photo, backbone, fpn, preprocess))


@explorer
def level_assignment(
    photo: Any = None,
    backbone: Callable[[Tensor], Any] | None = None,
    fpn: FPN | None = None,
    preprocess: Callable[[Tensor], Tensor] | None = None,
) -> AssignmentExplorer:
    """Which level an object goes to: change the box's size, see the rule's choice and the crop of every level.

    Args:
        photo: as `pyramid` takes it.
        backbone: as `pyramid` takes it, with maps that halve from level to level.
        fpn: as `pyramid` takes it.
        preprocess: as `pyramid` takes it.
    """
    return AssignmentExplorer(_library(photo, backbone, fpn, preprocess))


@explorer
def architecture() -> ArchitectureExplorer:
    """The architecture with every map's shape: change the image's size, the backbone and the channels."""
    return ArchitectureExplorer()


@explorer
def detections(photo: Any = None) -> DetectionsExplorer:
    """The small detector with one part or another left out: its boxes on a picture, and its AR by object size.

    Args:
        photo: a picture of yours to begin with: a path, an array or the bytes of a file; by default a scene.
    """
    return DetectionsExplorer(None if photo is None else load_image(photo))


@explorer
def cue_distance() -> CueDistanceExplorer:
    """An object whose class a distant square tells: move the square out of what P2 sees, with and without the path."""
    return CueDistanceExplorer()


@explorer
def after_fpn() -> AfterExplorer:
    """FPN beside RetinaNet's P6 and P7, PANet, BiFPN and dilated nets: shapes, costs, and where one cell gets to."""
    return AfterExplorer()


EXPLORERS = (pyramid, top_down_step, level_assignment, architecture, detections, cue_distance, after_fpn)
