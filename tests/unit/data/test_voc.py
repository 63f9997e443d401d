"""Labels in VOC's layout: what labelme's examples hold, read as their files say."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from fpnlib.data.voc import FRAME_CLASSES, VOC_CLASSES, VOID, label_map, street_frames, voc_examples


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
