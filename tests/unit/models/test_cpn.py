"""The cascaded pyramid network: what it adds, what it concatenates, and its sizes."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from fpnlib.models import CPN, cost, resnet18, resnet50
from fpnlib.models.cpn import GlobalNet, RefineNet


def small(channels=8):
    return CPN(resnet18(width=4, num_classes=None), 3, channels)


@given(st.integers(1, 2), st.integers(33, 70), st.integers(33, 70))
@settings(deadline=None, max_examples=8)
def test_heatmaps_come_at_stride_4(n, height, width):
    output = small().eval()(torch.randn(n, 3, height, width))
    places = (n, 3, -(-height // 4), -(-width // 4))
    assert [tuple(one.shape) for one in output.coarse] == [places] * 4
    assert tuple(output.refined.shape) == places


def test_merged_levels_are_a_sum_of_a_lateral_and_an_enlarged_1x1():
    torch.manual_seed(0)
    net = GlobalNet((4, 8, 16), 6, 2).eval()
    fine, middle, coarse = torch.randn(1, 4, 8, 8), torch.randn(1, 8, 4, 4), torch.randn(1, 16, 2, 2)
    levels = net.merged([fine, middle, coarse])
    torch.testing.assert_close(levels[2], net.laterals[2](coarse))
    for level, one in ((1, middle), (0, fine)):
        above = F.interpolate(levels[level + 1], scale_factor=2, mode="bilinear")
        torch.testing.assert_close(levels[level], net.laterals[level](one) + net.before_add[level](above))


def test_the_1x1_before_the_add_commutes_with_the_enlargement():
    torch.manual_seed(0)
    conv, coarse = GlobalNet((4, 8), 6, 2).eval().before_add[0], torch.randn(1, 6, 5, 4)
    before = F.interpolate(conv(coarse), (10, 8), mode="bilinear")
    torch.testing.assert_close(conv(F.interpolate(coarse, (10, 8), mode="bilinear")), before)


def test_it_learns():
    torch.manual_seed(0)
    net, x = small(), torch.rand(2, 3, 64, 64)
    target = torch.zeros(2, 3, 16, 16)
    target[:, :, 5:8, 5:8] = 1
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    losses = []
    for _ in range(12):
        output = net(x)
        loss = sum(F.mse_loss(one, target) for one in (*output.coarse, output.refined))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(parameter.grad is not None for parameter in net.parameters() if parameter.ndim > 1)


def test_the_paper_s_size():
    net = CPN(resnet50(num_classes=None))
    assert cost(net, (1, 3, 256, 192)).parameters == 27_406_826
    assert [len(block) for block in net.refine_net.blocks] == [0, 1, 2, 3]
    assert net.refine_net.predict[0].conv1.in_channels == 4 * 256


@pytest.mark.bad_input
def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="positive numbers"):
        GlobalNet((4, 0), 6, 2)
    with pytest.raises(ValueError, match="positive numbers"):
        GlobalNet((), 6, 2)
    with pytest.raises(ValueError, match="channels: got 7, allowed: an even number"):
        RefineNet(2, 7, 2)
    with pytest.raises(ValueError, match="features: got 1 maps, allowed: 2"):
        GlobalNet((4, 8), 6, 2)([torch.zeros(1, 4, 8, 8)])
    with pytest.raises(ValueError, match="levels: got 1 maps, allowed: 2"):
        RefineNet(2, 6, 2)([torch.zeros(1, 6, 8, 8)])
    with pytest.raises(ValueError, match="x: got shape"):
        small()(torch.zeros(1, 1, 32, 32))
