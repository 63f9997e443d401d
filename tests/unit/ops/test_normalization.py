import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fpnlib.ops import batch_norm_forward, normalize

shapes = st.tuples(st.integers(1, 4), st.sampled_from([1, 2, 4, 6]), st.integers(1, 4), st.integers(2, 5))
seeds = st.integers(0, 2**31)


def maps(shape, seed=0, mean=0.0):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(shape, generator=generator, dtype=torch.float64) + mean


@given(shapes, seeds, st.sampled_from([0.0, 5000.0]), st.sampled_from([1e-5, 0.1]), st.data())
def test_it_is_torchs_four_layers(shape, seed, mean, eps, data):
    channels, size = shape[1], shape[1:]
    groups = data.draw(st.sampled_from([g for g in (1, 2, 3, 4, 6) if channels % g == 0]))
    x = maps(shape, seed, mean)
    options = {"eps": eps, "dtype": torch.float64}
    for layer, rule in (
        (nn.BatchNorm2d(channels, **options), {"groups": channels, "over_batch": True}),
        (nn.LayerNorm(size, **options), {"groups": 1}),
        (nn.InstanceNorm2d(channels, **options), {"groups": channels}),
        (nn.GroupNorm(groups, channels, **options), {"groups": groups}),
    ):
        torch.testing.assert_close(normalize(x, **rule, eps=eps).y, layer(x), rtol=1e-8, atol=1e-8)


@given(shapes, seeds)
def test_the_gradients_are_those_of_the_batch_norm_by_hand(shape, seed):
    x, grad = maps(shape, seed).requires_grad_(), maps(shape, seed + 1)
    channels = shape[1]
    ones, zeros = torch.ones(channels, dtype=x.dtype), torch.zeros(channels, dtype=x.dtype)
    ours, theirs = normalize(x, groups=channels, over_batch=True).y, batch_norm_forward(x, ones, zeros)[0]
    gradients = (torch.autograd.grad(y, x, grad)[0] for y in (ours, theirs))
    torch.testing.assert_close(*gradients, rtol=1e-7, atol=1e-8)


@given(shapes, seeds)
def test_each_map_is_told_the_statistics_of_its_block(shape, seed):
    x = maps(shape, seed)
    _, mean, variance = normalize(x, groups=1)
    for image, (m, v) in enumerate(zip(mean, variance, strict=True)):
        torch.testing.assert_close(m, x[image].mean().expand(shape[1]))
        torch.testing.assert_close(v, x[image].var(correction=0).expand(shape[1]))


def test_only_over_the_batch_do_neighbours_matter():
    x = maps((3, 4, 5, 5))
    other = torch.cat([x[:1], 10 * x[1:]])
    for groups in (1, 2, 4):
        assert torch.equal(normalize(x, groups=groups).y[0], normalize(other, groups=groups).y[0])
        over = (normalize(maps_, groups=groups, over_batch=True).y[0] for maps_ in (x, other))
        assert not torch.allclose(*over)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(4, 6)}, r"x: got shape \(4, 6\), allowed: \(N, C, H, W\)"),
        ({"x": torch.zeros(0, 6, 2, 2)}, r"x: got shape \(0, 6, 2, 2\), allowed: one value or more"),
        ({"x": torch.zeros(1, 6, 2, 2, dtype=torch.long)}, "x: got torch.int64, allowed: floating"),
        ({"groups": 4}, "groups: got 4, allowed: a divisor of 6, the channels"),
        ({"groups": 0}, "groups: got 0"),
        ({"eps": -1.0}, "eps: got -1.0, allowed: a finite number, 0 or more"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        normalize(**{"x": torch.zeros(2, 6, 3, 3), "groups": 3} | change)
