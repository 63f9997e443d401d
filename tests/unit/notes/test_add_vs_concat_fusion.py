"""Note 07's identity, costs and edges: what the explorers and claims of adding and concatenating compute."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fpnlib.data.photos import labelled_photo
from fpnlib.models import FPN, cost
from fpnlib.models.cpn import GlobalNet
from fpnlib.models.fusion import Add
from fpnlib.notes.add_vs_concat.experiments import edges, identities, pyramids
from fpnlib.notes.add_vs_concat.experiments.alignment import PairNet
from fpnlib.notes.add_vs_concat.explorers import add_is_tied_concat, edge_fusion, fusion_costs


def random_maps(channels, side=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, c, side >> k, side >> k, generator=generator) for k, c in enumerate(channels)]


def test_random_nets_differ_in_what_the_claims_say_they_do():
    rng = np.random.default_rng(0)
    convs = [identities.random_convolution(rng) for _ in range(60)]
    for what in ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode"):
        assert len({getattr(conv, what) for conv in convs}) > 2, what
    nets = [identities.RandomAddNet(rng) for _ in range(20)]
    adds = [sum(isinstance(module, Add) for module in net.modules()) for net in nets]
    assert min(adds) == 1
    assert max(adds) == 3


def test_the_concat_pyramid_carries_all_coarser_levels():
    net = pyramids.ConcatPyramid((3, 5, 7), 4)
    fine, middle, coarse = random_maps((3, 5, 7))
    laterals = [block(one) for block, one in zip(net.inner_blocks, (fine, middle, coarse), strict=True)]
    up = F.interpolate(laterals[2], scale_factor=2)
    torch.testing.assert_close(net([fine, middle, coarse])[1], net.layer_blocks[1](torch.cat([laterals[1], up], 1)))
    assert [block.in_channels for block in net.layer_blocks] == [12, 8, 4]
    uncut = pyramids.ConcatPyramid((3, 5, 7), 4, lateral=False)
    assert [block.in_channels for block in uncut.layer_blocks] == [15, 12, 7]
    assert [tuple(level.shape) for level in uncut([fine, middle, coarse])] == [(1, 4, 8, 8), (1, 4, 4, 4), (1, 4, 2, 2)]


def test_a_concat_pyramid_with_tied_kernels_is_fpn():
    torch.manual_seed(0)
    adding, joining = FPN((3, 5, 7), 4), pyramids.ConcatPyramid((3, 5, 7), 4)
    with torch.no_grad():
        for level in range(3):
            joining.inner_blocks[level].load_state_dict(adding.inner_blocks[level][0].state_dict())
            kernel = adding.layer_blocks[level][0].weight
            joining.layer_blocks[level].weight.copy_(kernel.repeat(1, 3 - level, 1, 1))
            joining.layer_blocks[level].bias.copy_(adding.layer_blocks[level][0].bias)
    maps = random_maps((3, 5, 7))
    for one, other in zip(adding.eval()(maps), joining(maps), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_concat_that_is_cut_back_is_an_add_after_a_1x1_each():
    torch.manual_seed(0)
    net = pyramids.ConcatPyramid((3, 5, 7), 4, cut=True)
    fine, middle, coarse = random_maps((3, 5, 7))
    laterals = [block(one) for block, one in zip(net.inner_blocks, (fine, middle, coarse), strict=True)]
    first, second = net.cuts[1].weight.chunk(2, 1)
    added = F.conv2d(laterals[1], first) + F.conv2d(F.interpolate(laterals[2], scale_factor=2), second)
    torch.testing.assert_close(net([fine, middle, coarse])[1], net.layer_blocks[1](added), rtol=1e-4, atol=1e-5)
    assert [block.in_channels for block in net.layer_blocks] == [4, 4, 4]


def test_shuffled_and_aligned_channels_are_one_problem_to_a_1x1():
    torch.manual_seed(0)
    net, other = (PairNet(6, 3, "add", 5, lateral=True) for _ in range(2))
    order = torch.randperm(6)
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        other.laterals[1].weight.copy_(net.laterals[1].weight[:, order])
    one, two = torch.randn(2, 4, 6)
    torch.testing.assert_close(net(one, two), other(one, two[:, order]))


@pytest.mark.parametrize("how", ["cut", "cut twice", "lift"])
def test_the_merges_counted_are_the_parts_of_the_nets(how):
    channels, shapes = (4, 8, 16), [(1, 4, 8, 8), (1, 8, 4, 4), (1, 16, 2, 2)]
    merge = cost(pyramids.AddMerge(channels, 6, how), shapes)
    laterals = 6 * sum(shape[1] * shape[2] * shape[3] for shape in shapes)
    if how == "cut":
        assert merge.macs == laterals
        assert merge.macs == cost(FPN(channels, 6, smooth=False).eval(), shapes).macs
    elif how == "cut twice":
        assert merge.macs == laterals + 6 * 6 * (8 * 8 + 4 * 4)
        net = GlobalNet(channels, 6, 2)
        heads = sum(cost(head, (1, 6, *shape[2:])).macs for head, shape in zip(net.predict, shapes, strict=True))
        assert merge.macs == cost(net, shapes).macs - heads
    else:
        assert merge.macs == 16 * (4 * 64 + 8 * 16)


def test_random_weights_are_shares():
    weights = edges.random_weights()
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(64))
    torch.testing.assert_close(weights.mean(0), torch.full((5,), 0.2), rtol=0, atol=0.06)


def test_outlines_lie_between_instances():
    cafe = labelled_photo("cafe")
    boundary = edges.outlines(cafe)
    ids = (cafe.masks * torch.arange(1, 20)[:, None, None]).amax(0)
    y, x = boundary[:-1, :-1].nonzero(as_tuple=True)
    assert ((ids[y, x] != ids[y + 1, x]) | (ids[y, x] != ids[y, x + 1])).all()
    assert set(ids[boundary].tolist()) == set(range(20))
    assert edges.tolerance(boundary) == pytest.approx(0.0075 * np.hypot(*boundary.shape))


def test_fusing_with_the_learned_weights_is_the_network_s_own_fusion():
    image = np.ascontiguousarray(labelled_photo("cafe").image[:64, :80])
    found = edges.photo_edges(image)
    with torch.no_grad():
        network = edges.HED.pretrained()
        own = network(network.preprocess(image)).fused[0, 0]
    torch.testing.assert_close(found.fused(found.weights), own, rtol=1e-4, atol=1e-4)


def test_counts_by_block_are_those_of_the_whole_photo():
    maps = [one.edges.sides[1] for one in edges.scenes()]
    counts = edges.block_counts(maps)
    assert counts.edges.shape == (200, 24 * len(maps))
    outlines = [one.reference.boundary.sum().item() for one in edges.scenes()]
    assert counts.outline.sum() == sum(outlines)
    assert (counts.right <= counts.edges).all()
    assert (counts.found <= counts.outline).all()
    alone = np.zeros((1, 24 * len(maps)))
    alone[0, :24] = 1  # the café photo
    whole = edges.scenes()[0].reference.curve(maps[0]).f
    assert counts.f(alone)[0] == pytest.approx(whole, abs=0.005)
    assert counts.f(2 * alone)[0] == pytest.approx(counts.f(alone)[0])


def test_a_relu_parts_tied_halves():
    explorer = add_is_tied_concat()
    assert explorer.set(tie=True, relu=False).data.largest < 1e-9
    assert explorer.set(tie=True, relu=True).data.largest > 1e-3


def test_free_halves_differ_by_the_nudge_times_y():
    x, y = np.random.default_rng(0).normal(size=(2, 20, 20))
    explorer = add_is_tied_concat(x, y).set(tie=False, nudge=0.5, kernel="random", kernel_size=3)
    np.testing.assert_allclose(-explorer.data.difference, 0.5 * (y - y.mean())[1:-1, 1:-1], atol=1e-12)
    assert explorer.set(nudge=0.0).data.largest < 1e-12
    assert explorer.set(tie=True, nudge=0.5).data.largest < 1e-12


def test_the_cost_explorer_counts_what_the_counter_counts():
    data = fusion_costs().data
    for name, net in pyramids.whole_pyramids().items():
        counted = cost(net, pyramids.map_shapes(512, 512))
        assert data.pyramids[name] == pytest.approx((counted.parameters / 1e6, counted.macs / 1e9))


def test_the_edge_explorer_takes_a_photo_of_ones_own():
    cafe = labelled_photo("cafe")
    ids = (cafe.masks * torch.arange(1, 20)[:, None, None]).amax(0).numpy()
    explorer = edge_fusion(cafe.image[100:220, 150:310], ids[100:220, 150:310])
    assert 0.2 < explorer.data.f <= 1
    assert explorer.set(side_1=0.0, side_2=1.0, side_3=0.0, side_4=0.0, side_5=0.0).data.f > 0.2


@pytest.mark.bad_input
def test_bad_input_is_refused():
    x = np.zeros((20, 20))
    with pytest.raises(ValueError, match="only one of the two"):
        add_is_tied_concat(x)
    with pytest.raises(ValueError, match=r"y: got shape \(20, 19\)"):
        add_is_tied_concat(x, x[:, 1:])
    with pytest.raises(ValueError, match="sides of 13 or more"):
        add_is_tied_concat(x[:9], x[:9])
    with pytest.raises(ValueError, match="only one of the two"):
        edge_fusion(labelled_photo("cafe").image)
    with pytest.raises(ValueError, match=r"boundary: got shape \(4, 4\)"):
        edge_fusion(labelled_photo("cafe").image[:32, :40], np.eye(4, dtype=int))
