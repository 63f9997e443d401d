"""Note 04's room: the reader's own photo and backbone, colours, spectra, shapes."""

import io
import itertools
from collections import OrderedDict
from datetime import UTC, datetime

import ipywidgets
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from fpnlib.claims import Result
from fpnlib.explore.handles import stops
from fpnlib.models import FPN, BasicBlock, EfficientNetLite0, ResNet, resnet18, resnet50
from fpnlib.notes.fpn.experiments import lite_pyramid
from fpnlib.notes.fpn.experiments.backbones import book_backbones, lite0, own_backbone
from fpnlib.notes.fpn.experiments.photo_pyramid import Library, build, is_stride, strides_of
from fpnlib.notes.fpn.experiments.principal import principal_components, projected_fpn
from fpnlib.notes.fpn.experiments.spectrum import RINGS, fine_share, sum_energies
from fpnlib.notes.fpn.explorers import architecture, level_assignment, pyramid, top_down_step
from fpnlib.notes.fpn.explorers.architecture import BACKBONES
from fpnlib.notes.fpn.explorers.colours import components, heat

OF_PHOTOS = (pyramid, top_down_step, level_assignment)


def tiny_resnet():
    torch.manual_seed(0)
    return ResNet(BasicBlock, (1, 1, 1, 1), width=4, num_classes=None).eval()


def picture(height=60, width=90, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def saved(image, format="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def photo_of(explorer):
    return explorer._library.get("yours", explorer.state["net"]).photo


# The reader's own photo.


def test_a_photo_as_array_bytes_path_and_upload(tmp_path):
    image = picture()
    file = saved(Image.fromarray(image))
    (tmp_path / "mine.png").write_bytes(file)
    upload = {"name": "mine.png", "content": memoryview(file)}
    widget = ipywidgets.FileUpload()
    widget.value = (upload | {"type": "image/png", "size": len(file), "last_modified": datetime.now(UTC)},)
    for source in (image, file, tmp_path / "mine.png", str(tmp_path / "mine.png"), upload, (upload,), widget):
        explorer = pyramid(source)
        assert explorer.state["image"] == "yours"
        np.testing.assert_array_equal(photo_of(explorer), image)


def test_a_turned_a_grey_and_a_transparent_photo():
    image = picture()
    turned = Image.Exif()
    turned[0x0112] = 6
    upright = photo_of(pyramid(saved(Image.fromarray(image), exif=turned)))
    np.testing.assert_array_equal(upright, np.rot90(image, -1))
    assert (photo_of(pyramid(image[..., 0])) == image[..., :1]).all()
    clear = np.dstack([image, np.zeros(image.shape[:2], np.uint8)])
    assert (photo_of(pyramid(clear)) == 255).all()


@pytest.mark.parametrize("factory", OF_PHOTOS)
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (37, 5), (1200, 900)])
def test_photos_of_any_size(factory, size):
    explorer = factory(picture(*size))
    for key, control in explorer.controls().items():
        if isinstance(control, ipywidgets.IntSlider):
            for end in (control.min, control.max):
                explorer.set(**{key: end})
                assert all(explorer.invariants(explorer.data).values()), (key, end)
                assert "nan" not in explorer.readout
                explorer.frame("jpeg")
    if factory is pyramid:
        assert max(photo_of(explorer).shape[:2]) <= 512


def test_a_photo_of_the_book_by_name():
    explorer = pyramid("rocket")
    assert explorer.state["image"] == "rocket"
    assert "rocket" in explorer.readout


@pytest.mark.bad_input
@pytest.mark.parametrize("factory", OF_PHOTOS)
@pytest.mark.parametrize(
    ("source", "says"),
    [
        (b"no picture", "cannot read 10 bytes as an image"),
        ("nowhere.png", "cannot read nowhere.png"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\)"),
        (np.zeros((0, 4, 3), np.uint8), "not empty"),
        ((), "0 uploaded files"),
        (3.5, "float"),
    ],
)
def test_what_is_no_photo_is_refused(factory, source, says):
    with pytest.raises(ValueError, match=says):
        factory(source)


