"""Matching and detection AP against pycocotools, on problems full of ties, crowds and gaps."""

import math

import numpy as np
import pytest
import torch
from support.coco import as_mappings, coco_evaluation, coco_means, random_files

from fpnlib.metrics import (
    COCO_AREA_RANGES,
    COCO_IOU_THRESHOLDS,
    average_precision,
    coco_summary,
    detection_average_precision,
    match_detections,
)

UNIT = [[0.0, 0.0, 4.0, 4.0]]


def problem(seed, **sizes):
    """A random problem with at least one detection, which pycocotools needs."""
    generator = np.random.default_rng(seed)
    annotations, results = random_files(generator, **sizes)
    return annotations, results or [{"image_id": 0, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}]


def assert_equals_coco(annotations, results, **options):
    evaluation = coco_evaluation(annotations, results, **options)
    expected, recall = coco_means(evaluation)
    predictions, targets = as_mappings(annotations, results)
    ours = detection_average_precision(predictions, targets, **options)
    columns = [category - 1 for category in ours.classes]
    left_out = [column for column in range(expected.shape[1]) if column not in columns]
    assert np.isnan(expected[:, left_out]).all()
    np.testing.assert_allclose(ours.values, expected[:, columns], atol=1e-12)
    np.testing.assert_allclose(ours.max_recall, recall[:, columns], atol=1e-12)
    return ours, evaluation


@pytest.mark.parametrize("seed", range(60))
def test_average_precision_is_pycocotools(seed):
    assert_equals_coco(*problem(seed))


@pytest.mark.parametrize("name", COCO_AREA_RANGES)
@pytest.mark.parametrize("seed", range(8))
def test_area_ranges_are_pycocotools(seed, name):
    assert_equals_coco(*problem(seed, side=120), area_range=COCO_AREA_RANGES[name])


@pytest.mark.parametrize("max_detections", [1, 2, 5])
@pytest.mark.parametrize("seed", range(6))
def test_limits_on_detections_are_pycocotools(seed, max_detections):
    assert_equals_coco(*problem(seed, detections=40, categories=2), max_detections=max_detections)


@pytest.mark.parametrize("seed", range(5))
def test_headline_numbers_are_pycocotools(seed, capsys):
    annotations, results = problem(seed, images=12)
    evaluation = coco_evaluation(annotations, results)
    evaluation.params.maxDets = [1, 10, 100]
    evaluation.params.areaRng = [list(limits) for limits in COCO_AREA_RANGES.values()]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    capsys.readouterr()
    predictions, targets = as_mappings(annotations, results)
    numbers = coco_summary(predictions, targets)
    assert " ".join(numbers) == "AP AP50 AP75 APS APM APL AR1 AR10 AR100 ARS ARM ARL"
    np.testing.assert_allclose(np.nan_to_num([*numbers.values()], nan=-1.0), evaluation.stats, atol=1e-12)


def random_boxes(generator, count):
    start = generator.integers(0, 12, size=(count, 2))
    return np.concatenate((start, start + generator.integers(1, 12, size=(count, 2))), axis=1).astype(float)


@pytest.mark.parametrize("seed", range(40))
def test_matches_are_pycocotools(seed):
    generator = np.random.default_rng(seed)
    wanted = random_boxes(generator, int(generator.integers(1, 6)))
    found = np.concatenate((random_boxes(generator, 6), wanted + generator.integers(-1, 1, size=wanted.shape)))
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2])
    scores = generator.integers(0, 4, size=len(found)) / 4
    crowd = generator.random(len(wanted)) < 0.3
    threshold = float(generator.choice([0.25, 0.5, 0.75]))

    def entries(boxes):
        return [
            {"id": number + 1, "image_id": 0, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0]}
            for number, (x0, y0, x1, y1) in enumerate(boxes.tolist())
        ]

    truth = [
        {**entry, "area": entry["bbox"][2] * entry["bbox"][3], "iscrowd": int(flag)}
        for entry, flag in zip(entries(wanted), crowd, strict=True)
    ]
    results = [{**entry, "score": score} for entry, score in zip(entries(found), scores.tolist(), strict=True)]
    annotations = {"images": [{"id": 0}], "annotations": truth, "categories": [{"id": 1}]}
    evaluation = coco_evaluation(annotations, results)
    evaluation.params.iouThrs = np.array([threshold])
    evaluated = evaluation.evaluateImg(0, 1, [0, 1e10], 100)

    matches = match_detections(found, scores, wanted, iou_threshold=threshold, crowd=crowd)
    order = np.array(evaluated["dtIds"]) - 1
    np.testing.assert_array_equal(matches.matched_target[order] + 1, evaluated["dtMatches"][0])
    np.testing.assert_array_equal(matches.ignored[order], evaluated["dtIgnore"][0])
    finder = dict(zip(evaluated["gtIds"], evaluated["gtMatches"][0], strict=True))
    assert (matches.matched_detection + 1).tolist() == [finder[number + 1] for number in range(len(wanted))]
    assert torch.equal(matches.true_positive | matches.false_positive | matches.ignored, torch.ones(len(found)).bool())
    assert not (matches.true_positive & matches.false_positive).any()


