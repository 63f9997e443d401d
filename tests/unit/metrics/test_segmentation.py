import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

from fpnlib.data import labelled_photo
from fpnlib.metrics import boundary_iou, confusion_matrix, iou_per_class, mean_iou, trimap_iou

CLASSES, VOID = 5, 255


@st.composite
def images(draw, void=True):
    """A few label maps of one size with a prediction that is right more often than not."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    count, height, width = draw(st.integers(1, 4)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    kinds = draw(st.integers(1, CLASSES))
    target = rng.integers(kinds, size=(count, height, width))
    prediction = np.where(rng.random(target.shape) < 0.6, target, rng.integers(CLASSES, size=target.shape))
    if void:
        target = np.where(rng.random(target.shape) < 0.1, VOID, target)
    return prediction, target


@settings(max_examples=50, deadline=None)
@given(images())
def test_the_confusion_matrix_is_torchmetrics(pair):
    prediction, target = pair
    metric = MulticlassConfusionMatrix(CLASSES, ignore_index=VOID)
    found = confusion_matrix(prediction, target, CLASSES, ignore_index=VOID)
    assert torch.equal(found, metric(torch.from_numpy(prediction), torch.from_numpy(target)))
    assert found.sum() == (target != VOID).sum()


@settings(max_examples=50, deadline=None)
@given(images(void=False))
def test_over_the_dataset_it_is_torchmetrics_jaccard_index(pair):
    prediction, target = map(torch.from_numpy, pair)
    each = MulticlassJaccardIndex(CLASSES, average="none")(prediction, target)
    found = iou_per_class(confusion_matrix(prediction, target, CLASSES))
    # torchmetrics calls a class that is nowhere 0, which would pull the mean down; here it is nan.
    nowhere = torch.tensor([not bool(((prediction == c) | (target == c)).any()) for c in range(CLASSES)])
    assert torch.equal(found.isnan(), nowhere)
    torch.testing.assert_close(found.nan_to_num(0).float(), each)
    assert mean_iou(prediction, target, CLASSES) == pytest.approx(found[~nowhere].mean().item())


@settings(max_examples=50, deadline=None)
@given(images())
def test_both_means_are_their_definitions(pair):
    """Sets of pixels, class by class: no confusion matrix."""
    prediction, target = pair

    def ious(predicted, wanted):
        counted = wanted != VOID
        values = []
        for c in range(CLASSES):
            mine, true = (predicted == c) & counted, (wanted == c) & counted
            if (mine | true).any():
                values.append((mine & true).sum() / (mine | true).sum())
        return values

    over_all = ious(prediction, target)
    expected = np.mean(over_all) if over_all else math.nan
    assert mean_iou(prediction, target, CLASSES, ignore_index=VOID) == pytest.approx(expected, nan_ok=True)
    each = [np.mean(one) for one in map(ious, prediction, target) if one]
    expected = np.mean(each) if each else math.nan
    found = mean_iou(list(prediction), list(target), CLASSES, ignore_index=VOID, over="image")
    assert found == pytest.approx(expected, nan_ok=True)


def test_the_two_means_differ_where_sizes_do():
    """A small object found in one image and lost in the other: half of it by image, a hundredth by pixel."""
    target = np.zeros((2, 10, 10), int)
    target[0, :1, :1] = 1
    target[1, :, 5:] = 1
    prediction = target.copy()
    prediction[0] = 0
    over_all = mean_iou(prediction, target, 2)
    by_image = mean_iou(prediction, target, 2, over="image")
    assert over_all == pytest.approx((149 / 150 + 50 / 51) / 2)
    assert by_image == pytest.approx(((99 / 100 + 0) / 2 + 1) / 2)


def test_images_of_different_sizes_and_kinds():
    maps = [torch.tensor([[0, 1]]), np.array([[1], [1]], np.uint8), [[0, 0, 1]]]
    assert mean_iou(maps, maps, 2) == mean_iou(maps, maps, 2, over="image") == 1


def test_nothing_counted_is_nan():
    void = np.full((2, 2), VOID)
    assert math.isnan(mean_iou([void * 0], [void], 3, ignore_index=VOID))
    assert math.isnan(mean_iou([void * 0], [void], 3, ignore_index=VOID, over="image"))
    here = np.zeros((2, 2), int)
    assert mean_iou([here, here], [here, void], 3, ignore_index=VOID, over="image") == 1


def test_a_class_may_be_the_one_to_ignore():
    prediction, target = np.array([[0, 1, 1]]), np.array([[0, 1, 0]])
    assert mean_iou([prediction], [target], 2, ignore_index=0) == 1


@pytest.fixture(scope="module")
def cafe():
    return labelled_photo("cafe")


@pytest.mark.parametrize("distance", [1, 2, 7])
def test_boundary_iou_is_its_definition_on_real_masks(cafe, distance):
    """Bands by scipy's erosion, a square repeated, with nothing beyond the border."""
    square = np.ones((3, 3), bool)
    seen = 0
    for mask in [np.asarray(cafe.masks[i]) == 1 for i in range(len(cafe.masks))]:
        moved = np.roll(mask, 3, axis=1)
        bands = [m & ~ndimage.binary_erosion(m, square, iterations=distance, border_value=0) for m in (moved, mask)]
        expected = (bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum()
        assert boundary_iou(moved, mask, distance=distance) == pytest.approx(expected)
        seen += 1
    assert seen == 19


def test_the_border_of_the_image_is_a_boundary():
    full = np.ones((9, 9), bool)
    inner = np.zeros((9, 9), bool)
    inner[1:-1, 1:-1] = True
    assert boundary_iou(full, full, distance=1) == 1
    assert boundary_iou(inner, full, distance=1) == 0  # two rings beside each other
    assert boundary_iou(full, full, distance=50) == 1
    assert boundary_iou(inner, full, distance=50) == 49 / 81  # both bands hold all of their masks


def test_boundary_iou_leaves_out_what_is_ignored():
    mask, moved = np.zeros((12, 12), bool), np.zeros((12, 12), bool)
    mask[3:9, 3:9] = moved[3:9, 4:10] = True
    apart = mask != moved
    assert boundary_iou(moved, mask, distance=2) < 1
    # The bands are those of the whole masks, so inside them the moved one still differs a column further on.
    seen = boundary_iou(moved, mask, distance=2, ignore=apart)
    inner = [one & ~ndimage.binary_erosion(one, np.ones((3, 3)), 2) & ~apart for one in (moved, mask)]
    assert seen == (inner[0] & inner[1]).sum() / (inner[0] | inner[1]).sum()
    assert boundary_iou(moved, mask, distance=2, ignore=np.zeros_like(mask)) == boundary_iou(moved, mask, distance=2)
    assert math.isnan(boundary_iou(moved, mask, distance=2, ignore=np.ones_like(mask)))


def test_boundary_iou_of_nothing():
    empty, one = np.zeros((3, 3), int), np.eye(3, dtype=int)
    assert math.isnan(boundary_iou(empty, empty, distance=1))
    assert boundary_iou(empty, one, distance=1) == boundary_iou(one, empty, distance=1) == 0


@settings(max_examples=40, deadline=None)
@given(images(), st.integers(1, 4))
def test_trimap_iou_is_its_definition(pair, distance):
    (prediction, *_), (target, *_) = pair
    height, width = target.shape
    at_boundary = [
        (y, x)
        for y in range(height)
        for x in range(width)
        for v in range(max(0, y - 1), min(height, y + 2))
        for u in range(max(0, x - 1), min(width, x + 2))
        if target[y, x] != target[v, u] and VOID not in (target[y, x], target[v, u])
    ]
    near = np.zeros(target.shape, bool)
    for y, x in at_boundary:
        near[max(0, y - distance + 1) : y + distance, max(0, x - distance + 1) : x + distance] = True
    expected = mean_iou([prediction], [np.where(near, target, VOID)], CLASSES, ignore_index=VOID)
    found = trimap_iou(prediction, target, CLASSES, distance=distance, ignore_index=VOID)
    assert found == pytest.approx(expected, nan_ok=True)


def test_trimap_of_one_class_is_nan():
    assert math.isnan(trimap_iou([[1, 1]], [[1, 1]], 2, distance=3))


MAP = np.zeros((2, 3), int)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: confusion_matrix(MAP, MAP[:1], 2), "prediction"),
        (lambda: confusion_matrix(MAP + 2, MAP, 2), "prediction.*0 to 1"),
        (lambda: confusion_matrix(MAP, MAP - 1, 2), "target.*0 to 1"),
        (lambda: confusion_matrix(MAP * 0.5, MAP, 2), "whole numbers"),
        (lambda: confusion_matrix(MAP, MAP, 0), "num_classes"),
        (lambda: confusion_matrix([["a"]], [[0]], 2), "real numbers"),
        (lambda: iou_per_class(torch.zeros(2, 3, dtype=torch.int64)), "confusion"),
        (lambda: iou_per_class(-torch.ones(2, 2, dtype=torch.int64)), "negative"),
        (lambda: mean_iou([MAP], [MAP, MAP], 2), "as targets"),
        (lambda: mean_iou([], [], 2), "no images"),
        (lambda: mean_iou([MAP], [MAP], 2, over="pixel"), "over"),
        (lambda: boundary_iou(MAP, MAP[:1], distance=1), "prediction"),
        (lambda: boundary_iou(MAP + 2, MAP, distance=1), "prediction"),
        (lambda: boundary_iou(MAP[0], MAP[0], distance=1), "target"),
        (lambda: boundary_iou(MAP, MAP, distance=0), "distance"),
        (lambda: boundary_iou(MAP, MAP, distance=1, ignore=MAP[0]), "ignore"),
        (lambda: boundary_iou(MAP, MAP, distance=1.5), "distance"),
        (lambda: trimap_iou(MAP, MAP, 2, distance=-1), "distance"),
        (lambda: trimap_iou(MAP[0], MAP[0], 2, distance=1), "target"),
        (lambda: trimap_iou(MAP, MAP[:1], 2, distance=1), "prediction"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
