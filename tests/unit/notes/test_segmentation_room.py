"""Note 08's own parts: masks made wrong, its explorers on the reader's own maps and photo."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from fpnlib.data import photo
from fpnlib.metrics import mean_iou
from fpnlib.notes.segmentation_difficulties import reach
from fpnlib.notes.segmentation_difficulties.explorers import dataset_or_image, shared_fields, three_tasks
from fpnlib.notes.segmentation_difficulties.masks import (
    cafe,
    grown,
    in_box,
    iou,
    shifted_boundaries,
    swapped,
    through_stride,
    tight_box,
)
from fpnlib.notes.segmentation_difficulties.tasks import TASKS

masks = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((9, 12)) < 0.4)


@settings(deadline=None, max_examples=40)
@given(masks, st.integers(-3, 3))
def test_growing_is_scipys(mask, pixels):
    square = np.ones((3, 3))
    if pixels > 0:
        expected = ndimage.binary_dilation(mask, square, pixels)
    else:
        # Beyond the border the mask goes on, so that an object cut by the border does not shrink from it.
        expected = ndimage.binary_erosion(mask, square, -pixels, border_value=1) if pixels else mask
    assert (grown(torch.from_numpy(mask), pixels).numpy() == expected).all()


@settings(deadline=None, max_examples=40)
@given(masks, st.integers(1, 3))
def test_shifted_boundaries_move_things_only_into_the_background(mask, pixels):
    labels = torch.from_numpy(mask * np.repeat([1, 2, 3], 4)[None])
    larger, smaller = shifted_boundaries(labels, pixels), shifted_boundaries(labels, -pixels)
    assert (larger[labels > 0] == labels[labels > 0]).all()
    assert ((larger > 0) == grown(labels > 0, pixels)).all()
    assert ((smaller == labels) | (smaller == 0)).all()
    assert ((smaller > 0) == grown(labels > 0, -pixels)).all()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 18), st.lists(st.integers(-20, 20), min_size=4, max_size=4))
def test_no_mask_in_a_box_beats_its_part(instance, off):
    mask = cafe().masks[instance]
    x0, y0, x1, y1 = np.add(tight_box(mask), off).tolist()
    found = in_box(mask, (x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)))
    inside = torch.zeros_like(mask)
    inside[max(0, y0) : max(0, y1, y0 + 1), max(0, x0) : max(0, x1, x0 + 1)] = True
    assert iou(mask & inside, mask) == pytest.approx(found.ceiling)
    assert iou(inside, mask) <= found.ceiling + 1e-9
    assert 0 <= found.box_iou <= 1


@settings(deadline=None, max_examples=30)
@given(masks, st.sampled_from(["nearest", "bilinear"]))
def test_a_stride_of_one_loses_nothing(mask, mode):
    mask = torch.from_numpy(mask)
    assert (through_stride(mask, 1, mode) == mask).all()


def test_a_nearest_grid_keeps_whole_cells():
    cells = torch.rand(3, 4, generator=torch.Generator().manual_seed(0)) < 0.5
    mask = cells.repeat_interleave(8, 0).repeat_interleave(8, 1)
    assert (through_stride(mask, 8, "nearest") == mask).all()


@pytest.mark.bad_input
def test_no_more_than_the_mask_can_change_class():
    mask = cafe().masks[6]
    with pytest.raises(ValueError, match="area: got 106, allowed: 0 to 105"):
        swapped(cafe().class_map, mask, 1, 106)


def test_own_label_maps():
    maps = [[[0, 1, 1, 0]], [[2, 2, 2, 1]]]
    own = dataset_or_image(maps, ("road", "car", "tree"))
    assert own.state["lost"] == "car"
    answers = [[[0, 0, 0, 0]], maps[1]]
    expected = mean_iou(answers, maps, 3), mean_iou(answers, maps, 3, over="image")
    assert own.data.values[:2] == pytest.approx(expected)
    assert dataset_or_image(maps).readout == own.readout.replace("car", "class 1")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dataset_or_image([[[0, 1]]]), "targets: got shape"),
        (lambda: dataset_or_image([[[0.5]]]), "whole numbers"),
        (lambda: dataset_or_image([[[0]], [[0]]]), "only background"),
        (lambda: dataset_or_image([[[0]], [[2]]], ("a", "b")), "targets: got labels 0 to 2"),
        (lambda: dataset_or_image([[[0]], [[-1]]]), "targets: got labels -1"),
        (lambda: dataset_or_image([[[0]], [[9]]]), "no more than 9"),
        (lambda: dataset_or_image(names=("a", "b")), "names: got names without targets"),
        (lambda: shared_fields(np.zeros((20, 400, 3), np.uint8)), "photo: got sides"),
    ],
)
def test_own_input_that_does_not_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("which", ["cafe", "bin"])
def test_what_the_tasks_can_say(which):
    best = {task: three_tasks(photo=which, task=task).data for task in TASKS}
    assert best[TASKS[3]].pq == 1
    assert best[TASKS[2]].rows[0].tolist() == [0, 0, 0]
    assert (best[TASKS[2]].rows[1:] == 1).all()
    # The bin holds one thing of each class, so there a class is a thing.
    assert (best[TASKS[0]].pq == 1) == (which == "bin")
    assert best[TASKS[1]].pq < 1


@pytest.mark.parametrize("stride", [4, 8])
def test_fields_are_as_wide_as_the_widest_gradient(stride):
    """Random photos, so that few gradients are zero: what the units see fills their fields and no more."""
    axis = reach._fields()[stride]
    rng = np.random.default_rng(0)
    looked = sum(
        reach._level(rng.integers(0, 256, (*reach.SIDES, 3), dtype=np.uint8).tobytes(), stride)[0] for _ in range(4)
    )
    _, column = reach._place(stride)
    for unit, seen in enumerate(looked):
        columns = np.flatnonzero(seen.any(0))
        first = axis.first(column + unit)
        assert columns[0] == max(0, first)
        assert columns[-1] == min(reach.SIDES[1], first + axis.size) - 1


def test_own_photo_for_fields():
    own = shared_fields(photo("chelsea"), stride=8, apart=0)
    assert own.data.looked_shared[0] == pytest.approx(1)
    assert own.readout != shared_fields(stride=8, apart=0).readout
