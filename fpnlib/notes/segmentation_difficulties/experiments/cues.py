"""SD-3: edges decide where the boundaries of a coarse answer run: Sobel's, which are low-level, and HED's.

HED is a deep net trained on boundaries that people drew, so it is no low-level cue.

    python -m fpnlib.notes.segmentation_difficulties.experiments.cues

tunes for each cue how sure the coarse answer has to be, on the photo of a bin, which the claim does not use.
"""

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.filters import sobel
from skimage.segmentation import watershed
from torch import Tensor

from fpnlib.claims import Claim, Criterion, Measurement, Said, all_of, exceeds
from fpnlib.data.voc import VOID
from fpnlib.metrics import boundary_iou
from fpnlib.models import HED
from fpnlib.notes.segmentation_difficulties.experiments.bounds import BAND
from fpnlib.notes.segmentation_difficulties.experiments.masks import void_border
from fpnlib.notes.segmentation_difficulties.experiments.photos import Labelled, on_photos, photos

SEEDS = 16
STRIDES = (8, 16, 32)
_STRIDE = 16
NAMES = ("cafe", "2011_000003", "2011_000006", "2011_000025")  # the bin is for tuning
UNSURE = 2  # pixels of border that do not count: where the contour runs is not known better
MARGIN = 0.005  # the share of interior pixels that may be lost
_NOISE = 0.5  # of the coarse logits
_FLOOR = 0.01  # a class that is not there has this share
_TRIED = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SURE = {"sobel": 0.6, "hed": 0.5, "truth": 0.8}  # by cue: the coarse probability that no edge may change; by `main`


class Scored(NamedTuple):
    """A photo's labels and what its answers are scored by.

    labels:   classes without gaps in their numbers, VOID as it is
    interior: pixels further than `BAND` from any true boundary
    left_out: pixels that do not count at the boundary
    """

    labels: Int64[Tensor, "h w"]
    interior: Bool[np.ndarray, "h w"]
    left_out: Bool[np.ndarray, "h w"]


def scored(known: Labelled) -> Scored:
    """Prepare a photo."""
    void = known.classes == VOID
    labels = torch.where(void, VOID, known.classes.unique(return_inverse=True)[1])
    numbers, side = labels.numpy(), 2 * BAND + 1
    near = ndimage.maximum_filter(numbers, side) != ndimage.minimum_filter(numbers, side)
    return Scored(labels, ~near & ~void.numpy(), (void_border(known.instances, UNSURE) | void).numpy())


def edges_of(known: Labelled, cue: str = "hed") -> Float[np.ndarray, "h w"]:
    """The edges of a labelled photo.

    "hed" is HED's fused edge probability, "sobel" the largest Sobel gradient of its three CIELAB channels, "truth" the
    true contours, the cue that no other can beat. HED runs on a GPU if torch sees one.
    """
    if cue == "sobel":
        return np.max([sobel(channel) for channel in np.moveaxis(rgb2lab(known.image), 2, 0)], axis=0)
    if cue == "truth":
        return void_border(known.classes, 2).numpy().astype(float)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # Without TF32, so that a GPU says what a processor says, to rounding.
    with torch.no_grad(), torch.backends.cudnn.flags(allow_tf32=False):
        image = HED.preprocess(known.image).to(device)
        return _hed(device)(image).fused.sigmoid()[0, 0].cpu().numpy()


@functools.cache
def _hed(device: str) -> HED:
    return HED.pretrained().to(device)


@functools.cache
def prepared(name: str) -> tuple[Scored, Mapping[str, Float[np.ndarray, "h w"]]]:
    """A photo of the book with its edges by cue."""
    known = photos()[name]
    return scored(known), {cue: edges_of(known, cue) for cue in SURE}


def coarse_answer(labels: Int64[Tensor, "h w"], stride: int, seed: int) -> Float[Tensor, "classes h w"]:
    """What a net could at best say at an output stride, with noise: each class's share in each cell, enlarged.

    The noise is normal, on the shares' logarithms. `labels` are those of `Scored`; what is VOID has no share.
    """
    height, width = labels.shape
    known = labels != VOID
    kinds = (F.one_hot(labels.where(known, 0)) * known[..., None]).permute(2, 0, 1)[None].float()
    padded = F.pad(kinds, (0, -width % stride, 0, -height % stride), mode="replicate")
    shares = F.avg_pool2d(padded, stride)
    noise = torch.randn(shares.shape, generator=torch.Generator().manual_seed(seed))
    logits = (shares + _FLOOR).log() + _NOISE * noise
    enlarged = F.interpolate(logits, scale_factor=stride, mode="bilinear", align_corners=False)
    return enlarged[0, :, :height, :width].softmax(0)


def with_edges(
    probabilities: Float[Tensor, "classes h w"], edges: Float[np.ndarray, "h w"], sure: float
) -> Int64[np.ndarray, "h w"]:
    """Keep labels of at least `sure`, and let them flood the rest, lowest edges first, until they meet."""
    best, labels = (tensor.numpy() for tensor in probabilities.max(0))
    markers = np.where(best >= sure, labels + 1, 0)
    return watershed(edges, markers) - 1 if markers.any() else labels


def score(photo: Scored, labels: Int64[np.ndarray, "h w"]) -> tuple[float, float]:
    """Mean boundary IoU of the classes, the border left out, and the share of interior pixels that are right."""
    wanted = photo.labels.numpy()
    bands = [
        boundary_iou(labels == kind, wanted == kind, distance=BAND, ignore=photo.left_out)
        for kind in np.unique(wanted[wanted != VOID])
    ]
    # A class whose boundary lies all in the border has none to score.
    return float(np.nanmean(bands)), float((labels == wanted)[photo.interior].mean())