def test_threshold_itself_is_enough():
    halves = match_detections([[0.0, 0.0, 2.0, 4.0]], [0.9], UNIT, iou_threshold=0.5)
    assert halves.matched_target.tolist() == [0]
    assert halves.matched_iou.tolist() == [0.5]
    assert match_detections(UNIT, [0.9], UNIT, iou_threshold=1.0).true_positive.all()


def test_second_detection_of_an_object_is_false():
    matches = match_detections(UNIT * 2, [0.1, 0.9], UNIT)
    assert matches.matched_target.tolist() == [-1, 0]
    assert matches.false_positive.tolist() == [True, False]
    assert matches.matched_detection.tolist() == [1]


def test_crowd_absorbs_many_over_their_own_area():
    quarters = torch.tensor([[0.0, 0.0, 2.0, 2.0], [2.0, 2.0, 4.0, 4.0]])
    matches = match_detections(quarters, [0.8, 0.9], UNIT, crowd=[1])
    assert matches.ignored.all()
    assert matches.matched_iou.tolist() == [1.0, 1.0]
    assert not matches.true_positive.any()
    assert match_detections(quarters, [0.8, 0.9], UNIT).false_positive.all()


def test_nothing_to_match():
    none = torch.zeros(0, 4)
    assert match_detections(none, [], UNIT).matched_detection.tolist() == [-1]
    assert match_detections(UNIT, [0.5], []).false_positive.tolist() == [True]
    assert match_detections(none, [], none).matched_target.shape == (0,)


@pytest.mark.parametrize("interpolation", ["none", "all", "voc11", "coco101"])
def test_interpolation_is_that_of_average_precision(interpolation):
    annotations, results = problem(3, categories=1, images=6, detections=30, levels=4)
    for entry in annotations["annotations"]:
        entry.update(category_id=1, iscrowd=0)
    predictions, targets = as_mappings(annotations, results)
    for each in predictions:
        each["labels"][:] = 1
    ours = detection_average_precision(predictions, targets, iou_thresholds=[0.5], interpolation=interpolation)
    scores, hits = [], []
    for prediction, target in zip(predictions, targets, strict=True):
        matches = match_detections(prediction["boxes"], prediction["scores"], target["boxes"])
        order = np.argsort(-prediction["scores"], kind="stable")
        scores += prediction["scores"][order].tolist()
        hits += matches.true_positive[order].tolist()
    total = len(annotations["annotations"])
    expected = average_precision(scores, hits, interpolation=interpolation, num_positives=total)
    assert ours.mean == pytest.approx(expected, abs=1e-12)
    curve = ours.curve(1, 0.5)
    assert curve.recall[0].item() == pytest.approx(sum(hits) / total)
    assert (curve.precision[-1], curve.recall[-1]) == (1.0, 0.0)


def test_means_leave_out_classes_without_objects():
    predictions = [{"boxes": UNIT * 2, "scores": [0.9, 0.8], "labels": [1, 2]}]
    targets = [{"boxes": UNIT, "labels": [1]}]
    ours = detection_average_precision(predictions, targets)
    assert ours.iou_thresholds == COCO_IOU_THRESHOLDS
    assert ours.mean == ours.average_recall == ours.per_class[1] == 1.0
    assert math.isnan(ours.per_class[2])
    assert ours.per_iou.tolist() == [1.0] * 10
    assert ours.rankings[2, 0.5].num_positives == 0


def test_missing_everything_is_zero_and_nothing_at_all_is_nan():
    nothing = {"boxes": [], "scores": [], "labels": []}
    assert detection_average_precision([nothing], [{"boxes": UNIT, "labels": [5]}]).per_class == {5: 0.0}
    for predictions, targets in (([], []), ([nothing], [{"boxes": [], "labels": []}])):
        ours = detection_average_precision(predictions, targets)
        assert math.isnan(ours.mean)
        assert ours.per_class == {}


