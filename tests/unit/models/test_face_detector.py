"""P-Net over an image pyramid: boxes and scores on real photos, and what it refuses."""

import numpy as np
import pytest
import torch

from fpnlib.data import photo
from fpnlib.models.face_detector import detect_faces
from fpnlib.models.pnet import PNet
from fpnlib.ops import box_iou

FACE = torch.tensor([[178.0, 72, 270, 183]])  # the astronaut's, by eye


@pytest.fixture(scope="module")
def found():
    return detect_faces(photo("astronaut"))


def test_the_astronauts_face_is_found(found):
    assert box_iou(found["boxes"], FACE).max() > 0.6
    sure = found["boxes"][found["scores"] > 0.99]
    assert box_iou(sure, FACE).max() > 0.6


def test_what_is_returned(found):
    n = len(found["scores"])
    assert found["boxes"].shape == (n, 4)
    assert found["labels"].tolist() == [1] * n
    assert (found["scores"].diff() <= 0).all(), "best first"
    assert found["scores"].min() >= 0.5
    assert (found["boxes"][:, 2:] > found["boxes"][:, :2]).all()


def test_what_is_left_overlaps_little(found):
    overlap = box_iou(found["boxes"], found["boxes"]).fill_diagonal_(0)
    assert overlap.max() <= 0.5
    stricter = detect_faces(photo("astronaut"), nms_threshold=0.2)["boxes"]
    assert box_iou(stricter, stricter).fill_diagonal_(0).max() <= 0.2


def test_a_higher_threshold_keeps_the_best(found):
    # Suppression starts from the best, so what scores less changes nothing above it.
    fewer = detect_faces(photo("astronaut"), score_threshold=0.9)
    kept = found["scores"] >= 0.9
    assert 0 < kept.sum() < len(kept)
    torch.testing.assert_close(fewer["boxes"], found["boxes"][kept])
    torch.testing.assert_close(fewer["scores"], found["scores"][kept])


def test_one_scale_is_one_pass_of_the_network():
    image = photo("astronaut")[60:200, 160:300]
    got = detect_faces(image, min_face=110, factor=0.5, nms_threshold=1.0)
    assert len(got["scores"]) > 0
    scale = 12 / 110
    with torch.no_grad():
        scores = PNet.pretrained()(PNet.preprocess(np.ascontiguousarray(image), scale)).scores
    expected = scores[scores >= 0.5].sort(descending=True).values
    torch.testing.assert_close(got["scores"], expected)


@pytest.mark.parametrize("enlarged", [2, 3])
def test_boxes_are_in_pixels_of_the_photo(enlarged):
    image = photo("astronaut")[:256, 100:356]
    large = image.repeat(enlarged, 0).repeat(enlarged, 1)
    small_best = detect_faces(image, min_face=60)["boxes"]
    large_best = detect_faces(large, min_face=60 * enlarged)["boxes"]
    face = FACE - torch.tensor([100.0, 0, 100, 0])
    assert box_iou(small_best, face).max() > 0.6
    assert box_iou(large_best / enlarged, face).max() > 0.6


def test_faces_smaller_than_asked_for_are_not_found():
    assert len(detect_faces(photo("astronaut"), min_face=200, score_threshold=0.99)["boxes"]) == 0


@pytest.mark.parametrize("sides", [(5, 5), (11, 100)])
def test_a_photo_below_the_smallest_face_has_none(sides):
    nothing = detect_faces(np.zeros((*sides, 3), np.uint8))
    assert [tuple(value.shape) for value in nothing.values()] == [(0, 4), (0,), (0,)]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("min_face", 0),
        ("min_face", -3),
        ("factor", 0.0),
        ("factor", 1.0),
        ("factor", 1.5),
        ("score_threshold", -0.1),
        ("score_threshold", 1.1),
        ("score_threshold", float("nan")),
        ("nms_threshold", 1.5),
        ("nms_threshold", -0.5),
    ],
)
def test_values_out_of_range_are_named(argument, value):
    with pytest.raises(ValueError, match=f"{argument}: got {value}, allowed: "):
        detect_faces(photo("astronaut"), **{argument: value})


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "image",
    [np.zeros((64, 64), np.uint8), np.zeros((64, 64, 4), np.uint8), np.zeros((64, 64, 3)), np.zeros((5, 5), np.uint8)],
)
def test_only_rgb_photos(image):
    with pytest.raises(ValueError, match="photo: got"):
        detect_faces(image)
