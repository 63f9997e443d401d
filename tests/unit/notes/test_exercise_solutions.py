"""Solutions of exercises against something else that knows: a layer of torch, our own operators, a simulation."""

import numpy as np
import pytest
import torch

from fpnlib.notes.add_vs_concat.exercises import grown_variance
from fpnlib.notes.padding.exercises import border_share, pooled_row
from fpnlib.notes.warmup.exercises import across_epochs, steps_lost
from fpnlib.ops import roi_align


@pytest.mark.parametrize(("side", "layers", "kernel"), [(16, 1, 3), (16, 4, 3), (15, 2, 5), (12, 9, 3), (9, 3, 1)])
def test_padding_reaches_the_units_that_a_net_of_ones_shows(side, layers, kernel):
    conv = torch.nn.Conv2d(1, 1, kernel, padding=kernel // 2, bias=False, dtype=torch.float64)
    conv.weight.data.fill_(1 / kernel**2)
    units = torch.ones(1, 1, side, side, dtype=torch.float64)
    for _ in range(layers):
        units = conv(units)
    # Means of ones are one, unless the zeros outside are among them.
    assert border_share(side, layers, kernel) == pytest.approx((units < 1 - 1e-12).double().mean().item())


def test_the_pooled_row_is_aligned_roi_align():
    rng = np.random.default_rng(0)
    for _ in range(20):
        row = rng.normal(size=8)
        start, end = sorted(rng.uniform(0, 8, 2))
        # Each row of the map is the same, so that only the columns matter.
        maps, box = torch.from_numpy(row).float().expand(1, 1, 4, 8), torch.tensor([[0, start, 1, end, 3]]).float()
        pooled = roi_align(maps, box, (1, 5), 1.0, 1, aligned=True).flatten().numpy()
        np.testing.assert_allclose(pooled_row(row, start, end, 5), pooled, atol=1e-5)


def rates_of_torch(warmup, start, steps):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start, total_iters=warmup)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(("warmup", "start"), [(1, 0.1), (8, 0.1), (30, 0.5)])
def test_warm_up_costs_what_the_rates_of_torch_lack(warmup, start):
    assert steps_lost(warmup, start) == pytest.approx(sum(1 - rate for rate in rates_of_torch(warmup, start, 40)))


def test_a_warm_up_across_epochs_is_torch_s():
    found = [across_epochs(epoch, batch, 5, 8, 0.1) for epoch in range(3) for batch in range(5)]
    assert found == pytest.approx(rates_of_torch(8, 0.1, 15))


@pytest.mark.parametrize("normalised", [False, True])
def test_residual_sums_grow_as_random_branches_do(normalised):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 200))
    for _ in range(5):
        x = x + rng.normal(size=(400, 400)) / 20 @ (x / x.std() if normalised else x)
    assert x.var() == pytest.approx(grown_variance(5, normalised), rel=0.1)
