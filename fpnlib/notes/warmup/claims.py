"""What note 05 says, and the test of each saying."""

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

from fpnlib.claims import Claim, Criterion, Measurement, Said, all_of, exceeds, within
from fpnlib.notes.warmup.rates import higher_rates, rate_map, recheck_higher_rates, recheck_rate_map, three_ways
from fpnlib.notes.warmup.why import recheck_why, recheck_why_adam, why, why_adam
from fpnlib.schedules import WarmupLR, warmup_factor

_UNNOTICED = 0.13
_FIVE_RUNS = (
    "at a chance of 0.13 to lose a run, five runs, as many as Goyal et al. train, lose none as often as one or more"
)
_POINTS = 0.011
_GOYAL = "1.1 points of error is what warm-up gains in Goyal et al.'s table 1, 24.84 less 23.74"
_DOUBLING = "rates are tried in steps of a factor 2; less would not change which one is taken"


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


def _saves(what: str, of: str) -> Criterion:
    return exceeds(_UNNOTICED, f"share of failed runs, {what}", of=of, because=_FIVE_RUNS)


def _points(what: str, of: str) -> Criterion:
    return exceeds(_POINTS, f"error on test digits, {what}", of=of, because=_GOYAL)


_NETS = {"SGD": "sgd", "Adam": "adam"}
_LARGE = "none less 80 of 200 steps, the three larger of six rates"

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
    Claim(
        "WU-2",
        "Large learning rates need warm-up.",
        Said("field", "Goyal et al., Accurate, Large Minibatch SGD, 2017, section 2.2"),
        {f"with {who} without batch norm": _saves(_LARGE, f"{name}_large") for who, name in _NETS.items()}
        | {f"with {who} and batch norm": _saves(_LARGE, f"{name}_bn_large") for who, name in _NETS.items()}
        | {
            f"with {who} against a lower rate of equal area": _saves(
                "no warm-up at a rate whose sum over all steps is as large, less 80 steps", f"{name}_over_area"
            )
            for who, name in _NETS.items()
        }
        | {
            f"with {who} {word} batch norm, each way at its best rate": exceeds(
                0.36,
                "final loss, none over 80 steps, in doublings, each at the rate that was best for 16 other seeds",
                of=f"{name}{bn}_best_gain",
                because="0.36 is what SGD loses without warm-up by half its best rate, .0307 against .0240",
            )
            for who, name in _NETS.items()
            for word, bn in (("without", ""), ("and", "_bn"))
        },
        rate_map,
        seeds=16,
        control=_saves("no warm-up, the three larger rates less the three smaller, both optimisers", "by_rate"),
        recheck=recheck_rate_map,
        told={
            "depends": "Without batch norm, warm-up saves nets at large rates and wins even where both are tuned; with "
            "it, few nets need it at the same rates."
        },
    ),
    Claim(
        "WU-3",
        "A gradual ramp is the best way to warm up; a constant low start is worse than none.",
        Said("field", "Goyal et al., Accurate, Large Minibatch SGD, 2017, table 1"),
        {
            f"{kind}: {claim}": _points(f"{what}, mean over two rates", f"{setting}_{of}")
            for setting, kind in (("short", "short, with batch norm"), ("long", "long, without batch norm"))
            for claim, what, of in (
                ("ramp beats none", "none less ramp", "none_less_linear"),
                ("ramp beats constant", "constant less ramp", "constant_less_linear"),
                ("none beats constant", "constant less none", "constant_less_none"),
            )
        },
        three_ways,
        seeds=32,
        control=all_of(
            _points("without warm-up, twice the rate less once, with batch norm", "short_by_rate"),
            _points("and without", "long_by_rate"),
        ),
        fresh=8,
        told={
            "depends": "If you warm up for a few steps only, a low constant start is worse than none; if you warm up "
            "for long, it helps as a ramp does."
        },
    ),
    Claim(
        "WU-4",
        "Why: at first the loss is too sharp for the full rate; at a small rate training finds flatter ground.",
        Said(
            "field",
            "Gilmer et al., A Loss Curvature Perspective on Training Instabilities of Deep Learning Models, ICLR 2022; "
            "Kalra and Barkeshli, Why Warmup the Learning Rate?, NeurIPS 2024",
        ),
        {
            "about the start": exceeds(
                0,
                "SGD at rate 0.4 without batch norm, doublings of sharpness above 2 (1 + momentum) / rate",
                of="ramp_over_0",
                because="the limit follows from rate and momentum; nothing is chosen",
            ),
            "about flatter ground within ten steps at a small rate": exceeds(
                1, "doublings that the sharpness falls at rate 0.02", of="small_fall_10", because=_DOUBLING
            ),
            "about a ramp that flattens more than a small rate by step 10": exceeds(
                1, "sharpness at rate 0.02 less on the ramp, doublings", of="small_over_ramp_10", because=_DOUBLING
            ),
            "about the same by step 80": exceeds(
                1, "sharpness at rate 0.02 less on the ramp, doublings", of="small_over_ramp_80", because=_DOUBLING
            ),
            "about 80 steps at a small rate, which save nets": _saves(
                "full rate at once less after 80 steps at rate 0.02", "small_saved"
            ),
            "about a ramp, which saves more of them": _saves(
                "full rate after 80 steps at rate 0.02 less after the ramp", "ramp_beyond_waiting"
            ),
            "about sharpness that foretells who survives": exceeds(
                0.75,
                "share of a net's pairs of jumps, one failed and one not, where the failed one began sharper above "
                "the limit",
                of="sharpness_foretells",
                because="halfway between a coin and certainty: it is right in half of what a coin gets wrong",
            ),
        },
        why,
        seeds=24,
        control=exceeds(
            1 - _UNNOTICED,
            "share of failed runs, rate 12.8 less rate 0.02",
            of="far_less_small",
            because="a rate 32 times the full one has to kill nets and one of a twentieth must not: " + _FIVE_RUNS,
        ),
        recheck=recheck_why,
        told={
            "depends": "Nets start too sharp for the full rate and get flatter by themselves at a small one; waiting "
            "there saves nets, and early on the ramp adds nothing."
        },
    ),
    Claim(
        "WU-5",
        "Why, with Adam: its moments rest on few batches, so its first steps are too large.",
        Said(
            "field",
            "Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, ICLR 2020; "
            "Ma and Yarats, On the Adequacy of Untuned Warmup for Adaptive Optimization, AAAI 2021",
        ),
        {
            "about the first steps, which are larger": exceeds(
                1,
                "root mean square update of an untrained net, doublings from step 64 to step 1 (0 if all batches "
                "agree, 2.1 if gradients are noise)",
                of="size_fall",
                because=_DOUBLING,
            ),
            "about moments, which alone save nets": _saves(
                "Adam at rate 0.2 at once less after 80 batches that fill the moments while the weights stay",
                "still_saved",
            ),
        },
        why_adam,
        seeds=24,
        control=_saves("Adam at rate 0.2 at once less after a ramp of 80 steps", "ramp_saved"),
        recheck=recheck_why_adam,
        told={
            "fails": "Adam's moments are not why our nets need warm-up: letting them settle while the weights stand "
            "still saves none."
        },
    ),
    Claim(
        "WU-6",
        "Batch norm does not do away with warm-up: at higher rates it is needed again.",
        Said("us"),
        {
            f"with {who}": _saves("none less 80 of 200 steps, batch norm, four times the large rates", f"{name}_higher")
            for who, name in _NETS.items()
        },
        higher_rates,
        seeds=16,
        control=_saves("no warm-up, the three higher of five rates less the two lower, both optimisers", "by_rate"),
        recheck=recheck_higher_rates,
        told={
            "depends": "Batch norm lets you go to higher rates, and there warm-up saves nets again, with Adam for "
            "certain."
        },
    ),
)
