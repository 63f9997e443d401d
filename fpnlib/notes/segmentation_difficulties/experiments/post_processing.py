"""SD-2, SD-11: what a CRF or superpixels add to trained nets.

    python -m fpnlib.notes.segmentation_difficulties.experiments.post_processing

tunes the CRF and the superpixels, on scenes and with nets that no claim uses.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from skimage.segmentation import slic
from torch import Tensor

from fpnlib.claims import Claim, Said, all_of
from fpnlib.notes.segmentation_difficulties.experiments.bounds import rises
from fpnlib.notes.segmentation_difficulties.experiments.nets import (
    OTHER_NET,
    SEEDS,
    answers,
    early_losses,
    enlarge,
    labels,
    less,
    pictures,
    scenes_of,
    score,
)
from fpnlib.ops import dense_crf, pool_segments
from fpnlib.training.examples import Examples

COMPARED = 24  # of a seed's test scenes, for what comes after the nets
_TUNED_ON = 16  # scenes


class CRF(NamedTuple):
    """Settings of the dense CRF, named as `dense_crf` names them; sigmas in pixels and grey values."""

    iterations: int
    spatial_sigma: float
    spatial_weight: float
    bilateral_spatial_sigma: float
    bilateral_color_sigma: float
    bilateral_weight: float


class Superpixels(NamedTuple):
    """Settings of SLIC: the side of a superpixel if it were a square, in pixels, and how much like one it shall be."""

    side: int
    compactness: float


# By output stride: of the worst net and of the best. Tuned by `main`.
CRFS = {32: CRF(5, 3.0, 0.0, 16.0, 10.0, 12.0), 8: CRF(5, 3.0, 0.0, 64.0, 5.0, 5.0)}
SUPERPIXELS = {32: Superpixels(48, 30), 8: Superpixels(24, 30)}
# Background nearly white, then colours that the colour-blind can tell apart (Okabe and Ito), and mixtures of them.
CLASS_COLOURS = np.array(
    [
        [236, 236, 236],
        [0, 114, 178],
        [230, 159, 0],
        [0, 158, 115],
        [204, 121, 167],
        [86, 180, 233],
        [213, 94, 0],
        [240, 228, 66],
        [102, 102, 102],
    ],
    np.uint8,
)


def with_crf(
    logits: Float[Tensor, "classes h w"], image: UInt8[Tensor, "h w 3"], settings: CRF
) -> Float[Tensor, "classes h w"]:
    """Probabilities after mean field, with the net's probabilities as the unary term."""
    return dense_crf(-logits.log_softmax(0), image, **settings._asdict())


def superpixels(image: UInt8[Tensor, "h w 3"], settings: Superpixels) -> Int64[Tensor, "h w"]:
    """SLIC's segments, ids from 0 up."""
    wanted = round(image.shape[0] * image.shape[1] / settings.side**2)
    found = slic(image.numpy(), n_segments=wanted, compactness=settings.compactness, start_label=0)
    return torch.from_numpy(found).long()


