"""Batches are a function of the step, and an epoch shows each item at most once."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fpnlib.training import minibatches


@given(st.integers(1, 20).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))), st.integers(0, 2**31))
def test_each_epoch_is_a_shuffle(sizes, seed):
    items, size = sizes
    batches = minibatches(torch.arange(items), torch.arange(items) * 10, size=size, seed=seed)
    per_epoch = items // size
    for epoch in range(2):
        drawn = [batches(step) for step in range(epoch * per_epoch, (epoch + 1) * per_epoch)]
        ids = torch.cat([ids for ids, _ in drawn])
        assert len(ids.unique()) == per_epoch * size
        assert all(tens.equal(ids * 10) for ids, tens in drawn)


def test_the_same_step_gives_the_same_batch_in_any_order():
    one, other = (minibatches(torch.arange(10), size=4, seed=3) for _ in range(2))
    forwards = [one(step)[0] for step in range(6)]
    backwards = [other(step)[0] for step in reversed(range(6))][::-1]
    assert all(a.equal(b) for a, b in zip(forwards, backwards, strict=True))


def test_epochs_and_seeds_differ():
    orders = [
        tuple(minibatches(torch.arange(30), size=30, seed=seed)(epoch)[0].tolist())
        for seed in range(3)
        for epoch in range(3)
    ]
    assert len(set(orders)) == 9


def test_several_seeds_are_stacked():
    x = torch.rand(10, 3)
    batch = minibatches(x, size=4, seed=[5, 6])(7)[0]
    assert batch.shape == (2, 4, 3)
    for kind in (int, np.int64):  # a seed is often drawn with NumPy
        assert all(batch[i].equal(minibatches(x, size=4, seed=kind(seed))(7)[0]) for i, seed in enumerate((5, 6)))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("tensors", "size", "seed", "message"),
    [
        ((), 1, 0, "tensors: got none"),
        ((torch.ones(3), torch.ones(4)), 1, 0, r"tensors: got \[3, 4\], allowed: equal lengths"),
        ((torch.ones(3),), 4, 0, "size: got 4, allowed: 1 to 3"),
        ((torch.ones(3),), 0, 0, "size: got 0"),
        ((torch.ones(3),), 1, [], "seed: got no seeds"),
    ],
)
def test_bad_input(tensors, size, seed, message):
    with pytest.raises(ValueError, match=message):
        minibatches(*tensors, size=size, seed=seed)
