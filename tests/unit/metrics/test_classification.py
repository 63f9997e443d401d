"""Curves, areas and counts against scikit-learn and torchmetrics, and against their own definitions."""

import itertools
import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference
from torchmetrics.functional.classification import binary_precision_recall_curve, binary_roc

from fpnlib.metrics import (
    average_precision,
    confusion_counts,
    f_score,
    precision_recall_curve,
    roc_auc,
    roc_curve,
)

INTERPOLATIONS = ("none", "all", "voc11", "coco101")
DETECTION = INTERPOLATIONS[1:]


@st.composite
def samples(draw, least_positives=0, least_negatives=0):
    """Scores on a coarse grid or anywhere, and targets of which some are 1 and some 0."""
    targets = draw(st.lists(st.booleans(), min_size=1, max_size=40))
    targets += [True] * least_positives + [False] * least_negatives
    score = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e30, 1e30), st.floats(-1, 1, width=32))
    scores = draw(st.lists(score, min_size=len(targets), max_size=len(targets)))
    order = draw(st.permutations(range(len(targets))))
    return np.array(scores)[order], np.array(targets)[order]


def same(ours, theirs):
    return all(np.array_equal(mine.numpy(), other, equal_nan=True) for mine, other in zip(ours, theirs, strict=True))


def points(curve):
    return (curve.precision, curve.recall, curve.thresholds)


@given(samples())
def test_precision_recall_curve_is_scikit_learns(data):
    scores, targets = data
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No positive class")
        theirs = reference.precision_recall_curve(targets, scores)
    curve = precision_recall_curve(scores, targets)
    assert same(points(curve), theirs)
    assert curve.precision.dtype == curve.recall.dtype == curve.thresholds.dtype == torch.float64


@given(samples(), st.booleans())
def test_roc_curve_is_scikit_learns(data, drop):
    scores, targets = data
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=reference._ranking.UndefinedMetricWarning)
        theirs = reference.roc_curve(targets, scores, drop_intermediate=drop)
    curve = roc_curve(scores, targets, drop_intermediate=drop)
    assert same((curve.fpr, curve.tpr, curve.thresholds), theirs)


@given(samples(least_positives=1, least_negatives=1))
def test_areas_are_scikit_learns(data):
    scores, targets = data
    assert roc_auc(scores, targets) == pytest.approx(reference.roc_auc_score(targets, scores), abs=1e-12)
    expected = reference.average_precision_score(targets, scores)
    assert average_precision(scores, targets) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64])
