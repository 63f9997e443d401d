"""The same inputs through torchvision's own modules, where torchvision is installed."""

from collections import OrderedDict

import pytest
import torch
from support.vision import torchvision_or_skip

from fpnlib import models
from fpnlib.models.taps import last_maps


@pytest.fixture(scope="module")
def torchvision():
    return torchvision_or_skip()


@pytest.mark.parametrize("size", [(128, 96), (97, 131)])
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_the_whole_pyramid(torchvision, name, size):
    theirs, ours = getattr(torchvision.models, name)().eval(), getattr(models, name)().eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-6)
        features = ours.stages(x)
        pyramid = torchvision.ops.FeaturePyramidNetwork(list(ours.channels), 32)
        mine = models.FPN(ours.channels, 32)
        mine.load_state_dict(pyramid.state_dict())
        assert sum(p.numel() for p in mine.parameters()) == sum(p.numel() for p in pyramid.parameters())
        named = OrderedDict(zip("2345", features, strict=True))
        for a, b in zip(mine(features), pyramid(named).values(), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("into", "out"), [(24, 8), (8, 8)])
def test_further_levels(torchvision, into, out):
    maps = [torch.randn(1, channels, 32 // k, 48 // k) for channels, k in ((4, 1), (6, 2), (into, 4))]
    blocks = torchvision.ops.feature_pyramid_network
    for theirs, ours in (
        (blocks.LastLevelMaxPool(), models.LastLevelMaxPool()),
        (blocks.LastLevelP6P7(into, out), models.LastLevelP6P7(into, out)),
    ):
        pyramid = torchvision.ops.FeaturePyramidNetwork([4, 6, into], out, extra_blocks=theirs)
        mine = models.FPN([4, 6, into], out, extra_blocks=ours)
        mine.load_state_dict(pyramid.state_dict())
        named = OrderedDict(zip("345", maps, strict=True))
        expected, found = pyramid(named), mine(named)
        assert list(found) == list(expected)
        for a, b in zip(found.values(), expected.values(), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dilated", [(False, False, True), (False, True, True), (True, False, False)])
def test_dilated_stages(torchvision, dilated):
    theirs = torchvision.models.resnet50(replace_stride_with_dilation=list(dilated)).eval()
    ours = models.resnet50(replace_stride_with_dilation=dilated).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 3, 65, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("mobilenet_v2", ["features.3", "features.6", "features.13", "features.18"]),
        ("regnet_y_400mf", [f"trunk_output.block{k}" for k in (1, 2, 3, 4)]),
        ("convnext_tiny", [f"features.{k}" for k in (1, 3, 5, 7)]),
    ],
)
def test_the_last_maps_of_its_classifiers_are_those_of_their_stages(torchvision, name, layers):
    net = getattr(torchvision.models, name)().eval()
    assert list(last_maps(net, torch.randn(1, 3, 224, 224))) == layers
