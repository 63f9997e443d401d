"""The nets of SD-2, SD-8, SD-11, SD-13 and SD-14: decoders on EfficientNet-Lite0's frozen maps, one an output stride.

They learn on collages and answer others, which share neither photos nor cut-outs with those. A seed has its own first
weights, order of training scenes and test scenes; at all strides these are the same. A net at stride 4 joins the maps
of strides 4, 8, 16 and 32 as FPN does, one at stride 32 has that map alone. With `fine_tune` the backbone learns too.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float16, Integer, UInt8
from torch import Tensor

from fpnlib.data.voc import VOID
from fpnlib.metrics import mean_iou
from fpnlib.training.decoders import SCENES, device_of
from fpnlib.training.examples import Examples, examples, images
from fpnlib.training.segmenter import CLASSES, Segmented, score_segmenter, train_segmenter, void_classes

OUTPUT_STRIDES = (32, 16, 8, 4)
FEW = 64
"""Training scenes of a net that is worse beyond doubt, for controls; the others have 512."""
VOID_BORDER = 2
"""Pixels on either side of a boundary that no score counts: a border of 4, where VOC's has about 5."""
TESTED = 64
"""Test scenes of a seed, each its own."""
SEEDS = 16
OTHER_NET = 1000
"""The seed of the nets that settings are tuned with and that the explorers show; no claim is about them."""
FIRST_SHOWN = 9216  # of the test scenes that explorers show
_FIRST, _TUNING = 1024, 8192  # the first test scenes of claims and of tuning
_EARLY = 4  # steps
_PART = 16


def first_scene(seed: int) -> int:
    """The first of the `TESTED` test scenes of a seed."""
    return _TUNING if seed == OTHER_NET else _FIRST + TESTED * seed


def scenes_of(seed: int, count: int = TESTED) -> Examples:
    """The first scenes that the nets of a seed are tested on, as images."""
    return images(count, split="test", first=first_scene(seed))


@lru_cache(maxsize=SEEDS * (len(OUTPUT_STRIDES) + 1))
def answers(
    seed: int, stride: int, scenes: int = SCENES, *, fine_tune: bool = False
) -> Float16[Tensor, "n classes h w"]:
    """Train a net on `scenes` collages and return its logits for its test scenes, on the grid of the output stride.

    Those of all claims are kept, 4 MB a seed, so that claims measured in one process train each net once.
    """
    given = scenes_of(seed) if fine_tune else examples(TESTED, split="test", first=first_scene(seed))
    return coarse_logits(trained(seed, stride, scenes, fine_tune=fine_tune), given)


@lru_cache(maxsize=1)
def trained(seed: int, stride: int, scenes: int = SCENES, *, fine_tune: bool = False) -> torch.nn.Module:
    """A net of an output stride, trained on so many collages; the last one is kept."""
    return train_segmenter(seed, stride=stride, scenes=scenes, void=VOID_BORDER, fine_tune=fine_tune)[0]


@torch.no_grad()
def coarse_logits(model: torch.nn.Module, given: Examples) -> Float16[Tensor, "n classes h w"]:
    """What a net says of scenes, on the grid of its output stride."""
    parts = torch.arange(len(given)).split(_PART)
    return torch.cat([model(given.batch(places, device_of(model))).half().cpu() for places in parts])


def enlarge(logits: Float16[Tensor, "n classes h w"], size: int = 256) -> Float[Tensor, "n classes size size"]:
    """Logits on a grid, bilinearly at every pixel."""
    return F.interpolate(logits.float(), (size, size), mode="bilinear")


def labels(logits: Float16[Tensor, "n classes h w"]) -> UInt8[Tensor, "n size size"]:
    """The likeliest class at each pixel of the scenes."""
    return torch.cat([enlarge(part).argmax(1).to(torch.uint8) for part in logits.split(_PART)])


def pictures(given: Examples) -> list[UInt8[Tensor, "h w 3"]]:
    """The scenes' images, channels last."""
    return list(given.inputs[0].permute(0, 2, 3, 1).contiguous())


def score(said: UInt8[Tensor, "n h w"], given: Examples) -> dict[str, float]:
    """`miou`, `boundary_iou`, `accuracy_small` … of labels, as `score_segmenter` has them."""
    return score_segmenter(Segmented(said, torch.zeros(len(said))), given, void=VOID_BORDER)


def counted(given: Examples) -> UInt8[Tensor, "n h w"]:
    """The true classes with VOID where no score counts."""
    return void_classes(given, VOID_BORDER).to(torch.uint8)


def miou(said: Integer[Tensor, "n h w"], truth: UInt8[Tensor, "n h w"], over: str = "dataset") -> float:
    """mIoU where `truth` is not VOID."""
    return mean_iou(said, truth, CLASSES, ignore_index=VOID, over=over)  # type: ignore[arg-type]


def early_losses(seeds: Sequence[int], strides: Sequence[int], *, fine_tune: bool = False) -> dict[str, list[float]]:
    """`early_<stride>`: the mean loss of the first steps on `FEW` scenes, which a test can run again.

    With a backbone that learns it is the first step's: without a GPU each takes seconds.
    """
    return {f"early_{stride}": [_early_loss(seed, stride, fine_tune) for seed in seeds] for stride in strides}


@lru_cache(maxsize=SEEDS * len(OUTPUT_STRIDES))
def _early_loss(seed: int, stride: int, fine_tune: bool) -> float:
    stop = 1 if fine_tune else _EARLY
    _, history = train_segmenter(seed, stride=stride, scenes=FEW, void=VOID_BORDER, fine_tune=fine_tune, stop=stop)
    return sum(history.losses) / stop


def less(outcomes: Mapping[str, Sequence[float]], first: str, second: str) -> list[float]:
    """One outcome less another, seed by seed."""
    return [one - other for one, other in zip(outcomes[first], outcomes[second], strict=True)]
