"""Batch norm by hand beside torch's own, and a convolution before and after folding; ratios within one run."""

import pytest
import torch
from support.side_by_side import compare, least_seconds
from torch import nn

from fpnlib.models import BatchNorm2d
from fpnlib.ops import fold_batch_norm


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
    mine, torchs = least_seconds(ours, theirs, rounds=25)
    benchmark(ours)
    # Ours goes through memory once for each line of the derivation, torch's twice for all of it.
    compare(benchmark, "batch norm by hand, forward and backward", "torch's own", torchs / mine, 1 / 25)


def test_the_derivation_beside_autograd_in_the_definition(benchmark, features):
    weight = torch.ones(64, requires_grad=True)
    leaf = features.clone().requires_grad_()
    ours = training_step(BatchNorm2d(64), features)

    def definition():
        variance, mean = torch.var_mean(leaf, (0, 2, 3), keepdim=True, correction=0)
        y = (leaf - mean) / (variance + 1e-5).sqrt() * weight[:, None, None]
        y.backward(features)

    defined, mine = least_seconds(definition, ours, rounds=25)
    benchmark(ours)
    compare(benchmark, "batch norm by hand, forward and backward", "autograd through its definition", defined / mine, 1)


@torch.no_grad()
def test_a_folded_convolution_is_faster(benchmark, features):
    conv, bn = nn.Conv2d(64, 64, 1).eval(), nn.BatchNorm2d(64).eval()
    folded = fold_batch_norm(conv, bn)
    torch.testing.assert_close(folded(features), bn(conv(features)))
    apart, together = least_seconds(lambda: bn(conv(features)), lambda: folded(features), rounds=25)
    benchmark(lambda: folded(features))
    compare(benchmark, "a 1×1 convolution with its batch norm folded in", "the two layers", apart / together, 1)
