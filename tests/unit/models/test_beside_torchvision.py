"""The same inputs through torchvision's own modules, where torchvision is installed."""

from collections import OrderedDict

import pytest
import torch
from support.vision import torchvision_or_skip

from fpnlib import models


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