def test_curves_are_torchmetrics(dtype):
    generator = torch.Generator().manual_seed(0)
    scores = (torch.rand(500, generator=generator) * 40).to(dtype)
    targets = torch.rand(500, generator=generator) < 0.3
    unit = scores.double() / 40  # torchmetrics would squash anything beyond 0 to 1
    precision, recall, thresholds = binary_precision_recall_curve(unit, targets.int())
    curve = precision_recall_curve(scores, targets)
    torch.testing.assert_close(curve.precision, precision.double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(curve.recall, recall.double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(curve.thresholds, thresholds * 40)
    fpr, tpr, _ = binary_roc(unit, targets.int())
    roc = roc_curve(scores, targets)
    torch.testing.assert_close(roc.fpr, fpr.double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(roc.tpr, tpr.double(), atol=1e-6, rtol=0)


@given(samples(least_positives=1), st.integers(0, 5))
def test_curve_points_are_the_counts_at_their_thresholds(data, missed):
    scores, targets = data
    scores = scores.astype(np.float32)
    total = int(targets.sum()) + missed
    curve = precision_recall_curve(scores, targets, num_positives=total)
    for precision, recall, threshold in zip(*map(torch.Tensor.tolist, points(curve)), strict=False):
        counts = confusion_counts(scores, targets, threshold)
        assert (precision, recall) == (counts.precision, counts.tp / total)


@given(samples(), st.floats(-4, 4))
def test_counts_are_scikit_learns(data, threshold):
    scores, targets = data
    counts = confusion_counts(scores, targets, threshold)
    called = scores >= threshold
    assert [[counts.tn, counts.fp], [counts.fn, counts.tp]] == reference.confusion_matrix(
        targets, called, labels=[False, True]
    ).tolist()
    assert counts.precision == reference.precision_score(targets, called, zero_division=0.0)
    assert counts.recall == reference.recall_score(targets, called, zero_division=0.0)
    assert counts.f1 == pytest.approx(reference.f1_score(targets, called, zero_division=0.0))
    assert counts.f1 == pytest.approx(f_score(counts.precision, counts.recall))


def test_threshold_is_compared_in_double_precision():
    score = torch.tensor([0.7])  # in float32 just below .7, to which the threshold would round down
    assert score.item() < 0.7
    assert confusion_counts(score, [1], 0.7).tp == 0
    assert confusion_counts(score, [1], score.item()).tp == 1


def test_false_positive_rate():
    assert confusion_counts([3, 2, 1, 0], [1, 0, 0, 0], 2).fpr == pytest.approx(1 / 3)
    assert confusion_counts([3], [1], 2).fpr == 0.0


def envelope_by_definition(scores, targets, total):
    """Recall and precision point by point, one for each detection, best first and equal scores in input order."""
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    hits = list(itertools.accumulate(int(targets[index]) for index in order))
    return [(hit / total, hit / rank) for rank, hit in enumerate(hits, start=1)]


def best_at(curve, level):
    return max((precision for recall, precision in curve if recall >= level), default=0.0)


@given(samples(least_positives=1), st.integers(0, 20))
def test_interpolations_are_their_definitions(data, missed):
    scores, targets = data
    total = int(targets.sum()) + missed
    curve = envelope_by_definition(scores, targets, total)
    recalls = sorted({0.0} | {recall for recall, _ in curve})
    expected = {
        "all": sum((high - low) * best_at(curve, high) for low, high in itertools.pairwise(recalls)),
        "voc11": sum(best_at(curve, tenths / 10) for tenths in range(11)) / 11,
        "coco101": sum(best_at(curve, level) for level in np.linspace(0, 1, 101)) / 101,
    }
    for interpolation, value in expected.items():
        ours = average_precision(scores, targets, interpolation=interpolation, num_positives=total)
        assert ours == pytest.approx(value, abs=1e-12)


@given(samples(least_positives=1))
def test_envelope_never_lowers(data):
    scores, targets = data
    unique = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
    assert average_precision(unique, targets, interpolation="all") >= average_precision(unique, targets) - 1e-12


@given(samples(least_positives=1), st.integers(1, 20))
def test_missed_objects_scale_the_step_sum(data, missed):
    scores, targets = data
    found = int(targets.sum())
    fewer = average_precision(scores, targets, num_positives=found + missed)
    assert fewer == pytest.approx(average_precision(scores, targets) * found / (found + missed))


@pytest.mark.parametrize("interpolation", DETECTION)
def test_ties_keep_input_order_in_detection_only(interpolation):
    assert average_precision([1, 1], [1, 0], interpolation=interpolation) == pytest.approx(1.0)
    assert average_precision([1, 1], [0, 1], interpolation=interpolation) == pytest.approx(0.5)
    assert average_precision([1, 1], [1, 0]) == average_precision([1, 1], [0, 1]) == 0.5


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_perfect_ranking_is_one_and_nothing_to_find_is_nan(interpolation):
    assert average_precision([3, 2, 1], [1, 1, 0], interpolation=interpolation) == 1.0
    assert average_precision([3, 2], [0, 0], interpolation=interpolation) == 0.0
    assert math.isnan(average_precision([3, 2], [0, 0], interpolation=interpolation, num_positives=0))
    assert average_precision([3, 2], [0, 0], interpolation=interpolation, num_positives=2) == 0.0


def test_nothing_to_find_has_no_recall():
    assert precision_recall_curve([2, 1], [0, 0], num_positives=0).recall[:-1].isnan().all()
    assert math.isnan(roc_auc([1.0, 2.0], [1, 1]))


@given(samples())
def test_every_kind_of_input_gives_the_same(data):
    scores, targets = data
    whole = points(precision_recall_curve(torch.from_numpy(scores), torch.from_numpy(targets)))
    backwards = scores[::-1].copy()[::-1]  # negative strides, which torch.as_tensor refuses
    for other in (
        precision_recall_curve(backwards, targets.astype(float)),
        precision_recall_curve(scores.tolist(), targets.astype(int).tolist()),
        precision_recall_curve(torch.from_numpy(scores).requires_grad_(), torch.from_numpy(targets).int()),
    ):
        assert all(torch.equal(one, two) for one, two in zip(whole, points(other), strict=True))


def test_input_is_left_alone_and_not_shared():
    scores, targets = torch.tensor([0.1, 0.4, 0.4, 0.9], dtype=torch.float64), torch.tensor([0, 1, 0, 1])
    curve = precision_recall_curve(scores, targets)
    curve.thresholds.zero_()
    assert scores.tolist() == [0.1, 0.4, 0.4, 0.9]


def test_infinite_logits_are_ordered():
    curve = precision_recall_curve([math.inf, 0.0, -math.inf], [1, 0, 1])
    assert curve.thresholds.tolist() == [-math.inf, 0.0, math.inf]
    assert curve.recall.tolist() == [1.0, 0.5, 0.5, 0.0]


RATES = st.just(0.0) | st.floats(1e-300, 1)


@given(RATES, RATES, st.just(0.0) | st.floats(1e-3, 8))
def test_f_score_is_its_definition(precision, recall, beta):
    p, r, b = map(Fraction, (precision, recall, beta))  # exact: the products underflow as floats
    below = b**2 * p + r
    expected = float((1 + b**2) * p * r / below) if below else 0.0
    ours = f_score(precision, recall, beta)
    assert isinstance(ours, float)
    assert ours == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("recall", [5e-324, 1e-300])
def test_f_score_of_a_tiny_recall_does_not_underflow(recall):
    assert f_score(0.5, recall, 0.0) == 0.5


def test_f_score_broadcasts():
    score = f_score(torch.tensor([0.0, 0.5, 1.0]), 0.5)
    torch.testing.assert_close(score, torch.tensor([0.0, 0.5, 2 / 3], dtype=torch.float64))
    assert f_score([0.5], np.array([[0.5], [1.0]])).shape == (2, 1)
    assert f_score(0, 0) == 0.0


WRONG = {
    "empty": ([], []),
    "unequal": ([0.1, 0.2], [1]),
    "nan": ([0.1, math.nan], [1, 0]),
    "nan target": ([0.1, 0.2], [1, math.nan]),
    "other targets": ([0.1, 0.2], [1, 2]),
    "minus one": ([0.1, 0.2], [1, -1]),
    "matrix": ([[0.1, 0.2]], [[1, 0]]),
    "scalar": (torch.tensor(0.1), torch.tensor(1)),
    "text": (["a", "b"], [1, 0]),
    "ragged": ([[0.1], [0.2, 0.3]], [1, 0]),
    "complex": (np.array([1j, 2j]), [1, 0]),
    "none": ([0.1, None], [1, 0]),
}
FUNCTIONS = {
    "precision_recall_curve": precision_recall_curve,
    "roc_curve": roc_curve,
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "confusion_counts": lambda scores, targets: confusion_counts(scores, targets, 0.5),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize(("scores", "targets"), WRONG.values(), ids=WRONG)
def test_bad_samples_are_refused(function, scores, targets):
    with pytest.raises(ValueError, match=r"(scores|targets): got .*, allowed: "):
        function(scores, targets)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"interpolation": "voc"}, "interpolation"),
        ({"num_positives": 1}, "num_positives"),
        ({"num_positives": 2.5}, "num_positives"),
        ({"num_positives": -1}, "num_positives"),
    ],
)
def test_bad_options_are_refused(options, named):
    with pytest.raises(ValueError, match=f"{named}: got"):
        average_precision([0.1, 0.2], [1, 1], **options)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((1.1, 0.5), "precision"),
        ((0.5, -0.1), "recall"),
        ((0.5, math.nan), "recall"),
        ((0.5, 0.5, -1.0), "beta"),
        ((0.5, 0.5, math.nan), "beta"),
        ((torch.zeros(2), torch.zeros(3)), "recall"),
    ],
)
def test_bad_f_scores_are_refused(arguments, named):
    with pytest.raises(ValueError, match=f"{named}: got"):
        f_score(*arguments)


@pytest.mark.bad_input
def test_nan_threshold_is_refused():
    with pytest.raises(ValueError, match="threshold: got nan"):
        confusion_counts([0.1], [1], math.nan)
