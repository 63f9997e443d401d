import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fpnlib.models import BatchNorm2d
from fpnlib.ops import batch_norm_backward, batch_norm_forward, fold_batch_norm

vectors = st.tuples(st.integers(2, 9), st.integers(1, 5))
maps = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(2, 5))
seeds = st.integers(0, 2**31)


def batch(shape, seed=0, mean=0.0, spread=1.0):
    """x, weight, bias and an upstream gradient in double precision."""
    generator = torch.Generator().manual_seed(seed)
    x, grad = torch.randn((2, *shape), generator=generator, dtype=torch.float64)
    weight, bias = torch.randn((2, shape[1]), generator=generator, dtype=torch.float64)
    return spread * x + mean, weight, bias, grad


def torchs_own(x, weight, bias, grad, eps=1e-5):
    """Output and the three gradients by torch's batch norm and autograd."""
    leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
    y = F.batch_norm(leaves[0], None, None, *leaves[1:], training=True, eps=eps)
    return y.detach(), *torch.autograd.grad(y, leaves, grad)


def by_hand(x, weight, bias, grad, eps=1e-5):
    y, cache = batch_norm_forward(x, weight, bias, eps=eps)
    return y, *batch_norm_backward(grad, cache)


@given(vectors | maps, seeds, st.sampled_from([0.0, -3.0, 5000.0]), st.sampled_from([0.1, 1e-3, 1e-5]))
def test_output_and_gradients_equal_torchs(shape, seed, mean, eps):
    given_ = batch(shape, seed, mean)
    for ours, theirs in zip(by_hand(*given_, eps), torchs_own(*given_, eps), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1, 1), (1, 3, 1, 2)])
def test_two_values_per_channel(shape):
    given_ = batch(shape)
    for ours, theirs in zip(by_hand(*given_), torchs_own(*given_), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("mean", [0.0, 5000.0])
def test_single_precision_is_as_exact_as_torchs(mean):
    given_ = [t.float() for t in batch((8, 4, 6, 6), mean=mean)]
    truth = torchs_own(*(t.double() for t in given_))
    for ours, theirs, true in zip(by_hand(*given_), torchs_own(*given_), truth, strict=True):
        allowed = 2 * (theirs - true).abs().max() + 1e-5
        assert (ours - true).abs().max() <= allowed


@pytest.mark.parametrize("shape", [(5, 3), (2, 3), (2, 3, 2, 3)])
def test_backward_against_finite_differences(shape):
    x, weight, bias, grad = batch(shape)
    _, *gradients = by_hand(x, weight, bias, grad)
    step = 1e-6
    for values, gradient in zip((x, weight, bias), gradients, strict=True):
        for i in range(values.numel()):
            sides = []
            for sign in (1, -1):
                values.view(-1)[i] += sign * step
                sides.append((batch_norm_forward(x, weight, bias)[0] * grad).sum())
                values.view(-1)[i] -= sign * step
            slope = (sides[0] - sides[1]).item() / (2 * step)
            assert gradient.reshape(-1)[i].item() == pytest.approx(slope, rel=1e-5, abs=1e-6)


@given(vectors | maps, seeds)
def test_the_gradient_by_x_has_no_part_along_the_ones_nor_along_x(shape, seed):
    x, weight, bias, grad = batch(shape, seed)
    _, dx, _, _ = by_hand(x, weight, bias, grad, eps=0.0)
    over = [d for d in range(x.ndim) if d != 1]
    size = dx.abs().amax() + 1
    assert (dx.sum(over).abs() <= 1e-8 * size).all()
    assert ((dx * x).sum(over).abs() <= 1e-8 * size).all()


@given(maps, seeds)
def test_the_cache_holds_the_statistics_of_the_batch(shape, seed):
    x, weight, bias, _ = batch(shape, seed, mean=2.0)
    _, cache = batch_norm_forward(x, weight, bias)
    variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
    torch.testing.assert_close(cache.mean, mean)
    torch.testing.assert_close(cache.variance, variance)
    torch.testing.assert_close(cache.inverse_std, (variance + 1e-5).rsqrt())
    torch.testing.assert_close(cache.normalized, F.batch_norm(x, None, None, training=True))


def test_a_channel_without_spread_becomes_its_bias():
    x, weight, bias, grad = batch((4, 2, 3, 3))
    y, dx, _, _ = by_hand(torch.full_like(x, 7.0), weight, bias, grad)
    torch.testing.assert_close(y, bias[:, None, None].expand_as(x))
    assert dx.isfinite().all()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(1, 3)}, r"x: got shape \(1, 3\), 1 per channel, allowed: at least 2 values per channel"),
        ({"x": torch.zeros(1, 3, 1, 1)}, "x: got .* 1 per channel, allowed: at least 2"),
        ({"x": torch.zeros(0, 3)}, "x: got .* 0 per channel"),
        ({"x": torch.zeros(4, 3, 2)}, r"x: got shape \(4, 3, 2\), allowed: \(N, C\) or \(N, C, H, W\)"),
        ({"x": torch.zeros(4, 3, dtype=torch.long)}, "x: got torch.int64, allowed: floating"),
        ({"x": torch.zeros(4, 2)}, r"weight: got shape \(3,\), allowed: \(2,\)"),
        ({"bias": torch.zeros(1)}, r"bias: got shape \(1,\), allowed: \(3,\)"),
        ({"eps": -1e-5}, "eps: got -1e-05, allowed: a finite number, 0 or more"),
        ({"eps": float("nan")}, "eps: got nan"),
        ({"eps": float("inf")}, "eps: got inf"),
    ],
)
def test_bad_input_forward(change, message):
    arguments = {"x": torch.zeros(4, 3), "weight": torch.ones(3), "bias": torch.zeros(3), "eps": 1e-5} | change
    with pytest.raises(ValueError, match=message):
        batch_norm_forward(**arguments)


