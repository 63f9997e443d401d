"""AC-2, AC-5 and AC-6: what add and concat cost, counted; and a small pyramid of each kind, trained."""

import functools
import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fpnlib.claims import Claim, Criterion, Measurement, Said, Verdict
from fpnlib.data.scenes import SCENE_CLASSES, TRAINING_SEEDS, VALIDATION_SEEDS, scene_batch
from fpnlib.models import FPN, EfficientNetLite0, cost
from fpnlib.models.cost import count_parameters
from fpnlib.models.unet import UNet
from fpnlib.notes.add_vs_concat.pyramids import (
    CHANNELS,
    RESNET50,
    AddMerge,
    ConcatPyramid,
    map_shapes,
    whole_pyramids,
)
from fpnlib.training import Ensemble, minibatches

_IMAGE = (512, 512)
_PERSON = (256, 192)  # CPN's input: one person, height and width
_SIZE, _TRAIN, _TEST = 64, 160, 80  # pixels of a scene, and how many
_WIDTH, _EQUAL_WIDTH = 8, 6  # channels of a small level; with 6 the concatenating pyramid has FPN's parameters
_STEPS, _BATCH, _RATE = 200, 8, 0.01


def next_convolution() -> Measurement:
    """Every small convolution after an add of two maps, and after their concat: by what factor the costs differ."""
    ratios, with_bias = [], []
    for cin, cout, kernel, stride, dilation, groups in itertools.product(
        (8, 24, 64, 256), (8, 64, 256), (1, 3, 5, 7), (1, 2), (1, 2), (1, 2, 8)
    ):
        padding = dilation * (kernel // 2)
        add, concat = (
            cost(
                nn.Conv2d(inputs * cin, cout, kernel, stride, padding, dilation, groups, bias=False),
                (1, inputs * cin, 16, 16),
            )
            for inputs in (1, 2)
        )
        ratios += [concat.parameters / add.parameters, concat.macs / add.macs]
        with_bias.append((concat.parameters + cout) / (add.parameters + cout))
    nets = {merge: cost(UNet(merge=merge), (1, 3, *_IMAGE)) for merge in ("add", "concat")}
    shapes = map_shapes(*_IMAGE)
    fpn, joined = (cost(whole_pyramids()[name], shapes) for name in ("fpn", "concat"))
    return Measurement.exact(
        max(abs(ratio - 2) for ratio in ratios),
        n=len(with_bias),
        least_with_bias=min(with_bias),
        u_net_macs=nets["concat"].macs / nets["add"].macs,
        u_net_parameters=nets["concat"].parameters / nets["add"].parameters,
        fpn_macs=joined.macs / fpn.macs,
        fpn_parameters=joined.parameters / fpn.parameters,
    )


@functools.cache
def _counted() -> dict[str, float]:
    """Millions of parameters and milliards of multiply-adds of the pyramids on ResNet-50's maps of 512×512."""
    numbers: dict[str, float] = {}
    for name, net in whole_pyramids().items():
        counted = cost(net, map_shapes(*_IMAGE))
        numbers |= {f"{name}_parameters": counted.parameters / 1e6, f"{name}_macs": counted.macs / 1e9}
    return numbers


class SceneNet(nn.Module):
    """A pyramid on ready maps and a 1×1 that names each place's class."""

    def __init__(self, pyramid: nn.Module, channels: int) -> None:
        super().__init__()
        self.pyramid, self.head = pyramid, nn.Conv2d(channels, len(SCENE_CLASSES), 1)

    def forward(self, *features: Float[Tensor, "n _ _ _"]) -> Float[Tensor, "n classes h w"]:
        """Logits at the finest map's size."""
        return self.head(self.pyramid(list(features))[0])


def _small(kind: str) -> SceneNet:
    maps = EfficientNetLite0.channels[1:]
    if kind == "add":
        return SceneNet(FPN(maps, _WIDTH), _WIDTH)
    width = _WIDTH if kind == "concat" else _EQUAL_WIDTH
    return SceneNet(ConcatPyramid(maps, width), width)


@functools.cache
def _scene_maps(train: bool) -> tuple[list[Tensor], Int64[Tensor, "n h w"]]:
    """EfficientNet-Lite0's maps of strides 4 to 32 on scenes, and the class at the middle of each place."""
    seeds = TRAINING_SEEDS[:_TRAIN] if train else VALIDATION_SEEDS[:_TEST]
    scenes = scene_batch(seeds, size=_SIZE)
    backbone = EfficientNetLite0.pretrained()
    with torch.inference_mode():
        parts = [backbone.features((images * 255 - 127) / 128)[1:] for images in scenes.images.split(16)]
    # Each map's numbers are brought to one size, since a pyramid on frozen maps has no norm to do so.
    maps = [torch.cat(level).clone() for level in zip(*parts, strict=True)]
    return [level / level.std() for level in maps], scenes.semantic[:, 2::4, 2::4].clone()


def _loss(model: nn.Module, *batch: Tensor) -> Tensor:
    *features, target = batch
    return F.cross_entropy(model(*features), target)


def _mean_iou(prediction: Int64[Tensor, "n h w"], target: Int64[Tensor, "n h w"]) -> float:
    classes = len(SCENE_CLASSES)
    confusion = torch.bincount((classes * target + prediction).flatten(), minlength=classes**2).view(classes, classes)
    both = confusion.diag()
    return (both / (confusion.sum(0) + confusion.sum(1) - both)).nanmean().item()


def _trained(kind: str, seeds: Sequence[int]) -> dict[str, list[float]]:
    """Mean IoU on held-out scenes of one kind of pyramid, and how many parameters it has."""
    maps, target = _scene_maps(train=True)
    test_maps, test_target = _scene_maps(train=False)
    nets = Ensemble(functools.partial(_small, kind), seeds, optimizer="adam", learning_rate=_RATE)
    batches = minibatches(*maps, target, size=_BATCH, seed=list(seeds))
    nets.fit(batches, _loss, steps=_STEPS, in_dims=0)
    logits = nets.evaluate(lambda model, *features: model(*features), *test_maps)
    parameters = float(count_parameters(_small(kind)))
    return {
        kind: [_mean_iou(one.argmax(1), test_target) for one in logits],
        f"{kind}_small_parameters": [parameters] * len(seeds),
    }


def small_pyramids(seeds: Sequence[int]) -> dict[str, list[float]]:
    """FPN, and concat at equal width and at equal parameters, trained; beside the exact counts of the large ones."""
    outcome: dict[str, list[float]] = {name: [value] * len(seeds) for name, value in _counted().items()}
    for kind in ("add", "concat", "concat_equal"):
        outcome |= _trained(kind, seeds)
    outcome["gain_equal_width"] = [b - a for a, b in zip(outcome["add"], outcome["concat"], strict=True)]
    outcome["effect"] = [b - a for a, b in zip(outcome["add"], outcome["concat_equal"], strict=True)]
    return outcome


def _recheck(seeds: Sequence[int]) -> dict[str, list[float]]:
    return {name: [value] * len(seeds) for name, value in _counted().items()} | _trained("concat_equal", seeds)


def _judge_pyramids(measurement: Measurement) -> Verdict:
    at, (low, high) = measurement.numbers, measurement.interval
    costly = all(at[f"concat_{what}"] >= 1.5 * at[f"fpn_{what}"] for what in ("parameters", "macs"))
    uncut = all(at[f"concat_uncut_{what}"] >= 5 * at[f"fpn_{what}"] for what in ("parameters", "macs"))
    if not (costly and uncut) or low > 0.02:
        return "fails"
    return "holds" if high < 0.02 else "depends"


def cuts_before_the_add() -> Measurement:
    """What brings ResNet-50's levels together on CPN's input: cut as in FPN, cut twice as in CPN, or lifted."""
    shapes = map_shapes(*_PERSON)
    numbers: dict[str, float] = {}
    for how in ("cut", "cut twice", "lift"):
        counted = cost(AddMerge(RESNET50, CHANNELS, how), shapes)
        key = how.replace(" ", "_")
        numbers |= {f"{key}_parameters": counted.parameters / 1e6, f"{key}_macs": counted.macs / 1e9}
    for name, net in whole_pyramids().items():
        counted = cost(net, shapes)
        numbers |= {f"{name}_parameters": counted.parameters / 1e6, f"{name}_macs": counted.macs / 1e9}
    return Measurement.exact(numbers["cut_macs"] / numbers["cut_twice_macs"], n=len(RESNET50), **numbers)


def _judge_cuts(measurement: Measurement) -> Verdict:
    at = measurement.numbers
    if at["cut_twice_macs"] >= at["lift_macs"]:
        return "fails"
    return "holds" if measurement.effect > 1 else "depends"


CLAIMS = (
    Claim(
        "AC-2",
        "Concat costs twice add.",
        Said(
            "source",
            "更节省参数和计算量(concat是add的2倍)",
            "it saves parameters and computation; concat takes twice add's",
        ),
        {
            "": Criterion(
                "the next convolution has exactly twice the weights and twice the multiply-adds, at equal output "
                "channels, for every kernel, stride, dilation and group count tried",
                lambda m: "holds" if m.effect == 0 else "fails",
            )
        },
        next_convolution,
    ),
    Claim(
        "AC-5",
        "FPN suits add; with concat the coarse levels' many channels would cost a lot.",
        Said(
            "source",
            "从性质上是可以用add的。如果用concat,因为分辨率小的特征通道数更多,计算量是一笔不少的开销",
            "by its nature add can be used; with concat, as coarse features have more channels, the computation is no "
            "small expense",
        ),
        {
            "": Criterion(
                "on ResNet-50's maps a concatenating pyramid has 1.5 times FPN's parameters and multiply-adds or more, "
                "one that takes the maps uncut 5 times or more; and in a small trained pyramid of equal parameters "
                "concat gains less than .02 mean IoU over add (whole interval)",
                _judge_pyramids,
            )
        },
        small_pyramids,
        seeds=16,
        recheck=_recheck,
    ),
    Claim(
        "AC-6",
        "CPN saves more by a 1×1 that cuts the coarse channels before the add.",
        Said(
            "source",
            "对于分辨率小的特征图在add前用1x1的卷积减少了通道数",
            "coarse maps have their channels reduced by a 1×1 before the add",
        ),
        {
            "": Criterion(
                "bringing ResNet-50's levels together CPN's way takes fewer multiply-adds than FPN's; it depends when "
                "it takes fewer only than an add at the coarsest map's channels",
                _judge_cuts,
            )
        },
        cuts_before_the_add,
    ),
)
