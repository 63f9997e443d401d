"""FP-1, FP-2: where C2 to C5 are taken, and how M and P are made of them."""

from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fpnlib.claims import Claim, Measurement, Said, within
from fpnlib.models import FPN, ResNet, resnet18, resnet50
from fpnlib.notes.fpn.experiments.recorded import CHANNELS, OUT, SIZES, fill, pyramid_input, recorded
from fpnlib.ops import Add, receptive_field

EQUAL = 1e-6  # largest difference between two ways to compute one pyramid
IMAGES = ((64, 96), (96, 64), (65, 97), (95, 66), (127, 129), (33, 100))  # height, width
_PYRAMIDS = 60


def stage_outputs() -> Measurement:
    """Compare C2…C5 of ResNet-18 and -50 with add and ReLU of their last blocks; sizes and strides of C and P."""
    worst, wrong, negative, cut, maps = 0.0, 0, 0, 0, 0
    numbers: dict[str, Any] = {}
    for name, build in (("resnet18", resnet18), ("resnet50", resnet50)):
        net = build(num_classes=None).eval()
        fill(net)
        pyramid = FPN(net.channels, 8).eval()
        for stage, stride in enumerate(net.strides):
            field = receptive_field(_layers_up_to(net, stage))
            wrong += field.stride != stride
            numbers |= {f"{name}_field_{stage + 2}": field.size, f"{name}_start_{stage + 2}": field.start}
        for height, width in IMAGES:
            image = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(height))
            with torch.no_grad():
                stages, sums = _stages_and_sums(net, image)
                levels = pyramid(stages)
            for stride, stage_map, before, level in zip(net.strides, stages, sums, levels, strict=True):
                expected = (-(-height // stride), -(-width // stride))
                wrong += (stage_map.shape[2:] != expected) + (level.shape[2:] != expected)
                worst = max(worst, (stage_map - before.clamp(min=0)).abs().max().item())
                negative += int((stage_map < 0).sum())
                cut += int((before < 0).sum())
                maps += 1
    return Measurement.exact(
        worst, n=maps, wrong_sizes_and_strides=wrong, negative_values=negative, values_cut_by_relu=cut, **numbers
    )


def _layers_up_to(net: ResNet, stage: int) -> list[nn.Module]:
    """The net's layers from the image to a stage's end, each block as the sum of its branch and its shortcut."""
    layers: list[nn.Module] = [net.conv1, net.bn1, nn.ReLU(), net.maxpool]
    for blocks in (net.layer1, net.layer2, net.layer3, net.layer4)[: stage + 1]:
        for block in blocks.children():
            branch = [part for name, part in block.named_children() if name != "downsample"]
            shortcut = block.downsample if isinstance(block.downsample, nn.Module) else nn.Identity()
            layers += [Add(nn.Sequential(*branch), shortcut), nn.ReLU()]
    return layers


def _stages_and_sums(net: ResNet, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """The stages' outputs, and for each the sum inside its last block, put together from the block's two branches."""
    heard: dict[nn.Module, Tensor] = {}
    hooks, ends = [], []
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        *_, block = stage.children()
        *_, branch = (part for part in block.children() if isinstance(part, nn.BatchNorm2d))
        # The blocks at the end of these stages keep their shape, so their shortcut is the input itself.
        ends.append((block, branch))
        hooks.append(block.register_forward_pre_hook(lambda m, args: heard.update({m: args[0].clone()})))
        hooks.append(branch.register_forward_hook(lambda m, args, out: heard.update({m: out.clone()})))
    stages = net.stages(image)
    for hook in hooks:
        hook.remove()
    return stages, [heard[block] + heard[branch] for block, branch in ends]


def plain_pyramid(pyramid: FPN, maps: Sequence[Tensor]) -> list[np.ndarray]:
    """P by the published recipe in NumPy, without a convolution: sums over channels, copied cells, shifted maps."""
    weights = {name: value.numpy() for name, value in pyramid.state_dict().items()}
    merged: list[np.ndarray] = []
    for level in reversed(range(len(maps))):
        one = np.einsum("nchw,dc->ndhw", maps[level].numpy(), weights[f"inner_blocks.{level}.0.weight"][:, :, 0, 0])
        one += weights[f"inner_blocks.{level}.0.bias"][:, None, None]
        if merged:
            rows, columns = (
                np.arange(fine) * coarse // fine
                for fine, coarse in zip(one.shape[2:], merged[-1].shape[2:], strict=True)
            )
            one += merged[-1][:, :, rows][:, :, :, columns]
        merged.append(one)
    levels = []
    for level, one in enumerate(reversed(merged)):
        weight, bias = (weights[f"layer_blocks.{level}.0.{what}"] for what in ("weight", "bias"))
        padded = np.pad(one, ((0, 0), (0, 0), (1, 1), (1, 1)))
        height, width = one.shape[2:]
        shifted = (
            np.einsum("nchw,dc->ndhw", padded[:, :, y : y + height, x : x + width], weight[:, :, y, x])
            for y, x in product(range(3), repeat=2)
        )
        levels.append(sum(shifted) + bias[:, None, None])
    return levels


def pyramid_equality() -> Measurement:
    """Compare our pyramid with the recipe in NumPy and with torchvision's answers; names and counts of its weights."""
    rng = np.random.default_rng(0)
    plain, odd = 0.0, 0
    for _ in range(_PYRAMIDS):
        channels = rng.integers(1, 9, rng.integers(2, 5)).tolist()
        pyramid = FPN(channels, int(rng.integers(1, 9))).double().eval()
        fill(pyramid, int(rng.integers(1000)))
        sides = rng.integers(2 ** len(channels), 40, 2)
        maps = []
        for count in channels:
            maps.append(torch.tensor(rng.normal(size=(2, count, *sides))))
            sides = -(-sides // 2)
        odd += sum(fine.shape[2:] != torch.Size(2 * n for n in rough.shape[2:]) for fine, rough in pairwise(maps))
        with torch.no_grad():
            answers = pyramid(maps)
        for ours, theirs in zip(answers, plain_pyramid(pyramid, maps), strict=True):
            plain = max(plain, float(np.abs(ours.numpy() - theirs).max()))
    pyramid, known = FPN(CHANNELS, OUT).double().eval(), recorded()
    fill(pyramid)
    torchvision = 0.0
    for size, levels in zip(SIZES, known.answers, strict=True):
        with torch.no_grad():
            answers = pyramid(pyramid_input(size)).values()
        torchvision = max(
            torchvision, *((ours - theirs).abs().max().item() for ours, theirs in zip(answers, levels, strict=True))
        )
    full = FPN((256, 512, 1024, 2048), 256)
    count = sum(parameter.numel() for parameter in full.parameters())
    # 1×1 with bias from 3840 channels in all, and four 3×3 with bias.
    miscounted = abs(count - (3840 * 256 + 4 * 256 + 4 * (9 * 256 + 1) * 256))
    return Measurement.exact(
        max(plain, torchvision),
        n=_PYRAMIDS + len(SIZES),
        plain_difference=plain,
        torchvision_difference=torchvision,
        odd_steps=odd,
        foreign_names=len(set(pyramid.state_dict()) ^ set(known.keys)),
        resnet50_parameters=count,
        miscounted=miscounted,
        lateral_parameters=sum(parameter.numel() for parameter in full.inner_blocks.parameters()),
        smoothing_parameters=sum(parameter.numel() for parameter in full.layer_blocks.parameters()),
    )


CLAIMS = (
    Claim(
        "FP-1",
        "C2…C5 are taken after the residual blocks' add and ReLU, at strides 4, 8, 16, 32; P2…P5 keep those strides.",
        Said(
            "source",
            "stride=2 代表相对于原图降低了2倍 … 从每一个 ResNet Block 的 ElementWise 加之后再经过 ReLU",
            "stride 2 means smaller than the image by 2 … taken after each ResNet block's element-wise add and then "
            "ReLU",
        ),
        {
            "for add and ReLU": within(
                0, "C of ResNet-18 and -50 at six even and odd sizes less ReLU(shortcut + branch) of its last block"
            ),
            "for the ReLU coming last": within(0, "values below 0 in C", of="negative_values"),
            "for strides and sizes": within(
                0,
                "sizes of C or P that are not ⌈side / stride⌉, and strides that are not those of the receptive fields",
                of="wrong_sizes_and_strides",
            ),
        },
        stage_outputs,
        told={"holds": "C2 to C5 are what leaves the last add and ReLU of a stage, at strides 4, 8, 16 and 32."},
    ),
    Claim(
        "FP-2",
        "1×1 laterals give M2…M5; each is the lateral plus the level above, doubled; a 3×3 gives P2…P5.",
        Said(
            "source",
            "进行 1x1 卷积得到的 feature map,即 M2~M5 … 将M5的分辨率提升一倍加入到 M4 的特征中,依次类推 … 3x3 … "
            "去得到 P5~P2",
            "1×1 convolutions give M2 to M5 … M5 is doubled in size and added to M4, and so on … a 3×3 gives P5 to P2",
        ),
        {
            "for the recipe": within(
                EQUAL, "P of 60 random pyramids with even and odd sizes and this recipe in NumPy", of="plain_difference"
            ),
            "for torchvision's answers": within(
                EQUAL, "P and torchvision's own recorded answers", of="torchvision_difference"
            ),
            "for the weights' names": within(0, "names that only one of the two has", of="foreign_names"),
            "for their number": within(
                0, "weights more or fewer than 3840 · 256 + 4 · 256 + 4 · (9 · 256 + 1) · 256", of="miscounted"
            ),
        },
        pyramid_equality,
        told={
            "holds": "The whole pyramid is a 1×1, an enlarging, a sum and a 3×3, and that gives torchvision's numbers."
        },
    ),
)
