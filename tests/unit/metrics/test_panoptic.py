import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.detection import PanopticQuality as TorchmetricsPanopticQuality

from fpnlib.metrics import CategoryQuality, PanopticQuality, panoptic_quality

CATEGORIES = 3


def blocks(rng, height, width, segments):
    """Label a map with a few rectangles over one another, ids from 1; 0 where none lies."""
    ids = np.zeros((height, width), int)
    for segment in range(1, segments + 1):
        y0, x0 = rng.integers(height), rng.integers(width)
        ids[y0 : y0 + rng.integers(1, height + 1), x0 : x0 + rng.integers(1, width + 1)] = segment
    return ids


@st.composite
def scenes(draw):
    rng = np.random.default_rng(draw(st.integers(0, 100_000)))
    height, width = draw(st.integers(2, 12)), draw(st.integers(2, 12))
    target = blocks(rng, height, width, draw(st.integers(0, 6)))
    prediction = np.where(rng.random(target.shape) < 0.85, target, blocks(rng, height, width, 6))
    prediction = np.where(prediction > 0, prediction + 10, 0)  # ids of the two maps have nothing to do with each other
    category = {i: int(rng.integers(CATEGORIES)) for i in range(1, 7)}
    guessed = {i + 10: c if rng.random() < 0.8 else int(rng.integers(CATEGORIES)) for i, c in category.items()}
    crowd = [i for i in category if rng.random() < 0.3]
    return prediction, target, guessed, category, crowd


def by_the_rules(prediction, target, guessed, category, crowd):
    """The published rules on sets of pixels, segment by segment; (tp, fp, fn, iou) by category."""

    def pixels(ids, one):
        return set(zip(*np.nonzero(ids == one), strict=True))

    mine = {i: pixels(prediction, i) for i in np.unique(prediction) if i != 0}
    true = {i: pixels(target, i) for i in np.unique(target) if i != 0}
    void = pixels(target, 0)
    counts = {c: [0, 0, 0, 0.0] for c in range(CATEGORIES)}
    partner = {}
    for m, p in mine.items():
        for t, q in true.items():
            if guessed[m] == category[t] and t not in crowd and 2 * len(p & q) > len((p - void) | q):
                counts[category[t]][0] += 1
                counts[category[t]][3] += len(p & q) / len((p - void) | q)
                partner[m] = t
    for t in true:
        if t not in partner.values() and t not in crowd:
            counts[category[t]][2] += 1
    for m, p in mine.items():
        excuse = void.union(*(true[t] for t in crowd if t in true and category[t] == guessed[m]))
        if m not in partner and 2 * len(p & excuse) <= len(p):
            counts[guessed[m]][1] += 1
    return {c: tuple(one) for c, one in counts.items() if any(one)}


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_counts_are_the_published_rules(scene):
    prediction, target, guessed, category, crowd = scene
    found = panoptic_quality(prediction, target, guessed, category, crowd=crowd)
    counts = {c: (q.tp, q.fp, q.fn, pytest.approx(q.iou)) for c, q in found.per_category.items()}
    assert counts == by_the_rules(prediction, target, guessed, category, crowd)


@settings(max_examples=60, deadline=None)
@given(scenes())
def test_without_crowds_it_is_torchmetrics(scene):
    """And without void in the prediction: only torchmetrics excuses a true segment that lies on it."""
    prediction, target, guessed, category, _ = scene
    prediction, guessed = np.where(prediction == 0, 17, prediction), guessed | {17: 0}
    void = CATEGORIES
    metric = TorchmetricsPanopticQuality(
        things=set(range(CATEGORIES)),
        stuffs={CATEGORIES + 1},
        allow_unknown_preds_category=True,
        return_sq_and_rq=True,
        return_per_class=True,
    )

    def pairs(ids, categories):
        classes = np.vectorize(lambda i: categories.get(int(i), void))(ids)
        return torch.from_numpy(np.stack([classes, ids], -1))[None]

    (each,) = metric(pairs(prediction, guessed), pairs(target, category)).view(1, -1, 3)
    found = panoptic_quality(prediction, target, guessed, category)
    for c, one in found.per_category.items():
        assert each[c].tolist() == pytest.approx([one.pq, one.sq, one.rq])


@settings(max_examples=40, deadline=None)
@given(scenes())
def test_the_means_are_those_of_the_categories_that_occur(scene):
    prediction, target, guessed, category, crowd = scene
    found = panoptic_quality(prediction, target, guessed, category, crowd=crowd)
    counted = list(found.per_category.values())
    for name in ("pq", "sq", "rq"):
        expected = np.mean([getattr(one, name) for one in counted]) if counted else math.nan
        assert getattr(found, name) == pytest.approx(expected, nan_ok=True)
    assert all(one.pq == one.sq * one.rq for one in counted)


@settings(max_examples=30, deadline=None)
@given(scenes())
def test_a_perfect_answer_is_perfect(scene):
    _, target, _, category, _ = scene
    found = panoptic_quality(target, target, category, category)
    assert found.pq == found.sq == found.rq == 1 or not found.per_category


def test_void_leaves_the_union_and_crowd_does_not():
    target = np.array([[1, 1, 0, 0], [2, 2, 2, 2]])
    prediction = np.array([[5, 5, 5, 5], [6, 6, 6, 6]])
    found = panoptic_quality(prediction, target, {5: 7, 6: 7}, {1: 7, 2: 7})
    assert found.per_category[7] == CategoryQuality(tp=2, iou=2.0)
    # The same two pixels as a crowd stay in the union: IoU is one half, which is no match.
    target = np.array([[1, 1, 3, 3], [2, 2, 2, 2]])
    found = panoptic_quality(prediction, target, {5: 7, 6: 7}, {1: 7, 2: 7, 3: 7}, crowd=[3])
    assert found.per_category[7] == CategoryQuality(tp=1, fp=1, fn=1, iou=1.0)


def test_images_pool_by_counts():
    ones = np.ones((2, 2), int)
    right = panoptic_quality(ones, ones, {1: 4}, {1: 4})
    wrong = panoptic_quality(ones * 0, ones, {}, {1: 4})
    pooled = PanopticQuality.pooled([right, wrong])
    assert pooled.per_category[4] == CategoryQuality(tp=1, fn=1, iou=1.0)
    assert pooled.pq == pytest.approx(2 / 3)
    assert math.isnan(PanopticQuality.pooled([]).pq)


MAP = np.ones((2, 3), int)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((MAP, MAP[:1], {1: 1}, {1: 1}), {}, "as target"),
        ((MAP[0], MAP[0], {1: 1}, {1: 1}), {}, "prediction"),
        ((MAP * 1.0, MAP, {1: 1}, {1: 1}), {}, "whole numbers"),
        ((MAP, MAP, {}, {1: 1}), {}, r"prediction_categories.*\[1\]"),
        ((MAP, MAP, {1: 1}, {2: 1}), {}, r"target_categories.*\[1\]"),
        ((MAP, MAP, {1: 1}, {1: 1}), {"crowd": [9]}, "crowd.*9"),
        ((MAP, MAP, {0: 1, 1: 1}, {1: 1}), {}, "void"),
        ((MAP, MAP, {1: 1}, {1: 1}), {"void": 1}, "void"),
    ],
)
def test_bad_input_is_named(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        panoptic_quality(*arguments, **options)
