"""Exact counts of parameters and multiply-adds, beside torch's own FLOP counter."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fpnlib.models import FPN, cost, resnet18, resnet50
from fpnlib.models.cpn import CPN
from fpnlib.models.hed import HED
from fpnlib.models.unet import UNet


def torch_macs(net, *inputs):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(*inputs)
    return counter.get_total_flops() / 2


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.booleans())
@settings(deadline=None, max_examples=40)
def test_a_layer_costs_what_torch_counts(groups, per_group, out, kernel, stride, transposed):
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    layer = kind(groups * per_group, groups * out, kernel, stride, groups=groups)
    shape = (2, groups * per_group, 7, 9)
    counted = cost(layer, shape)
    assert counted.parameters == sum(p.numel() for p in layer.parameters())
    places = 2 * 7 * 9 if transposed else layer(torch.zeros(shape)).numel() // (groups * out)
    assert counted.macs == places * kernel**2 * groups * per_group * out
    if groups == 1:  # torch's counter takes a transposed convolution with groups for one without
        assert counted.macs == torch_macs(layer, torch.zeros(shape))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: resnet18(width=8), (2, 3, 65, 50)),
        (lambda: UNet(3, 4, (4, 8, 16)), (1, 3, 33, 20)),
        (lambda: UNet(3, 4, (4, 8, 16), merge="add"), (1, 3, 33, 20)),
        (lambda: CPN(resnet18(width=4, num_classes=None), 3, 8), (1, 3, 64, 48)),
        (HED, (1, 3, 32, 48)),
    ],
)
def test_a_net_costs_what_torch_counts(make, shape):
    net = make().eval()
    counted = cost(net, shape)
    assert counted.macs == torch_macs(net, torch.zeros(shape))
    assert counted.parameters == sum(p.numel() for p in net.parameters())


def test_an_argument_may_be_a_list_of_maps():
    net = FPN((4, 8, 16), 6).eval()
    shapes = [(1, 4, 16, 12), (1, 8, 8, 6), (1, 16, 4, 3)]
    assert cost(net, shapes).macs == torch_macs(net, [torch.zeros(shape) for shape in shapes])


def test_published_counts():
    assert cost(resnet50(), (1, 3, 224, 224)).parameters == 25_557_032
    assert round(cost(resnet50(), (1, 3, 224, 224)).macs / 1e9, 2) == 4.09


def test_nothing_is_computed_and_nothing_stays():
    net = resnet18(width=8)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    cost(net, (2, 3, 64, 64))
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.bad_input
def test_a_shape_is_needed():
    with pytest.raises(ValueError, match="inputs: got none"):
        cost(nn.Conv2d(1, 1, 1))
