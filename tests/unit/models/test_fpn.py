"""The feature pyramid: torchvision's names and numbers, its options, what it refuses."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from torch.func import functional_call, stack_module_state, vmap

from fpnlib.models import FPN, resnet18
from fpnlib.notes.fpn.experiments.recorded import (
    CHANNELS,
    OTHER_SIZES,
    OUT,
    SIZES,
    fill,
    pyramid_input,
    pyramid_maps,
    recorded,
)


def filled(**options):
    pyramid = FPN(CHANNELS, OUT, **options).double().eval()
    fill(pyramid)
    return pyramid


@pytest.mark.parametrize(
    ("maps", "answers"),
    [
        *zip(map(pyramid_input, SIZES), recorded().answers, strict=True),
        *zip(map(pyramid_maps, OTHER_SIZES), recorded().other_answers, strict=True),
    ],
    ids=map(str, SIZES + OTHER_SIZES),
)
def test_torchvisions_numbers(maps, answers):
    pyramid = filled()
    assert tuple(pyramid.state_dict()) == recorded().keys
    for level, expected in zip(pyramid(maps).values(), answers, strict=True):
        torch.testing.assert_close(level, expected)


def enlarged(level, size, mode):
    """Each fine place's half-pixel centre looked up in the coarse map, by numpy and scipy."""
    at = [(np.arange(fine) + 0.5) * coarse / fine for fine, coarse in zip(size, level.shape[2:], strict=True)]
    if mode == "nearest":
        # The place whose area the fine place begins in.
        rows, columns = (
            np.floor(np.arange(fine) * coarse / fine).astype(int)
            for fine, coarse in zip(size, level.shape[2:], strict=True)
        )
        return level[:, :, rows][:, :, :, columns]
    grid = np.meshgrid(*[(a - 0.5).clip(0) for a in at], indexing="ij")
    planes = level.detach().numpy().reshape(-1, *level.shape[2:])
    out = [map_coordinates(plane, grid, order=1, mode="nearest") for plane in planes]
    return torch.tensor(np.stack(out)).view(*level.shape[:2], *size)


def plain_pyramid(state, maps, top_down, lateral, smooth, upsampling, merge):
    """The published algorithm, level after level: (M, P)."""
    merged = [None] * len(maps)
    for level in reversed(range(len(maps))):
        coarsest = level == len(maps) - 1
        terms = []
        if lateral or coarsest:
            weight, bias = (state[f"inner_blocks.{level}.0.{what}"] for what in ("weight", "bias"))
            terms.append(torch.einsum("nchw,dc->ndhw", maps[level], weight[:, :, 0, 0]) + bias.view(1, -1, 1, 1))
        if (top_down or not lateral) and not coarsest:
            terms.append(enlarged(merged[level + 1], maps[level].shape[2:], upsampling))
        merged[level] = sum(terms) / (len(terms) if merge == "mean" else 1)
    if not smooth:
        return merged, merged
    names = [f"layer_blocks.{level}.0" for level in range(len(maps))]
    levels = zip(merged, names, strict=True)
    return merged, [F.conv2d(m, state[f"{name}.weight"], state[f"{name}.bias"], padding=1) for m, name in levels]


OPTIONS = st.fixed_dictionaries(
    {
        "top_down": st.booleans(),
        "lateral": st.booleans(),
        "smooth": st.booleans(),
        "upsampling": st.sampled_from(["nearest", "bilinear"]),
        "merge": st.sampled_from(["add", "mean"]),
    }
).filter(lambda options: options["top_down"] or options["lateral"])


