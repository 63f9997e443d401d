"""What note 05 says, and the test of each saying.

The net, the grid of rates and the bounds were chosen after trials with seeds 1000 to 1007, which no stored result uses.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
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

from fpnlib.claims import Claim, Criterion, Measurement, Said, Verdict, exceeds
from fpnlib.notes.warmup.curvature import second_moment_spread, sharpness
from fpnlib.notes.warmup.nets import BATCH, cross_entropy, digits, scene_objects
from fpnlib.notes.warmup.runs import MOMENTUM, Outcome, Run, advance, ensemble, grid, train_runs
from fpnlib.schedules import WarmupLR, warmup_factor

RATES = {"sgd": (0.025, 0.05, 0.1, 0.2, 0.4, 0.8), "adam": (0.00625, 0.0125, 0.025, 0.05, 0.1, 0.2)}
SCENE_RATES = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)
LARGE = 3  # how many of the six rates count as large: the upper ones
WARMUPS = (0, 10, 40, 80)
LONGEST = WARMUPS[-1]

SHARP_RATE = 0.4
SMALL_RATE = 0.02  # of the control without warm-up
SHARP_STEPS = (0, 2, 5, 10, 20, 40, 80, 120, 160, 200)
SHARP_EXAMPLES = 128
STREAMS, STREAM_STEPS = 16, 64
ADAM_STEPS = (1, 4, 16, 64)


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


def _judge_step_by_step(measurement: Measurement) -> Verdict:
    numbers = measurement.numbers
    exact = measurement.effect <= 1e-12 and numbers["off_by_one"] == 0 and numbers["short_of_peak"] == 0
    return "holds" if exact else "fails"


def rate_map(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train the map of learning rate, warm-up and optimiser, with its controls, on digits and on scenes."""
    outcomes: dict[str, list[float]] = {}
    for optimizer, rates in RATES.items():
        runs = grid(rates, WARMUPS)
        areas = [Run(rate, LONGEST).equal_area() for rate in rates]
        result = train_runs(digits(), runs + areas, seeds, optimizer=optimizer)
        outcomes |= _named(optimizer, result, rates, WARMUPS)
        result = train_runs(digits(), grid(rates, (0, LONGEST)), seeds, optimizer=optimizer, batch_norm=True)
        outcomes |= _named(f"{optimizer}_bn", result, rates, (0, LONGEST))
    runs = grid(SCENE_RATES, (0, LONGEST)) + [Run(rate, LONGEST).equal_area() for rate in SCENE_RATES]
    outcomes |= _named("scenes", train_runs(scene_objects(), runs, seeds), SCENE_RATES, (0, LONGEST))
    names = list(RATES)
    for kind in ("large", "small", "over_area", "longest_failed", "area_failed", "none_failed"):
        parts = [outcomes[f"{name}_{kind}"] for name in names]
        outcomes[kind] = [sum(values) / len(names) for values in zip(*parts, strict=True)]
    outcomes["effect"] = outcomes["large"]
    return outcomes


def _named(name: str, result: Outcome, rates: Sequence[float], warmups: Sequence[int]) -> dict[str, list[float]]:
    """Name the losses of all cells, and sum up: shares failed at large and small rates without and with warm-up."""
    cells = [f"{name}_rate{i}_warmup{w}" for i in range(len(rates)) for w in warmups]
    cells += [f"{name}_rate{i}_area" for i in range(result.final.shape[0] - len(cells))]
    named = {f"{cell}_loss": _short(values) for cell, values in zip(cells, result.final, strict=True)}
    named |= {f"{cell}_failed": _short(values) for cell, values in zip(cells, result.failed, strict=True)}

    def mean(ending: str, which: range) -> Tensor:
        return torch.tensor([named[f"{name}_rate{i}_{ending}_failed"] for i in which]).mean(0)

    small, large = range(len(rates) - LARGE), range(len(rates) - LARGE, len(rates))
    none, longest = mean("warmup0", large), mean(f"warmup{LONGEST}", large)
    named |= {
        f"{name}_none_failed": _short(none),
        f"{name}_longest_failed": _short(longest),
        f"{name}_large": _short(none - longest),
        f"{name}_small": _short(mean("warmup0", small) - mean(f"warmup{LONGEST}", small)),
    }
    if f"{cells[-1]}_failed".endswith("area_failed"):
        area = mean("area", large)
        named |= {f"{name}_area_failed": _short(area), f"{name}_over_area": _short(area - longest)}
    return named


def _short(values: Tensor) -> list[float]:
    """Keep five digits: a ledger that is read, and enough to compare with."""
    return [float(f"{value:.5g}") for value in values.tolist()]