@pytest.mark.bad_input
def test_a_gradient_of_another_shape():
    _, cache = batch_norm_forward(torch.randn(4, 3), torch.ones(3), torch.zeros(3))
    with pytest.raises(ValueError, match=r"grad: got shape \(4, 2\), allowed: the shape of x, \(4, 3\)"):
        batch_norm_backward(torch.zeros(4, 2), cache)


def tracked(bn, seed=0):
    """The layer with parameters and running statistics as after some training, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        bn.running_mean.normal_(generator=generator)
        bn.running_var.uniform_(0.1, 4, generator=generator)
        for parameter in bn.parameters():
            parameter.normal_(generator=generator)
    return bn.eval()


@given(
    layer=st.sampled_from([nn.BatchNorm2d, BatchNorm2d]),
    bias=st.booleans(),
    affine=st.booleans(),
    groups=st.sampled_from([1, 2]),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    mode=st.sampled_from(["zeros", "reflect"]),
    seed=st.integers(0, 1000),
)
def test_one_folded_convolution_does_what_two_layers_do(layer, bias, affine, groups, stride, padding, mode, seed):
    torch.manual_seed(seed)
    options = {"stride": stride, "padding": padding, "groups": groups, "bias": bias, "padding_mode": mode}
    conv = nn.Conv2d(4, 6, 3, **options).double()
    bn = tracked(layer(6, affine=affine).double(), seed)
    both = nn.ModuleDict({"conv": conv, "bn": bn})
    before = copy.deepcopy(both.state_dict())
    x = torch.randn(2, 4, 7, 8, dtype=torch.float64)
    folded = fold_batch_norm(conv, bn)
    torch.testing.assert_close(folded(x), bn(conv(x)), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(both.state_dict(), before, rtol=0, atol=0)
    assert all(parameter.requires_grad for parameter in folded.parameters())


def test_folding_equals_torchs_own():
    torch.manual_seed(0)
    conv, bn = nn.Conv2d(3, 8, 3).eval(), tracked(nn.BatchNorm2d(8))
    theirs = nn.utils.fusion.fuse_conv_bn_eval(conv, bn)
    ours = fold_batch_norm(conv, bn)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_folding_without_a_shift():
    conv, bn = nn.Conv2d(2, 2, 1), tracked(nn.BatchNorm2d(2, bias=False))
    x = torch.randn(2, 2, 3, 3)
    torch.testing.assert_close(fold_batch_norm(conv, bn)(x), bn(conv(x)))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("conv", "bn", "message"),
    [
        (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(4), "bn: got 4 channels, allowed: 8, the convolution's outputs"),
        (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False), "bn: got BatchNorm2d, allowed: batch norm"),
        (nn.Conv2d(3, 8, 3), nn.ReLU(), "bn: got ReLU"),
        (nn.ConvTranspose2d(3, 8, 3), nn.BatchNorm2d(8), "conv: got ConvTranspose2d, allowed: torch.nn.Conv2d"),
    ],
)
def test_what_cannot_be_folded(conv, bn, message):
    with pytest.raises(ValueError, match=message):
        fold_batch_norm(conv, bn)
