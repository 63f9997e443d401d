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
