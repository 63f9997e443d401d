"""Labels in VOC's layout: what labelme's examples hold, read as their files say."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from fpnlib.data.voc import FRAME_CLASSES, VOC_CLASSES, VOID, label_map, street_frames, voc_examples, with_void


def test_three_photos_with_classes_instances_and_polygons():
    examples = voc_examples()
    assert list(examples) == ["2011_000003", "2011_000006", "2011_000025"]
    seen = {name: {VOC_CLASSES[c] for c in one.classes.unique() if c != VOID} for name, one in examples.items()}
    assert seen["2011_000003"] == {"background", "bottle", "person"}
    assert seen["2011_000006"] == {"background", "chair", "person", "sofa"}
    assert seen["2011_000025"] == {"background", "bus", "car"}
    for one in examples.values():
        assert one.image.shape[:2] == one.classes.shape == one.instances.shape
        assert torch.equal(one.classes == VOID, one.instances == VOID)
        assert torch.equal(one.classes == 0, one.instances == 0)
        for number in one.instances.unique():
            assert len(one.classes[one.instances == number].unique()) == 1, "an instance has one class"


def test_void_is_an_area_and_not_a_border():
    void = {name: (one.classes == VOID).sum().item() for name, one in voc_examples().items()}
    assert void == {"2011_000003": 9460, "2011_000006": 909, "2011_000025": 0}


def test_polygons_are_what_the_maps_were_drawn_from():
    bus = voc_examples()["2011_000025"]
    drawn = Image.new("L", bus.image.shape[1::-1])
    for name, corners in bus.polygons:
        ImageDraw.Draw(drawn).polygon([tuple(c) for c in corners.tolist()], fill=VOC_CLASSES.index(name))
    agree = torch.from_numpy(np.array(drawn)).long() == bus.classes
    assert agree.float().mean() > 0.99


def test_five_street_frames():
    frames = street_frames()
    assert [one.image.shape for one in frames] == [(563, 1000, 3)] * 5
    assert all(one.classes.unique().tolist() == [*range(len(FRAME_CLASSES))] for one in frames)
    # The truck drives into the picture.
    assert [(one.classes == 2).sum().item() for one in frames] == [54094, 56621, 60054, 63110, 66363]


def test_label_maps_keep_their_numbers(tmp_path):
    numbers = torch.tensor([[0, 15], [255, 1]])
    grey = Image.fromarray(numbers.to(torch.uint8).numpy())
    palette = grey.copy()
    palette.putpalette([3] * 768)
    for name, image in {"grey.png": grey, "palette.png": palette}.items():
        image.save(tmp_path / name)
        assert torch.equal(label_map(tmp_path / name), numbers)


@pytest.mark.bad_input
def test_a_coloured_image_is_no_label_map(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "photo.png")
    with pytest.raises(ValueError, match=r"file: got .*photo.png, an image of mode RGB, allowed: a palette or grey"):
        label_map(tmp_path / "photo.png")


@given(st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_void_is_what_lies_near_another_instance(width, seed):
    instances = torch.from_numpy(np.random.default_rng(seed).integers(0, 3, (2, 5, 6))).repeat_interleave(2, -1)
    classes = instances.clamp(max=1)
    voided = with_void(classes, instances, width)
    for place in np.ndindex(*classes.shape):
        image, y, x = place
        around = instances[image, max(0, y - width) : y + width + 1, max(0, x - width) : x + width + 1]
        assert voided[place] == (VOID if len(around.unique()) > 1 else classes[place])


def test_touching_instances_of_one_class_have_a_border_between_them():
    instances = torch.tensor([[1, 1, 1, 2, 2, 2]])
    assert with_void(torch.ones_like(instances), instances, 1).tolist() == [[1, 1, VOID, VOID, 1, 1]]


@pytest.mark.bad_input
def test_void_of_bad_input():
    maps = torch.zeros(2, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match="width: got -1, allowed: 0 or more"):
        with_void(maps, maps, -1)
    with pytest.raises(ValueError, match=r"instances: got shape \(2,\), allowed: \(2, 2\)"):
        with_void(maps, maps[0])
