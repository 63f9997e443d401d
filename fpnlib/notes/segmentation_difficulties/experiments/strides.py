"""SD-9: what a perfect answer at an output stride still loses."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import torch.nn.functional as F
from jaxtyping import Bool, Int64
from torch import Tensor

from fpnlib.claims import Claim, Measurement, Said, exceeds, interval_of_resamples, resampled_means
from fpnlib.data.voc import VOID
from fpnlib.metrics import confusion_matrix, iou_per_class
from fpnlib.notes.segmentation_difficulties.experiments.bounds import (
    A_POINT,
    COCO_STEP,
    POINT,
    STEP,
    spread,
    together,
    with_effect,
)
from fpnlib.notes.segmentation_difficulties.experiments.masks import VOID_WIDTH, iou, with_border
from fpnlib.notes.segmentation_difficulties.experiments.photos import Labelled, on_photos, photos

STRIDES = (4, 8, 16, 32)
_GRIDS = (*STRIDES, 64)
_RESAMPLES = 2000


def through_stride(mask: Bool[Tensor, "h w"], stride: int, mode: str) -> Bool[Tensor, "h w"]:
    """Return how a perfect answer at this stride comes back: the mask's share in each cell, enlarged, cut at one half.

    `mode` is "nearest" or "bilinear", torch's, without aligned corners.
    """
    height, width = mask.shape
    padded = F.pad(mask.float()[None, None], (0, -width % stride, 0, -height % stride), mode="replicate")
    cells = F.avg_pool2d(padded, stride)
    return F.interpolate(cells, scale_factor=stride, mode=mode)[0, 0, :height, :width] >= 0.5


def classes_through_stride(labels: Int64[Tensor, "h w"], stride: int) -> Int64[Tensor, "h w"]:
    """Return the most likely class at each pixel of a perfect answer at this stride: each class's share, enlarged.

    Classes that are `VOID` have no share.
    """
    height, width = labels.shape
    kinds = labels[labels != VOID].unique()
    shares = (labels == kinds[:, None, None]).float()[None]
    padded = F.pad(shares, (0, -width % stride, 0, -height % stride), mode="replicate")
    enlarged = F.interpolate(F.avg_pool2d(padded, stride), scale_factor=stride, mode="bilinear")
    return kinds[enlarged[0, :, :height, :width].argmax(0)]


def strides_of(known: Labelled, first: int = 0) -> dict[str, list[float]]:
    """What a map of a stride allows one photo: the IoU of each class, and the IoU of each instance's mask."""
    reached: dict[str, list[float]] = {}
    truth = {width: with_border(known.classes, known.instances, width) for width in (0, VOID_WIDTH)}
    for stride in _GRIDS:
        best = classes_through_stride(known.classes, stride)
        for width, wanted in truth.items():
            found = iou_per_class(confusion_matrix(best, wanted, VOID, ignore_index=VOID))
            reached[f"classes_{stride}_void_{width}"] = found[wanted[wanted != VOID].unique()].tolist()
    for stride, mode in itertools.product(STRIDES, ("nearest", "bilinear")):
        reached[f"{mode}_{stride}"] = [iou(through_stride(mask, stride, mode), mask) for mask in known.masks]
    reached["areas"] = known.masks.flatten(1).sum(1).tolist()
    return reached


def over_strides(found: Sequence[Mapping[str, Sequence[float]]]) -> Measurement:
    """The means over the classes of the photos, and over the instances, small and large."""
    numbers: dict[str, float] = {}
    reached = {name: np.array(values) for name, values in together(found).items()}
    for stride, width in itertools.product(_GRIDS, (0, VOID_WIDTH)):
        numbers |= spread(f"classes_{stride}_void_{width}", reached[f"classes_{stride}_void_{width}"])
    for fine, coarse in itertools.pairwise(_GRIDS):
        gain = reached[f"classes_{fine}_void_{VOID_WIDTH}"] - reached[f"classes_{coarse}_void_{VOID_WIDTH}"]
        numbers |= spread(f"gain_{coarse}_{fine}", gain)
    order = np.argsort(reached["areas"], kind="stable")
    half = len(order) // 2
    for stride, mode in itertools.product(STRIDES, ("nearest", "bilinear")):
        ceilings = reached[f"{mode}_{stride}"]
        numbers |= spread(f"{mode}_{stride}", ceilings)
        numbers |= spread(f"{mode}_{stride}_small", ceilings[order[:half]])
        numbers |= spread(f"{mode}_{stride}_large", ceilings[order[half:]])
        if mode == "bilinear":
            # Small and large instances are not pairs: each half is drawn again by itself.
            numbers |= _difference(f"small_pay_{stride}", ceilings[order[half:]], ceilings[order[:half]])
    return with_effect("gain_32_16", len(reached["classes_32_void_0"]), numbers)


def measure_strides() -> Measurement:
    """What a map of a stride allows five photos."""
    found = {name: strides_of(known) for name, known in photos().items()}
    whole = over_strides(list(found.values()))
    each = {
        f"classes_{stride}_void_{width}_{name}": float(np.mean(one[f"classes_{stride}_void_{width}"]))
        for stride, width in itertools.product(_GRIDS, (0, VOID_WIDTH))
        for name, one in found.items()
    }
    return dataclasses.replace(whole, numbers={**whole.numbers, **each})


def _difference(name: str, first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """The difference of two means with its bootstrap interval."""
    rng = np.random.default_rng(0)
    low, high = interval_of_resamples(
        resampled_means(first, _RESAMPLES, rng) - resampled_means(second, _RESAMPLES, rng)
    )
    return {name: float(first.mean() - second.mean()), f"{name}_low": low, f"{name}_high": high}


SD_9 = Claim(
    "SD-9",
    "Coarse output is a matter of the output stride",
    Said(
        "source",
        "分割结果太粗糙,减少output stride加decoder啊",
        "the result is too coarse? reduce the output stride and add a decoder",
    ),
    {
        **{
            f"from stride {coarse} to {fine}": exceeds(
                POINT,
                "gain in the IoU that a perfect answer allows a class of a photo, VOC's border left out",
                of=f"gain_{coarse}_{fine}",
                because=A_POINT,
            )
            for fine, coarse in reversed(list(itertools.pairwise(STRIDES)))
        },
        "most of all for small objects": exceeds(
            STEP,
            "at stride 16 the IoU that the larger half of the instances keeps, less that of the smaller half",
            of="small_pay_16",
            because=COCO_STEP,
        ),
    },
    measure_strides,
    control=exceeds(POINT, "gain from stride 64 to 32", of="gain_64_32", because=A_POINT),
    on=on_photos(strides_of, over_strides),
    told={
        "depends": "A map at every eighth pixel holds all that VOC scores; one at every thirty-second does not, "
        "and small objects go first."
    },
)
