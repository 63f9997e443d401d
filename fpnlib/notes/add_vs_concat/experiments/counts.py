"""AC-2, AC-5 and AC-6: what add and concat cost, counted."""

import dataclasses
import functools
import itertools

import torch
from torch import nn

from fpnlib.claims import Claim, Measurement, Said, exceeds, within
from fpnlib.models import cost, resnet50
from fpnlib.models.cost import count_parameters
from fpnlib.models.cpn import RefineNet
from fpnlib.models.unet import UNet
from fpnlib.notes.add_vs_concat.experiments.pyramids import (
    CHANNELS,
    KEYPOINTS,
    RESNET50,
    AddMerge,
    map_shapes,
    whole_pyramids,
)

_IMAGE = (512, 512)
_PERSON = (256, 192)  # CPN's input: one person, height and width


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
    for name in ("concat_cut", "concat", "concat_uncut"):
        numbers[f"{name}_more"] = (numbers[f"{name}_macs"] - numbers["fpn_macs"]) / numbers["resnet_macs"]
    numbers["cut_over_fpn"] = numbers["concat_cut_macs"] / numbers["fpn_macs"]
    return Measurement.exact(numbers["concat_more"], n=len(RESNET50), **numbers)


def convolution_weights(maps: int, channels: int, kernel: int) -> int:
    """Weights of a convolution from so many maps' channels, concatenated, to those of one; without bias."""
    with torch.device("meta"):  # to be counted, not run
        return count_parameters(nn.Conv2d(maps * channels, channels, kernel, bias=False))


@functools.cache
def counted_pyramids(levels: int) -> dict[str, tuple[float, float]]:
    """Millions of parameters and billions of multiply-adds of each pyramid on the finest `levels` maps at 512×512."""
    maps = RESNET50[:levels]
    with torch.device("meta"):  # to be counted, not run
        nets = whole_pyramids(maps=maps)
    counts = {name: cost(net, map_shapes(*_IMAGE, maps)) for name, net in nets.items()}
    return {name: (one.parameters / 1e6, one.macs / 1e9) for name, one in counts.items()}


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
            f"for a pyramid that concatenates {words}": dataclasses.replace(
                exceeds(
                    1,
                    f"multiply-adds of a pyramid that concatenates {words} beyond FPN's, over those of ResNet-50 "
                    "itself",
                    of=f"{name}_more",
                    because="what costs more than the whole backbone below it is no small expense",
                ),
                exact=True,
            )
            for name, words in (
                ("concat", "maps cut by a 1×1"),
                ("concat_uncut", "the maps as they are"),
                ("concat_cut", "and cuts the result to its width at once"),
            )
        },
        pyramid_costs,
        told={
            "depends": "A pyramid whose concatenations pile up would cost more beyond FPN than all of ResNet-50 below "
            "it; one that cuts them down at once costs little more than FPN."
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
)
