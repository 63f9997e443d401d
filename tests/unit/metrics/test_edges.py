"""Thin edges, and precision and recall within a tolerance, beside distances taken one by one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from skimage.segmentation import find_boundaries

from fpnlib.metrics import BoundaryReference, instance_boundaries, one_to_one_edges, thin_edges

SMALL = settings(deadline=None, max_examples=40)


def random_map(seed, height=14, width=17):
    return torch.randn(height, width, generator=torch.Generator().manual_seed(seed))


def random_boundary(seed, height=14, width=17, share=0.1):
    boundary = torch.rand(height, width, generator=torch.Generator().manual_seed(seed)) < share
    boundary[3, 4] = True
    return boundary


@given(st.integers(0, 10**6), st.sampled_from([0, 1, 1.5, 3.2]), st.booleans())
@SMALL
def test_the_curve_is_the_definition_at_every_threshold(seed, tolerance, ties):
    scores, boundary = random_map(seed), random_boundary(seed)
    scores = (2 * scores).round() if ties else scores
    curve = BoundaryReference(boundary, tolerance).curve(scores)
    edges = thin_edges(scores)
    assert len(curve.thresholds) == len(scores[edges].unique())
    assert (curve.thresholds.diff() < 0).all()
    for k in range(0, len(curve.thresholds), 5):
        flagged = (edges & (scores >= curve.thresholds[k])).nonzero().numpy()
        near = cdist(flagged, boundary.nonzero().numpy()) <= tolerance
        assert curve.precision[k] == pytest.approx(near.any(1).mean())
        assert curve.recall[k] == pytest.approx(near.any(0).mean())
    assert BoundaryReference(boundary, tolerance).curve(scores.requires_grad_()).f == curve.f
    f = 2 * curve.precision * curve.recall / (curve.precision + curve.recall).clamp(min=1e-12)
    assert curve.f == pytest.approx(f.max().item())
    assert f[curve.best] == f.max()


@given(st.integers(0, 10**6), st.floats(0.1, 9), st.floats(-5, 5))
@SMALL
def test_only_the_order_of_scores_counts(seed, scale, shift):
    scores = random_map(seed).double()
    assert torch.equal(thin_edges(scores), thin_edges(scale * scores + shift))


@given(st.integers(0, 10**6), st.booleans(), st.integers(0, 3))
@SMALL
def test_thinning_turns_with_the_map(seed, transpose, turns):
    # Equal neighbours apart, of which these maps have none.
    scores = random_map(seed).double()
    turned = torch.rot90(scores.T if transpose else scores, turns)
    edges = thin_edges(scores)
    assert torch.equal(thin_edges(turned), torch.rot90(edges.T if transpose else edges, turns))


@pytest.mark.parametrize("angle", [0, 20, 45, 70, 90, 130])
def test_a_ridge_becomes_a_line(angle):
    y, x = np.mgrid[:41, :41] - 20.3
    across = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    ridge = np.exp(-(across**2) / 18)
    edges = thin_edges(torch.from_numpy(ridge)).numpy() & (ridge > 0.65)
    inside = np.zeros_like(edges)
    inside[3:-3, 3:-3] = True
    assert abs(across[edges & inside]).max() < 1
    rows = edges[5:-5, 5:-5].any(1 if angle < 45 else 0)
    assert rows.all()


@given(st.integers(0, 10**6))
@SMALL
def test_instance_boundaries_separate_what_differs(seed):
    ids = torch.randint(0, 3, (9, 8), generator=torch.Generator().manual_seed(seed))
    found = instance_boundaries(ids)
    expected = np.zeros((9, 8), bool)
    for i in range(9):
        for j in range(8):
            expected[i, j] = (i < 8 and ids[i, j] != ids[i + 1, j]) or (j < 7 and ids[i, j] != ids[i, j + 1])
    assert (found.numpy() == expected).all()
    assert not (found.numpy() & ~find_boundaries(ids.numpy(), connectivity=1, mode="thick")).any()


@given(st.integers(0, 10**6), st.sampled_from([0, 1, 1.5, 2.5]))
@SMALL
def test_one_to_one_never_counts_more_and_pairs_each_once(seed, tolerance):
    edges, boundary = random_boundary(seed, share=0.3), random_boundary(seed + 1)
    precision, recall = one_to_one_edges(edges, boundary, tolerance)
    near = cdist(edges.nonzero().numpy(), boundary.nonzero().numpy()) <= tolerance
    assert precision <= near.any(1).mean() + 1e-12
    assert recall <= near.any(0).mean() + 1e-12
    assert precision * edges.sum() == pytest.approx(recall * boundary.sum())


def test_one_to_one_by_hand():
    edges, boundary = torch.zeros(2, 5, 9, dtype=torch.bool)
    boundary[2, 4] = True
    edges[2, 3] = edges[2, 4] = edges[2, 5] = edges[0, 0] = True
    assert one_to_one_edges(edges, boundary, 1) == (0.25, 1.0)
    boundary[2, 2] = True
    assert one_to_one_edges(edges, boundary, 1) == (0.5, 1.0)


def test_perfect_edges_score_one():
    ids = torch.zeros(30, 30, dtype=torch.long)
    ids[8:20, 9:22] = 1
    boundary = instance_boundaries(ids)
    curve = BoundaryReference(boundary, 1.5).curve(boundary.float())
    assert curve.f == 1


@pytest.mark.bad_input
def test_bad_input_is_refused():
    good = random_boundary(0)
    with pytest.raises(ValueError, match="boundary: got none"):
        BoundaryReference(torch.zeros(4, 4, dtype=torch.bool), 1)
    with pytest.raises(ValueError, match="tolerance: got -1"):
        BoundaryReference(good, -1)
    with pytest.raises(ValueError, match=r"scores: got shape \(4, 4\), allowed: \(14, 17\)"):
        BoundaryReference(good, 1).curve(torch.zeros(4, 4))
    with pytest.raises(ValueError, match="1 NaN"):
        BoundaryReference(good, 1).curve(
            random_map(0).index_fill(0, torch.tensor([0]), 0).put_(torch.tensor([5]), torch.tensor([torch.nan]))
        )
    with pytest.raises(ValueError, match="without any ridge"):
        BoundaryReference(good, 1).curve(torch.zeros(14, 17))
    with pytest.raises(ValueError, match="edges: got shape"):
        one_to_one_edges(good, good.T, 1)
    with pytest.raises(ValueError, match="without a true pixel"):
        one_to_one_edges(good & False, good, 1)
    with pytest.raises(ValueError, match="scores: got shape"):
        thin_edges(torch.zeros(1, 4, 4))
