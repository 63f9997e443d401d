"""Adds with weights: equal to one another where something is held constant, and to torch's own attention."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fpnlib.models.fusion import Add, FastNormalizedFusion, WeightedAdd
from fpnlib.models.weighing import AttentionAdd, AttentionOverPlaces, GatedAdd, SoftmaxAdd, normalized_sum

COUNTS = st.integers(1, 4)


def maps_of(count, seed=0, shape=(2, 5, 3, 4)):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, *shape, generator=generator, dtype=torch.float64).unbind()


def filled(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return module


def every(count, channels=5):
    return [
        SoftmaxAdd(count),
        GatedAdd(channels),
        GatedAdd(channels, per="channel"),
        AttentionAdd(channels, 3),
        AttentionOverPlaces(channels, 3),
    ]


@given(COUNTS, st.integers(0, 99))
@settings(max_examples=20)
def test_weights_sum_to_one_and_the_sum_is_theirs(count, seed):
    maps = maps_of(count, seed)
    for module in map(filled, every(count), itertools.repeat(seed)):
        weights = module.weights(*maps)
        assert len(weights) == count
        assert (weights > 0).all()
        torch.testing.assert_close(weights.sum(0), torch.ones_like(weights[0]))
        if not isinstance(module, AttentionOverPlaces):
            torch.testing.assert_close(module(*maps), sum(w * one for w, one in zip(weights, maps, strict=True)))


@given(COUNTS, st.integers(0, 99))
@settings(max_examples=20)
def test_equal_logits_are_the_mean(count, seed):
    maps = maps_of(count, seed)
    mean = torch.stack(maps).mean(0)
    torch.testing.assert_close(SoftmaxAdd(count).double()(*maps), mean)
    for per in ("place", "channel"):
        blind = filled(GatedAdd(5, per=per), seed)
        blind.score.weight.data.zero_()
        torch.testing.assert_close(blind(*maps), mean)
    # All keys the same: nobody can be told apart, whatever is asked.
    for kind in (AttentionAdd, AttentionOverPlaces):
        attention = filled(kind(5, 3), seed)
        attention.key.weight.data.zero_()
        expected = mean if kind is AttentionAdd else mean.mean((2, 3), keepdim=True).expand_as(mean)
        torch.testing.assert_close(attention(*maps), expected)


@given(st.integers(2, 4), st.integers(0, 99))
@settings(max_examples=20)
def test_positive_weights_are_a_softmax_of_their_logarithms(count, seed):
    maps = maps_of(count, seed)
    softmax = filled(SoftmaxAdd(count), seed)
    fast, plain = FastNormalizedFusion(count, eps=1e-300).double(), WeightedAdd(count).double()
    fast.weight.data = 3 * softmax.logits.data.exp()
    plain.weight.data = softmax.logits.data.softmax(0)
    for other in (fast, plain):
        torch.testing.assert_close(softmax(*maps), other(*maps))
    plain.weight.data.fill_(1.0)
    torch.testing.assert_close(plain(*maps), Add()(*maps))
    torch.testing.assert_close(plain(*maps) / count, SoftmaxAdd(count).double()(*maps))


@given(st.integers(2, 4), st.integers(0, 99))
@settings(max_examples=20)
def test_a_gate_that_does_not_look_at_the_maps_is_a_weighted_add(count, seed):
    # Maps that differ by a constant that the gate sees in one channel, which is the same everywhere.
    maps = list(maps_of(count, seed))
    logits = torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for one, logit in zip(maps, logits, strict=True):
        one[:, 0] = logit
    softmax = SoftmaxAdd(count).double()
    softmax.logits.data = logits
    for per in ("place", "channel"):
        gate = GatedAdd(5, per=per).double()
        gate.score.weight.data.zero_()
        gate.score.weight.data[:, 0] = 1
        torch.testing.assert_close(gate(*maps), softmax(*maps))


@given(COUNTS, st.integers(0, 99))
@settings(max_examples=20)
def test_attention_that_always_asks_the_same_is_a_gate(count, seed):
    maps = maps_of(count, seed)
    attention, gate = filled(AttentionAdd(5, 3), seed), GatedAdd(5).double()
    attention.query.weight.data.zero_()
    asked = attention.query.bias.data / 3**0.5
    gate.score.weight.data = torch.einsum("d,dcyx->cyx", asked, attention.key.weight.data)[None]
    torch.testing.assert_close(attention(*maps), gate(*maps))


@given(COUNTS, st.integers(0, 99))
@settings(max_examples=20)
def test_attention_is_torchs(count, seed):
    maps = maps_of(count, seed)
    n, channels, height, width = maps[0].shape
    # The sequence: the maps of one place.
    attention = filled(AttentionAdd(channels, 3), seed)
    at_place = [one.permute(0, 2, 3, 1).reshape(-1, 1, channels) for one in maps]
    values = torch.cat(at_place, 1)

    def linear(layer, x):
        return F.linear(x, layer.weight[:, :, 0, 0], layer.bias)

    theirs = F.scaled_dot_product_attention(linear(attention.query, at_place[0]), linear(attention.key, values), values)
    torch.testing.assert_close(attention(*maps), theirs.view(n, height, width, channels).movedim(3, 1))
    # The sequence: all places of all maps.
    over = filled(AttentionOverPlaces(channels, 3), seed)
    rows = [one.flatten(2).transpose(1, 2) for one in maps]
    values = torch.cat(rows, 1)
    theirs = F.scaled_dot_product_attention(linear(over.query, rows[0]), linear(over.key, values), values)
    torch.testing.assert_close(over(*maps), theirs.transpose(1, 2).view_as(maps[0]))
    found = over.attention(*maps)
    torch.testing.assert_close(found @ values, theirs)
    torch.testing.assert_close(found.sum(2), torch.ones_like(found[..., 0]))
    # Each map's weight at a place is what its places get there.
    parts = found.unflatten(2, (count, height * width)).sum(3)
    for one, part in zip(over.weights(*maps), parts.unbind(2), strict=True):
        torch.testing.assert_close(one[:, 0].flatten(1), part)


def test_torchs_multi_head_layer_with_one_head_is_attention_over_places():
    maps = maps_of(2)
    over = filled(AttentionOverPlaces(5, 5))
    layer = nn.MultiheadAttention(5, 1, batch_first=True).double()
    eye = torch.eye(5, dtype=torch.float64)
    layer.in_proj_weight.data = torch.cat([over.query.weight.data[:, :, 0, 0], over.key.weight.data[:, :, 0, 0], eye])
    # Any bias of the keys will do.
    layer.in_proj_bias.data = torch.cat([over.query.bias.data, torch.randn(5), torch.zeros(5)]).double()
    layer.out_proj.weight.data = eye
    rows = [one.flatten(2).transpose(1, 2) for one in maps]
    given, weights = layer(rows[0], torch.cat(rows, 1), torch.cat(rows, 1))
    torch.testing.assert_close(over(*maps), given.transpose(1, 2).view_as(maps[0]))
    torch.testing.assert_close(over.attention(*maps), weights)


def test_the_stream_is_read_by_torchs_layer_norm_and_what_others_write_makes_each_count_less():
    maps = maps_of(3)
    norm = nn.LayerNorm(5).double()
    theirs = norm(sum(maps).movedim(1, 3)).movedim(3, 1)
    torch.testing.assert_close(normalized_sum(*maps), theirs)
    loud = 100 * maps[2]
    torch.testing.assert_close(normalized_sum(*maps[:2], loud), normalized_sum(loud), atol=0.2, rtol=0)


def test_everything_learns():
    for module in every(3):
        maps = [one.float().requires_grad_() for one in maps_of(3)]
        module(*maps).square().sum().backward()
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
        assert all(one.grad is not None and one.grad.any() for one in maps)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SoftmaxAdd(0), "count: got 0"),
        (lambda: GatedAdd(0), "channels: got 0"),
        (lambda: GatedAdd(3, per="pixel"), "per: got 'pixel', allowed: 'place', 'channel'"),
        (lambda: AttentionAdd(3, 0), "width: got 0"),
        (lambda: AttentionAdd(0, 3), "channels: got 0"),
        (lambda: SoftmaxAdd(2)(torch.zeros(1, 2, 3, 3)), "maps: got 1 maps, allowed: 2, one for each logit"),
        (lambda: GatedAdd(2)(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 4, 3)), "maps: got sizes 3×3 and 4×3"),
        (lambda: AttentionOverPlaces(2, 2)(), "maps: got none, allowed: at least 1 map"),
        (lambda: normalized_sum(torch.zeros(1, 2, 3, 3), torch.zeros(1, 3, 3, 3)), "maps: got 2 and 3 channels"),
    ],
)
def test_what_is_refused_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
