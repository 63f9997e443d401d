"""Batch norm by hand beside torch's own, and a convolution before and after folding; ratios within one run."""

import time

import pytest
import torch
from torch import nn

from fpnlib.models import BatchNorm2d
from fpnlib.ops import fold_batch_norm


def time_ratio(slow, fast, rounds: int = 25) -> float:
    """Least time of one call over that of the other, taken in turns, so that a busy machine is busy for both."""
    taken = {slow: [], fast: []}
    for _ in range(rounds):
        for call, times in taken.items():
            begin = time.perf_counter()
            call()
            times.append(time.perf_counter() - begin)
    return min(taken[slow]) / min(taken[fast])


@pytest.fixture
def features():
    return torch.randn(16, 64, 28, 28, generator=torch.Generator().manual_seed(0))


def training_step(layer, x):
    leaf = x.clone().requires_grad_()

    def step():
        layer(leaf).backward(x)

    return step


def test_training_beside_torchs(benchmark, features):
    ours, theirs = (training_step(kind(64), features) for kind in (BatchNorm2d, nn.BatchNorm2d))
    ratio = time_ratio(ours, theirs)
    benchmark.extra_info["times_torchs"] = ratio
    benchmark(ours)
    # Ours goes through memory once for each line of the derivation, torch's twice for all of it.
    assert ratio <= 25


def test_the_derivation_beside_autograd_in_the_definition(benchmark, features):
    weight = torch.ones(64, requires_grad=True)
    leaf = features.clone().requires_grad_()
    ours = training_step(BatchNorm2d(64), features)

    def definition():
        variance, mean = torch.var_mean(leaf, (0, 2, 3), keepdim=True, correction=0)
        y = (leaf - mean) / (variance + 1e-5).sqrt() * weight[:, None, None]
        y.backward(features)

    ratio = time_ratio(definition, ours)
    benchmark.extra_info["autograd_ratio"] = ratio
    benchmark(ours)
    assert ratio >= 1


@torch.no_grad()
def test_a_folded_convolution_is_faster(benchmark, features):
    conv, bn = nn.Conv2d(64, 64, 1).eval(), nn.BatchNorm2d(64).eval()
    folded = fold_batch_norm(conv, bn)
    torch.testing.assert_close(folded(features), bn(conv(features)))
    ratio = time_ratio(lambda: bn(conv(features)), lambda: folded(features))
    benchmark.extra_info["folding_ratio"] = ratio
    benchmark(lambda: folded(features))
    assert ratio >= 1
