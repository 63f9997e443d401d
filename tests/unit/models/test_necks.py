"""What came after the feature pyramid: torchvision's further levels and dilated ResNets, PANet and BiFPN by hand."""

import json

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.signal import correlate
from support.record_fpn_results import DILATED, EXTRA, RESNETS, image, sampled

from fpnlib.models import FPN, BasicBlock, BiFPN, LastLevelMaxPool, LastLevelP6P7, PathAggregation, ResNet, resnet50
from fpnlib.models.fusion import FastNormalizedFusion
from fpnlib.notes.fpn.experiments.recorded import CHANNELS, OUT, SIZES, fill, pyramid_input

BLOCKS = {
    "pool": LastLevelMaxPool,
    "p6p7_of_c5": lambda: LastLevelP6P7(CHANNELS[-1], OUT),
    "p6p7_of_p5": lambda: LastLevelP6P7(OUT, OUT),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_further_levels_are_torchvisions(name):
    recorded = json.loads(EXTRA.read_text())[name]
    pyramid = FPN(CHANNELS, OUT, extra_blocks=BLOCKS[name]()).double().eval()
    fill(pyramid)
    assert list(pyramid.state_dict()) == recorded["keys"]
    plain = FPN(CHANNELS, OUT).double().eval()
    fill(plain)  # in the order of the names, so it gets the same weights
    for size, answers in zip(SIZES, recorded["answers"], strict=True):
        maps = pyramid_input(size)
        with torch.no_grad():
            named, listed, below = pyramid(maps), pyramid(list(maps.values())), list(plain(maps).values())
        # The recording calls the levels as our maps are called, C2 … C5, since torchvision keeps a dict's names.
        assert list(named) == recorded["names"]
        for mine, other in zip(named.values(), listed, strict=True):
            assert torch.equal(mine, other)
        for mine, other in zip(listed, below, strict=False):
            assert torch.equal(mine, other)
        assert len(listed) == len(below) + len(answers)
        for mine, theirs in zip(listed[len(below) :], answers, strict=True):
            expected = torch.tensor(theirs["values"], dtype=torch.float64).view(theirs["shape"])
            torch.testing.assert_close(mine, expected)


def test_a_retinanets_pyramid_loads_from_a_detectors_file(tmp_path):
    made, again = (FPN(CHANNELS[1:], OUT, extra_blocks=LastLevelP6P7(CHANNELS[-1], OUT)) for _ in range(2))
    torch.save({f"backbone.fpn.{key}": value for key, value in made.state_dict().items()}, tmp_path / "detector.pth")
    again.load_checkpoint(tmp_path / "detector.pth")
    for key, value in again.state_dict().items():
        assert torch.equal(value, made.state_dict()[key])
    with pytest.raises(ValueError, match=r"extra_blocks\.p6"):
        FPN(CHANNELS[1:], OUT).load_checkpoint(tmp_path / "detector.pth")


@pytest.mark.parametrize("name", DILATED)
def test_dilated_resnets_are_torchvisions(name):
    recorded = json.loads(RESNETS.read_text())[name]
    net = resnet50(replace_stride_with_dilation=DILATED[name]).double().eval()
    assert {key: list(tensor.shape) for key, tensor in net.state_dict().items()} == recorded["keys"]
    fill(net)
    with torch.no_grad():
        stages = net.stages(image())
    for stage, stride, expected in zip(stages, net.strides, recorded["stages"], strict=True):
        assert list(stage.shape) == expected["shape"]
        assert stage.shape[2:] == tuple(-(-side // stride) for side in image().shape[2:])
        torch.testing.assert_close(sampled(stage), torch.tensor(expected["values"], dtype=torch.float64))


def conv(x, layer):
    """A convolution by scipy, one pair of channels after the other."""
    weight, groups = layer.weight.detach().numpy(), layer.groups
    pad, stride = layer.padding[0], layer.stride[0]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    per_in, per_out = x.shape[1] // groups, weight.shape[0] // groups
    maps = [
        sum(
            correlate(one[out // per_out * per_in + cin], weight[out, cin], mode="valid", method="direct")
            for cin in range(per_in)
        )
        for one in padded
        for out in range(weight.shape[0])
    ]
    made = np.stack(maps).reshape(len(x), weight.shape[0], *maps[0].shape)[:, :, ::stride, ::stride]
    return made if layer.bias is None else made + layer.bias.detach().numpy()[:, None, None]


def norm(x, layer):
    mean, var, weight, bias = (
        one.detach().numpy()[:, None, None] for one in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    return (x - mean) / np.sqrt(var + layer.eps) * weight + bias


def enlarged(x, size):
    rows, columns = (np.arange(fine) * coarse // fine for fine, coarse in zip(size, x.shape[2:], strict=True))
    return x[:, :, rows][:, :, :, columns]


def halved(x):
    """The largest of each 3×3 window around every other place."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    height, width = x.shape[2:]
    windows = [padded[:, :, dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3)]
    return np.max(windows, 0)[:, :, ::2, ::2]


def fused(maps, layer):
    """EfficientDet's fast normalised fusion, section 3.3."""
    weights = [max(weight, 0.0) for weight in layer.weight.tolist()]
    return sum(weight * one for weight, one in zip(weights, maps, strict=True)) / (1e-4 + sum(weights))


def node(layer, *maps):
    depthwise, pointwise, batch_norm, _ = layer.conv
    x = norm(conv(conv(fused(maps, layer.fusion), depthwise), pointwise), batch_norm)
    return x / (1 + np.exp(-x))


SIDES = st.tuples(st.integers(1, 13), st.integers(1, 13))


def random_maps(channels, size, seed):
    generator = torch.Generator().manual_seed(seed)
    sizes = [[-(-side // 2**level) for side in size] for level in range(len(channels))]
    return [
        torch.randn(2, c, *hw, generator=generator, dtype=torch.float64) for c, hw in zip(channels, sizes, strict=True)
    ]


@given(SIDES, st.integers(2, 4), st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_the_path_back_up_is_the_papers(size, levels, seed):
    path = PathAggregation(3, levels).double()
    fill(path, seed)
    maps = random_maps([3] * levels, size, seed)
    ns = [maps[0].numpy()]
    for level in range(1, levels):
        down = np.maximum(conv(ns[-1], path.down[level - 1]), 0)
        ns.append(np.maximum(conv(down + maps[level].numpy(), path.smooth[level - 1]), 0))
    with torch.no_grad():
        for mine, plain in zip(path(maps), ns, strict=True):
            np.testing.assert_allclose(mine.numpy(), plain, atol=1e-10)


@given(SIDES, st.integers(1, 3), st.integers(0, 3), st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_bifpn_is_the_papers_formula_level_by_level(size, maps_in, extra, seed):
    assume(maps_in + extra >= 2)
    channels = [2, 4, 3][:maps_in]
    net = BiFPN(channels, 3, extra_levels=extra).double().eval()
    fill(net, seed)
    for module in net.modules():
        if isinstance(module, FastNormalizedFusion):  # one negative weight, which counts as zero
            module.weight.data = torch.tensor([0.7, 1.9, -0.4], dtype=torch.float64)[: len(module.weight)]
    maps = random_maps(channels, size, seed)
    ins = [norm(conv(x.numpy(), block[0]), block[1]) for x, block in zip(maps, net.inner_blocks, strict=False)]
    if extra:
        ins.append(halved(norm(conv(maps[-1].numpy(), net.inner_blocks[-1][0]), net.inner_blocks[-1][1])))
    while len(ins) < maps_in + extra:
        ins.append(halved(ins[-1]))
    top = len(ins) - 1
    td, out = {top: ins[top]}, {}
    for level in range(top - 1, -1, -1):  # P_td = Conv((w₁ P_in + w₂ Resize(P_td above)) / (w₁ + w₂ + ε))
        td[level] = node(net.top_down[level], ins[level], enlarged(td[level + 1], ins[level].shape[2:]))
    out[0] = td[0]
    for level in range(1, top):  # P_out = Conv((w₁ P_in + w₂ P_td + w₃ Resize(P_out below)) / (w₁ + w₂ + w₃ + ε))
        out[level] = node(net.bottom_up[level - 1], ins[level], td[level], halved(out[level - 1]))
    out[top] = node(net.bottom_up[top - 1], ins[top], halved(out[top - 1]))
    with torch.no_grad():
        levels = net(maps)
    assert len(levels) == len(out)
    for level, mine in enumerate(levels):
        np.testing.assert_allclose(mine.numpy(), out[level], atol=1e-10)


def test_equal_weights_are_nearly_the_mean_and_a_negative_one_is_none():
    maps = torch.randn(3, 2, 4, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).unbind()
    fusion = FastNormalizedFusion(3).double()
    with torch.no_grad():
        torch.testing.assert_close(fusion(*maps), torch.stack(maps).mean(0), rtol=1e-4, atol=0)
        torch.testing.assert_close(fusion(*maps) * (3 + 1e-4) / 3, torch.stack(maps).mean(0))
        fusion.weight.copy_(torch.tensor([2.0, -1.0, 2.0]))
        torch.testing.assert_close(fusion(*maps) * (4 + 1e-4) / 4, (maps[0] + maps[2]) / 2)
        fusion.weight.zero_()
        assert (fusion(*maps) == 0).all()


def test_everything_learns():
    for net, channels in ((PathAggregation(4, 3), [4, 4, 4]), (BiFPN([3, 4, 5], 4, extra_levels=2), [3, 4, 5])):
        maps = [one.float() for one in random_maps(channels, (40, 36), 0)]
        sum(level.square().sum() for level in net(maps)).backward()
        assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PathAggregation(0, 2), "channels: got 0"),
        (lambda: PathAggregation(4, 1), "levels: got 1, allowed: at least 2"),
        (lambda: PathAggregation(4, 2)([torch.zeros(1, 4, 4, 4)]), "levels: got 1 of them, allowed: 2"),
        (
            lambda: PathAggregation(4, 2)([torch.zeros(1, 4, 4, 4)] * 2),
            r"levels: got map 1 of size \(4, 4\) after \(4, 4\), allowed: half of it, rounded up: \(2, 2\)",
        ),
        (lambda: BiFPN([], 4), r"in_channels_list: got \[\]"),
        (lambda: BiFPN([3], 4), "got 1 level in all, allowed: at least 2"),
        (lambda: BiFPN([3, 4], 0), "out_channels: got 0"),
        (lambda: BiFPN([3, 4], 4, extra_levels=-1), "extra_levels: got -1"),
        (lambda: BiFPN([3, 4], 4)([torch.zeros(1, 3, 4, 4)]), r"features: got maps of shapes \[\(1, 3, 4, 4\)\]"),
        (lambda: LastLevelP6P7(0, 4), "in_channels: got 0"),
        (
            lambda: LastLevelP6P7(5, 4)([], [torch.zeros(1, 4, 2, 2)]),
            "levels and maps: got 4 channels last",
        ),
        (lambda: FastNormalizedFusion(0), "count: got 0"),
        (lambda: FastNormalizedFusion(2, eps=0), "eps: got 0"),
        (lambda: FastNormalizedFusion(2)(torch.zeros(1, 1, 2, 2)), "maps: got 1 maps, allowed: 2"),
        (
            lambda: ResNet(BasicBlock, (1, 1, 1, 1), replace_stride_with_dilation=(False, False, True)),
            "replace_stride_with_dilation: got BasicBlock with a dilation, allowed: only Bottleneck",
        ),
        (
            lambda: resnet50(replace_stride_with_dilation=(True,)),
            r"replace_stride_with_dilation: got \(True,\), allowed: three of True and False",
        ),
    ],
)
def test_what_is_refused_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