# The reader's own backbone.


@pytest.mark.parametrize("answer", ["list", "tuple", "dict", "coarse first"])
def test_a_backbone_that_returns_maps(answer):
    net = tiny_resnet()

    def maps(batch):
        stages = net.stages(batch)
        kinds = {
            "list": stages,
            "tuple": tuple(stages),
            "dict": OrderedDict(zip("abcd", stages, strict=True)),
            "coarse first": stages[::-1],
        }
        return kinds[answer]

    explorer = pyramid(picture(), maps)
    assert explorer.state["net"] == "yours"
    assert "nobody trained this pyramid" in explorer.readout
    shapes = [tuple(one.shape) for one in explorer._library.get("yours", "yours").maps["C"]]
    assert shapes == [(4, 15, 23), (8, 8, 12), (16, 4, 6), (32, 2, 3)]
    assert explorer._library.get("yours", "yours").levels == (2, 3, 4, 5)
    explorer.set(stage="M", level=5, channel=32).frame()


def test_a_module_in_training_mode_and_other_strides():
    net = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6))

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = net, nn.Conv2d(6, 5, 3, 2, 1)

        def forward(self, x):
            fine = self.first(x)
            return {"fine": fine, "coarse": self.second(fine)}

    explorer = pyramid(picture(), Two().train())
    assert explorer._library.get("yours", "yours").levels == (1, 2)
    assert not net.training
    assert (explorer.controls()["level"].min, explorer.controls()["level"].max) == (1, 2)
    explorer.set(net="EfficientNet-Lite0", level=1)
    assert explorer.data.read.level == 2


def test_a_backbone_with_its_pyramid_and_preparation():
    net, own = tiny_resnet(), FPN((4, 8, 16, 32), 7)
    seen = []

    def prepare(batch):
        seen.append(batch)
        return batch / 255

    explorer = pyramid(picture(), net.stages, own, prepare)
    assert "your backbone and pyramid" in explorer.readout.lower()
    assert len(explorer.data.read.values) == 7
    np.testing.assert_array_equal(seen[0][0].permute(1, 2, 0), picture())
    with torch.no_grad():
        expected = own(net.stages(prepare(seen[0])))
    for mine, theirs in zip(explorer._library.get("yours", "yours").maps["P"], expected, strict=True):
        torch.testing.assert_close(mine, theirs[0])


def test_a_classifier_is_watched():
    net = resnet18(width=2).eval()
    explorer = pyramid(picture(), net)
    assert "c is what these layers give: layer1, layer2, layer3, layer4" in explorer.readout.lower()
    made = explorer._library.get("yours", "yours")
    assert made.levels == (2, 3, 4, 5)
    top_down_step(picture(), net).frame()
    with pytest.raises(ValueError, match="net: got layers with maps: none"):
        pyramid(picture(), nn.Flatten())


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("backbone", "says"),
    [
        (3, "backbone: got int"),
        (lambda batch: batch, "one that returns Tensor"),
        (lambda batch: [batch], "two or more"),
        (lambda batch: [batch, batch[0]], "two or more"),
        (lambda batch: [batch, "map"], "list or dict of maps"),
        (
            lambda batch: [batch[..., ::3], batch[..., ::4, :]],
            r"features: got map 1 of size \(15, 90\) after \(60, 30\), allowed: no side larger",
        ),
        (lambda batch: [batch, batch[..., ::2, ::2] * torch.nan], "backbone, map 1: got 4050 NaN"),
        (lambda batch: resnet18(width=2)(batch), "one that returns Tensor"),
    ],
)
def test_what_is_no_backbone_is_refused(backbone, says):
    with pytest.raises(ValueError, match=says):
        pyramid(picture(), backbone)


