"""What note 04 shows: a photo's pyramid, one step of it, which level an object goes to, the architecture."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from fpnlib.explore import explorer
from fpnlib.models import FPN
from fpnlib.notes.fpn.photo_pyramid import Library, own_backbone
from fpnlib.notes.fpn.pyramid import PyramidExplorer


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
        photo: yours: a path, an array, the bytes of a file, or an upload widget's value.
        backbone: yours: a module, or a function of a batch, that returns a list or dict of maps.
        fpn: the pyramid on your backbone; without one the laterals are principal components, which nobody trained.
        preprocess: what your backbone wants of a batch 0…255; by default ImageNet's mean and spread.

    Raises:
        ValueError: a photo that cannot be read, maps that do not shrink by two or hold NaN.
    """
    return PyramidExplorer(_library(photo, backbone, fpn, preprocess))


EXPLORERS = (pyramid,)
