import itertools

import maxflow.fastmin
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fpnlib.ops import achievable_accuracy, graph_cut, pool_segments, potts_energy


def random_unary(labels, height, width, seed):
    return torch.rand(labels, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def brute_force(unary, smoothness):
    """The lowest energy of all labellings, each energy summed edge by edge."""
    labels, height, width = unary.shape
    across, down = smoothness
    best = float("inf")
    for flat in itertools.product(range(labels), repeat=height * width):
        grid = np.array(flat).reshape(height, width)
        energy = sum(unary[grid[y, x], y, x].item() for y in range(height) for x in range(width))
        energy += sum(
            across[y, x].item() for y in range(height) for x in range(width - 1) if grid[y, x] != grid[y, x + 1]
        )
        energy += sum(
            down[y, x].item() for y in range(height - 1) for x in range(width) if grid[y, x] != grid[y + 1, x]
        )
        best = min(best, energy)
    return best


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 1000), st.floats(0, 1))
def test_two_labels_reach_the_lowest_energy(height, width, seed, scale):
    unary = random_unary(2, height, width, seed)
    weights = (
        scale * random_unary(1, height, width - 1, seed + 1)[0],
        scale * random_unary(1, height - 1, width, seed)[0],
    )
    labels = graph_cut(unary, weights)
    assert potts_energy(labels, unary, weights) == pytest.approx(brute_force(unary, weights), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_one_number_is_that_weight_on_every_edge(seed):
    unary = random_unary(2, 3, 3, seed)
    ones = (torch.full((3, 2), 0.3, dtype=torch.float64), torch.full((2, 3), 0.3, dtype=torch.float64))
    assert torch.equal(graph_cut(unary, 0.3), graph_cut(unary, ones))
    assert potts_energy(graph_cut(unary, 0.3), unary, 0.3) == pytest.approx(brute_force(unary, ones), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_three_labels_come_within_twice_the_lowest(seed):
    unary = random_unary(3, 2, 3, seed)
    weights = (torch.full((2, 2), 0.2, dtype=torch.float64), torch.full((1, 3), 0.2, dtype=torch.float64))
    energy, lowest = potts_energy(graph_cut(unary, 0.2), unary, 0.2), brute_force(unary, weights)
    assert lowest - 1e-9 <= energy <= 2 * lowest


def test_no_single_expansion_improves():
    """A second start from the answer changes nothing, and the answer beats the unary alone."""
    unary = random_unary(4, 20, 30, 0)
    labels = graph_cut(unary, 0.3)
    costs, potts = unary.permute(1, 2, 0).contiguous().numpy(), 0.3 * (1 - np.eye(4))
    again = maxflow.fastmin.aexpansion_grid(costs, potts, labels=labels.numpy().copy())
    energy = potts_energy(labels, unary, 0.3)
    assert potts_energy(torch.from_numpy(again), unary, 0.3) == pytest.approx(energy)
    assert energy < potts_energy(unary.argmin(0), unary, 0.3)
    assert energy == pytest.approx(maxflow.fastmin.energy_of_grid_labeling(costs, potts, labels.numpy()))


def test_without_smoothness_each_pixel_takes_its_cheapest_label():
    for labels in (2, 5):
        unary = random_unary(labels, 6, 7, labels)
        assert torch.equal(graph_cut(unary, 0), unary.argmin(0))


def test_infinite_patience_gives_one_label():
    unary = random_unary(2, 6, 7, 1)
    assert graph_cut(unary, 1000.0).unique().tolist() == [int(unary.sum((1, 2)).argmin())]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("unary", "smoothness", "words"),
    [
        (torch.zeros(1, 2, 2), 1.0, "2 labels or more"),
        (torch.zeros(2, 2), 1.0, "unary"),
        (torch.zeros(2, 0, 2), 1.0, "at least 1"),
        (torch.full((2, 2, 2), torch.inf), 1.0, "unary"),
        (torch.zeros(2, 2, 2), -1.0, "smoothness"),
        (torch.zeros(2, 2, 2), float("nan"), "smoothness"),
        (torch.zeros(2, 2, 2), (torch.zeros(2, 2), torch.zeros(1, 2)), "pair of shapes"),
        (torch.zeros(2, 2, 2), (-torch.ones(2, 1), torch.zeros(1, 2)), "negative"),
        (torch.zeros(2, 2, 2), (torch.full((2, 1), torch.nan), torch.zeros(1, 2)), "smoothness"),
        (torch.zeros(3, 2, 2), (torch.zeros(2, 1), torch.zeros(1, 2)), "beyond two labels"),
    ],
)
def test_bad_input_is_named(unary, smoothness, words):
    with pytest.raises(ValueError, match=words):
        graph_cut(unary, smoothness)


@pytest.mark.bad_input
@pytest.mark.parametrize("labels", [torch.zeros(3, 2, dtype=torch.long), torch.full((2, 2), 2), torch.full((2, 2), -1)])
def test_bad_labels_are_named(labels):
    with pytest.raises(ValueError, match="labels"):
        potts_energy(labels, torch.zeros(2, 2, 2), 1.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(0, 999))
def test_pooling_is_the_mean_over_each_segment(height, width, count, seed):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(2, height, width, generator=generator)
    segments = torch.randint(count, (height, width), generator=generator)
    pooled = pool_segments(maps, segments)
    for segment in segments.unique():
        inside = segments == segment
        expected = maps[:, inside].mean(1, keepdim=True).expand(-1, int(inside.sum()))
        torch.testing.assert_close(pooled[:, inside], expected, atol=1e-5, rtol=1e-5)


def test_achievable_accuracy_is_that_of_the_majority():
    target = torch.tensor([[0, 0, 1, 1], [0, 2, 1, 1]])
    assert achievable_accuracy(torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1]]), target) == pytest.approx(7 / 8)
    assert achievable_accuracy(torch.zeros(2, 4, dtype=torch.long), target) == pytest.approx(4 / 8)
    assert achievable_accuracy(torch.arange(8).view(2, 4), target) == 1


@pytest.mark.bad_input
def test_segments_that_do_not_fit_are_named():
    ids = torch.zeros(2, 2, dtype=torch.long)
    for call in (
        lambda: pool_segments(torch.zeros(1, 3, 2), ids),
        lambda: pool_segments(torch.zeros(1, 2, 2), ids - 1),
        lambda: achievable_accuracy(ids, torch.zeros(2, 3, dtype=torch.long)),
        lambda: achievable_accuracy(ids[:0], ids[:0]),
    ):
        with pytest.raises(ValueError, match="segments"):
            call()
    with pytest.raises(ValueError, match="target"):
        achievable_accuracy(ids, ids - 1)