def recheck_rate_map(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train three cells of the map again, on SGD's second largest rate: no warm-up, the longest, the equal area."""
    i = len(RATES["sgd"]) - 2
    rate = RATES["sgd"][i]
    runs = [Run(rate), Run(rate, LONGEST), Run(rate, LONGEST).equal_area()]
    result = train_runs(digits(), runs, seeds)
    names = (f"sgd_rate{i}_{ending}" for ending in ("warmup0", f"warmup{LONGEST}", "area"))
    return {f"{name}_loss": _short(values) for name, values in zip(names, result.final, strict=True)}


def _judge_rate_map(measurement: Measurement) -> Verdict:
    numbers = measurement.numbers
    if abs(numbers["small"]) >= 0.05:
        return "fails"
    verdict = exceeds(0.1, "").judge(measurement)
    beyond_area = numbers["over_area_low"] > 0
    return verdict if beyond_area or verdict == "fails" else "depends"


WAYS = {"none": (0, "none"), "constant": (LONGEST, "constant"), "gradual": (LONGEST, "linear")}
WAY_START = 0.1  # factor of the first step
WAY_RATES = (0.2, 0.4)


def three_ways(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train without warm-up, with a constant low start and with a ramp, of equal length; the error on test digits."""
    runs = [Run(rate, length, mode, WAY_START) for length, mode in WAYS.values() for rate in WAY_RATES]
    result = train_runs(digits(), runs, seeds)
    outcomes: dict[str, list[float]] = {}
    for i, (name, rate) in enumerate(itertools.product(WAYS, WAY_RATES)):
        label = f"{name}_{round(100 * rate)}"
        outcomes |= {f"{label}_error": _short(result.error[i]), f"{label}_failed": _short(result.failed[i])}
    for name in WAYS:
        errors = [outcomes[f"{name}_{round(100 * rate)}_error"] for rate in WAY_RATES]
        outcomes[name] = _short(torch.tensor(errors, dtype=torch.float64).mean(0))
    outcomes["effect"] = [c - g for c, g in zip(outcomes["constant"], outcomes["gradual"], strict=True)]
    outcomes["none_less_gradual"] = [n - g for n, g in zip(outcomes["none"], outcomes["gradual"], strict=True)]
    outcomes["none_less_constant"] = [n - c for n, c in zip(outcomes["none"], outcomes["constant"], strict=True)]
    return outcomes


def sharpness_along(
    run: Run, seeds: Sequence[int], steps: Sequence[int] = SHARP_STEPS, *, batch_norm: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the sharpness at each of `steps` and the mean loss of the steps before it, each (steps, seeds).

    The sharpness is of the loss over 128 training digits. Both are nan where the run has diverged.
    """
    task = digits()
    members = ensemble(task, [run], seeds, batch_norm=batch_norm)
    part = task.inputs[:SHARP_EXAMPLES], task.targets[:SHARP_EXAMPLES]
    found, losses = [], []
    for step in steps:
        before = members.steps
        advance(members, task, [run], seeds, step - before)
        value = sharpness(task.build(batch_norm)(), members.parameters, cross_entropy, *part, iterations=20)
        found.append(value.where(members.alive, torch.nan))
        losses.append(members.losses[before:].mean(0) if step > before else value.new_full((len(seeds),), torch.nan))
    return torch.stack(found), torch.stack(losses)


def _logarithm(found: Tensor) -> Tensor:
    """Return log2; for a run that has diverged that of its start: its sharpness counts as not fallen."""
    return found.where(found.isfinite(), found[0]).log2()


def limit(rate: float) -> float:
    """Return the sharpness above which a quadratic diverges under gradient descent with momentum."""
    return 2 * (1 + MOMENTUM) / rate


def adam_spread(seed: int, *, batch_norm: bool = False) -> Tensor:
    """Return how far Adam's step sizes differ between 16 streams of batches, at each step; see `curvature`."""
    task = digits()
    members = ensemble(task, [Run(0.0)], [seed], optimizer="adam", batch_norm=batch_norm)
    generator = torch.Generator().manual_seed(seed)
    picks = torch.randint(len(task.inputs), (STREAMS, STREAM_STEPS, BATCH), generator=generator)
    net = task.build(batch_norm)()
    return second_moment_spread(net, members.parameters, cross_entropy, task.inputs[picks], task.targets[picks])[0]


def why(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Follow the sharpness through warm-up, with and without batch norm, and Adam's second moments."""
    outcomes: dict[str, list[float]] = {}
    end = SHARP_STEPS.index(LONGEST)
    steps = SHARP_STEPS[: end + 1]
    warm, small = Run(SHARP_RATE, LONGEST), Run(SMALL_RATE)
    top, there = limit(SHARP_RATE), limit(SHARP_RATE * warm.factor(LONGEST))
    for name, batch_norm in (("", False), ("bn_", True)):
        ramp = _logarithm(sharpness_along(warm, seeds, steps, batch_norm=batch_norm)[0])
        outcomes |= {f"{name}log_sharpness_{step}": _short(v) for step, v in zip(steps, ramp, strict=True)}
        outcomes[f"{name}start_over_limit"] = _short(ramp[0] - math.log2(top))
        outcomes[f"{name}end_over_limit"] = _short(ramp[-1] - math.log2(there))
        outcomes[f"{name}fall"] = _short(ramp[0] - ramp[-1])
        spread = torch.stack([adam_spread(seed, batch_norm=batch_norm) for seed in seeds], 1)
        outcomes |= {f"{name}adam_spread_{step}": _short(spread[step - 1]) for step in ADAM_STEPS}
        outcomes[f"{name}adam_ratio"] = _short(spread[0] / spread[-1])
    slow = _logarithm(sharpness_along(small, seeds, (0, LONGEST))[0])
    outcomes["small_rate_end"] = _short(slow[-1])
    outcomes["small_rate_over_ramp"] = [
        a - b for a, b in zip(outcomes["small_rate_end"], outcomes[f"log_sharpness_{LONGEST}"], strict=True)
    ]
    outcomes["effect"] = outcomes["fall"]
    return outcomes


def recheck_why(seeds: Sequence[int]) -> Mapping[str, Sequence[float]]:
    """Measure the first ten steps without batch norm again, and Adam's second moments."""
    steps = [step for step in SHARP_STEPS if step <= 10]
    ramp = _logarithm(sharpness_along(Run(SHARP_RATE, LONGEST), seeds, steps)[0])
    spread = torch.stack([adam_spread(seed) for seed in seeds], 1)
    again = {f"log_sharpness_{step}": _short(v) for step, v in zip(steps, ramp, strict=True)}
    return again | {f"adam_spread_{step}": _short(spread[step - 1]) for step in ADAM_STEPS}


def _judge_why(measurement: Measurement) -> Verdict:
    numbers = measurement.numbers
    held = numbers["start_over_limit_low"] > 0 and abs(numbers["end_over_limit"]) < 1 and numbers["adam_ratio_low"] > 4
    verdict = exceeds(1, "").judge(measurement)
    return verdict if held or verdict == "fails" else "depends"


CLAIMS = (
    Claim(
        "WU-1",
        "What warm-up is: a factor that begins small and is 1 from a given step on, whatever decay it lies over.",
        Said("field", "Goyal et al., Accurate, Large Minibatch SGD, 2017, section 2.2"),
        {
            "": Criterion(
                "over 60 random warm-ups the rates equal torch's LinearLR and ConstantLR at every step to 1e-12, and "
                "so the numbers published in detectron2's and timm's tests; for 25 lengths and 4 decays the decay is "
                "never a step early or late at the hand-over, and with `delay` the full rate is reached exactly",
                _judge_step_by_step,
            )
        },
        step_by_step,
    ),
    Claim(
        "WU-2",
        "Large learning rates need warm-up.",
        Said("field", "Goyal et al., Accurate, Large Minibatch SGD, 2017, section 2.2"),
        {
            "": Criterion(
                "small residual net on digits, without batch norm, mean over SGD and Adam: at the three larger of six "
                "rates the share of failed runs falls by more than 0.1 with 80 of 200 steps of warm-up (whole "
                "interval); at the three smaller ones it changes by less than 0.05; depends, unless the share is also "
                "smaller (whole interval) than at a lower constant rate with the same decay, number of steps and area",
                _judge_rate_map,
            )
        },
        rate_map,
        seeds=16,
        recheck=recheck_rate_map,
    ),
    Claim(
        "WU-3",
        "A gradual ramp beats a constant low start.",
        Said("field", "Goyal et al., Accurate, Large Minibatch SGD, 2017, section 2.2"),
        {
            "": exceeds(
                0,
                "error on test digits at rates 0.2 and 0.4, 80 of 200 steps of warm-up from a tenth of the rate, "
                "constant less gradual",
            )
        },
        three_ways,
        seeds=32,
    ),
    Claim(
        "WU-4",
        "Why: at the start the loss is too sharply curved for a large rate, and Adam's second moments are uncertain.",
        Said("field", "Gilmer et al., A Loss Curvature Perspective on Training Instability in Deep Learning, 2021"),
        {
            "": Criterion(
                "SGD at rate 0.4 without batch norm: sharpness at the start is above 2 (1 + momentum) / rate (whole "
                "interval), and falls to less than half during 80 steps of warm-up (log2 above 1, whole interval); "
                "depends, unless it ends within a factor 2 of the limit of that step's rate, and chance moves Adam's "
                "step sizes more than 4 times as much at step 1 as at step 64 (whole interval)",
                _judge_why,
            )
        },
        why,
        seeds=16,
        recheck=recheck_why,
    ),
)
