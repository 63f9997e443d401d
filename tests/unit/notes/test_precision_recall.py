import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, brier_score_loss, precision_score, recall_score

from fpnlib.claims import ledger
from fpnlib.data import digits
from fpnlib.metrics import detection_average_precision
from fpnlib.notes.precision_recall.experiments.class_ratio import precision_at_ratio
from fpnlib.notes.precision_recall.experiments.contact_sheet import contact_sheet, sheet_by_photo, sheet_detections
from fpnlib.notes.precision_recall.experiments.costs import best_by_slope, losses, upper_hull
from fpnlib.notes.precision_recall.experiments.digits import digit_scores
from fpnlib.notes.precision_recall.experiments.moved_boxes import IOU_THRESHOLDS, overlaps
from fpnlib.notes.precision_recall.explorers import (
    box_error,
    calibration,
    detection,
    interpolations,
    operating_point,
    precision_recall,
    prevalence,
)
from fpnlib.notes.precision_recall.explorers.examples import Examples
from fpnlib.notes.precision_recall.explorers.precision_recall import _trail

SCORERS = [precision_recall, prevalence, operating_point, calibration, interpolations]


def own_scores(seed=0, n=300):
    rng = np.random.default_rng(seed)
    targets = rng.random(n) < 0.3
    return (rng.normal(size=n) + targets).round(1), targets


def two_images(offset=0.0):
    boxes = torch.tensor([[10.0, 10, 50, 50], [60, 20, 90, 80]])
    targets = [{"boxes": boxes, "labels": torch.tensor([1, 2])}, {"boxes": boxes[:1], "labels": torch.tensor([2])}]
    predictions = [
        t | {"boxes": t["boxes"] + offset, "scores": torch.linspace(0.9, 0.5, len(t["boxes"]))} for t in targets
    ]
    return predictions, targets


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, list])
@pytest.mark.parametrize("factory", SCORERS)
def test_the_readers_own_scores(factory, kind):
    scores, targets = own_scores()
    explorer = factory(kind(scores), kind(targets))
    assert all(explorer.invariants(explorer.data).values())
    assert repr(explorer).startswith(f"{factory.__name__}(scores, targets, ")
    assert len(explorer.frame()) > 5000


def test_a_threshold_of_ones_own_scores_equals_scikit_learn():
    scores, targets = own_scores(3)
    explorer = precision_recall(scores, targets)
    for threshold in (explorer.controls()["threshold"].min, 0.4, explorer.controls()["threshold"].max):
        data = explorer.set(threshold=threshold).data
        flagged = scores >= data.threshold
        assert data.precision == pytest.approx(precision_score(targets, flagged))
        assert data.recall == pytest.approx(recall_score(targets, flagged))


def test_a_class_ratio_by_formula_equals_weighted_scikit_learn():
    scores, targets = own_scores(4)
    data = prevalence(scores, targets).set(ratio=25).data
    weights = np.where(targets, 1 / targets.sum(), 25 / (~targets).sum())
    assert data.average_precision == pytest.approx(average_precision_score(targets, scores, sample_weight=weights))
    assert precision_at_ratio(np.array([0.0, 0.5]), np.array([0.0, 0.1]), 5).tolist() == [1.0, 0.5]


@pytest.mark.parametrize("cost", [0.1, 1.0, 7.3, 20.0])
@pytest.mark.parametrize("ratio", [1, 9, 100])
def test_the_best_threshold_by_trying_them_all(ratio, cost):
    scores, targets = own_scores(5)

    def loss(threshold):
        flagged = scores >= threshold
        missed, alarms = (~flagged & targets).sum() / targets.sum(), (flagged & ~targets).sum() / (~targets).sum()
        return cost * missed + ratio * alarms

    tried = [loss(threshold) for threshold in (*np.unique(scores), np.inf)]
    data = operating_point(scores, targets).set(ratio=ratio, cost=cost).data
    blind = min(loss(-np.inf), loss(np.inf))
    assert data.losses.min() == pytest.approx(min(tried) / blind)
    assert data.losses[data.best] == data.losses.min()
    assert data.loss == pytest.approx(loss(data.threshold) / blind)