@st.composite
def map_lists(draw):
    """Two to four maps, each half of the one before, rounded up or down, or of any size that is not larger."""
    size, any_size = draw(st.tuples(st.integers(1, 19), st.integers(1, 19))), draw(st.booleans())
    maps = []
    for channels in draw(st.lists(st.integers(1, 4), min_size=2, max_size=4)):
        maps.append((channels, *size))
        halves = (st.sampled_from([max(1, side // 2), -(-side // 2)]) for side in size)
        size = tuple(map(draw, (st.integers(1, side) for side in size) if any_size else halves))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    return [torch.randn(2, *shape, generator=generator, dtype=torch.float64) for shape in maps]


@given(map_lists(), OPTIONS)
@settings(max_examples=120)
def test_every_option_is_the_published_algorithm(maps, options):
    pyramid = FPN([one.shape[1] for one in maps], 3, **options).double().eval()
    fill(pyramid)
    merged, levels = plain_pyramid(pyramid.state_dict(), maps, **options)
    for mine, plain in zip(pyramid.merged(maps) + pyramid(maps), merged + levels, strict=True):
        torch.testing.assert_close(mine, plain)


@given(OPTIONS)
def test_only_what_is_used_has_parameters(options):
    pyramid = filled(**options)
    sum(level.sum() for level in pyramid(list(pyramid_input([8, 8]).values()))).backward()
    assert all(parameter.grad is not None for parameter in pyramid.parameters())
    names = {f"inner_blocks.{level}.0.weight" for level in (range(4) if options["lateral"] else [3])}
    names |= {f"layer_blocks.{level}.0.weight" for level in range(4)} if options["smooth"] else set()
    assert {name for name, _ in pyramid.named_parameters() if name.endswith("weight")} == names


def test_a_list_for_a_list_and_a_dict_for_a_dict():
    pyramid, maps = filled(), pyramid_input([9, 11])
    for call in (pyramid, pyramid.merged):
        named, listed = call(maps), call(list(maps.values()))
        assert type(named) is OrderedDict
        assert type(listed) is list
        assert list(named) == list(maps)
        for a, b in zip(named.values(), listed, strict=True):
            assert torch.equal(a, b)


def test_a_diverged_training_is_not_stopped():
    pyramid, maps = filled().train(), list(pyramid_input([8, 8]).values())
    maps[3][0, 0, 0, 0] = torch.nan
    assert all(level.isnan().any() for level in pyramid(maps))


def test_under_vmap_and_on_meta():
    pyramids, maps = [filled(), filled()], list(pyramid_input([8, 8]).values())
    fill(pyramids[1], seed=5)
    parameters, buffers = stack_module_state(pyramids)
    call = vmap(lambda p, b, x: functional_call(pyramids[0], (p, b), (x,)), in_dims=(0, 0, None))
    for both, first, second in zip(call(parameters, buffers, maps), *(p(maps) for p in pyramids), strict=True):
        torch.testing.assert_close(both, torch.stack([first, second]))
    shapes = [level.shape for level in filled().to("meta")([one.to("meta") for one in maps])]
    assert shapes == [(2, OUT, *one.shape[2:]) for one in maps]


def test_behind_a_resnet():
    net, pyramid = resnet18(width=4, num_classes=None), FPN((4, 8, 16, 32), 6)
    levels = pyramid(net.stages(torch.randn(1, 3, 97, 130)))
    assert [tuple(level.shape) for level in levels] == [(1, 6, 25, 33), (1, 6, 13, 17), (1, 6, 7, 9), (1, 6, 4, 5)]


def maps_with(change):
    maps = list(pyramid_input([8, 12]).values())
    change(maps)
    return maps


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda maps: maps.pop(), r"features: got 3 maps, allowed: 4, one for each of \(3, 4, 5, 6\)"),
        (lambda maps: maps.clear(), "features: got 0 maps"),
        (lambda maps: maps.reverse(), r"map 0 of shape \(2, 6, 1, 2\), allowed: \(N, 3, H, W\)"),
        (lambda maps: maps.insert(1, maps.pop(1)[0]), r"map 1 of shape \(4, 4, 6\), allowed: \(N, 4, H, W\)"),
        (
            lambda maps: maps.insert(2, torch.zeros(2, maps.pop(2).shape[1], 2, 7)),
            r"features: got map 2 of size \(2, 7\) after \(4, 6\), allowed: no side larger than before",
        ),
        (lambda maps: maps.insert(1, maps.pop(1)[:1]), r"features: got batches of \[2, 1, 2, 2\], allowed: one batch"),
        (lambda maps: maps[1].fill_(torch.nan), "features, map 1: got 192 NaN or infinite of 192"),
        (lambda maps: maps[0][0, 0, 0, :2].fill_(torch.inf), "features, map 0: got 2 NaN or infinite"),
    ],
)
def test_maps_that_do_not_fit_are_refused(change, says):
    maps = maps_with(change)
    for call in (filled(), filled().merged):
        with pytest.raises(ValueError, match=says):
            call(maps)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("channels", "out", "options", "says"),
    [
        ((), 4, {}, "in_channels_list: got"),
        ((3, 0), 4, {}, "in_channels_list: got"),
        ((3, 4), 0, {}, "out_channels: got 0"),
        ((3, 4), 4, {"top_down": False, "lateral": False}, "top_down and lateral: got neither"),
        ((3, 4), 4, {"upsampling": "bicubic"}, "upsampling: got 'bicubic'"),
        ((3, 4), 4, {"merge": "concat"}, "merge: got 'concat'"),
    ],
)
def test_options_that_do_not_exist_are_refused(channels, out, options, says):
    with pytest.raises(ValueError, match=says):
        FPN(channels, out, **options)


def old_names(state):
    return {key.replace(".0.weight", ".weight").replace(".0.bias", ".bias"): value for key, value in state.items()}


def in_detector(state):
    return {f"backbone.fpn.{key}": value for key, value in state.items()} | {"rpn.head.conv.bias": torch.zeros(2)}


@pytest.mark.parametrize("rename", [dict, old_names, in_detector, lambda state: in_detector(old_names(state))])
def test_files_of_both_generations_load(tmp_path, rename):
    source, target, maps = filled(), FPN(CHANNELS, OUT).double(), pyramid_input([8, 8])
    torch.save(rename(source.state_dict()), tmp_path / "fpn.pth")
    target.load_checkpoint(tmp_path / "fpn.pth")
    assert torch.equal(target(maps)["C2"], source(maps)["C2"])


def test_old_names_inside_a_larger_module():
    source, target = filled(), torch.nn.ModuleDict({"fpn": FPN(CHANNELS, OUT).double()})
    state = {f"fpn.{key}": value for key, value in old_names(source.state_dict()).items()}
    target.load_state_dict(state)
    assert torch.equal(target["fpn"].inner_blocks[2][0].weight, source.inner_blocks[2][0].weight)
    assert "fpn.inner_blocks.0.weight" in state


def test_foreign_keys_are_named(tmp_path):
    torch.save(filled().state_dict() | {"extra.weight": torch.zeros(1)}, tmp_path / "fpn.pth")
    with pytest.raises(ValueError, match=r"1 foreign: extra\.weight"):
        FPN(CHANNELS, OUT).load_checkpoint(tmp_path / "fpn.pth")
    torch.save(filled(smooth=False).state_dict(), tmp_path / "fpn.pth")
    with pytest.raises(ValueError, match=r"8 missing: layer_blocks\.0\.0\.weight, .*, …"):
        FPN(CHANNELS, OUT).load_checkpoint(tmp_path / "fpn.pth")