@pytest.mark.bad_input
def test_a_pyramid_that_does_not_fit_is_refused():
    net = tiny_resnet()
    with pytest.raises(ValueError, match=r"map 0 of shape .*, allowed: \(N, 5, H, W\)"):
        pyramid(picture(), net.stages, FPN((5, 8, 16, 32), 7))
    with pytest.raises(ValueError, match="fpn: got a pyramid with a part left out"):
        top_down_step(picture(), net.stages, FPN((4, 8, 16, 32), 7, smooth=False))
    with pytest.raises(ValueError, match="fpn: got Linear"):
        pyramid(picture(), net.stages, nn.Linear(2, 2))


class Dilated(nn.Module):
    """C2…C5 at strides 4, 8, 16, 16."""

    def __init__(self):
        super().__init__()
        self.net = ResNet(BasicBlock, (1, 1, 1, 1), width=2, num_classes=None)
        first = self.net.layer4[0]
        first.conv1.stride = first.downsample[0].stride = (1, 1)
        for conv in (first.conv1, first.conv2):
            conv.dilation = conv.padding = (2, 2)

    def forward(self, x):
        return self.net.stages(x)


@pytest.mark.parametrize("turned", [False, True])
def test_a_dilated_backbone(turned):
    net = Dilated()
    explorer = pyramid(picture(101, 150), (lambda batch: net.eval()(batch)[::-1]) if turned else net)
    made = explorer._library.get("yours", "yours")
    assert made.levels == (2, 3, 4, 5)
    assert made.strides == ((4, 4), (8, 8), (16, 16), (16, 16))
    assert [len(one) for one in made.maps["C"]] == [2, 4, 8, 16]
    frames = []
    for level in made.levels:
        explorer.set(stage="M", level=level, x=100, y=100).frame()
        assert all(explorer.invariants(explorer.data).values())
        frames.append(explorer.data.sheet.frames["M", level])
    assert "M5 (merged)" in explorer.readout
    assert "7×10 cells, stride 16;" in explorer.readout
    assert "in row 6, column 9" in explorer.readout
    assert len(set(frames)) == 4
    assert frames[2][2:] == frames[3][2:] == (10, 7)
    # C5 is not enlarged: it is added to C4's lateral as it is.
    with torch.no_grad():
        four, five = (made.fpn.inner_blocks[k](made.maps["C"][k][None])[0] for k in (2, 3))
    torch.testing.assert_close(made.maps["M"][2], four + five)


def floored(batch, *strides):
    """Maps of the mean of each whole window: ⌊side / stride⌋ cells."""
    return [F.avg_pool2d(batch, stride) for stride in strides]


@pytest.mark.parametrize(
    ("maps", "strides", "says"),
    [
        (lambda x: [x[..., ::s, ::s] for s in (3, 9, 27)], ((3, 3), (9, 9), (27, 27)), "34×50 cells, stride 3;"),
        (lambda x: floored(x, 4, 8, 8, 24), ((4, 4), (8, 8), (8, 8), (24, 24)), "25×37 cells, stride 4;"),
        (lambda x: [x, x, x[..., ::2]], ((1, 1), (1, 1), (1, 2)), "101×150 cells, stride 1;"),
        (lambda x: floored(x, (2, 4), (10, 4)), ((2, 4), (10, 4)), "50×37 cells, strides 2 down and 4 across;"),
        (
            lambda x: [F.adaptive_avg_pool2d(x, size) for size in ((64, 96), (64, 48))],
            ((101 / 64, 150 / 96), (101 / 64, 150 / 48)),
            "64×96 cells, strides 1.578 down and 1.562 across;",
        ),
    ],
)
def test_maps_of_any_sizes(maps, strides, says):
    explorer = pyramid(picture(101, 150), maps)
    assert explorer._library.get("yours", "yours").strides == pytest.approx(np.array(strides))
    levels = explorer.controls()["level"]
    explorer.set(level=levels.min)
    assert says in explorer.readout
    for level, x, y in itertools.product(range(levels.min, levels.max + 1), (0, 37, 100), (0, 50, 100)):
        explorer.set(level=level, x=x, y=y, stage="P").frame()
        assert all(explorer.invariants(explorer.data).values())
        # The cursor's cell is where the page has the cursor, or the last one where the backbone rounded off.
        read = explorer.data.read
        rows, columns = read.flat.shape
        at = [int(c // stride) for c, stride in zip(read.cursor[::-1], read.stride, strict=True)]
        assert read.cell == (min(at[0], rows - 1), min(at[1], columns - 1))


@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)), st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=5)
)
def test_strides_explain_the_sizes(size, factors):
    strides = np.cumprod([2, *factors])
    for rounded in (np.ceil, np.floor):
        maps = [[max(1, int(rounded(side / stride))) for side in size] for stride in strides]
        found = strides_of(size, maps)
        for cells, stride in zip(maps, found, strict=True):
            assert all(is_stride(*one) for one in zip(size, cells, stride, strict=True))
        if min(maps[-1]) >= 7:  # with fewer cells another stride may round to the same
            assert found == tuple((stride, stride) for stride in strides)


