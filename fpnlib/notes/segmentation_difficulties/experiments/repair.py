"""SD-14: which of a net's errors a score would gain by mending.

An oracle mends a part of the wrong pixels: it puts the true class there. What that gains is what the part costs.
"""

import functools
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from scipy.ndimage import distance_transform_cdt
from torch import Tensor

from fpnlib.claims import Claim, Said, all_of, exceeds, stays_within
from fpnlib.data.collages import COLLAGE_CLASSES
from fpnlib.data.voc import VOID
from fpnlib.metrics import confusion_matrix, iou_per_class
from fpnlib.notes.segmentation_difficulties.experiments.bounds import CRF_GAIN, LESS_THAN_A_CRF
from fpnlib.notes.segmentation_difficulties.experiments.masks import lines_off
from fpnlib.notes.segmentation_difficulties.experiments.nets import (
    SEEDS,
    VOID_BORDER,
    answers,
    counted,
    early_losses,
    labels,
    scenes_of,
)
from fpnlib.training.examples import Examples
from fpnlib.training.segmenter import CLASSES, Segmented, object_accuracy, void_classes

MENDED = (32, 8)  # output strides, of the worst net and of the best
BANDS = (3, 4, 6, 8, 12, 16)  # pixels on either side of a boundary, the border among them
WIDTHS = (2, 4, 8, 16)  # pixels that a line has at most
LINE, AREA = 4, 8
"""A line beside the border runs within 4 pixels of the boundary. An area is more than 8 pixels wide each way: more than
half the smallest object's longer side."""


def near(given: Examples, pixels: int) -> Bool[Tensor, "n h w"]:
    """Which pixels lie within so many of a boundary, on either side."""
    return _within((void_classes(given, 1) == VOID), pixels - 1)


