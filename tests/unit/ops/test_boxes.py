"""IoU against pycocotools; suppression against its definition, box by box."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco_mask

from fpnlib.ops import box_iou, nms


def box_sets(largest=12):
    """Boxes with integer corners, none without area, as float64."""
    shape = st.tuples(st.integers(0, largest), st.just(4))
    whole = arrays.arrays(np.int64, shape, elements=st.integers(0, 9))

    def as_boxes(values):
        return torch.from_numpy(np.concatenate((values[:, :2], values[:, :2] + values[:, 2:] + 1), axis=1)).double()

    return whole.map(as_boxes)


def as_coco(boxes):
    return torch.cat((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), dim=1).numpy()


@given(box_sets(), box_sets())
def test_iou_is_pycocotools(first, second):
    ours = box_iou(first, second)
    assert ours.shape == (len(first), len(second))
    if ours.numel():
        theirs = coco_mask.iou(as_coco(first), as_coco(second), [0] * len(second))
        np.testing.assert_array_equal(ours, theirs)


@given(box_sets(), box_sets())
def test_iou_is_symmetric_and_bounded(first, second):
    ours = box_iou(first, second)
    assert torch.equal(ours, box_iou(second, first).T)
    assert ((ours >= 0) & (ours <= 1)).all()
    assert (box_iou(first, first).diagonal() == 1).all()


@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.int64, torch.float32),
        (torch.uint8, torch.float32),
    ],
)
def test_iou_of_every_number_type(dtype, result):
    # the areas, 40000, are beyond what half precision and uint8 can hold
    boxes = torch.tensor([[0, 0, 200, 200], [0, 100, 200, 200]], dtype=dtype)
    torch.testing.assert_close(box_iou(boxes, boxes), torch.tensor([[1, 0.5], [0.5, 1]], dtype=result))


def test_boxes_without_area():
    point, box = torch.tensor([[1.0, 1.0, 1.0, 1.0]]), torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    assert box_iou(point, box).item() == 0
    assert box_iou(point, point).isnan().all()
    assert nms(torch.cat((point, point)), torch.tensor([1.0, 2.0]), 0.5).tolist() == [1, 0]


def suppressed_by_definition(boxes, scores, threshold):
    kept = []
    for index in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        overlaps = coco_mask.iou(as_coco(boxes[kept]), as_coco(boxes[index : index + 1]), [0]) if kept else np.zeros(0)
        if not (overlaps > threshold).any():
            kept.append(index)
    return kept


@given(box_sets(20), st.data(), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_nms_is_its_definition(boxes, data, threshold):
    levels = st.lists(st.integers(0, 4), min_size=len(boxes), max_size=len(boxes))
    scores = torch.tensor(data.draw(levels), dtype=torch.float64)
    kept = nms(boxes, scores, threshold)
    assert kept.dtype == torch.int64
    assert kept.tolist() == suppressed_by_definition(boxes, scores.tolist(), threshold)


def test_overlap_equal_to_the_threshold_stays():
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 2.0]])
    scores = torch.tensor([0.1, 0.1])
    assert nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert nms(boxes, scores, 0.49).tolist() == [0]


@pytest.mark.bad_input
@pytest.mark.parametrize("boxes", [torch.zeros(3), torch.zeros(2, 5), torch.zeros(1, 2, 4)])
def test_bad_boxes_are_refused(boxes):
    good = torch.zeros(1, 4)
    for call in (lambda: box_iou(boxes, good), lambda: box_iou(good, boxes), lambda: nms(boxes, torch.zeros(3), 0.5)):
        with pytest.raises(ValueError, match=r"boxes.*: got shape .*, allowed: \(n, 4\)"):
            call()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("scores", "threshold", "named"),
    [
        (torch.zeros(2), 0.5, "scores"),
        (torch.zeros(1, 1), 0.5, "scores"),
        (torch.tensor([float("nan")]), 0.5, "scores"),
        (torch.zeros(1), 1.5, "iou_threshold"),
        (torch.zeros(1), float("nan"), "iou_threshold"),
    ],
)
def test_bad_nms_input_is_refused(scores, threshold, named):
    with pytest.raises(ValueError, match=f"^{named}: got"):
        nms(torch.zeros(1, 4), scores, threshold)