def test_only_the_ratio_of_costs_and_classes_moves_the_best_threshold():
    one, same = (operating_point(ratio=ratio, cost=cost).data for ratio, cost in ((4, 1.0), (40, 10.0)))
    assert one.best == same.best
    np.testing.assert_allclose(one.losses, same.losses)


@pytest.mark.parametrize("seed", range(4))
def test_the_corners_of_the_hull_are_what_is_best_for_some_slope(seed):
    rng = np.random.default_rng(seed)
    fpr, recall = (np.append(0, np.sort(rng.random(20))) for _ in range(2))
    corners, edges = best_by_slope(fpr, recall)
    assert (np.diff(edges) < 0).all()
    between = np.sqrt(edges[:-1] * edges[1:])
    slopes = [2 * edges[0], *between, edges[-1] / 2]
    assert [losses(fpr, recall, 1.0, slope).argmin() for slope in slopes] == corners.tolist()


def test_a_hull_by_hand():
    x, y = np.array([0, 0, 0.2, 0.4, 0.6, 1]), np.array([0, 0.5, 0.5, 0.7, 0.8, 1])
    assert upper_hull(x, y).tolist() == [0, 1, 4, 5]  # at 0.4 it is a straight line


@pytest.mark.parametrize("bins", [5, 12])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_calibration_is_scikit_learns_at_any_temperature(temperature, bins):
    scores, targets = own_scores(6)
    data = calibration(scores, targets).set(temperature=temperature, offset=-0.5, bins=bins).data
    said = expit(scores / temperature - 0.5)
    true, mean = calibration_curve(targets, said, n_bins=bins)
    np.testing.assert_allclose(data.curve.observed, true)
    np.testing.assert_allclose(data.curve.predicted, mean)
    assert data.brier == pytest.approx(brier_score_loss(targets, said))
    assert data.order[0] == pytest.approx(average_precision_score(targets, scores))


@pytest.mark.bad_input
@pytest.mark.parametrize("factory", SCORERS)
@pytest.mark.parametrize(
    ("scores", "targets", "message"),
    [
        ([0.1, 0.2], [1], "targets: got shape"),
        ([0.1, float("nan")], [1, 0], "scores: got NaN"),
        ([0.1, float("inf")], [1, 0], "scores: got infinite"),
        ([0.1, 0.2], [1, 2], "targets: got 1 other values, such as 2"),
        ([0.1, 0.2], [1, 1], "targets: got 2 positives, 0 negatives, allowed: at least one of each"),
        ([0.3, 0.3], [1, 0], "scores: got only the value 0.3"),
        ([], [], "scores: got"),
        ([[0.1, 0.2]], [[1, 0]], "scores: got shape"),
        ("ab", [1, 0], "scores: got"),
        ([0.1, 0.2], None, "scores, targets: got only one of the two"),
    ],
)
def test_bad_scores_are_named(factory, scores, targets, message):
    with pytest.raises(ValueError, match=message):
        factory(scores, targets)


def test_the_readers_own_boxes_over_two_pictures():
    predictions, targets = two_images(offset=3.0)
    explorer = detection(predictions, targets)
    assert list(explorer.state) == ["picture", "iou", "score", "error"]
    first = explorer.set(score=0.5, iou=0.5).frame()
    assert explorer.data.boxes.counts == (2, 0, 0)
    assert explorer.set(picture=2).frame() != first
    assert explorer.data.boxes.counts == (1, 0, 0)
    assert explorer.set(iou=0.95).data.boxes.counts == (0, 1, 1)


