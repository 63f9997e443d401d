"""U-Net: its sizes, its skips, and adding as concatenation with tied kernels."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fpnlib.models import UNet


def image(height=13, width=10, channels=3):
    return torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@given(st.integers(8, 21), st.integers(8, 21), st.sampled_from(["concat", "add"]), st.integers(2, 4))
@settings(max_examples=30)
def test_the_answer_is_as_large_as_the_image_and_maps_halve(height, width, merge, levels):
    net = UNet(3, 5, (2, 3, 4, 5)[:levels], merge=merge).double()
    maps = net.encode(image(height, width))
    assert [tuple(m.shape) for m in maps] == [(2, 2 + i, height >> i, width >> i) for i in range(levels)]
    assert net(image(height, width)).shape == (2, 5, height, width)


def test_the_papers_net_has_its_parameters():
    # Per 3×3: 9·in·out + out; per 2×2 up: 4·in·out + out; the paper's widths, one grey channel in, two classes out.
    widths = (64, 128, 256, 512, 1024)
    down = sum(9 * (a + b) * b + 2 * b for a, b in zip((1, *widths), widths, strict=False))
    up = sum(4 * b * a + a + 9 * (2 * a + a) * a + 2 * a for a, b in itertools.pairwise(widths))
    assert parameters(UNet(1, 2)) == down + up + 64 * 2 + 2


def test_adding_saves_one_half_of_the_kernel_after_each_skip():
    widths = (4, 6, 10)
    saved = parameters(UNet(3, 2, widths)) - parameters(UNet(3, 2, widths, merge="add"))
    assert saved == sum(9 * c * c for c in widths[:-1])


def test_adding_is_concatenating_with_both_halves_of_the_kernel_alike():
    torch.manual_seed(0)
    adding = UNet(3, 2, (4, 6, 10), merge="add").double()
    concatenating = UNet(3, 2, (4, 6, 10)).double()
    state = adding.state_dict()
    for name in concatenating.state_dict():
        if name.startswith("decoder") and name.endswith(".0.weight"):
            state[name] = torch.cat([state[name]] * 2, 1)
    concatenating.load_state_dict(state)
    torch.testing.assert_close(adding(image()), concatenating(image()), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("merge", ["concat", "add"])
def test_each_skip_and_the_coarsest_map_reach_the_answer(merge):
    torch.manual_seed(0)
    net = UNet(3, 2, (4, 6, 10), merge=merge).double()
    maps = net.encode(image())
    whole = net.decode(maps)
    torch.testing.assert_close(whole, net(image()))
    for level in range(3):
        without = [m * (i != level) for i, m in enumerate(maps)]
        assert (net.decode(without) - whole).abs().max() > 1e-6


def test_the_norm_follows_every_convolution_of_a_level():
    net = UNet(3, 2, (4, 6), norm=nn.BatchNorm2d)
    assert [m.num_features for m in net.modules() if isinstance(m, nn.BatchNorm2d)] == [4, 4, 6, 6, 4, 4]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: UNet(3, 2, (4,)), r"widths: got \[4\], allowed: two or more"),
        (lambda: UNet(3, 2, (4, 0)), "widths: got"),
        (lambda: UNet(0, 2), "in_channels: got 0"),
        (lambda: UNet(3, 0), "num_classes: got 0"),
        (lambda: UNet(3, 2, (4, 6), merge="mean"), "merge: got 'mean', allowed: 'concat', 'add'"),
        (lambda: UNet(3, 2, (4, 6))(torch.zeros(1, 1, 8, 8)), "x: got 1 channels, allowed: 3"),
        (lambda: UNet(3, 2, (4, 6, 8))(torch.zeros(1, 3, 3, 8)), r"x: got sides \(3, 8\), allowed: sides of 4 or more"),
        (lambda: UNet(3, 2, (4, 6)).decode([torch.zeros(1, 4, 8, 8)]), "maps: got 1 maps, allowed: 2"),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()
