"""What the explorers of trained nets show: a quarter of each of six scenes, and what the stored nets say of it.

    python -m fpnlib.notes.segmentation_difficulties.experiments.shown

trains these nets and stores their answers (a minute on one core).
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor

from fpnlib.data.voc import VOID
from fpnlib.metrics import boundary_iou
from fpnlib.notes.segmentation_difficulties.experiments.bounds import BAND
from fpnlib.notes.segmentation_difficulties.experiments.nets import (
    FIRST_SHOWN,
    OTHER_NET,
    coarse_logits,
    counted,
    enlarge,
    miou,
    pictures,
    trained,
)
from fpnlib.training.examples import Examples, examples, images

SCENES = 6
SIDE = 128  # pixels: a new picture of a whole scene would take too long
NETS = {f"output stride {stride}": stride for stride in (32, 8)}
_FILE = Path(__file__).with_name("answers.safetensors")
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
def _scenes() -> Examples:
    return images(SCENES, split="test", first=FIRST_SHOWN)


@cache
def _windows() -> list[tuple[slice, slice]]:
    """Of each scene the window with most classes, of several the one with most pixels of objects."""
    scenes = _scenes().semantic
    starts = range(0, scenes.shape[-1] - SIDE + 1, _STEP)
    windows = [(slice(y, y + SIDE), slice(x, x + SIDE)) for y in starts for x in starts]
    return [max(windows, key=lambda at, one=one: (len(one[at].unique()), int((one[at] > 0).sum()))) for one in scenes]  # type: ignore[misc]


@cache
def shown() -> list[Shown]:
    """What is shown; no net was trained or tuned on it, and no claim measured."""
    given = _scenes()
    parts = zip(_windows(), pictures(given), given.semantic, counted(given), strict=True)
    return [Shown(picture[at], classes[at], truth[at]) for at, picture, classes, truth in parts]


@cache
def logits_of(stride: int) -> Float[Tensor, "n classes h w"]:
    """The logits that the stored net of an output stride has for it."""
    each = zip(enlarge(load_file(_FILE)[f"stride {stride}"]), _windows(), strict=True)
    return torch.stack([one[:, rows, columns] for one, (rows, columns) in each])


def score(maps: Float[Tensor, "classes h w"], place: int) -> Scores:
    """Score the likeliest classes, or those of the highest logits."""
    said, (_, classes, truth) = maps.argmax(0), shown()[place]
    bands = [
        boundary_iou(said == kind, classes == kind, distance=BAND, ignore=truth == VOID)
        for kind in classes.unique().tolist()
    ]
    return Scores(miou(said[None], truth[None]), float(np.nanmean(bands)))


def main() -> None:
    """Train the nets that are shown, and store their answers."""
    torch.set_num_threads(1)
    given = examples(SCENES, split="test", first=FIRST_SHOWN)
    save_file({f"stride {stride}": coarse_logits(trained(OTHER_NET, stride), given) for stride in NETS.values()}, _FILE)


if __name__ == "__main__":
    main()