def test_tensors_arrays_and_lists_give_the_same():
    predictions, targets = as_mappings(*problem(7))
    as_tensors = [
        [{key: torch.from_numpy(value) for key, value in each.items()} for each in side]
        for side in (predictions, targets)
    ]
    as_lists = [
        [{key: value.tolist() for key, value in each.items()} for each in side] for side in (predictions, targets)
    ]
    ours = detection_average_precision(predictions, targets).values
    for other in (as_tensors, as_lists):
        torch.testing.assert_close(detection_average_precision(*other).values, ours, equal_nan=True, rtol=0, atol=0)


def test_only_some_targets_carry_crowds_and_areas():
    two = [{"boxes": UNIT, "labels": [1], "iscrowd": [True]}, {"boxes": UNIT, "labels": [1], "area": [9000.0]}]
    found = [{"boxes": UNIT, "scores": [0.5], "labels": [1]}] * 2
    assert detection_average_precision(found, two).rankings[1, 0.5].num_positives == 1
    small = detection_average_precision(found, two, area_range=COCO_AREA_RANGES["small"])
    assert math.isnan(small.mean)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "options", "named"),
    [
        (([[0, 0, 1]], [0.5], UNIT), {}, "boxes"),
        (([0, 0, 1, 1], [0.5], UNIT), {}, "boxes"),
        (([[4, 0, 1, 1]], [0.5], UNIT), {}, "boxes"),
        (([[0, 0, 1, math.inf]], [0.5], UNIT), {}, "boxes"),
        ((UNIT, [math.nan], UNIT), {}, "scores"),
        ((UNIT, [0.5, 0.4], UNIT), {}, "scores"),
        ((UNIT, [[0.5]], UNIT), {}, "scores"),
        ((UNIT, [0.5], UNIT), {"crowd": [0, 1]}, "crowd"),
        ((UNIT, [0.5], UNIT), {"crowd": [2]}, "crowd"),
        ((UNIT, [0.5], UNIT), {"iou_threshold": 0.0}, "iou_threshold"),
        ((UNIT, [0.5], UNIT), {"iou_threshold": 1.5}, "iou_threshold"),
    ],
)
def test_bad_matching_input_is_refused(arguments, options, named):
    with pytest.raises(ValueError, match=f"^{named}: got .*, allowed: "):
        match_detections(*arguments, **options)


GOOD = {"boxes": UNIT, "scores": [0.5], "labels": [1]}


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("prediction", "target", "options", "named"),
    [
        ({"boxes": UNIT, "labels": [1]}, GOOD, {}, r"predictions\[0\]"),
        (GOOD, {"boxes": UNIT}, {}, r"targets\[0\]"),
        ({**GOOD, "labels": [1.5]}, GOOD, {}, r"predictions\[0\]\['labels'\]"),
        ({**GOOD, "labels": [[1]]}, GOOD, {}, r"predictions\[0\]\['labels'\]"),
        ({**GOOD, "labels": [1, 2]}, GOOD, {}, r"predictions\[0\]\['labels'\]"),
        ({**GOOD, "scores": [math.nan]}, GOOD, {}, r"predictions\[0\]\['scores'\]"),
        ({**GOOD, "scores": []}, GOOD, {}, r"predictions\[0\]\['scores'\]"),
        (GOOD, {**GOOD, "iscrowd": [0, 1]}, {}, r"targets\[0\]\['iscrowd'\]"),
        (GOOD, {**GOOD, "area": ["wide"]}, {}, r"targets\[0\]\['area'\]"),
        (GOOD, GOOD, {"interpolation": "voc"}, "interpolation"),
        (GOOD, GOOD, {"max_detections": 0}, "max_detections"),
        (GOOD, GOOD, {"iou_thresholds": []}, "iou_thresholds"),
        (GOOD, GOOD, {"area_range": (2.0, 1.0)}, "area_range"),
    ],
)
def test_bad_detection_input_is_refused(prediction, target, options, named):
    with pytest.raises(ValueError, match=f"^{named}: got .*, allowed: "):
        detection_average_precision([prediction], [target], **options)


@pytest.mark.bad_input
def test_unequal_numbers_of_images_and_unknown_curves_are_refused():
    with pytest.raises(ValueError, match="predictions: got 1 values"):
        detection_average_precision([GOOD], [])
    ours = detection_average_precision([GOOD], [GOOD])
    with pytest.raises(ValueError, match="label: got 9"):
        ours.curve(9, 0.5)
    with pytest.raises(ValueError, match=r"iou_threshold: got 0\.51"):
        ours.curve(1, 0.51)
