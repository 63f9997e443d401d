"""Claim WU-1: warm-up is a factor; ours beside torch's, detectron2's and timm's at every step."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)

from fpnlib.claims import Claim, Measurement, Said, all_of, within
from fpnlib.schedules import WarmupLR, warmup_factor


def step_by_step() -> Measurement:
    """Compare our rates with torch's, detectron2's and timm's at every step; count where a decay is off by one."""
    worst, compared, off_by_one, short_of_peak, rng = 0.0, 0, 0, 0, np.random.default_rng(0)
    for _ in range(60):
        warmup, start = int(rng.integers(1, 40)), float(rng.uniform(0.001, 1))
        linear, constant = _optimizer(1.0), _optimizer(1.0)
        pairs = (
            ("linear", LinearLR(linear, start_factor=start, total_iters=warmup)),
            ("constant", ConstantLR(constant, factor=start, total_iters=warmup)),
        )
        for mode, theirs in pairs:
            ours = [warmup_factor(step, warmup, mode=mode, start_factor=start) for step in range(warmup + 3)]
            worst = max(worst, _difference(ours, rates_of(theirs, warmup + 3)))
            compared += warmup + 3
    for ours, published in _published():
        worst, compared = max(worst, _difference(ours, published)), compared + len(published)
    for warmup, kind in itertools.product(range(1, 26), range(4)):
        alone = rates_of(_decay(_optimizer(1.0), kind), 60)
        for delay in (False, True):
            optimizer = _optimizer(1.0)
            met = rates_of(WarmupLR(optimizer, warmup, "linear", 0.1, _decay(optimizer, kind), delay=delay), 60)
            wanted = alone[: 60 - warmup] if delay else alone[warmup:]
            off_by_one += met[warmup:] != wanted
            short_of_peak += delay and met[warmup] != 1.0
            compared += 60 - warmup
    return Measurement.exact(
        worst, n=compared, off_by_one=off_by_one, short_of_peak=short_of_peak, hand_overs=25 * 4 * 2
    )


def rates_of(scheduler: LRScheduler, steps: int) -> list[float]:
    """Return the first group's learning rate at each step of a training loop."""
    rates = []
    for _ in range(steps):
        rates.append(float(scheduler.optimizer.param_groups[0]["lr"]))
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def _optimizer(rate: float) -> SGD:
    return SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def _decay(optimizer: SGD, kind: int) -> LRScheduler:
    if kind == 0:
        return CosineAnnealingLR(optimizer, T_max=60)
    if kind == 1:
        return StepLR(optimizer, step_size=9, gamma=0.5)
    return MultiStepLR(optimizer, [12, 30]) if kind == 2 else PolynomialLR(optimizer, total_iters=60, power=2)


def _published() -> list[tuple[list[float], list[float]]]:
    """Our rates beside those in detectron2's tests/test_scheduler.py and timm's tests/test_scheduler.py."""
    optimizer = _optimizer(5.0)
    multistep = rates_of(WarmupLR(optimizer, 5, "linear", 0.001, MultiStepLR(optimizer, [10, 15, 20])), 31)
    optimizer = _optimizer(5.0)
    cosine = rates_of(WarmupLR(optimizer, 5, "linear", 0.001, CosineAnnealingLR(optimizer, T_max=30)), 31)
    optimizer = _optimizer(0.1)
    prefix = rates_of(WarmupLR(optimizer, 5, "linear", 0.01, CosineAnnealingLR(optimizer, 100), delay=True), 6)
    return [
        (multistep, [0.005, 1.004, 2.003, 3.002, 4.001, *[5.0] * 5, *[0.5] * 5, *[0.05] * 5, *[0.005] * 11]),
        (cosine[5:], [2.5 * (1 + math.cos(math.pi * step / 30)) for step in range(5, 31)]),
        ([prefix[0], prefix[5]], [0.001, 0.1]),
    ]


def _difference(a: Sequence[float], b: Sequence[float]) -> float:
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


CLAIMS = (
    Claim(
        "WU-1",
        "What warm-up is: a factor that begins small and is 1 from a given step on, whatever decay it lies over.",
        Said("field", "Goyal et al., Accurate, Large Minibatch SGD, 2017, section 2.2"),
        {
            "": all_of(
                within(1e-12, "any rate of 60 random warm-ups, and of those in detectron2's and timm's tests,"),
                within(0, "decays that come a step early or late at 200 hand-overs", of="off_by_one"),
                within(0, "waiting decays under which the full rate is missed", of="short_of_peak"),
            )
        },
        step_by_step,
        check="it is a definition; what could be wrong is our code, which is compared with three others' at every step",
        told={"holds": "Warm-up is nothing but a factor on the learning rate that climbs to one."},
    ),
)