def elsewhere(segments: Int64[Tensor, "h w"]) -> Int64[Tensor, "h w"]:
    """The same regions, of the same sizes, rolled half an image down and across: they know nothing of this image."""
    height, width = segments.shape
    return segments.roll((height // 2, width // 2), (0, 1))


def drawn(classes: UInt8[Tensor, "h w"]) -> UInt8[Tensor, "h w 3"]:
    """A picture in which colour tells the classes without doubt, for controls."""
    return torch.from_numpy(CLASS_COLOURS)[classes.long()]


def _run(settings: CRF | Superpixels, logits: Tensor, image: Tensor, true: Tensor) -> Tensor:
    """As a `Way`."""
    if isinstance(settings, CRF):
        return with_crf(logits, image, settings)
    return pool_segments(logits, superpixels(image, settings))


Way = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From a scene's logits at every pixel, its picture and its true classes to other logits or probabilities."""


def _gains(seeds: Sequence[int], stride: int, ways: dict[str, Way], *, fine_tune: bool) -> dict[str, list[float]]:
    """What each way adds to the scores of a net, `<way>_<stride>` to mIoU and `<way>_boundary_<stride>`."""
    outcomes: dict[str, list[float]] = {}
    for seed in seeds:
        given = scenes_of(seed, COMPARED)
        logits = answers(seed, stride, fine_tune=fine_tune)[:COMPARED]
        plain = score(labels(logits), given)
        outcomes.setdefault(f"miou_{stride}", []).append(plain["miou"])
        outcomes.setdefault(f"boundary_{stride}", []).append(plain["boundary_iou"])
        for name, way in ways.items():
            found = score(_each(logits, given, way), given)
            outcomes.setdefault(f"{name}_{stride}", []).append(found["miou"] - plain["miou"])
            gain = found["boundary_iou"] - plain["boundary_iou"]
            outcomes.setdefault(f"{name}_boundary_{stride}", []).append(gain)
    return outcomes


def _each(logits: Tensor, given: Examples, way: Way) -> UInt8[Tensor, "n h w"]:
    """Labels of all scenes after a way."""
    scenes = zip(logits.split(1), pictures(given), given.semantic, strict=True)
    return torch.stack([way(enlarge(one)[0], image, true).argmax(0).to(torch.uint8) for one, image, true in scenes])


def crf_gain(seeds: Sequence[int], *, fine_tune: bool = False) -> dict[str, list[float]]:
    """What mean field adds to nets; what it would if colours told the classes; and with another scene's colours."""
    outcomes = early_losses(seeds, tuple(CRFS), fine_tune=fine_tune)
    for stride, settings in CRFS.items():
        run = functools.partial(_run, settings)
        ways: dict[str, Way] = {
            "crf": run,
            "drawn": lambda logits, image, true, run=run: run(logits, drawn(true), true),  # type: ignore[misc]
            "turned": lambda logits, image, true, run=run: run(logits, image.flip(0), true),  # type: ignore[misc]
        }
        outcomes |= _gains(seeds, stride, ways, fine_tune=fine_tune)
    return {"effect": outcomes["crf_8"], **outcomes}


def superpixel_gain(seeds: Sequence[int], *, fine_tune: bool = False) -> dict[str, list[float]]:
    """What pooling logits over superpixels adds, over the same regions elsewhere, and over regions of a drawn scene."""
    outcomes = early_losses(seeds, tuple(SUPERPIXELS), fine_tune=fine_tune)
    for stride, settings in SUPERPIXELS.items():
        run, cut = functools.partial(_run, settings), functools.partial(superpixels, settings=settings)
        ways: dict[str, Way] = {
            "pooled": run,
            "elsewhere": lambda one, image, true, cut=cut: pool_segments(one, elsewhere(cut(image))),  # type: ignore[misc]
            "drawn": lambda logits, image, true, run=run: run(logits, drawn(true), true),  # type: ignore[misc]
        }
        outcomes |= _gains(seeds, stride, ways, fine_tune=fine_tune)
        outcomes[f"over_elsewhere_{stride}"] = less(outcomes, f"pooled_{stride}", f"elsewhere_{stride}")
    return {"effect": outcomes["pooled_8"], **outcomes}


SD_2 = Claim(
    "SD-2",
    "A CRF after the net still raises the score",
    Said(
        "source",
        "所以 现在CRF这样的后处理还是可以涨点",
        "so post-processing such as a CRF can still raise the score",
    ),
    {
        f"in {what} at output stride {stride}": rises(what, f"crf{of}_{stride}")
        for what, of in (("mIoU", ""), ("boundary IoU", "_boundary"))
        for stride in CRFS
    },
    crf_gain,
    seeds=SEEDS,
    control=all_of(
        *(
            rises(f"mIoU at output stride {stride} by a CRF on colours that tell the classes", f"drawn_{stride}")
            for stride in CRFS
        )
    ),
    recheck=functools.partial(early_losses, strides=tuple(CRFS)),
    tunes=True,
    told={
        "holds": "A CRF raised our nets' scores by several points, the better nets' by more; but their objects are "
        "pasted, and pasted edges flatter it."
    },
)


SD_11 = Claim(
    "SD-11",
    "Regions of superpixels can fuse what a net says of their pixels",
    Said(
        "source",
        "MSCI已经使用了传统算法得到的超像素区域进行特征融合",
        "MSCI already fuses features over superpixels found by a traditional algorithm",
    ),
    {
        f"at output stride {stride}": all_of(
            rises("mIoU by pooling logits", f"pooled_{stride}"),
            rises("mIoU over pooling in the same regions from elsewhere", f"over_elsewhere_{stride}"),
        )
        for stride in SUPERPIXELS
    },
    superpixel_gain,
    seeds=SEEDS,
    control=all_of(
        *(
            rises(f"mIoU at output stride {stride} by superpixels of the classes themselves", f"drawn_{stride}")
            for stride in SUPERPIXELS
        )
    ),
    recheck=functools.partial(early_losses, strides=tuple(SUPERPIXELS)),
    tunes=True,
    told={
        "depends": "Averaging what a net says over superpixels helped our better nets by three points and the "
        "coarsest not at all."
    },
)


def main() -> None:
    """Print the best settings of a grid at each output stride, by the mIoU on scenes apart."""
    torch.set_num_threads(1)
    given = scenes_of(OTHER_NET, _TUNED_ON)
    crfs = [
        CRF(5, 3.0, 0.0, place, colour, weight)
        for place, colour in itertools.product((8.0, 16.0, 32.0, 64.0), (5.0, 10.0, 20.0))
        for weight in (2.0, 5.0, 12.0)
    ]
    regions = [
        Superpixels(side, compactness) for side in (8, 12, 16, 24, 32, 48) for compactness in (10.0, 30.0, 100.0)
    ]
    for stride in CRFS:
        logits = answers(OTHER_NET, stride)[:_TUNED_ON]
        print(stride, "plain", score(labels(logits), given)["miou"], flush=True)
        for tries in (regions, crfs):
            found = {way: score(_each(logits, given, functools.partial(_run, way)), given)["miou"] for way in tries}
            for way in sorted(found, key=found.__getitem__, reverse=True)[:5]:
                print(stride, way, found[way], flush=True)


if __name__ == "__main__":
    main()