def test_boxes_from_coco_files(tmp_path):
    box = [10, 10, 40, 40]
    annotations = {
        "images": [{"id": 7, "height": 100, "width": 120}],
        "categories": [{"id": 3, "name": "cup"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": box, "area": 1600, "iscrowd": 0}],
    }
    results = [{"image_id": 7, "category_id": 3, "bbox": [12, 10, 40, 40], "score": 0.8}]
    (tmp_path / "annotations.json").write_text(json.dumps(annotations))
    (tmp_path / "results.json").write_text(json.dumps(results))
    Image.new("RGB", (120, 100), "teal").save(tmp_path / "photo.png")
    explorer = detection(str(tmp_path / "results.json"), tmp_path / "annotations.json", tmp_path / "photo.png")
    assert explorer.set(iou=0.9).data.boxes.counts == (1, 0, 0)
    assert explorer.set(iou=0.95).data.boxes.counts == (0, 1, 1)
    assert "score" not in explorer.state  # one score cannot be cut


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, t: (p, None), "predictions, targets: got only one of the two"),
        (lambda p, t: (p[:1], t), "predictions: got 1 images, allowed: 2, as targets"),
        (
            lambda p, t: ([{"boxes": p[0]["boxes"]}, p[1]], t),
            r"predictions: got keys \['boxes'\], allowed: mappings with",
        ),
        (
            lambda p, t: ([p[0] | {"scores": [0.5]}, p[1]], t),
            r"predictions: got scores of shape \(1,\), allowed",
        ),
        (lambda p, t: ([p[0] | {"boxes": torch.ones(2, 3)}, p[1]], t), "predictions: got boxes of shape"),
        (lambda p, t: ([p[0] | {"boxes": p[0]["boxes"] * torch.nan}, p[1]], t), "predictions, boxes: got NaN"),
        (
            lambda p, t: (p, [{**t[0], "boxes": t[0]["boxes"].flip(1)}, t[1]]),
            r"targets: got \d boxes that end before",
        ),
        (lambda p, t: ("results.json", t), "predictions, targets: got a path and something else"),
        (lambda p, t: (3, t), "predictions: got int"),
        (lambda p, t: ([], []), "predictions: got list"),
    ],
)
def test_bad_boxes_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        detection(*change(*two_images()))


