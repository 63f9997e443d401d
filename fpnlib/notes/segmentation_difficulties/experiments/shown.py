"""What the explorers of trained nets show: a quarter of each of six scenes, and what the stored nets say of it."""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from fpnlib.data.voc import VOID
from fpnlib.metrics import boundary_iou
from fpnlib.notes.segmentation_difficulties.nets import (
    SHOWN_STRIDES,
    counted,
    miou,
    pictures,
    shown_logits,
    shown_scenes,
)

SIDE = 128  # pixels: a new picture of a whole scene would take too long
BAND = 7  # pixels, of boundary IoU: as for the claims
NETS = {f"output stride {stride}": stride for stride in SHOWN_STRIDES}
_STEP = 32


class Shown(NamedTuple):
    """A quarter of a scene: its picture, its classes, and those with VOID where no score counts."""

    picture: UInt8[Tensor, "h w 3"]
    classes: UInt8[Tensor, "h w"]
    truth: UInt8[Tensor, "h w"]


class Scores(NamedTuple):
    """mIoU of the classes that are there or said to be, and the mean boundary IoU of those that are there."""

    miou: float
    boundary: float


@cache
def _windows() -> list[tuple[slice, slice]]:
    """Of each scene the window with most classes, of several the one with most pixels of objects."""
    scenes = shown_scenes().semantic
    starts = range(0, scenes.shape[-1] - SIDE + 1, _STEP)
    windows = [(slice(y, y + SIDE), slice(x, x + SIDE)) for y in starts for x in starts]
    return [max(windows, key=lambda at, one=one: (len(one[at].unique()), int((one[at] > 0).sum()))) for one in scenes]  # type: ignore[misc]


@cache
def shown() -> list[Shown]:
    """What is shown; no net was trained or tuned on it, and no claim measured."""
    given = shown_scenes()
    parts = zip(_windows(), pictures(given), given.semantic, counted(given), strict=True)
    return [Shown(picture[at], classes[at], truth[at]) for at, picture, classes, truth in parts]


@cache
def logits_of(stride: int) -> Float[Tensor, "n classes h w"]:
    """The logits that the stored net of an output stride has for it."""
    each = zip(shown_logits(stride), _windows(), strict=True)
    return torch.stack([one[:, rows, columns] for one, (rows, columns) in each])


def score(maps: Float[Tensor, "classes h w"], place: int) -> Scores:
    """Score the likeliest classes, or those of the highest logits."""
    said, (_, classes, truth) = maps.argmax(0), shown()[place]
    bands = [
        boundary_iou(said == kind, classes == kind, distance=BAND, ignore=truth == VOID)
        for kind in classes.unique().tolist()
    ]
    return Scores(miou(said[None], truth[None]), float(np.nanmean(bands)))
