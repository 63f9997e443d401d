"""AC-2, AC-5, AC-6 and AC-11: what add and concat cost, counted; and a small pyramid of each kind, trained."""

import dataclasses
import functools
import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fpnlib.claims import Claim, Measurement, Said, exceeds, stays_within, within
from fpnlib.data.scenes import SCENE_CLASSES, TRAINING_SEEDS, VALIDATION_SEEDS, scene_batch
from fpnlib.models import FPN, EfficientNetLite0, cost, resnet50
from fpnlib.models.cost import count_parameters
from fpnlib.models.cpn import RefineNet
from fpnlib.models.unet import UNet
from fpnlib.notes.add_vs_concat.pyramids import (
    CHANNELS,
    KEYPOINTS,
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


def pyramid_costs() -> Measurement:
    """What the pyramids on ResNet-50's maps cost at 512×512: millions of parameters, billions of multiply-adds.

    `…_more` is by how many multiply-adds a concatenating pyramid exceeds FPN, as a multiple of ResNet-50's own.
    """
    with torch.device("meta"):  # to be counted, not run
        nets = {**whole_pyramids(), "resnet": resnet50(num_classes=None)}
    numbers: dict[str, float] = {}
    for name, net in nets.items():
        counted = cost(net, (1, 3, *_IMAGE) if name == "resnet" else map_shapes(*_IMAGE))
        numbers |= {f"{name}_parameters": counted.parameters / 1e6, f"{name}_macs": counted.macs / 1e9}
    for name in ("concat", "concat_uncut"):
        numbers[f"{name}_more"] = (numbers[f"{name}_macs"] - numbers["fpn_macs"]) / numbers["resnet_macs"]
    return Measurement.exact(numbers["concat_more"], n=len(RESNET50), **numbers)


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
    """FPN, and concat at equal width and at equal parameters, trained."""
    outcome: dict[str, list[float]] = {}
    for kind in ("add", "concat", "concat_equal"):
        outcome |= _trained(kind, seeds)
    outcome["gain_equal_width"] = [b - a for a, b in zip(outcome["add"], outcome["concat"], strict=True)]
    outcome["effect"] = [b - a for a, b in zip(outcome["add"], outcome["concat_equal"], strict=True)]
    return outcome


def _recheck(seeds: Sequence[int]) -> dict[str, list[float]]:
    return _trained("concat_equal", seeds)


def cuts_before_the_add() -> Measurement:
    """What brings ResNet-50's levels together on CPN's input: cut as in FPN, cut twice as in CPN, or lifted."""
    shapes = map_shapes(*_PERSON)
    numbers: dict[str, float] = {}
    for how in ("cut", "cut twice", "lift"):
        counted = cost(AddMerge(RESNET50, CHANNELS, how), shapes)
        key = how.replace(" ", "_")
        numbers |= {f"{key}_parameters": counted.parameters / 1e6, f"{key}_macs": counted.macs / 1e9}
    with torch.device("meta"):  # to be counted, not run
        nets, refine = whole_pyramids(), RefineNet(len(RESNET50), CHANNELS, KEYPOINTS)
    for name, net in nets.items():
        counted = cost(net, shapes)
        numbers |= {f"{name}_parameters": counted.parameters / 1e6, f"{name}_macs": counted.macs / 1e9}
    joined = [(1, CHANNELS, *shape[2:]) for shape in shapes]
    numbers["refine_net_macs"] = cost(refine, joined).macs / 1e9
    numbers["cpn_macs"] = numbers["global_net_macs"] + numbers["refine_net_macs"]
    merge = AddMerge(RESNET50, CHANNELS, "cut twice")
    first, second = merge.laterals[-1], merge.before_add[-1]
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    return Measurement.exact(
        numbers["lift_macs"] / numbers["cut_macs"],
        n=len(RESNET50),
        first_keeps=first.out_channels / first.in_channels,
        second_keeps=second.out_channels / second.in_channels,
        saved_by_the_first=numbers["lift_macs"] / numbers["cut_macs"],
        second_costs=numbers["cut_twice_macs"] / numbers["cut_macs"],
        **numbers,
    )


_CPN = "for CPN's second 1×1, on the enlarged map right before the add"
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
            "": within(
                0,
                "the weights and the multiply-adds of the next convolution, without bias, and twice as many, at equal "
                "output channels, for every kernel, stride, dilation and group count tried",
            )
        },
        next_convolution,
        check="two maps of c channels are 2c channels, and a convolution's cost is proportional to them: counting "
        "cannot come out otherwise",
        told={"holds": "After a concat the next convolution costs twice as much; the whole net does not."},
    ),
    Claim(
        "AC-5",
        "FPN can use add; with concat the coarse levels' many channels would cost a lot.",
        Said(
            "source",
            "从性质上是可以用add的。如果用concat,因为分辨率小的特征通道数更多,计算量是一笔不少的开销",
            "by its nature add can be used; with concat, as coarse features have more channels, the computation is no "
            "small expense",
        ),
        {
            f"for a pyramid that concatenates {words}": exceeds(
                1,
                f"multiply-adds of a pyramid that concatenates {words} beyond FPN's, over those of ResNet-50 itself",
                of=f"{name}_more",
                because="what costs more than the whole backbone below it is no small expense",
            )
            for name, words in (("concat", "maps cut by a 1×1"), ("concat_uncut", "the maps as they are"))
        },
        pyramid_costs,
        told={
            "holds": "A pyramid that concatenated where FPN adds would cost more extra than all of ResNet-50 below it."
        },
    ),
    Claim(
        "AC-6",
        "CPN cuts the coarse maps' channels by a 1×1 before the add, which saves computation.",
        Said(
            "source",
            "对于分辨率小的特征图在add前用1x1的卷积减少了通道数",
            "coarse maps have their channels reduced by a 1×1 before the add",
        ),
        {
            "for the 1×1 on each backbone map, which FPN has as well": exceeds(
                2,
                "multiply-adds of an add at the coarsest map's channels, over those after this 1×1",
                of="saved_by_the_first",
                because="a factor of two is what concat costs beside add",
            ),
            _CPN: dataclasses.replace(
                within(0.5, "", of="second_keeps"),
                text="it has half as many output channels as input channels, or less",
            ),
        },
        cuts_before_the_add,
        told={
            "depends": "The 1×1 that cuts the coarse maps saves a lot, and FPN has it too; the one that CPN adds to it "
            "cuts nothing."
        },
    ),
    Claim(
        "AC-11",
        "In a small FPN, add can replace concat without a loss of accuracy.",
        Said("us"),
        {
            "": stays_within(
                0.02,
                "mean IoU of concat less add's, equal parameters, small pyramids on frozen maps of scenes of 64 pixels",
                because="another seed moves a mean IoU here by nearly so much: a standard deviation of 0.015",
            )
        },
        small_pyramids,
        seeds=16,
        recheck=_recheck,
        told={
            "not shown": "In tiny pyramids concat is better at equal size, but they are too tiny to speak about FPN."
        },
    ),
)