@settings(max_examples=40)
@given(st.tuples(st.integers(1, 700), st.integers(1, 700)), st.data())
def test_halves_double_the_stride(size, data):
    strides = strides_of(size, maps := [size])
    for _ in range(5):
        size = [data.draw(st.sampled_from([max(1, side // 2), -(-side // 2)])) for side in size]
        maps.append(size)
        strides = strides_of(maps[0], maps)
    assert strides == tuple((2**k, 2**k) for k in range(6))


@pytest.mark.bad_input
def test_a_step_and_the_rule_want_halves():
    for factory in (top_down_step, level_assignment):
        with pytest.raises(ValueError, match=r"backbone: got maps of sizes .*\(7, 10\), \(7, 10\).*, allowed: .*halve"):
            factory(picture(101, 150), Dilated())


def test_pyramids_are_kept_and_few():
    calls = []

    def maps(batch):
        calls.append(1)
        return [batch[..., ::4, ::4], batch[..., ::8, ::8]]

    explorer = pyramid(picture(), maps)
    for level, x in itertools.product((2, 3), range(5)):
        explorer.set(level=level, x=x)
    assert len(calls) == 1
    assert explorer._library._own.cache_info().maxsize <= 8


def test_the_books_pyramids_have_the_sizes_they_say():
    for backbone in book_backbones():
        made = build(picture(70, 101), backbone)
        assert made.levels == (2, 3, 4, 5)
        assert made.strides == ((4, 4), (8, 8), (16, 16), (32, 32))
        for stage, level in itertools.product("CMP", range(4)):
            stride = 2 ** made.levels[level]
            assert made.maps[stage][level].shape[1:] == (-(-70 // stride), -(-101 // stride))


def test_the_lite_pyramid_is_what_its_command_trains(monkeypatch, tmp_path, capsys):
    for name, value in {"_SCENES": 16, "_TEST_SCENES": 8, "_STEPS": 3, "_BATCH": 4, "_SIZE": 64}.items():
        monkeypatch.setattr(lite_pyramid, name, value)
    monkeypatch.setattr(lite_pyramid, "WEIGHTS", tmp_path / "weights" / "fpn.safetensors")
    lite_pyramid.main()
    assert "P2 … P5" in capsys.readouterr().out
    lite_pyramid.lite_pyramid.cache_clear()
    made = lite_pyramid.lite_pyramid()
    lite_pyramid.lite_pyramid.cache_clear()
    assert not made.training
    assert made.in_channels == EfficientNetLite0.channels[1:]
    assert not any(parameter.requires_grad for parameter in made.parameters())


# Colours, components.


def test_principal_components_are_scikit_learns():
    from sklearn.decomposition import PCA

    one = torch.randn(6, 9, 11, generator=torch.Generator().manual_seed(0))
    one[1] += 2 * one[0]
    directions, mean = principal_components([one], 3)
    theirs = PCA(3).fit(one.flatten(1).T.numpy())
    np.testing.assert_allclose(mean, theirs.mean_, atol=1e-5)
    unit = directions / directions.norm(dim=1, keepdim=True)
    np.testing.assert_allclose(np.abs((unit.numpy() * theirs.components_).sum(1)), 1, atol=1e-4)
    projected = directions @ (one.flatten(1) - mean[:, None])
    torch.testing.assert_close(projected @ projected.T / projected.shape[1], torch.eye(3), atol=1e-4, rtol=0)


@pytest.mark.parametrize("one", [torch.zeros(4, 3, 3), torch.ones(2, 1, 1), torch.arange(6.0).view(1, 2, 3)])
def test_principal_components_of_maps_with_few_directions(one):
    directions, _ = principal_components([one], 3)
    assert directions.shape == (3, len(one))
    assert directions.isfinite().all()


def test_a_projected_pyramid_keeps_the_most_of_each_map():
    maps = [torch.randn(c, s, s, generator=torch.Generator().manual_seed(c)) for c, s in ((5, 8), (7, 4))]
    made = projected_fpn(maps)
    assert made.out_channels == 5
    coarse = made.inner_blocks[1](maps[1][None])[0].flatten(1)
    torch.testing.assert_close(coarse @ coarse.T / coarse.shape[1], torch.eye(5), atol=1e-3, rtol=0)


def test_colours_span_what_they_say():
    low, middle, high = heat(torch.tensor([[-5.0, 1.0, 9.0]]), 1.0, 2.0)[0].astype(int)
    assert low.sum() < middle.sum() < high.sum()
    assert (heat(torch.full((2, 2), 3.0), 3.0, 0.0) == heat(torch.full((2, 2), 3.0), 3.0, 0.0)[0, 0]).all()
    assert components(torch.zeros(3, 1, 1)).tolist() == [[[127, 127, 127]]]
    assert components(torch.tensor([9.0, -9.0, 0.0]).view(3, 1, 1)).tolist() == [[[255, 0, 127]]]


# Handles.


def test_a_dragged_corner_follows_the_pointer_and_the_rest_of_the_box_its_middle():
    explorer = level_assignment()
    explorer._repr_mimebundle_()
    handle = explorer._handles[3]  # the lower right corner
    middle = np.add(explorer.data.assigned.box[:2], explorer.data.assigned.box[2:]) / 2
    for pointer in np.linspace((330, 235), (290, 290), 12):
        (wanted,) = handle._shares(handle.axes.transData.transform([pointer]))
        tables = handle.tables({name: stops(one) for name, one in explorer.controls().items()}, explorer.data)
        far = {name: [np.hypot(x - wanted[0], y - wanted[1]) for _, x, y in table] for name, table in tables.items()}
        explorer.set(**{name: tables[name][int(np.argmin(one))][0] for name, one in far.items()})
        explorer.frame()
    assert np.abs(np.subtract(explorer.data.assigned.box[2:], pointer)).max() < 16  # the shape has coarse steps
    x0, y0, x1, y1 = explorer.data.assigned.box
    assert (x0 + x1) / 2 == pytest.approx(middle[0], abs=1)
    assert y0 == 0 or (y0 + y1) / 2 == pytest.approx(middle[1], abs=1)


def test_the_frame_on_the_sheet_is_dragged_to_any_map():
    explorer = pyramid()
    explorer._repr_mimebundle_()
    handle = next(one for one in explorer._handles if "stage" in one.places)
    tables = handle.tables({name: stops(one) for name, one in explorer.controls().items()}, explorer.data)
    across, down = [row[1] for row in tables["level"]], [row[2] for row in tables["stage"]]
    assert across == sorted(across)
    assert down == sorted(down)
    assert len(set(across)) == 4
    assert len(set(down)) == 3


# Spectra.


def energy_of(one):
    return sum_energies(one, one)[0]


@given(st.integers(2, 30), st.integers(0, 14))
def test_a_wave_is_in_the_ring_of_its_faster_axis(across, down):
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    wave = torch.cos(2 * torch.pi * (across * columns + down * rows) / 64)[None]
    energy = energy_of(wave)
    frequency = max(across, down) / 64
    ring = frequency / 0.5 * RINGS
    # The window blurs by two frequencies at most.
    near = [number for number in range(RINGS) if ring - 1.5 <= number <= ring + 1]
    assert energy[near].sum() / energy.sum() > 0.99
    if abs(frequency - 0.25) > 2.5 / 64:
        assert fine_share(energy) == pytest.approx(float(frequency > 0.25), abs=0.01)


def test_energies_of_a_sum_add_up():
    a, b = torch.randn(2, 3, 20, 17, generator=torch.Generator().manual_seed(0))
    expected = energy_of(a + 0.7 * b)
    terms = torch.tensor([1, 0.7, 0.49]) @ sum_energies(a, b)
    torch.testing.assert_close(terms, expected, rtol=1e-3, atol=1e-2)
    assert fine_share(torch.zeros(RINGS)) == 0


def test_the_step_explorer_mixes_what_it_says():
    explorer = top_down_step()
    made = explorer._pyramid
    place = made.place(explorer.state["level"])
    data = explorer.data
    total = energy_of(made.maps["M"][place])
    np.testing.assert_allclose(data.spectra["sum"], total / total.sum(), atol=1e-5)
    smoothed = energy_of(made.maps["P"][place])
    np.testing.assert_allclose(data.spectra["smoothed"], smoothed / smoothed.sum(), atol=0.02)
    explorer.set(mix=0.0)
    assert explorer.data.fine["above"] == 0
    bilinear = explorer.set(mix=1.0, upsampling="bilinear").data.fine["above"]
    assert bilinear < data.fine["above"]


# Shapes.


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("size", [(32, 32), (97, 131), (480, 641)])
def test_the_architectures_numbers_are_the_modules(backbone, size):
    data = architecture(height=size[0], width=size[1], backbone=backbone, channels=48).data
    with torch.device("meta"):
        nets = {"ResNet-18": resnet18, "ResNet-50": resnet50, "EfficientNet-Lite0": EfficientNetLite0}
        net, image = nets[backbone]().eval(), torch.zeros(1, 3, *size)
        stages = net.features(image)[1:] if backbone == "EfficientNet-Lite0" else net.stages(image)
        made = FPN(data.channels, 48).eval()
        levels = made(stages)
    assert tuple(stage.shape[1] for stage in stages) == data.channels
    assert [tuple(level.shape[1:]) for level in levels] == [(48, *size) for size in data.sizes]
    assert sum(p.numel() for p in made.inner_blocks.parameters()) == data.lateral_parameters
    assert sum(p.numel() for p in made.layer_blocks.parameters()) == data.smoothing_parameters
    macs = [
        sum(block[0].weight.numel() * level[0, 0].numel() for block, level in zip(blocks, levels, strict=True))
        for blocks in (made.inner_blocks, made.layer_blocks)
    ]
    assert macs == [data.lateral_macs, data.smoothing_macs]


def test_the_sheet_shows_no_stage_after_the_chosen_one():
    sheet = pyramid(picture()).data.sheet
    rows = len(sheet.cells) // 3
    for stages, stage in enumerate("CMP", 1):
        shown = sheet.up_to(stage)
        np.testing.assert_array_equal(shown[: stages * rows], sheet.cells[: stages * rows])
        assert not shown[stages * rows :].any()


def test_a_library_offers_the_readers_own_first():
    library = Library(picture(), own_backbone(tiny_resnet().stages))
    assert (library.photos[0], library.backbones[0]) == ("yours", "yours")
    assert lite0().name in library.backbones
    assert library.get("coffee", "yours").photo.shape[2] == 3


def test_the_exact_claims_met_cases_that_could_refute_them():
    # Without a negative sum ReLU would do nothing, and without odd sizes doubling would be enough.
    assert Result.load("FP-1").number("values_cut_by_relu") > 0
    assert Result.load("FP-2").number("odd_steps") > 0
