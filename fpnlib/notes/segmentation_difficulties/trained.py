"""SD-2, SD-11, SD-13: what a CRF, superpixels and a finer output stride add to small trained nets.

    python -m fpnlib.notes.segmentation_difficulties.trained

tunes the CRF and the superpixels, on scenes and with nets that the claims do not use (six minutes on one core).
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from skimage.segmentation import slic
from torch import Tensor

from fpnlib.claims import Claim, Criterion, Said, all_of, exceeds
from fpnlib.data.scenes import SCENE_CLASSES, VALIDATION_SEEDS, SceneBatch
from fpnlib.metrics import boundary_iou, mean_iou
from fpnlib.notes.segmentation_difficulties.nets import (
    OUTPUT_STRIDES,
    STORED,
    Head,
    enlarge,
    labelled,
    on_grid,
    train,
    trained,
)
from fpnlib.ops import dense_crf, pool_segments

SEEDS = 16
SCENES = 24  # of each seed, its own
BAND = 2  # pixels, of boundary IoU: a little over 1 % of the diagonal
SIZES = (12, 32)  # pixels of an object's longer side: small below the first, large from the second on
_EARLY = 4  # steps
_TUNING = VALIDATION_SEEDS[50_000:50_016]
_TUNING_NET = 1000


class CRF(NamedTuple):
    """Settings of the dense CRF, named as `dense_crf` names them; sigmas in pixels and grey values."""

    iterations: int
    spatial_sigma: float
    spatial_weight: float
    bilateral_spatial_sigma: float
    bilateral_color_sigma: float
    bilateral_weight: float


class Superpixels(NamedTuple):
    """Settings of SLIC."""

    number: int
    compactness: float


# Tuned by `main`.
CRFS = {"weak": CRF(5, 3.0, 0.0, 8.0, 20.0, 24.0), "strong": CRF(5, 3.0, 0.0, 32.0, 10.0, 12.0)}
SUPERPIXELS = {"weak": Superpixels(200, 30), "strong": Superpixels(100, 30)}


def with_crf(
    logits: Float[Tensor, "classes h w"], image: UInt8[np.ndarray, "h w 3"], settings: CRF
) -> Float[Tensor, "classes h w"]:
    """Probabilities after mean field, with the net's probabilities as the unary term."""
    return dense_crf(-logits.log_softmax(0), torch.from_numpy(image), **settings._asdict())


def superpixels(image: UInt8[np.ndarray, "h w 3"], settings: Superpixels) -> Int64[Tensor, "h w"]:
    """SLIC's segments, ids from 0 up."""
    found = slic(image, n_segments=settings.number, compactness=settings.compactness, start_label=0)
    return torch.from_numpy(found).long()


