"""SD-10: regions that old methods find without labels, and the labels of lowest energy."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from skimage.segmentation import felzenszwalb, slic
from torch import Tensor

from fpnlib.claims import Claim, Measurement, Said, exceeds, within
from fpnlib.data.voc import VOID
from fpnlib.notes.segmentation_difficulties.experiments.bounds import A_POINT, POINT, spread, together, with_effect
from fpnlib.notes.segmentation_difficulties.experiments.masks import VOID_WIDTH, with_border
from fpnlib.notes.segmentation_difficulties.experiments.photos import Labelled, on_photos, photos
from fpnlib.ops import achievable_accuracy, graph_cut, potts_energy

SUPERPIXELS = (50, 100, 200, 400, 800)
COMPACTNESS = 10.0
_FELZENSZWALB = {"scale": 100, "sigma": 0.5, "min_size": 50}
GRIDS = 5
_HALF_THE_ERRORS = 0.951
_HALF = "DeepLab without a CRF gets .902 of VOC's pixels right; regions may cost half of what it gets wrong"


def regions_of(known: Labelled, first: int = 0) -> dict[str, list[float]]:
    """How well regions of a photo, found without labels, could label it."""
    reached: dict[str, float] = {}
    truth = {width: with_border(known.classes, known.instances, width) for width in (0, VOID_WIDTH)}
    for count in SUPERPIXELS:
        regions = slic(known.image, count, COMPACTNESS, start_label=0)
        for width, wanted in truth.items():
            found, squares = _allows(regions, wanted), _allows(as_many_squares(regions), wanted)
            reached |= {f"slic_{count}_void_{width}": found, f"over_squares_{count}_void_{width}": found - squares}
        reached[f"returned_{count}"] = len(np.unique(regions))
    regions = felzenszwalb(known.image, **_FELZENSZWALB)
    reached |= {f"graph_void_{width}": _allows(regions, wanted) for width, wanted in truth.items()}
    reached["graph_returned"] = len(np.unique(regions))
    reached["more_help"] = reached[f"slic_{SUPERPIXELS[-1]}_void_0"] - reached[f"slic_{SUPERPIXELS[0]}_void_0"]
    return {name: [float(value)] for name, value in reached.items()}


def over_regions(found: Sequence[Mapping[str, Sequence[float]]]) -> Measurement:
    """The means over the photos."""
    reached = together(found).items()
    numbers = {key: value for name, values in reached for key, value in spread(name, values).items()}
    return with_effect(f"slic_{SUPERPIXELS[-1]}_void_{VOID_WIDTH}", len(found), numbers)


def measure_old_methods() -> Measurement:
    """How well regions found without labels could label five photos; and graph cuts beside every labelling there is."""
    found = {name: regions_of(known) for name, known in photos().items()}
    whole = over_regions(list(found.values()))
    each = {
        f"cafe_{count}_void_{width}": found["cafe"][f"slic_{count}_void_{width}"][0]
        for count, width in itertools.product(SUPERPIXELS, (0, VOID_WIDTH))
    }
    worst = 0.0
    for seed in range(GRIDS):
        unary = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        every = (torch.tensor(flat).view(3, 3) for flat in itertools.product(range(2), repeat=9))
        lowest = min(potts_energy(labels, unary, 0.3) for labels in every)
        worst = max(worst, potts_energy(graph_cut(unary, 0.3), unary, 0.3) - lowest)
    return dataclasses.replace(whole, numbers={**whole.numbers, **each, "energy": worst, "grids": float(GRIDS)})


def _allows(regions: np.ndarray, truth: Tensor) -> float:
    """The achievable accuracy over the pixels that count."""
    counted = truth != VOID
    return achievable_accuracy(torch.from_numpy(regions)[counted][None], truth[counted][None])


def as_many_squares(regions: np.ndarray) -> np.ndarray:
    """A grid of about as many squares as there are regions."""
    height, width = regions.shape
    side = (height * width / len(np.unique(regions))) ** 0.5
    across = int(width / side) + 1
    return (np.arange(height) / side).astype(int)[:, None] * across + (np.arange(width) / side).astype(int)


_REGIONS = {
    "for SLIC's superpixels, VOC's border left out": exceeds(
        _HALF_THE_ERRORS,
        f"share of pixels that can be right with {SUPERPIXELS[-1]} superpixels asked for",
        because=_HALF,
    ),
    "for SLIC's superpixels, every pixel counted": exceeds(
        _HALF_THE_ERRORS,
        f"share of pixels that can be right with {SUPERPIXELS[-1]} superpixels asked for",
        of=f"slic_{SUPERPIXELS[-1]}_void_0",
        because=_HALF,
    ),
    "for regions of a graph (Felzenszwalb, Huttenlocher), VOC's border left out": exceeds(
        _HALF_THE_ERRORS,
        "share of pixels that can be right",
        of=f"graph_void_{VOID_WIDTH}",
        because=_HALF,
    ),
    "against as many squares": exceeds(
        POINT,
        "share of pixels that can be right, above that of squares",
        of=f"over_squares_{SUPERPIXELS[-1]}_void_0",
        because=A_POINT,
    ),
}

SD_10 = Claim(
    "SD-10",
    "The older methods need no labels and still help: their regions keep to boundaries, a graph cut finds the "
    "labels of lowest energy",
    Said(
        "source",
        "传统的图割算法,似乎都是无监督算法",
        "the traditional graph-cut algorithms all seem to be unsupervised",
        "from memory",
    ),
    {
        **_REGIONS,
        "in the energy of a graph cut": within(1e-9, "the cut's energy from the lowest of all labellings", of="energy"),
    },
    measure_old_methods,
    control=exceeds(
        POINT,
        f"what {SUPERPIXELS[-1]} superpixels allow more than {SUPERPIXELS[0]}",
        of="more_help",
        because=A_POINT,
    ),
    on=on_photos(regions_of, over_regions, _REGIONS),
    told={
        "depends": "Old methods find regions without a label that nearly fit the labels; but small squares fit "
        "them nearly as well."
    },
)
