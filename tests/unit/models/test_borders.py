"""What padding does inside a net: beside torch's own padding, receptive fields, and photos on which it does nothing."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fpnlib.models import EfficientNetLite0, resnet18
from fpnlib.models.borders import PADDINGS, BorderEffect, border_effects, padded_by
from fpnlib.ops import receptive_field

CROP = (32, 32, 96, 96)


def double(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": (3, 5), "padding": (1, 2), "stride": 2},
        {"kernel_size": 3, "padding": 2, "dilation": 2, "groups": 2},
        {"kernel_size": (4, 3), "padding": "same", "dilation": (1, 2)},
        {"kernel_size": 3, "padding": "valid"},
    ],
)
def test_zeros_are_replaced_as_torchs_convolution_pads(padding, options):
    torch.manual_seed(0)
    plain = nn.Conv2d(4, 6, **options).double()
    theirs = nn.Conv2d(4, 6, padding_mode=padding, **options).double()
    theirs.load_state_dict(plain.state_dict())
    x = double(2, 4, 9, 11)
    before = plain(x)
    with padded_by(padding):
        ours = plain(x)
    torch.testing.assert_close(ours, theirs(x))
    assert torch.equal(plain(x), before)


@pytest.mark.parametrize("padding", PADDINGS[1:])
def test_a_pad_with_zeros_is_replaced_and_nothing_else(padding):
    x, other = double(1, 2, 6, 7), "replicate" if padding == "reflect" else "reflect"
    own = nn.Conv2d(2, 2, 3, padding=1, padding_mode=other).double()
    kept = (
        lambda: F.pad(x, (1, 1, 1, 1), value=2.0),
        lambda: F.pad(x, (1, 1, 1, 1), mode=other),
        lambda: F.pad(x, (-1, 0, 0, 2)),
        lambda: F.pad(x, (0, 0, 0, 0)),
        lambda: F.pad(x, (1, 1)),
        lambda: F.max_pool2d(x, 3, 1, 1),
        lambda: own(x),
    )
    expected, before = F.pad(x, (0, 1, 2, 3), mode=padding), [one() for one in kept]
    with padded_by(padding):
        assert torch.equal(F.pad(x, (0, 1, 2, 3)), expected)
        after = [one() for one in kept]
    assert all(map(torch.equal, before, after))


def test_a_map_too_small_for_a_mirror_is_named():
    conv = nn.Conv2d(1, 1, 5, padding=2)
    with (
        padded_by("reflect"),
        pytest.raises(ValueError, match="padding: got 2 cells, reflect, on a map of 2×9, allowed: 1 at most"),
    ):
        conv(torch.zeros(1, 1, 2, 9))
    with padded_by("circular"):
        assert conv(torch.zeros(1, 1, 2, 9)).shape == (1, 1, 2, 9)
    with pytest.raises(ValueError, match="padding: got 'black', allowed: 'zeros'"):
        padded_by("black")


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]), st.booleans()), min_size=1, max_size=4),
    st.integers(0, 99),
)
def test_of_a_chain_of_layers_the_receptive_field_says_which_cells_differ(layers, seed):
    torch.manual_seed(seed)
    made, channels = [], 1
    for kernel, stride, pads in layers:
        made += [nn.Conv2d(channels, 3, kernel, stride, kernel // 2 * pads), nn.LeakyReLU()]
        channels = 3
    net = nn.Sequential(*made).double()
    axis = receptive_field(net).horizontal
    effect = border_effects(net, double(1, 1, 128, 128, seed=seed), CROP)["output"]
    assert effect.stride == axis.stride
    units = range(effect.difference.shape[1])
    beyond = [axis.first(unit) < 0 or axis.first(unit) + axis.size > 64 for unit in units]
    middle = effect.difference[len(effect.difference) // 2]
    assert (middle > 1e-12).tolist() == beyond
    assert effect.reach(1e-12) == max((min(u, len(units) - 1 - u) + 1 for u in units if beyond[u]), default=0)


@pytest.mark.parametrize("padding", PADDINGS)
def test_each_way_to_pad_does_nothing_on_a_photo_that_goes_on_like_it(padding):
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Tanh(), nn.Conv2d(2, 2, 5, 1, 2)).double()
    tile = double(1, 1, 64, 64)
    photos = {
        "zeros": F.pad(tile, (32, 32, 32, 32)),
        "reflect": F.pad(tile, (32, 32, 32, 32), mode="reflect"),
        "replicate": F.pad(tile, (32, 32, 32, 32), mode="replicate"),
        "circular": F.pad(tile, (32, 32, 32, 32), mode="circular"),
    }
    first = nn.Sequential(net[0])  # of more than one layer, only what wraps does nothing: the others pad maps
    for name, photo in photos.items():
        assert (border_effects(first, photo, CROP, padding=padding)["output"].reach(1e-9) == 0) == (name == padding)
    assert border_effects(net, photos["circular"], CROP, padding="circular")["output"].reach(1e-9) == 0


def test_the_reach_is_the_depth_of_the_deepest_cell_that_differs():
    difference = torch.zeros(7, 9)
    assert BorderEffect(4, difference).reach(0.1) == 0
    difference[0, 4] = 1
    assert BorderEffect(4, difference).reach(0.1) == 1
    difference[4, 6] = 0.2
    assert BorderEffect(4, difference).reach(0.1) == 3
    assert BorderEffect(4, difference).reach(0.2) == 1


@pytest.mark.parametrize("name", ["resnet", "lite0"])
def test_maps_of_the_books_own_nets_are_found_and_compared(name):
    torch.manual_seed(0)
    batch = double(1, 3, 192, 192).float()
    crop = (32, 64, 128, 160)
    if name == "resnet":
        net, strides = resnet18(num_classes=5).eval(), [2, 4, 8, 16, 32]
    else:
        net, strides = EfficientNetLite0().eval().features, [2, 4, 8, 16, 32]
    effects = border_effects(net, batch, crop)
    assert [effect.stride for effect in effects.values()] == strides
    assert [tuple(effect.difference.shape) for effect in effects.values()] == [(96 // s, 96 // s) for s in strides]
    last = list(effects)[0 if name == "lite0" else 1]
    if name == "lite0":
        with torch.no_grad():
            own, map = net(batch[:, :, 64:160, 32:128])[int(last)], net(batch)[int(last)]
        cells = (own - map[:, :, 32:80, 16:64])[0].square().mean(0).sqrt() / map.square().mean().sqrt()
        torch.testing.assert_close(effects[last].difference, cells)
    assert 0 < effects[last].reach(1e-4) < len(effects[last].difference) // 2


def test_zeros_beside_the_photo_are_seen_from_where_the_field_meets_them():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3, 2, 1), nn.Tanh(), nn.Conv2d(2, 2, 3, 2, 1)).double()
    effect = border_effects(net, double(1, 1, 128, 128), CROP, missing=10)["output"]
    assert effect.difference.shape == (14, 14)  # cells 0 … 13 begin before pixel 54
    axis = receptive_field(net).horizontal
    beyond = [axis.first(unit) < 0 or axis.first(unit) + axis.size > 54 for unit in range(14)]
    assert (effect.difference[7] > 1e-12).tolist() == beyond
    assert (effect.difference[:, 7] > 1e-12).tolist() == beyond


def test_maps_that_do_not_follow_the_photo_are_left_out():
    conv = nn.Conv2d(1, 2, 3, padding=1).double()

    def net(x):
        return {"own": conv(x), "pooled": F.adaptive_avg_pool2d(x, 4), "one": x.mean((2, 3)), "word": "map"}

    assert list(border_effects(net, double(1, 1, 128, 128), CROP)) == ["own"]
    assert list(border_effects(lambda x: [conv(x), conv(x)[..., ::2, ::2]], double(1, 1, 128, 128), CROP)) == ["0", "1"]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"crop": (0, 0, 128, 64)}, r"crop: got \(0, 0, 128, 64\), allowed: x0 y0 x1 y1 within 128×128"),
        ({"crop": (-4, 0, 64, 64)}, "crop: got"),
        ({"crop": (64, 0, 32, 64)}, "crop: got"),
        (
            {"crop": (33, 32, 97, 96)},
            r"crop: got corner \(33, 32\), allowed: multiples of 2, the stride of map 'output'",
        ),
        ({"padding": "black"}, "padding: got 'black'"),
        ({"missing": 33}, "missing: got 33, allowed: 0 to 32"),
        ({"missing": -1}, "missing: got -1"),
        ({"batch": torch.zeros(2, 1, 128, 128)}, r"batch: got shape \(2, 1, 128, 128\), allowed: \(1, C, H, W\)"),
        ({"net": lambda x: x.mean()}, "net: got a function that returns Tensor, allowed"),
        ({"net": lambda x: [F.adaptive_avg_pool2d(x, 4)]}, r"net: got maps 0 \(1, 1, 4, 4\), allowed"),
        ({"net": nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())}, "net: got layers with maps: none, allowed"),
    ],
)
def test_what_cannot_be_compared_is_named(changed, message):
    given = {"net": nn.Conv2d(1, 1, 3, 2, 1), "batch": torch.zeros(1, 1, 128, 128), "crop": CROP} | changed
    options = {name: given[name] for name in ("padding", "missing") if name in given}
    with pytest.raises(ValueError, match=message):
        border_effects(given["net"], given["batch"], given["crop"], **options)
