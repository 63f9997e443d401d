"""SD-3: HED's edges decide where the boundaries of a coarse answer run.

    python -m fpnlib.notes.segmentation_difficulties.cues

tunes how sure the coarse answer has to be, on the photo of a bin, which the claim does not use.
"""

import functools
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from scipy import ndimage
from skimage.segmentation import watershed
from torch import Tensor

from fpnlib.claims import Claim, Criterion, Measurement, Said, Verdict
from fpnlib.data import labelled_photo
from fpnlib.metrics import boundary_iou
from fpnlib.models import HED

SEEDS = 16
STRIDES = (8, 16, 32)
_STRIDE = 16
BAND = 7  # pixels, of boundary IoU: 2 % of the short side
MARGIN = 0.005  # the share of interior pixels that may be lost
_NOISE = 0.5  # of the coarse logits
_FLOOR = 0.01  # a class that is not there has this share
_TRIED = (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9)
SURE = 0.5  # tuned by `main`


@functools.cache
def edges_of(name: str) -> Float[np.ndarray, "h w"]:
    """HED's fused edge probability of a labelled photo."""
    image = torch.from_numpy(labelled_photo(name).image.copy()).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        return HED.pretrained()(image).fused.sigmoid()[0, 0].numpy()


def coarse_answer(name: str, stride: int, seed: int) -> Float[Tensor, "classes h w"]:
    """What a net could at best say at an output stride, with noise: each class's share in each cell, enlarged.

    The noise is normal, on the shares' logarithms. Classes that are not in the photo are left out.
    """
    labels = _dense(name)
    height, width = labels.shape
    kinds = F.one_hot(labels).permute(2, 0, 1)[None].float()
    padded = F.pad(kinds, (0, -width % stride, 0, -height % stride), mode="replicate")
    shares = F.avg_pool2d(padded, stride)
    noise = torch.randn(shares.shape, generator=torch.Generator().manual_seed(seed))
    logits = (shares + _FLOOR).log() + _NOISE * noise
    enlarged = F.interpolate(logits, scale_factor=stride, mode="bilinear", align_corners=False)
    return enlarged[0, :, :height, :width].softmax(0)


@functools.cache
def _dense(name: str) -> Int64[Tensor, "h w"]:
    """Class labels without gaps in their numbers."""
    return labelled_photo(name).class_map.unique(return_inverse=True)[1]


def with_edges(
    probabilities: Float[Tensor, "classes h w"], edges: Float[np.ndarray, "h w"], sure: float
) -> Int64[np.ndarray, "h w"]:
    """Keep labels of at least `sure`, and let them flood the rest, lowest edges first, until they meet."""
    best, labels = (tensor.numpy() for tensor in probabilities.max(0))
    markers = np.where(best >= sure, labels + 1, 0)
    return watershed(edges, markers) - 1 if markers.any() else labels


@functools.cache
def _interior(name: str) -> Bool[np.ndarray, "h w"]:
    """Pixels further than `BAND` from any true boundary."""
    labels = _dense(name).numpy()
    near = ndimage.maximum_filter(labels, 2 * BAND + 1) != ndimage.minimum_filter(labels, 2 * BAND + 1)
    return ~near


def _scores(name: str, labels: Int64[np.ndarray, "h w"]) -> tuple[float, float]:
    """Mean boundary IoU of the classes, and the share of interior pixels that are right."""
    wanted = _dense(name).numpy()
    bands = [boundary_iou(labels == kind, wanted == kind, distance=BAND) for kind in range(int(wanted.max()) + 1)]
    return float(np.mean(bands)), float((labels == wanted)[_interior(name)].mean())


def cue_gain(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Boundary IoU and interior at each stride: plain, flooded by HED's edges, and flooded without any edges."""
    return _gains(seeds, STRIDES)


def _gains(seeds: Sequence[int], strides: Sequence[int]) -> dict[str, list[float]]:
    edges = edges_of("cafe")
    outcomes: dict[str, list[float]] = {}
    for stride in strides:
        for seed in seeds:
            answer = coarse_answer("cafe", stride, seed)
            ways = {
                "plain": answer.argmax(0).numpy(),
                "edges": with_edges(answer, edges, SURE),
                "flat": with_edges(answer, np.zeros_like(edges), SURE),
            }
            found = {way: _scores("cafe", labels) for way, labels in ways.items()}
            for way, (boundary, interior) in found.items():
                outcomes.setdefault(f"boundary_{way}_{stride}", []).append(boundary)
                outcomes.setdefault(f"interior_{way}_{stride}", []).append(interior)
            outcomes.setdefault(f"gain_{stride}", []).append(found["edges"][0] - found["plain"][0])
            outcomes.setdefault(f"over_flat_{stride}", []).append(found["edges"][0] - found["flat"][0])
            outcomes.setdefault(f"interior_gain_{stride}", []).append(found["edges"][1] - found["plain"][1])
    return {"effect": outcomes[f"gain_{_STRIDE}"], **outcomes} if _STRIDE in strides else outcomes


def coarsest(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The outcomes of `cue_gain` at the coarsest stride."""
    return _gains(seeds, STRIDES[-1:])


def _judge(measurement: Measurement) -> Verdict:
    numbers = measurement.numbers
    names = (f"gain_{_STRIDE}", f"over_flat_{_STRIDE}")
    if all(numbers[f"{name}_low"] > 0 for name in names) and numbers[f"interior_gain_{_STRIDE}_low"] > -MARGIN:
        return "holds"
    pays = numbers[f"interior_gain_{_STRIDE}_high"] <= -MARGIN
    return "fails" if pays or any(numbers[f"{name}_high"] <= 0 for name in names) else "depends"


CUES = (
    Claim(
        "SD-3",
        "Boundaries are coarse, and low-level cues help",
        Said(
            "source",
            "尝试融合DL和一些low level的传统技巧也许也有用",
            "to try and fuse deep learning with some low-level traditional technique may be useful too",
            "as a hope",
        ),
        {
            "": Criterion(
                f"at stride {_STRIDE} boundary IoU rises where HED's edges decide, against the plain answer and "
                f"against the same flooding without edges, and the interior loses less than {MARGIN} (whole "
                "intervals); fails if one of the three goes the other way; else depends",
                _judge,
            )
        },
        cue_gain,
        seeds=SEEDS,
        recheck=coarsest,
    ),
)


def main() -> None:
    """Print the boundary IoU and the interior of the bin for each way to be sure."""
    for sure in _TRIED:
        rows = [
            _scores("bin", with_edges(coarse_answer("bin", _STRIDE, seed), edges_of("bin"), sure)) for seed in range(4)
        ]
        print(sure, *np.mean(rows, axis=0).round(4))
    rows = [_scores("bin", coarse_answer("bin", _STRIDE, seed).argmax(0).numpy()) for seed in range(4)]
    print("plain", *np.mean(rows, axis=0).round(4))


if __name__ == "__main__":
    main()