def elsewhere(segments: Int64[Tensor, "h w"]) -> Int64[Tensor, "h w"]:
    """The same regions, of the same sizes, rolled half an image down and across: they know nothing of this image."""
    height, width = segments.shape
    return segments.roll((height // 2, width // 2), (0, 1))


def pictures(batch: SceneBatch) -> list[UInt8[np.ndarray, "h w 3"]]:
    """The scenes' images as bytes."""
    return [np.ascontiguousarray(image) for image in (batch.images * 255).round().byte().permute(0, 2, 3, 1).numpy()]


class Scores(NamedTuple):
    """Dataset-mIoU over a seed's scenes, and the mean boundary IoU of the classes there."""

    miou: float
    boundary: float


def score(maps: Sequence[Float[Tensor, "classes h w"]], batch: SceneBatch) -> Scores:
    """Score the best class at each pixel."""
    found = [one.argmax(0) for one in maps]
    bands = [
        boundary_iou(labels == kind, wanted == kind, distance=BAND)
        for labels, wanted in zip(found, batch.semantic, strict=True)
        for kind in range(1, len(SCENE_CLASSES))
        if bool((wanted == kind).any())
    ]
    return Scores(mean_iou(found, list(batch.semantic), len(SCENE_CLASSES)), float(np.mean(bands)))


def scenes_of(seed: int) -> range:
    """The test scenes of a seed."""
    return VALIDATION_SEEDS[10_000 + SCENES * seed : 10_000 + SCENES * (seed + 1)]


@torch.no_grad()
def _answers(stride: int, seeds: Sequence[int]) -> list[tuple[SceneBatch, Float[Tensor, "n classes h w"]]]:
    """Each seed's test scenes and its net's logits at every pixel."""
    ensemble = trained(stride, tuple(seeds))
    answers = []
    for index, seed in enumerate(seeds):
        batch, maps = labelled(scenes_of(seed))
        head = ensemble.member(index).eval()
        assert isinstance(head, Head)
        answers.append((batch, enlarge(head(on_grid(maps, stride)))))
    return answers


def _compare(
    seeds: Sequence[int],
    ways: Callable[[str, Tensor, UInt8[np.ndarray, "h w 3"]], dict[str, Tensor]],
) -> dict[str, list[float]]:
    """Scores of the weak and the strong net, plain and in the ways that `ways` gives for one scene."""
    outcomes: dict[str, list[float]] = {}
    for name, stride in STORED.items():
        outcomes[f"{name}_early"] = _early(stride, seeds)
        for batch, logits in _answers(stride, seeds):
            rows = [
                {"plain": one, **ways(name, one, image)} for one, image in zip(logits, pictures(batch), strict=True)
            ]
            found = {way: score([row[way] for row in rows], batch) for row in rows[:1] for way in row}
            for way, (miou, boundary) in found.items():
                outcomes.setdefault(f"{name}_{way}_miou", []).append(miou)
                outcomes.setdefault(f"{name}_{way}_boundary", []).append(boundary)
                if way != "plain":
                    outcomes.setdefault(f"{name}_{way}_miou_gain", []).append(miou - found["plain"].miou)
                    outcomes.setdefault(f"{name}_{way}_boundary_gain", []).append(boundary - found["plain"].boundary)
    return outcomes


def _early(stride: int, seeds: Sequence[int]) -> list[float]:
    return trained(stride, tuple(seeds)).losses[:_EARLY].double().mean(0).tolist()


def early_losses(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The `…_early` outcomes of SD-2 and SD-11, by training for those steps alone."""
    return {
        f"{name}_early": train(stride, seeds, _EARLY).losses.double().mean(0).tolist()
        for name, stride in STORED.items()
    }


def _mean(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [(one + other) / 2 for one, other in zip(first, second, strict=True)]


# SD-2


def crf_gain(seeds: Sequence[int]) -> dict[str, list[float]]:
    """What mean field adds to the mIoU and the boundary IoU of the weak and the strong net."""
    outcomes = _compare(seeds, lambda name, logits, image: {"crf": with_crf(logits, image, CRFS[name])})
    return {"effect": _mean(outcomes["weak_crf_miou_gain"], outcomes["strong_crf_miou_gain"]), **outcomes}


# SD-11


def superpixel_gain(seeds: Sequence[int]) -> dict[str, list[float]]:
    """What pooling the logits over superpixels adds, and over the same regions in another place."""

    def ways(name: str, logits: Tensor, image: UInt8[np.ndarray, "h w 3"]) -> dict[str, Tensor]:
        segments = superpixels(image, SUPERPIXELS[name])
        return {"pooled": pool_segments(logits, segments), "control": pool_segments(logits, elsewhere(segments))}

    outcomes = _compare(seeds, ways)
    for name in STORED:
        pairs = zip(outcomes[f"{name}_pooled_miou"], outcomes[f"{name}_control_miou"], strict=True)
        outcomes[f"{name}_over_control"] = [pooled - control for pooled, control in pairs]
    return {"effect": _mean(outcomes["weak_pooled_miou_gain"], outcomes["strong_pooled_miou_gain"]), **outcomes}


# SD-13


def stride_gain(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Scores at each output stride, and the share of objects' pixels that are right, by the size of the object."""
    outcomes: dict[str, list[float]] = {}
    for stride in OUTPUT_STRIDES:
        outcomes[f"early_{stride}"] = _early(stride, seeds)
        for batch, logits in _answers(stride, seeds):
            miou, boundary = score(list(logits), batch)
            outcomes.setdefault(f"miou_{stride}", []).append(miou)
            outcomes.setdefault(f"boundary_{stride}", []).append(boundary)
            for size, share in _right_by_size(batch, logits.argmax(1)).items():
                outcomes.setdefault(f"{size}_{stride}", []).append(share)
    for name in ("miou", "small", "large"):
        for coarse, fine in itertools.pairwise(OUTPUT_STRIDES):
            pairs = zip(outcomes[f"{name}_{fine}"], outcomes[f"{name}_{coarse}"], strict=True)
            outcomes[f"{name}_gain_{coarse}_{fine}"] = [after - before for after, before in pairs]
    coarse, fine = OUTPUT_STRIDES[0], OUTPUT_STRIDES[-1]
    pairs = zip(outcomes[f"miou_{fine}"], outcomes[f"miou_{coarse}"], strict=True)
    return {"effect": [after - before for after, before in pairs], **outcomes}


def early_stride_losses(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The `early_…` outcomes of SD-13 at the coarsest stride, by training for those steps alone."""
    stride = OUTPUT_STRIDES[0]
    return {f"early_{stride}": train(stride, seeds, _EARLY).losses.double().mean(0).tolist()}


def _right_by_size(batch: SceneBatch, found: Int64[Tensor, "n h w"]) -> dict[str, float]:
    """The mean share of an object's pixels that have its class, over small, medium and large objects."""
    shares: dict[str, list[float]] = {"small": [], "medium": [], "large": []}
    for boxes, instances, labels, wanted in zip(batch.boxes, batch.instances, found, batch.semantic, strict=True):
        for number, (x0, y0, x1, y1) in enumerate(boxes.tolist(), 1):
            side = max(x1 - x0, y1 - y0)
            size = "small" if side < SIZES[0] else "medium" if side < SIZES[1] else "large"
            seen = instances == number
            shares[size].append((labels == wanted)[seen].double().mean().item())
    return {size: float(np.mean(values)) for size, values in shares.items()}


POINT = 0.01
_A_POINT = "涨点: a point, one in a hundred, is the unit of the field's tables"


def _rises(what: str, of: str, bound: float = POINT) -> Criterion:
    return exceeds(bound, f"gain in {what}", of=of, because=_A_POINT if bound else "")


TRAINED = (
    Claim(
        "SD-2",
        "A CRF after the net still raises the score",
        Said(
            "source",
            "所以 现在CRF这样的后处理还是可以涨点",
            "so post-processing such as a CRF can still raise the score",
        ),
        {
            f"for the {net} net": all_of(
                _rises("mIoU", f"{net}_crf_miou_gain"), _rises("boundary IoU", f"{net}_crf_boundary_gain")
            )
            for net in STORED
        },
        crf_gain,
        seeds=SEEDS,
        recheck=early_losses,
        told={"holds": "A CRF raised our small nets' scores, on pasted objects, whose edges flatter it."},
    ),
    Claim(
        "SD-11",
        "Regions of superpixels can fuse what a net says of their pixels",
        Said(
            "source",
            "MSCI已经使用了传统算法得到的超像素区域进行特征融合",
            "MSCI already fuses features over superpixels found by a traditional algorithm",
        ),
        {
            f"for the {net} net": all_of(
                _rises("mIoU by pooling logits", f"{net}_pooled_miou_gain"),
                _rises("mIoU over pooling in the same regions from elsewhere", f"{net}_over_control"),
            )
            for net in STORED
        },
        superpixel_gain,
        seeds=SEEDS,
        recheck=early_losses,
        told={
            "depends": "Averaging an answer over superpixels helped our better net; for the weak one it is not shown."
        },
    ),
    Claim(
        "SD-13",
        "A finer output stride makes a better answer",
        Said(
            "source",
            "分割结果太粗糙,减少output stride加decoder啊",
            "the result is too coarse? reduce the output stride and add a decoder",
        ),
        {
            f"from stride {coarse} to {fine}": _rises("mIoU", f"miou_gain_{coarse}_{fine}")
            for coarse, fine in itertools.pairwise(OUTPUT_STRIDES)
        },
        stride_gain,
        seeds=SEEDS,
        recheck=early_stride_losses,
        told={"holds": "A finer grid made our small nets better, but small objects stayed lost."},
    ),
)


def main() -> None:
    """Print the best settings of a grid for each net, by the mIoU on scenes apart."""
    torch.set_num_threads(1)
    batch, maps = labelled(_TUNING)
    images = pictures(batch)
    for name, stride in STORED.items():
        head = train(stride, [_TUNING_NET]).member(0).eval()
        with torch.no_grad():
            logits = enlarge(head(on_grid(maps, stride)))
        print(name, "plain", score(list(logits), batch))
        tries = [
            CRF(5, 3.0, spatial, place, colour, weight)
            for spatial in (0.0, 1.0)
            for place in (8.0, 16.0, 32.0, 64.0)
            for colour in (5.0, 10.0, 20.0)
            for weight in (3.0, 6.0, 12.0, 24.0)
        ]
        found = {
            crf: score([with_crf(one, image, crf) for one, image in zip(logits, images, strict=True)], batch)
            for crf in tries
        }
        for crf in sorted(found, key=lambda crf: -found[crf].miou)[:5]:
            print(crf, found[crf])
        regions = [Superpixels(number, compactness) for number in (50, 100, 200, 400) for compactness in (3, 10, 30)]
        pooled = {
            way: score(
                [pool_segments(one, superpixels(image, way)) for one, image in zip(logits, images, strict=True)], batch
            )
            for way in regions
        }
        for way in sorted(pooled, key=lambda way: -pooled[way].miou)[:5]:
            print(way, pooled[way])


if __name__ == "__main__":
    main()
