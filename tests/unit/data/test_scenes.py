"""Generated scenes: the labels agree with each other, and a seed gives the same scene everywhere."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fpnlib.data.scenes import (
    LARGE_SIDE,
    SCENE_CLASSES,
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
    scene,
    scene_batch,
)

HASHES = {
    (0, 128): "5b1d82ddce107443",
    (1, 128): "7bc3f54efa8a191a",
    (1000000, 128): "15c4c5061e7f3406",
    (7, 64): "c0df9c5ca129fc02",
    (12345678, 96): "fcfab9df1a28dff5",
}


def digest(made):
    parts = (made.image, made.boxes, made.classes, made.instances, made.semantic)
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in parts)).hexdigest()[:16]


@pytest.mark.parametrize(("seed", "size"), HASHES)
def test_same_seed_same_scene_on_every_machine(seed, size):
    assert digest(scene(seed, size=size)) == HASHES[seed, size]


@given(st.integers(0, 2**40), st.integers(32, 200))
@settings(max_examples=60)
def test_labels_agree_with_each_other(seed, size):
    made = scene(seed, size=size)
    assert made.image.shape == (3, size, size)
    assert made.image.dtype == torch.uint8
    assert made.instances.unique().tolist() in ([*range(len(made.boxes) + 1)], [*range(1, len(made.boxes) + 1)])
    for number, (box, label) in enumerate(zip(made.boxes.int().tolist(), made.classes.tolist(), strict=True), 1):
        seen = made.instances == number
        rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
        assert box == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert made.semantic[seen].unique().tolist() == [label]
        assert 0 < label < len(SCENE_CLASSES)
    assert ((made.semantic == 0) == (made.instances == 0)).all()


def test_sizes_are_log_uniform_and_every_class_comes():
    made = [scene(seed) for seed in range(400)]
    sides = torch.cat([(s.boxes[:, 2:] - s.boxes[:, :2]).amax(1) for s in made])
    assert sides.max() <= LARGE_SIDE
    # Thirds of the logarithm hold about a third each; what is hidden moves some objects down.
    shares = [((sides >= low) & (sides < high)).float().mean() for low, high in ((0, 15.3), (15.3, 39.2), (39.2, 101))]
    assert all(0.25 < share < 0.42 for share in shares)
    counts = torch.cat([s.classes for s in made]).bincount(minlength=len(SCENE_CLASSES))
    assert counts[0] == 0
    assert (counts[1:] / counts.sum() > 0.12).all()
    assert {len(s.boxes) for s in made} == set(range(1, 9))


def test_an_object_shows_in_the_picture_where_its_mask_is():
    changed = inside = 0.0
    for seed in range(60):
        made = scene(seed)
        step = (made.image[:, :, 1:].int() - made.image[:, :, :-1].int()).abs().float().mean(0)
        border = made.instances[:, 1:] != made.instances[:, :-1]
        changed, inside = changed + step[border].mean(), inside + step[~border].mean()
    assert changed > 3 * inside


def test_batches_stack_scenes():
    batch = scene_batch([3, 4], size=64)
    assert batch.images.shape == (2, 3, 64, 64)
    for row, seed in enumerate((3, 4)):
        one = scene(seed, size=64)
        torch.testing.assert_close(batch.images[row] * 255, one.image.float())
        assert torch.equal(batch.boxes[row], one.boxes)
        assert torch.equal(batch.classes[row], one.classes)
        assert torch.equal(batch.instances[row], one.instances)
        assert torch.equal(batch.semantic[row], one.semantic)


def test_training_and_validation_seeds_are_apart():
    assert not set(TRAINING_SEEDS) & set(VALIDATION_SEEDS)


def test_scenes_are_free_to_change():
    scene(0).image.zero_()
    assert scene(0).image.float().std() > 1
    scene(0).instances.zero_()
    np.testing.assert_array_equal(scene(0).instances.numpy() > 0, scene(0).semantic.numpy() > 0)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scene(-1), "seed: got -1, allowed: 0 or more"),
        (lambda: scene(0, size=31), "size: got 31, allowed: 32…512"),
        (lambda: scene(0, size=1000), "size: got 1000"),
        (lambda: scene_batch([]), "seeds: got .*, allowed: one seed or more"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
