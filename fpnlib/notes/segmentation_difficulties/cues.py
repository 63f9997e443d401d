"""SD-3: HED's edges, or the photo's colours, decide where the boundaries of a coarse answer run.

    python -m fpnlib.notes.segmentation_difficulties.cues

tunes both on the photo of a bin, which the claim does not use. The claim is about HED's edges. The guided filter was
added after its verdict; it is reported beside it and has no part in it.
"""

import functools
import itertools
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from scipy import ndimage
from skimage.segmentation import watershed
from torch import Tensor

from fpnlib.claims import Claim, Criterion, Measurement, Verdict
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
RADIUS = 0.25  # of the guided filter, in strides; tuned by `main`, as is EPS
EPS = 1e-3
_TRIED_RADII = (0.25, 0.5, 1.0)
_TRIED_EPS = (1e-5, 1e-4, 1e-3, 1e-2)


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


def guided_filter(
    image: Float[np.ndarray, "h w 3"], maps: Float[np.ndarray, "k h w"], radius: int, eps: float
) -> Float[np.ndarray, "k h w"]:
    """Make of each map what a linear function of the colours, fitted in each window, can say of it.

    Windows have 2·radius + 1 pixels a side and are mirrored at the border; `eps` keeps the slopes small. Source: He,
    Sun and Tang, Guided Image Filtering, ECCV 2010, in the form for colour.
    """

    def mean(values: Float[np.ndarray, "... h w"]) -> Float[np.ndarray, "... h w"]:
        return ndimage.uniform_filter(values, 2 * radius + 1, axes=(-2, -1))

    guide = np.moveaxis(image, -1, 0)
    middle, level = mean(guide), mean(maps)
    spread = mean(guide[:, None] * guide) - middle[:, None] * middle + eps * np.eye(3)[..., None, None]
    shared = mean(guide[:, None] * maps) - middle[:, None] * level
    slopes = np.linalg.solve(spread.transpose(2, 3, 0, 1), shared.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)
    offsets = level - (slopes * middle[:, None]).sum(0)
    return (mean(slopes) * guide[:, None]).sum(0) + mean(offsets)


def with_colours(
    name: str,
    probabilities: Float[Tensor, "classes h w"],
    stride: int,
    radius: float,
    eps: float,
    *,
    flat: bool = False,
) -> Int64[np.ndarray, "h w"]:
    """The labels after a guided filter, its radius in strides; with a `flat` guide it only blurs."""
    guide = labelled_photo(name).image / 255
    filtered = guided_filter(guide * (not flat), probabilities.double().numpy(), round(radius * stride), eps)
    return filtered.argmax(0)


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
    """Boundary IoU and interior at each stride: plain, flooded by HED's edges, filtered by colours, and controls.

    Flat is flooded without any edges, blurred is filtered without any colours.
    """
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
                "guided": with_colours("cafe", answer, stride, RADIUS, EPS),
                "blurred": with_colours("cafe", answer, stride, RADIUS, EPS, flat=True),
            }
            found = {way: _scores("cafe", labels) for way, labels in ways.items()}
            for way, (boundary, interior) in found.items():
                outcomes.setdefault(f"boundary_{way}_{stride}", []).append(boundary)
                outcomes.setdefault(f"interior_{way}_{stride}", []).append(interior)
            outcomes.setdefault(f"gain_{stride}", []).append(found["edges"][0] - found["plain"][0])
            outcomes.setdefault(f"over_flat_{stride}", []).append(found["edges"][0] - found["flat"][0])
            outcomes.setdefault(f"interior_gain_{stride}", []).append(found["edges"][1] - found["plain"][1])
            for index, kind in enumerate(("guided_gain", "guided_interior_gain")):
                outcomes.setdefault(f"{kind}_{stride}", []).append(found["guided"][index] - found["plain"][index])
            outcomes.setdefault(f"guided_over_blurred_{stride}", []).append(found["guided"][0] - found["blurred"][0])
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
        Criterion(
            f"at stride {_STRIDE} boundary IoU rises where HED's edges decide, against the plain answer and against "
            f"the same flooding without edges, and the interior loses less than {MARGIN} (whole intervals); fails if "
            "one of the three goes the other way; else depends",
            _judge,
        ),
        cue_gain,
        seeds=SEEDS,
        recheck=coarsest,
    ),
)


def main() -> None:
    """Print the boundary IoU and the interior of the bin for each way to be sure, and each guided filter."""
    for sure in _TRIED:
        rows = [
            _scores("bin", with_edges(coarse_answer("bin", _STRIDE, seed), edges_of("bin"), sure)) for seed in range(4)
        ]
        print(sure, *np.mean(rows, axis=0).round(4))
    answers = [coarse_answer("bin", _STRIDE, seed) for seed in range(4)]
    print("plain", *np.mean([_scores("bin", answer.argmax(0).numpy()) for answer in answers], axis=0).round(4))
    for radius, eps in itertools.product(_TRIED_RADII, _TRIED_EPS):
        rows = [_scores("bin", with_colours("bin", answer, _STRIDE, radius, eps)) for answer in answers]
        print("guided", radius, eps, *np.mean(rows, axis=0).round(4))


if __name__ == "__main__":
    main()