def cue_gain(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Boundary IoU and interior by stride and photo: plain, flooded by edges, and flooded without any edges.

    The effect is what Sobel's edges add to boundary IoU at stride 16, the mean over the photos.
    """
    outcomes = _gains(seeds, STRIDES, NAMES)
    for cue in SURE:
        for stride in STRIDES:
            each = [outcomes[f"{cue}_gain_{stride}_{name}"] for name in NAMES]
            outcomes[f"{cue}_gain_{stride}"] = np.mean(each, axis=0).tolist()
    return {"effect": outcomes[f"sobel_gain_{_STRIDE}"], **outcomes}


def _gains(seeds: Sequence[int], strides: Sequence[int], names: Sequence[str]) -> dict[str, list[float]]:
    outcomes: dict[str, list[float]] = {}
    for stride, name, seed in itertools.product(strides, names, seeds):
        for what, value in gains(*prepared(name), stride, seed).items():
            outcomes.setdefault(f"{what}_{name}", []).append(value)
    return outcomes


def gains(photo: Scored, edges: Mapping[str, Float[np.ndarray, "h w"]], stride: int, seed: int) -> dict[str, float]:
    """What each cue adds to one coarse answer: in boundary IoU, over flooding without any edges, and inside."""
    answer = coarse_answer(photo.labels, stride, seed)
    plain = answer.argmax(0).numpy()
    before = score(photo, plain)
    found = {f"plain_{stride}": before[0]}
    for cue, sure in SURE.items():
        boundary, interior = score(photo, with_edges(answer, edges[cue], sure))
        flat = score(photo, with_edges(answer, np.zeros(plain.shape), sure))
        found |= {
            f"{cue}_gain_{stride}": boundary - before[0],
            f"{cue}_over_flat_{stride}": boundary - flat[0],
            f"{cue}_interior_{stride}": interior - before[1],
        }
    return found


def gains_of(known: Labelled, first: int) -> dict[str, float]:
    """What each cue adds on one photo, at each stride; nothing without two classes and an interior."""
    photo = scored(known)
    if not photo.interior.any() or len(photo.labels[torch.from_numpy(~photo.left_out)].unique()) < 2:
        return {}
    edges = {cue: edges_of(known, cue) for cue in SURE}
    return {key: value for stride in STRIDES for key, value in gains(photo, edges, stride, first).items()}


def over_gains(found: Sequence[Mapping[str, float]]) -> Measurement:
    """The means over the photos; the effect is what Sobel's edges add to boundary IoU at stride 16."""
    outcomes = {name: [one[name] for one in found] for name in found[0]}
    return Measurement.over_seeds({"effect": outcomes[f"sobel_gain_{_STRIDE}"], **outcomes})


def coarsest(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The outcomes of `cue_gain` at the coarsest stride of one photo."""
    return _gains(seeds, STRIDES[-1:], NAMES[1:2])


POINT = 0.01
_WORTH = "a point is the unit of the field's tables"
_PUBLISHED = 0.09
_AS_PUBLISHED = "BMask R-CNN gains 9 points over Mask R-CNN, the least in figure 1 of Cheng et al. (2021)"
_CALLED = dict(zip(NAMES, ("the café", "the bottle photo", "the sofa photo", "the bus photo"), strict=True))


_SAID = {"sobel": "Sobel's", "hed": "HED's"}


def _helps(cue: str, of: str = "") -> Criterion:
    return all_of(
        exceeds(POINT, f"at stride {_STRIDE} gain in boundary IoU", of=f"{cue}_gain_{_STRIDE}{of}", because=_WORTH),
        exceeds(0, "its lead over the same flooding without edges", of=f"{cue}_over_flat_{_STRIDE}{of}"),
        exceeds(-MARGIN, "change of the share right far from boundaries", of=f"{cue}_interior_{_STRIDE}{of}"),
    )


SD_3 = Claim(
    "SD-3",
    "Boundaries are coarse, and low-level cues may help",
    Said(
        "source",
        "尝试融合DL和一些low level的传统技巧也许也有用",
        "to try and fuse deep learning with some low-level traditional technique may be useful too",
        "as a hope",
    ),
    {f"with {said} edges on {_CALLED[name]}": _helps(cue, f"_{name}") for cue, said in _SAID.items() for name in NAMES},
    cue_gain,
    seeds=SEEDS,
    control=exceeds(
        _PUBLISHED, "what the true contours as edges gain", of=f"truth_gain_{_STRIDE}", because=_AS_PUBLISHED
    ),
    recheck=coarsest,
    on=on_photos(gains_of, over_gains, {f"with {said} edges": _helps(cue) for cue, said in _SAID.items()}),
    told={"depends": "Edges found by a plain filter mended a coarse answer on two photos of four."},
)


def main() -> None:
    """Print the boundary IoU and the interior of the bin for each cue and each way to be sure."""
    photo, edges = prepared("bin")
    answers = [coarse_answer(photo.labels, _STRIDE, seed) for seed in range(2)]
    print("plain", *np.mean([score(photo, answer.argmax(0).numpy()) for answer in answers], axis=0).round(4))
    for cue, sure in itertools.product(SURE, _TRIED):
        rows = [score(photo, with_edges(answer, edges[cue], sure)) for answer in answers]
        print(cue, sure, *np.mean(rows, axis=0).round(4))


if __name__ == "__main__":
    main()
