"""Collages: the parts share nothing, the marker is where it should be, and a seed gives the same scene everywhere."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fpnlib.data import collages, photo_names
from fpnlib.data.collages import COLLAGE_CLASSES, CREDITS, SPLITS, collage

HASHES = {
    (0, "train", 256, None): "0770750b80bfbc9f",
    (0, "test", 256, None): "3f976186610f5f3f",
    (1, "train", 256, 40): "9896752fce0d8238",
    (2, "test", 128, 7): "9c412abd9d7f4322",
    (12345678, "train", 300, 150): "e547cd8c2a43ec31",
}


def digest(made):
    parts = (made.image, made.boxes, made.classes, made.instances, made.semantic)
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in parts)).hexdigest()[:16]


@pytest.mark.parametrize(("seed", "split", "size", "cue"), HASHES)
def test_same_seed_same_scene_on_every_machine(seed, split, size, cue):
    assert digest(collage(seed, split=split, size=size, cue_distance=cue)) == HASHES[seed, split, size, cue]


def test_the_parts_share_neither_photos_nor_cut_outs():
    assert not set(collages._PHOTOS["train"]) & set(collages._PHOTOS["test"])
    counts = {}
    for name in COLLAGE_CLASSES[1:4]:
        train, test = ({one.tobytes() for one in collages._cut_outs(name, split)} for split in SPLITS)
        assert not train & test
        counts[name] = len(train), len(test)
    assert counts["face"] == (67, 33)
    assert counts["coin"] == (16, 8)
    assert counts["digit"] == (1198, 599)


def test_every_photo_is_credited():
    assert set(collages._PHOTOS["train"]) | set(collages._PHOTOS["test"]) <= {*photo_names(), *CREDITS}


@given(st.integers(0, 2**40), st.sampled_from(SPLITS), st.integers(128, 300), st.data())
@settings(max_examples=25, deadline=None)
def test_the_square_is_whole_and_its_marker_at_the_distance_asked_for(seed, split, size, data):
    distance = data.draw(st.integers(0, size // 2))
    made = collage(seed, split=split, size=size, cue_distance=distance)
    x0, y0, x1, y1 = made.boxes[0].int().tolist()
    assert made.classes[0] in (4, 5)
    assert (made.instances == 1).sum() == (x1 - x0) * (y1 - y0)
    assert x1 - x0 == y1 - y0
    wanted = collages._MARKERS[int(made.classes[0]) - 4]
    across = 16 * size // 256
    # Slide the solid disc's inner square over the picture; what else has this very colour is no solid patch.
    inner = across // 2
    right = (made.image == torch.tensor(wanted, dtype=torch.uint8)[:, None, None]).all(0).float()
    solid = torch.nn.functional.avg_pool2d(right[None, None], inner, stride=1)[0, 0] == 1
    rows, columns = solid.nonzero(as_tuple=True)
    cx = (columns.min() + columns.max() + inner).item() / 2
    cy = (rows.min() + rows.max() + inner).item() / 2
    gaps = (x0 - cx, cx - x1, y0 - cy, cy - y1)
    assert abs(max(gaps) - across / 2 - distance) <= 0.5
    assert (made.semantic[int(cy), int(cx)]) == 0, "a marker is background"


def test_labels_agree_with_each_other():
    for seed in range(12):
        made = collage(seed, split="test", cue_distance=20)
        for number, (box, label) in enumerate(zip(made.boxes.int().tolist(), made.classes.tolist(), strict=True), 1):
            seen = made.instances == number
            rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
            assert box == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert made.semantic[seen].unique().tolist() == [label]


def test_without_a_marker_the_square_shows_its_colour_and_the_rest_is_the_same():
    for seed in range(4):
        own, far = collage(seed), collage(seed, cue_distance=100)
        x0, y0, x1, y1 = own.boxes[0].int().tolist()
        red, _, blue = own.image[:, y0:y1, x0:x1].float().mean((1, 2)).tolist()
        assert (red > blue) == (own.classes[0] == 4)
        assert own.classes[0] == far.classes[0]
        assert (own.image == far.image).all(0).float().mean() > 0.9, "all but square and marker"
        grey = far.image[:, slice(*far.boxes[0, 1::2].int()), slice(*far.boxes[0, ::2].int())].float()
        assert grey.std() > 0


def test_every_class_comes_and_the_two_squares_equally_often():
    counts = sum(collage(seed, size=128, cue_distance=10).classes.bincount(minlength=6) for seed in range(150))
    assert counts[0] == 0
    assert (counts[1:4] > 180).all()
    assert counts[4] + counts[5] == 150
    assert 55 < counts[4] < 95


def test_sizes_are_in_proportion():
    small, large = (np.concatenate([_sides(seed, size) for seed in range(40)]) for size in (128, 256))
    assert small.max() <= 64
    assert 64 < large.max() <= 128
    assert 1.8 < np.median(large) / np.median(small) < 2.2


def _sides(seed, size):
    boxes = collage(seed, size=size).boxes[1:]
    return (boxes[:, 2:] - boxes[:, :2]).amax(1).numpy()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: collage(-1), "seed: got -1, allowed: 0 or more"),
        (lambda: collage(0, split="val"), "split: got 'val', allowed: 'train', 'test'"),
        (lambda: collage(0, size=100), "size: got 100, allowed: 128…512"),
        (lambda: collage(0, cue_distance=129), "cue_distance: got 129, allowed: 0…128 or None"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
