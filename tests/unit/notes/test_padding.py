"""Note 02's own parts: its ways to pad, its faces, its tiny nets, and explorers on the reader's own photo."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from fpnlib.data import photo
from fpnlib.models import EfficientNetLite0, PNet, resnet18
from fpnlib.models.borders import border_effects
from fpnlib.models.face_detector import pnet
from fpnlib.notes.padding.experiments import roi_nets, tiny_nets
from fpnlib.notes.padding.experiments.faces import astronaut_scores, lfw_border_scores, lfw_is_face, wins
from fpnlib.notes.padding.experiments.inside import PHOTOS, lite0_borders, profile
from fpnlib.notes.padding.experiments.padded import MODES, pad_photos, pnet_field
from fpnlib.notes.padding.explorers import face_at_border, geometry, padding_in, roi_on_photo
from fpnlib.ops import receptive_field, roi_align, roi_pool

NUMPY_MODES = {"zero": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(MODES), st.tuples(*[st.integers(0, 4)] * 4), st.integers(0, 99))
def test_padding_is_numpys(mode, padding, seed):
    photos = torch.rand(2, 3, 5, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    left, right, top, bottom = padding
    padded = pad_photos(photos, padding, mode)
    for before, after in zip(photos.flatten(0, 1).numpy(), padded.flatten(0, 1).numpy(), strict=True):
        sides = ((top, bottom), (left, right))
        if mode == "mean":
            expected = np.pad(before, sides, constant_values=before.mean())
        else:
            expected = np.pad(before, sides, mode=NUMPY_MODES[mode])
        np.testing.assert_allclose(after, expected)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("padding", "mode", "message"),
    [
        ((0, 0, 0, 0), "wrap", "mode: got 'wrap', allowed: 'zero'"),
        ((-1, 0, 0, 0), "zero", "padding: got"),
        ((0, 5, 0, 0), "reflect", "padding: got .* for reflect"),
        ((0, 0, 5, 0), "reflect", "padding: got .* for reflect"),
        ((6, 0, 0, 0), "circular", "padding: got .* for circular"),
    ],
)
def test_padding_refuses(padding, mode, message):
    with pytest.raises(ValueError, match=message):
        pad_photos(torch.zeros(1, 1, 5, 5), padding, mode)


def test_the_notes_p_net_is_the_models():
    field = pnet_field()
    assert (field.size, field.stride, field.padding) == (PNet.receptive_field, PNet.stride, 0)
    assert not any(parameter.is_inference() for parameter in pnet().parameters())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_wins_average_to_the_area_under_roc(positives, negatives):
    area = wins(torch.tensor(positives).float(), torch.tensor(negatives).float()).mean().item()
    assert area == pytest.approx(
        roc_auc_score([1] * len(positives) + [0] * len(negatives), positives + negatives), abs=1e-6
    )


def test_more_windows_never_lower_a_best_score():
    plain, padded = lfw_border_scores(0.4, 0), lfw_border_scores(0.4, 6)
    assert (padded >= plain - 1e-5).all()
    assert (padded - plain)[lfw_is_face()].mean() > 2 * (padded - plain)[~lfw_is_face()].mean()


def test_amid_others_the_padding_is_out_of_reach():
    torch.testing.assert_close(lfw_border_scores(None, 0), lfw_border_scores(None, 6, "reflect"))


def test_padding_upside_down_has_the_same_pixels_elsewhere():
    upright, turned = (lfw_border_scores(0.3, 6, "reflect", upside_down=turned) for turned in (False, True))
    assert (upright != turned).any()
    # Padding of one colour looks the same either way.
    torch.testing.assert_close(lfw_border_scores(0.3, 6), lfw_border_scores(0.3, 6, upside_down=True))


def test_the_astronaut_is_lost_and_found():
    assert astronaut_scores(0.0, 0) > 0.99
    assert astronaut_scores(0.3, 0) < 0.5 < astronaut_scores(0.3, 6)


@pytest.mark.parametrize(
    "train",
    [
        lambda seeds: tiny_nets.train(seeds, 0, (3, tiny_nets.FIRST_STEPS)),
        lambda seeds: roi_nets.train(seeds, roi_nets.PROJECTED, 5, roi_nets.FIRST_STEPS),
    ],
)
def test_a_seeds_values_do_not_depend_on_the_seeds_beside_it(train):
    together, alone = train([3, 8, 5]), train([5])
    for name, values in together.items():
        assert values[2:] == pytest.approx(alone[name], rel=1e-9), name


@pytest.mark.parametrize(("net", "field"), [(tiny_nets.TinyNet, 10), (roi_nets.RoiNet, roi_nets.FIELD.size)])
def test_tiny_nets_field_is_twice_their_padding(net, field):
    found = receptive_field(net().layers)
    assert (found.size, found.stride, found.padding) == (2 * tiny_nets.PADDING, 2, 0)
    assert found.size == field


@pytest.mark.parametrize("way", [roi_nets.PROJECTED, roi_nets.DIVIDED])
@pytest.mark.parametrize("is_padded", [False, True])
def test_shares_are_roi_aligns(way, is_padded):
    images, _, boxes = tiny_nets.scenes(9, torch.Generator().manual_seed(1), side=roi_nets.SIDE)
    padding = way.padding if is_padded else 0
    net = roi_nets.RoiNet().double()
    features = net.layers(torch.nn.functional.pad(images, [padding] * 4))
    on_map = way.on_map(boxes, padding)
    pooled = roi_align(
        features, [box[None] for box in on_map], roi_nets.BINS, sampling_ratio=2, aligned=True
    )  # one box an image
    down, across = roi_nets.shares(on_map, features.shape[3])
    torch.testing.assert_close(torch.einsum("nbh,nchw,ndw->ncbd", down, features, across), pooled)


def test_a_divided_box_finds_its_place_once_the_image_is_padded():
    # Padding (field − stride) / 2 and leaving the box as it is makes division the projection.
    way, boxes = roi_nets.DIVIDED, torch.tensor([[3.0, 4, 9, 12]])
    torch.testing.assert_close(way.on_map(boxes, way.padding), roi_nets.PROJECTED.on_map(boxes, way.padding))


@pytest.mark.parametrize("centers", [tiny_nets.BORDER, tiny_nets.MIDDLE])
def test_objects_lie_where_they_should(centers, monkeypatch):
    monkeypatch.setattr(tiny_nets, "NOISE", 0.0)
    images, labels, boxes = tiny_nets.scenes(200, torch.Generator().manual_seed(0), centers)
    assert sorted(set(labels.tolist())) == [0, 1, 2, 3]
    for image, (x0, y0, x1, y1) in zip(images[:, 0], boxes.long().tolist(), strict=True):
        assert image[y0:y1, x0:x1].sum() == image.sum()
    columns = images[:, 0].amax(1) > 0
    for seen in columns:
        first, last = seen.nonzero().flatten()[[0, -1]].tolist()
        # The centre of a whole object; a cut one ends at the border.
        center = last - 2 if first == 0 else first + 2
        assert centers[0] <= min(center, tiny_nets.SIDE - 1 - center) <= centers[1]


@pytest.mark.parametrize("position", [0, 13, 27, 34])
def test_units_by_division_are_those_that_roi_pool_reads(position):
    data = geometry(position=position, width=9).data
    units = torch.arange(1.0, len(data.centers[-1]) + 1)[None, None, None]
    box = torch.tensor([[0.0, data.begin, 0, data.end, 0]])
    read = roi_pool(units, box, (1, data.asked), 1 / data.stride).flatten()
    assert (read > 0).sum() == data.read


def test_own_photo_on_the_feature_map():
    own = roi_on_photo(photo("chelsea"))
    assert own.data.plain.kept[0] == 0
    assert own.set(x=60).data.plain.off_map == 0


def test_own_face_is_found_or_given():
    found = face_at_border(photo("astronaut"))
    given = face_at_border(photo("astronaut"), (178, 72, 270, 183))
    assert given.readout == face_at_border().readout
    assert found.set(distance=6).data.plain_best > 0.9


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: roi_on_photo(np.zeros((10, 400, 3), np.uint8)), "photo: got sides"),
        (lambda: roi_on_photo("nowhere.jpg"), "source: cannot read"),
        (lambda: face_at_border(np.zeros((200, 200, 3), np.uint8)), "image: got a photo without a face"),
        (lambda: face_at_border(photo("astronaut"), (178, 72, 270)), "face: got 3 numbers"),
        (lambda: face_at_border(photo("astronaut"), (270, 72, 178, 183)), "face: got"),
        (lambda: face_at_border(photo("astronaut"), (178, 72, 270, 600)), "face: got .* within 512×512"),
        (lambda: face_at_border(photo("astronaut")[:, :290], (178, 72, 270, 183)), "photo: got .* right of"),
    ],
)
def test_own_photos_that_do_not_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_padding_in_measures_the_crop_in_the_middle_of_the_photo():
    borders = lite0_borders(photo("coffee"))
    assert (borders.side, borders.photo.shape) == (192, (384, 384, 3))
    assert np.array_equal(borders.photo, photo("coffee")[8:392, 108:492])
    batch = (torch.from_numpy(borders.photo).permute(2, 0, 1)[None].float() - 127) / 128
    effects = border_effects(
        EfficientNetLite0.pretrained().features, batch, (96, 96, 288, 288), padding="reflect", missing=8
    )
    for name, effect in borders.effects("reflect", 8).items():
        torch.testing.assert_close(effect.difference, effects[name].difference, rtol=1e-3, atol=1e-5)
    rows = effect.difference[1:5].double().square().mean(0).sqrt()
    np.testing.assert_allclose(profile(effect), rows.numpy(), rtol=1e-6)
    assert "astronaut" not in PHOTOS


def test_padding_in_takes_the_readers_network():
    torch.manual_seed(0)
    chain = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.Tanh(), torch.nn.Conv2d(4, 4, 5, 2, 2), torch.nn.Conv2d(4, 4, 3, 1, 1)
    )
    field = receptive_field(chain).horizontal
    explorer = padding_in(chain, photo("chelsea"), threshold=0.01)
    assert explorer.state["map"] == "stride 4"
    cells = explorer.data.difference
    beyond = sum(field.first(unit) < 0 for unit in range(len(cells)))
    assert (cells[len(cells) // 2] > 1e-6)[:8].tolist() == [unit < beyond for unit in range(8)]
    assert explorer.data.reach <= beyond
    assert "units deep" in explorer.readout
    explorer.close()
    classifier = padding_in(resnet18(width=8, num_classes=3), np.zeros((130, 150, 3), np.uint8) + 90)
    assert classifier.controls()["map"].options == ("stride 2", "stride 4", "stride 8", "stride 16", "stride 32")
    classifier.close()
    flat = padding_in(lambda batch: F.avg_pool2d(batch, 4), preprocess=lambda batch: batch - 7)
    assert flat.data.reach == 0
    assert "is nowhere" in flat.readout
    flat.close()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"network": "resnet"}, "network: got str, allowed: a module, or a function of a batch"),
        (
            {"image": np.zeros((127, 300, 3), np.uint8)},
            "photo: got 300×127 pixels, allowed: 128 pixels or more",
        ),
        ({"preprocess": lambda batch: batch}, "preprocess: got one without a network"),
        ({"network": lambda batch: batch.mean()}, "net: got a function that returns Tensor"),
        (
            {"network": lambda batch: F.avg_pool2d(batch, 64), "image": photo("coffee")},
            r"crop: got corner \(96, 96\), allowed: multiples of 64",
        ),
    ],
)
def test_padding_in_names_what_it_cannot_take(given, message):
    image = given.get("image", photo("chelsea"))
    with pytest.raises(ValueError, match=message):
        padding_in(**{"image": image} | given)