@pytest.mark.bad_input
def test_bad_pictures_are_named(tmp_path):
    predictions, targets = two_images()
    with pytest.raises(ValueError, match="image: got 1, allowed: 2, as targets"):
        detection(predictions, targets, np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(ValueError, match=r"nothing\.png"):
        detection(predictions, targets, [tmp_path / "nothing.png"] * 2)


def test_the_books_examples_are_what_the_note_says():
    scores, targets = digit_scores()
    assert (len(scores), int(targets.sum())) == (1797, 174)
    sheet, found = contact_sheet(), sheet_detections()
    assert sheet.image.shape == (512, 640, 3)
    assert len(sheet.targets["boxes"]) == 40
    sides = sheet.targets["boxes"][:, 2:] - sheet.targets["boxes"][:, :2]
    assert sides.min() >= 28
    assert sides.max() <= 60
    assert (found["scores"] >= 0.5).all()


def test_a_crowd_is_neither_missed_nor_made_wrong():
    crowd_box, single_box = [60.0, 10, 110, 90], [10.0, 10, 50, 50]
    targets = {"boxes": [single_box, crowd_box], "labels": [1, 1], "iscrowd": [0, 1]}
    predictions = {
        "boxes": [[10, 10, 50, 48], [62, 12, 80, 40], [150, 10, 180, 40]],
        "labels": [1, 1, 1],
        "scores": [0.6, 0.9, 0.3],
    }
    explorer = detection(predictions, targets).set(score=0.3, iou=0.5)
    assert explorer.data.boxes.counts == (1, 1, 0)  # the box inside the crowd counts as nothing
    assert explorer.data.at_iou == pytest.approx(1.0)  # and does not spoil the ranking
    assert all(explorer.invariants(explorer.data).values())


def test_average_precision_reads_the_whole_ranking():
    explorer = detection()
    before = explorer.data
    after = explorer.set(score=explorer.controls()["score"].max).data
    assert after.boxes.counts != before.boxes.counts
    assert after.per_iou.tolist() == before.per_iou.tolist()


def test_a_picture_without_boxes_is_a_grey_page():
    nothing = {"boxes": np.zeros((0, 4)), "labels": np.zeros(0, int)}
    predictions, targets = two_images()
    explorer = detection([*predictions, nothing | {"scores": np.zeros(0)}], [*targets, nothing])
    assert len(explorer.set(picture=3).frame()) > 5000
    assert explorer.data.boxes.counts == (0, 0, 0)
    assert "On picture 3" in explorer.readout
    assert "Precision undefined" in explorer.readout


def test_each_threshold_of_the_slider_flags_somebody():
    # Rounding −0.3 + 350 steps of 0.002 carries the last stop past 0.4.
    explorer = precision_recall([-0.3, 0.4], [0, 1])
    slider = explorer.controls()["threshold"]
    assert slider.max <= 0.4
    assert explorer.set(threshold=slider.max).data.tp == 1


def test_the_lost_bottle_costs_a_class_of_four():
    # As note 01 says in words.
    explorer = box_error(iou=0.5)
    before, after = (explorer.set(error=pixels).data.at_iou for pixels in (13, 14))
    assert before - after == pytest.approx(1 / 4)


def test_a_box_moved_by_a_third_of_its_width_has_an_iou_of_one_half():
    # As note 01 says: the bottle is forty pixels wide.
    for pixels in (0, 13, 14):
        overlaps = box_error(error=pixels).data.overlaps
        assert overlaps.best_iou == pytest.approx((40 - pixels) / (40 + pixels), rel=1e-3)
        (shared,) = overlaps.best_shared
        assert np.ptp(shared, 0)[0] == pytest.approx(40 - pixels)


def test_overlaps_class_by_class():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    labelled = {"boxes": torch.tensor([[0.0, 5, 10, 15]]), "labels": torch.tensor([2])}
    found = {"boxes": boxes, "labels": torch.tensor([1, 2]), "scores": torch.tensor([0.9, 0.8])}
    both = overlaps(found, labelled)
    assert both.ious.tolist() == pytest.approx([0, 1 / 3])
    assert both.best_pair == []  # the best box is of another class
    assert both.best_iou == 0
    one = overlaps(found | {"scores": torch.tensor([0.1, 0.8])}, labelled)
    assert one.best_shared[0].tolist() == [[0, 5], [10, 5], [10, 10], [0, 10]]
    assert [corners.tolist()[0] for corners in one.best_pair] == [[0, 0], [0, 5]]


def test_labels_moved_in_the_picture_are_those_of_the_claim():
    data = detection(shifted=True).data
    numbers = ledger(["PR-4"])[0].result.measurement.numbers
    for iou, name in ((0.5, "ap_50_labels_moved"), (0.75, "ap_75_labels_moved")):
        assert data.per_iou[IOU_THRESHOLDS.index(iou)] == pytest.approx(numbers[name])


def test_the_corners_of_the_table_show_the_next_digits():
    images = np.arange(5.0)[:, None, None]
    scores, targets = np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([0, 1, 0, 1, 1], bool)
    examples = Examples(images, scores, targets)
    data = precision_recall(scores, targets).set(threshold=0.25).data
    assert [examples.nearest(name, data).item() for name in ("TP", "FN", "FP", "TN")] == [3, 1, 2, 0]
    data = precision_recall(scores, targets).set(threshold=0.45).data
    assert np.isnan(examples.nearest("FP", data).item())


def test_most_false_alarms_are_ones_nines_and_threes():
    # As note 01 says, where nine of ten eights are found.
    scores, targets = digit_scores()
    mistaken = digits()[1][(scores >= -1.5) & ~targets]
    counts = mistaken.bincount(minlength=10)
    assert set(counts.argsort(descending=True)[:3].tolist()) == {1, 9, 3}
    assert counts[[1, 9, 3]].sum() > 0.7 * len(mistaken)


def test_a_threshold_draws_the_curves_as_far_as_it_has_come():
    data = precision_recall(whole=False).data
    recall = np.array([1.0, data.recall, 0.2, 0.0])
    assert _trail(data, recall, recall)[0].tolist() == [data.recall, 0.2, 0.0]
    assert _trail(precision_recall().data, recall, recall)[0].tolist() == recall.tolist()


def test_photo_by_photo_the_sheet_is_the_same():
    found, labels = sheet_by_photo()
    assert len(found) == len(labels) == 80
    whole = detection_average_precision([sheet_detections()], [contact_sheet().targets])
    parts = detection_average_precision(found, labels)
    assert parts.per_iou.tolist() == pytest.approx(whole.per_iou.tolist())


def test_what_the_text_says_of_rare_eights_and_of_the_best_f():
    def shown(ratio):
        return prevalence(ratio=ratio, threshold=-1.5).data

    assert 1 / 7.5 < shown(100).precision < 1 / 6.5
    assert shown(17).precision > 0.5 > shown(18).precision
    best = max(np.round(np.arange(-3, 3, 0.1), 1), key=lambda at: precision_recall(threshold=at).data.f)
    assert abs(best) < 0.3
    assert precision_recall(threshold=best).data.f == pytest.approx(0.80, abs=0.005)
