"""SD-8, SD-14: two means of the same answers, and which of a net's errors a score would gain by mending.

An oracle mends a part of the wrong pixels: it puts the true class there. What that gains is what the part costs.
"""

import functools
import itertools
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
from fpnlib.notes.segmentation_difficulties.exact import CRF_GAIN, LESS_THAN_A_CRF
from fpnlib.notes.segmentation_difficulties.masks import lines_off
from fpnlib.notes.segmentation_difficulties.nets import (
    FEW,
    OUTPUT_STRIDES,
    SEEDS,
    VOID_BORDER,
    answers,
    counted,
    early_losses,
    labels,
    miou,
    scenes_of,
)
from fpnlib.training.examples import Examples
from fpnlib.training.segmenter import CLASSES, SIDES, Segmented, object_accuracy, void_classes

MENDED = (32, 8)  # output strides, of the worst net and of the best
BANDS = (3, 4, 6, 8, 12, 16)  # pixels on either side of a boundary, the border among them
WIDTHS = (2, 4, 8, 16)  # pixels that a line has at most
LINE, AREA = 4, 8
"""A line beside the border runs within 4 pixels of the boundary. An area is more than 8 pixels wide each way: more than
half the smallest object's longer side."""


# SD-8

_OVER = ("dataset", "image")


def small_missing(given: Examples) -> UInt8[Tensor, "n h w"]:
    """The true classes without small objects."""
    said = given.semantic.clone()
    for one, boxes, instances in zip(said, given.boxes, given.instances, strict=True):
        small = 1 + ((boxes[:, 2:] - boxes[:, :2]).amax(1) < SIDES["small"][1]).nonzero().flatten()
        one[torch.isin(instances, small.to(instances.dtype))] = 0
    return said


def silent_at_times(given: Examples) -> UInt8[Tensor, "n h w"]:
    """The true classes, but every tenth scene is called background altogether."""
    said = given.semantic.clone()
    said[::10] = 0
    return said


def two_means(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Dataset-mIoU and image-mIoU of nets, and how often they disagree which of two is better."""
    outcomes = early_losses(seeds, (OUTPUT_STRIDES[0],))
    for seed in seeds:
        given = scenes_of(seed)
        truth = counted(given)
        said = {str(stride): labels(answers(seed, stride)) for stride in OUTPUT_STRIDES}
        said |= {
            "few": labels(answers(seed, 16, FEW)),
            "missing": small_missing(given),
            "silent": silent_at_times(given),
        }
        means = {name: [miou(one, truth, over) for over in _OVER] for name, one in said.items()}
        found = {f"{name}_{over}": both[i] for name, both in means.items() for i, over in enumerate(_OVER)}
        found |= {f"apart_{name}": abs(means[name][0] - means[name][1]) for name in map(str, OUTPUT_STRIDES)}
        leads = [one - other for one, other in zip(means["missing"], means["silent"], strict=True)]
        found |= {"dataset_lead": leads[0], "image_lead": -leads[1]}
        nets = [means[name] for name in said if name not in ("missing", "silent")]
        pairs = [(a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in itertools.combinations(nets, 2)]
        found["disagree"] = sum(pairs) / len(pairs)
        for name, value in found.items():
            outcomes.setdefault(name, []).append(value)
    return {"effect": outcomes["disagree"], **outcomes}


# SD-14


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


def repair(seeds: Sequence[int]) -> dict[str, list[float]]:
    """What an oracle gains that mends a part of the nets' errors, `<part>_at_<stride>`.

    `share_<part>_at_<stride>` is the same as a share of what the net lacks to 1.
    """
    outcomes = early_losses(seeds, (MENDED[0],))
    for seed in seeds:
        given = scenes_of(seed)
        found: dict[str, float] = {}
        for stride in MENDED:
            each = gains(labels(answers(seed, stride)), given)
            lack = 1 - each["miou"]
            found |= {f"{name}_at_{stride}": gain for name, gain in each.items()}
            found |= {f"share_{name}_at_{stride}": gain / lack for name, gain in each.items() if name != "miou"}
        line, area = gains(line_off(given), given), gains(called_otherwise(given), given)
        found["planted_line"] = line[f"band_{LINE}"]
        found["planted_area"] = area[f"area_{AREA}"] / (1 - area["miou"])
        for name, value in found.items():
            outcomes.setdefault(name, []).append(value)
    return {"effect": outcomes[f"share_area_{AREA}_at_8"], **outcomes}


POINT = 0.01
_KEY = "关键, the key: more than all else together"

SCORES = (
    Claim(
        "SD-8",
        "Dataset-mIoU is not image-mIoU",
        Said(
            "source",
            "另外好像还有image-mIoU,但不知道哪个数据集用了",
            "there seems to be an image-mIoU too, but I do not know which data set uses it",
            "in passing",
        ),
        {
            **{
                f"in the number, at output stride {stride}": exceeds(
                    POINT,
                    "a net's two means apart",
                    of=f"apart_{stride}",
                    because="a point, one in a hundred, is the unit of the field's tables",
                )
                for stride in OUTPUT_STRIDES
            },
            "in which of two nets is better": exceeds(
                0.05,
                "share of the pairs among five nets on which the two means disagree",
                of="disagree",
                because="one in twenty is how often the field lets chance decide",
            ),
        },
        two_means,
        seeds=SEEDS,
        control=all_of(
            exceeds(
                0, "by dataset-mIoU the lead of true labels without small objects over shrunk ones", of="dataset_lead"
            ),
            exceeds(0, "by image-mIoU the lead of the shrunk ones", of="image_lead"),
        ),
        recheck=functools.partial(early_losses, strides=(OUTPUT_STRIDES[0],)),
        told={
            "depends": "Whether all images are counted as one or each by itself moved our better nets' score by "
            "several points; that it changes which of two nets wins is not shown."
        },
    ),
    Claim(
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
        told={
            "depends": "Thin errors cost our nets next to nothing and large areas most of what they lacked; but large "
            "errors reach to the boundaries, so mending all that is wrong beside those pays too."
        },
    ),
)
