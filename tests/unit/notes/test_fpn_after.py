"""What came after FPN: the graph beside the layers it stands for, the costs beside torch's counter, one cell's way."""

import itertools

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fpnlib.models import FPN, resnet50
from fpnlib.notes.fpn.experiments import successors
from fpnlib.notes.fpn.experiments.successors import BIFPN, FPN_ALONE, LEVELS, NECKS, PANET, RETINA, STRIDE_8, STRIDE_16
from fpnlib.notes.fpn.explorers import after_fpn


def slope(neck, level, through, scale):
    """By which power of the weights each output grows around a scale, and nan where nothing arrives."""
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (
            np.log([one.sum() for one in successors.flow(neck, level, 128, through_backbone=through, scale=s)])
            for s in (scale, 2 * scale)
        )
        return (high - low) / np.log(2)


@pytest.mark.parametrize("neck", NECKS)
def test_the_shortest_and_the_longest_way_are_the_powers_by_which_outputs_grow_with_the_weights(neck):
    # A way through n convolutions contributes in proportion to the n-th power of their weights, so with tiny weights
    # the shortest way is all that counts, and with huge ones the longest.
    for level, through in itertools.product(LEVELS, (False, True)):
        graph = successors.graph(neck)
        ways = graph.ways(f"C{level}", through_backbone=through)
        none = (np.nan, np.nan)
        fewest, most = np.array([ways.get(name, none) for name in graph.outputs]).T
        np.testing.assert_allclose(slope(neck, level, through, 1e-5), fewest, atol=0.01)
        np.testing.assert_allclose(slope(neck, level, through, 1e5), most, atol=0.01)


def dilated(seen):
    """The cells beside those that are marked, and these."""
    padded = np.pad(seen, 1)
    height, width = seen.shape
    return np.any([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)], 0)


@pytest.mark.parametrize("level", LEVELS)
def test_which_cells_fpn_and_the_path_back_up_reach(level):
    """Marks spread by hand: a 1×1 keeps them, a 3×3 takes the neighbours, ×2 copies and ÷2 takes every other one."""
    merged = [np.zeros((256 // 2**k, 256 // 2**k), bool) for k in LEVELS]
    middle = len(merged[level - 2]) // 2
    merged[level - 2][middle, middle] = True
    for fine, coarse in zip(merged[-2::-1], merged[:0:-1], strict=True):
        fine |= coarse.repeat(2, 0).repeat(2, 1)
    path = [dilated(one) for one in merged]
    for place, flow in enumerate(successors.flow(FPN_ALONE, level, 256, through_backbone=False)):
        np.testing.assert_array_equal(flow > 0, path[place])
    for place in range(1, 4):
        path[place] = dilated(path[place] | dilated(path[place - 1])[::2, ::2])
    for place, flow in enumerate(successors.flow(PANET, level, 256, through_backbone=False)):
        np.testing.assert_array_equal(flow > 0, path[place])


def test_after_two_dilated_stages_every_other_cell_is_left_out():
    # Of the last stage's three 3×3 the first still has the taps of the stage before.
    for neck, gap, half in ((STRIDE_16, 1, 1 + 2 + 2), (STRIDE_8, 2, 2 + 4 + 4)):
        (reached,) = successors.flow(neck, 4, 256, through_backbone=True)
        middle = len(reached) // 2
        for axis in (0, 1):
            cells = np.flatnonzero(reached.any(axis))
            assert cells.tolist() == list(range(middle - half, middle + half + 1, gap))


@pytest.fixture(scope="module")
def plain_resnet():
    """FLOPs and parameters of ResNet-50 itself."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        net = resnet50(num_classes=None).eval()
        net.stages(torch.zeros(1, 3, 384, 384))
    return counter.get_total_flops(), sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("neck", NECKS)
def test_costs_are_torchs_count(neck, plain_resnet):
    with torch.device("meta"):
        net = successors.backbone(neck)
        made = successors.Neck(neck, net.channels, 64)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            maps = net.stages(torch.zeros(1, 3, 384, 384))
            outputs = made(maps)
    parameters, macs = successors.added_cost(neck, 64, 384)
    assert 2 * macs == counter.get_total_flops() - plain_resnet[0]
    assert 2 * successors.backbone_macs(FPN_ALONE, 384) == plain_resnet[0]
    assert parameters == sum(p.numel() for p in made.parameters())
    assert sum(p.numel() for p in net.parameters()) == plain_resnet[1]
    shapes = successors.shapes(neck, 384, 64)
    graph = successors.graph(neck)
    assert [shapes[f"C{k}"] for k in LEVELS] == [(one.shape[1], one.shape[2]) for one in maps]
    assert [shapes[name] for name in graph.outputs] == [(one.shape[1], one.shape[2]) for one in outputs]
    # An edge leads to a map as large, twice as large, or half as large.
    rows = {name: row for name, (_, row) in graph.nodes.items()}
    assert {abs(rows[edge.end] - rows[edge.start]) for edge in graph.edges} <= {0, 1}


def test_the_first_net_is_the_notes_own_fpn():
    made = successors.Neck(FPN_ALONE, (4, 8, 16, 32), 6)
    assert type(made.neck) is FPN
    maps = [torch.randn(1, c, 64 // c, 64 // c) for c in (4, 8, 16, 32)]
    for mine, own in zip(made(maps), made.neck(maps), strict=True):
        assert torch.equal(mine, own)


@pytest.mark.parametrize("neck", [RETINA, BIFPN])
def test_two_of_them_do_not_read_c2(neck):
    net = successors.backbone(neck, 1)
    maps = [torch.randn(1, c, 64 // s, 64 // s) for c, s in zip(net.channels, net.strides, strict=True)]
    made = successors.Neck(neck, net.channels, 3)
    with torch.no_grad():
        before = made(maps)
        maps[0] = maps[0] + 1
        assert all(map(torch.equal, before, made(maps)))


def test_the_readout_says_what_is_not_reached():
    explorer = after_fpn(level=2)
    assert "P2 after 2 convolutions (9 of 4096 cells), P3 not, P4 not, P5 not" in explorer.readout
    assert "N5 after 8 convolutions (25 of 64 cells)" in explorer.set(neck=PANET).readout
    assert "no weights" in explorer.set(neck=STRIDE_8).readout


@pytest.mark.bad_input
def test_an_unknown_net_is_named():
    for call in (successors.graph, successors.backbone, lambda name: successors.Neck(name, (1, 2, 3, 4), 1)):
        with pytest.raises(ValueError, match="neck: got 'NAS-FPN', allowed: 'FPN', "):
            call("NAS-FPN")
