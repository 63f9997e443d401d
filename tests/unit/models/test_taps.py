"""The maps of a classifier are those that its stages give."""

import pytest
import torch
from torch import nn

from fpnlib.models import resnet18
from fpnlib.models.efficientnet import EfficientNetLite0
from fpnlib.models.taps import last_maps

BATCH = torch.rand(1, 3, 101, 150)


def test_a_resnets_stages_are_found():
    net = resnet18(width=2).eval()
    found = last_maps(net, BATCH)
    assert list(found) == ["layer1", "layer2", "layer3", "layer4"]
    for mine, theirs in zip(found.values(), net.stages(BATCH), strict=True):
        assert torch.equal(mine, theirs)


def test_mobile_blocks_are_taken_whole():
    torch.manual_seed(0)
    net = EfficientNetLite0().eval()
    found = last_maps(net, BATCH)
    stages = net.features(BATCH)[1:]
    for mine, theirs in zip(list(found.values())[:3], stages[:3], strict=True):
        assert torch.equal(mine, theirs)
    # At stride 32 a classifier goes on after the last stage.
    assert list(found)[3].startswith("head")
    assert found[list(found)[3]].shape[2:] == stages[3].shape[2:]


def test_the_last_layer_of_a_stride_counts_and_global_pooling_does_not():
    first, second, third = (nn.Conv2d(c, 4, 3, stride, 1) for c, stride in ((3, 4), (4, 2), (4, 1)))
    net = nn.Sequential(first, second, third, nn.AdaptiveAvgPool2d(7), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert list(last_maps(net, torch.rand(1, 3, 128, 128))) == ["0", "2"]


def test_hooks_are_gone_even_after_an_error():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 4), nn.Linear(3, 3))
    with pytest.raises(RuntimeError):
        last_maps(net, BATCH)
    assert not any(layer._forward_hooks for layer in net.modules())


def test_tokens_are_no_maps():
    net = nn.Sequential(nn.Conv2d(3, 8, 16, 16), nn.Flatten(2))
    with pytest.raises(ValueError, match=r"net: got layers with maps: 0 \(1, 8, 6, 9\), allowed: maps of two strides"):
        last_maps(net, BATCH)