def wide(wrong: Bool[Tensor, "n h w"], pixels: int) -> Bool[Tensor, "n h w"]:
    """Which wrong pixels lie in a square of wrong ones of more than so many pixels, an even number; the rest are lines.

    Beyond the edge of the image all may be wrong.
    """
    return _within(~_within(~wrong, pixels // 2), pixels // 2) & wrong


def _within(chosen: Bool[Tensor, "n h w"], pixels: int) -> Bool[Tensor, "n h w"]:
    """The chosen pixels and those at most so many away, diagonals included."""
    far = [
        distance_transform_cdt(~one, "chessboard") if one.any() else np.full(one.shape, np.inf)
        for one in chosen.numpy()
    ]
    return torch.from_numpy(np.stack(far) <= pixels)


def mostly_wrong(said: UInt8[Tensor, "n h w"], given: Examples) -> Bool[Tensor, "n h w"]:
    """The pixels of the objects that have the right class on less than half of what counts of them."""
    right = object_accuracy(Segmented(said, torch.zeros(len(said))), given, counted(given).long())[1]
    found = torch.zeros(said.shape, dtype=torch.bool)
    objects = right.split([len(boxes) for boxes in given.boxes])
    for one, shares, instances in zip(found, objects, given.instances, strict=True):
        numbers = 1 + (shares < 0.5).nonzero().flatten()
        one[torch.isin(instances, numbers.to(instances.dtype))] = True
    return found


def parts_of(said: UInt8[Tensor, "n h w"], given: Examples) -> dict[str, Bool[Tensor, "n h w"]]:
    """The parts of an answer that the oracle mends, by name."""
    wrong = said != given.semantic
    parts = {"objects": mostly_wrong(said, given)}
    for pixels in BANDS:
        parts[f"band_{pixels}"] = near(given, pixels)
        parts[f"inside_{pixels}"] = ~parts[f"band_{pixels}"]
    for pixels in WIDTHS:
        parts[f"area_{pixels}"] = wide(wrong, pixels)
        parts[f"line_{pixels}"] = wrong & ~parts[f"area_{pixels}"]
    return parts


def gains(said: UInt8[Tensor, "n h w"], given: Examples) -> dict[str, float]:
    """The mIoU of an answer, and by how much mending each part of it raises that."""
    truth = counted(given)
    table = confusion_matrix(said, truth, CLASSES, ignore_index=VOID)
    found = {"miou": iou_per_class(table).nanmean().item()}
    wrong = (said != truth) & (truth != VOID)
    for name, part in parts_of(said, given).items():
        moved = confusion_matrix(said[part & wrong], truth[part & wrong], CLASSES)
        found[name] = iou_per_class(table - moved + moved.sum(1).diag()).nanmean().item() - found["miou"]
    return found


def line_off(given: Examples) -> UInt8[Tensor, "n h w"]:
    """The true classes with all objects too small by `LINE` pixels."""
    return torch.stack([lines_off(one.long(), -LINE) for one in given.semantic]).to(torch.uint8)


def called_otherwise(given: Examples) -> UInt8[Tensor, "n h w"]:
    """The true classes but for the largest object of each scene, which has the class after its own."""
    said = given.semantic.clone()
    for one, instances in zip(said, given.instances, strict=True):
        largest = instances == instances[instances > 0].flatten().bincount().argmax()
        one[largest] = one[largest] % (len(COLLAGE_CLASSES) - 1) + 1
    return said


def repair(seeds: Sequence[int], *, fine_tune: bool = False) -> dict[str, list[float]]:
    """What an oracle gains that mends a part of the nets' errors, `<part>_at_<stride>`.

    `share_<part>_at_<stride>` is the same as a share of what the net lacks to 1.
    """
    outcomes = early_losses(seeds, (MENDED[0],), fine_tune=fine_tune)
    for seed in seeds:
        given = scenes_of(seed)
        found: dict[str, float] = {}
        for stride in MENDED:
            each = gains(labels(answers(seed, stride, fine_tune=fine_tune)), given)
            lack = 1 - each["miou"]
            found |= {f"{name}_at_{stride}": gain for name, gain in each.items()}
            found |= {f"share_{name}_at_{stride}": gain / lack for name, gain in each.items() if name != "miou"}
        line, area = gains(line_off(given), given), gains(called_otherwise(given), given)
        found["planted_line"] = line[f"band_{LINE}"]
        found["planted_area"] = area[f"area_{AREA}"] / (1 - area["miou"])
        for name, value in found.items():
            outcomes.setdefault(name, []).append(value)
    return {"effect": outcomes[f"share_area_{AREA}_at_8"], **outcomes}


_KEY = "关键, the key: more than all else together"

SD_14 = Claim(
    "SD-14",
    "Not the line of one or two pixels but large areas of a wrong class are what a score would gain from",
    Said(
        "source",
        "dataset-mIoU … 并不是那么care一两个像素点宽度的线,相反 … 大面积分类错误 … 才是提升性能的关键",
        "dataset-mIoU does not care so much about a line one or two pixels wide; rather, large areas given the "
        "wrong class are the key to a better score",
    ),
    {
        **{
            f"of all beside the border, at output stride {stride}": stays_within(
                CRF_GAIN,
                f"gain in mIoU by mending all that is wrong within {LINE - VOID_BORDER} pixels of the border",
                of=f"band_{LINE}_at_{stride}",
                because=LESS_THAN_A_CRF,
            )
            for stride in MENDED
        },
        **{
            f"of thin errors, at output stride {stride}": stays_within(
                CRF_GAIN,
                f"gain in mIoU by mending wrong lines no more than {LINE} pixels wide, wherever they run",
                of=f"line_{LINE}_at_{stride}",
                because=LESS_THAN_A_CRF,
            )
            for stride in MENDED
        },
        **{
            f"of large areas, at output stride {stride}": exceeds(
                0.5,
                f"share of what the net lacks that mending wrong areas more than {AREA} pixels wide brings",
                of=f"share_area_{AREA}_at_{stride}",
                because=_KEY,
            )
            for stride in MENDED
        },
    },
    repair,
    seeds=SEEDS,
    control=all_of(
        exceeds(
            CRF_GAIN,
            f"gain by mending true labels that are off by a line of {LINE - VOID_BORDER} pixels beside the border",
            of="planted_line",
            because=LESS_THAN_A_CRF,
        ),
        exceeds(
            0.5,
            "share of what true labels with one object of a scene called otherwise gain from mending areas",
            of="planted_area",
            because=_KEY,
        ),
    ),
    recheck=functools.partial(early_losses, strides=(MENDED[0],)),
    tunes=True,
    told={
        "depends": "Thin errors cost our nets little, and areas more than eight pixels wide most of what they lacked; "
        "but large errors reach to the boundaries, so mending all that is wrong beside those pays too."
    },
)
