"""Add and its kin in note 07: costs beside torch's counters, what the table says, where the kin meet."""

import itertools

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from fpnlib.models.fusion import Add, WeightedAdd
from fpnlib.models.weighing import AttentionOverPlaces, WeighingAdd
from fpnlib.notes.add_vs_concat.experiments import kin
from fpnlib.notes.add_vs_concat.experiments.kin import KIN
from fpnlib.notes.add_vs_concat.explorers import fusion_kin


class Multiplications(TorchDispatchMode):
    """Counts the numbers that come out of each product of two maps, or that are put under a norm."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name == "mul" and all(isinstance(one, torch.Tensor) for one in args):
            self.count += given.numel()
        if name == "native_layer_norm":
            self.count += 2 * args[0].numel()
        return given


@pytest.mark.parametrize("kind", KIN)
@pytest.mark.parametrize(("count", "channels", "size"), [(2, 5, (3, 4)), (4, 6, (7, 2))])
def test_costs_are_counted_in_the_modules(kind, count, channels, size):
    torch.manual_seed(0)
    module, maps = kin.fusion(kind, channels, count), torch.randn(count, 1, channels, *size).unbind()
    with FlopCounterMode(display=False) as flops, torch.no_grad():
        module(*maps)
    with Multiplications() as products, torch.no_grad():
        module(*maps)
    parameters, macs, kept = kin.cost_of(kind, count, channels, size[0] * size[1])
    assert parameters == sum(one.numel() for one in module.parameters())
    assert macs == flops.get_total_flops() / 2 + products.count
    if isinstance(module, AttentionOverPlaces):
        assert kept == module.attention(*maps).numel()
    elif isinstance(module, WeighingAdd):
        assert kept == module.weights(*maps).numel()
    elif isinstance(module, kin.ConcatMix):
        assert kept == module.concat(*maps).numel()


@pytest.mark.parametrize("kind", KIN)
def test_coefficients_are_what_the_maps_are_multiplied_by(kind):
    """With the weights held, one more at a place of a map adds its coefficient to the same place of the result."""
    module, maps = kin.example(kind, 1.0), kin.book_maps()
    found = kin.coefficients(module, *maps)
    assert found.shape == (len(maps), *maps[0].shape[1:])
    if kind == kin.OVER_PLACES:
        rows = module.attention(*maps)[0].unflatten(1, (len(maps), -1)).sum(2)
        torch.testing.assert_close(found[:, 0].flatten(1).T, rows)
        return
    total = (found * torch.stack(maps)[:, 0]).sum(0)
    if kind == kin.STREAM:  # layer norm also takes the mean away
        total = total - total.mean(0)
    torch.testing.assert_close(module(*maps)[0], total, rtol=1e-4, atol=1e-4)


def test_what_the_table_says():
    learned, per_map, per_channel, per_place, data, elsewhere = zip(*map(kin.traits, KIN), strict=True)
    assert [kind for kind, has in zip(KIN, learned, strict=True) if not has] == [kin.ADD, kin.STREAM]
    assert per_map == learned
    assert {kind for kind, has in zip(KIN, per_channel, strict=True) if has} == {kin.CONCAT, kin.PER_CHANNEL}
    assert {kind for kind, has in zip(KIN, data, strict=True) if not has} == {kin.ADD, kin.WEIGHTED, kin.CONCAT}
    assert {kind for kind, has in zip(KIN, per_place, strict=True) if has} < {
        kind for kind, has in zip(KIN, data, strict=True) if has
    }
    assert {kind for kind, has in zip(KIN, elsewhere, strict=True) if has} == {kin.PER_CHANNEL, kin.OVER_PLACES}


def test_at_strength_zero_all_that_weigh_are_the_mean():
    mean = kin.mean_of_maps()
    for kind in (kin.WEIGHTED, kin.PER_CHANNEL, kin.PER_PLACE, kin.OVER_MAPS):
        torch.testing.assert_close(kin.fused(kind, 0.0).result, mean)
        assert (kin.fused(kind, 2.0).result - mean).norm() > 0.1 * mean.norm()
    everywhere = kin.fused(kin.OVER_PLACES, 0.0).result
    torch.testing.assert_close(everywhere, mean.mean((1, 2), keepdim=True).expand_as(mean))


def test_the_tied_concat_is_the_add_and_a_weighted_add_of_ones_too():
    maps = kin.book_maps()
    ones = WeightedAdd(3)
    ones.weight.data.fill_(1.0)
    added = Add()(*maps)
    torch.testing.assert_close(kin.fused(kin.CONCAT, 1.0).result, added[0])
    torch.testing.assert_close(ones(*maps), added)


@pytest.mark.parametrize("kind", [kin.PER_PLACE, kin.OVER_MAPS])
def test_logits_part_by_the_strength(kind):
    for strength in (1.0, 2.0):
        module = kin.example(kind, strength)
        with torch.no_grad():
            logits = module.weights(*kin.book_maps()).log()
        apart = logits - logits.mean(0)
        assert 0.3 * strength < apart.std() < 3 * strength


def test_own_sources_sum_to_what_the_attention_gives():
    explorer = fusion_kin(kind=kin.OVER_PLACES)
    cells = kin.book_maps()[0].shape[2:]
    attention = kin.fused(kin.OVER_PLACES, 1.0).attention
    torch.testing.assert_close(attention.sum(1), torch.ones(cells.numel()))
    for x, y in itertools.product((0, 50, 100), (0, 100)):
        data = explorer.set(x=x, y=y).data
        row = attention[data.place[0] * cells[1] + data.place[1]].view(cells).numpy()
        np.testing.assert_allclose(data.sources, row / row.max(), rtol=1e-6)


@pytest.mark.bad_input
def test_an_unknown_kin_is_named():
    for call in (lambda: kin.fusion("max", 3), lambda: kin.cost_of("max", 2, 3, 4)):
        with pytest.raises(ValueError, match="kind: got 'max', allowed: 'add', "):
            call()
