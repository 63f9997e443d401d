"""Claims WU-7 and WU-8: a learning-rate range test, and the linear scaling rule, each beside 2 / sharpness.

How many steps, which rates and what turns the loss were chosen after trials with seeds 100 to 107.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fpnlib.claims import Claim, Said, exceeds, stays_within
from fpnlib.notes.warmup.experiments.curvature import sharpness
from fpnlib.notes.warmup.experiments.nets import BATCH, cross_entropy, digits
from fpnlib.notes.warmup.experiments.rates import MATTERS, WHY_MATTERS, short
from fpnlib.notes.warmup.experiments.runs import MOMENTUM
from fpnlib.training import Ensemble, minibatches

TESTED = np.geomspace(1e-4, 10, 121)[:-1]  # the rates of a range test, one a step
SPAN = 5  # steps that a loss is averaged over before its least is sought
EVERY = 4  # steps from one sharpness to the next
EXAMPLES = 128  # that the sharpness is taken over
LOADS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # rates of the scaling rule, in limits of the untrained net
TIMES = 8  # small steps for a large one


@dataclasses.dataclass(frozen=True)
class RangeTest:
    """What a range test of n nets met."""

    losses: Float[Tensor, "steps n"]  # of each step's batch, before the step; nan after a net has diverged
    sharpness: Float[Tensor, "moments n"]  # before every so many steps; nan likewise


def range_test(
    seeds: Sequence[int], *, momentum: float = 0.0, batch_norm: bool = False, every: int = EVERY
) -> RangeTest:
    """Train untrained nets with SGD while the rate climbs by equal ratios through `TESTED`.

    The sharpness is measured before every `every`th step.
    """
    task = digits()
    members = _members(seeds, batch_norm, 1.0, momentum)
    batches = minibatches(task.inputs, task.targets, size=BATCH, seed=[*seeds])
    found = []
    for _ in range(0, len(TESTED), every):
        found.append(sharpness_of(members, batch_norm).where(members.alive, torch.nan))
        members.fit(batches, cross_entropy, steps=every, schedule=lambda step: float(TESTED[step]), in_dims=0)
    return RangeTest(members.losses, torch.stack(found))


def turning(losses: Float[Tensor, "steps n"]) -> list[int]:
    """Return for each net the middle of the five steps with the least mean logarithm of the loss."""
    logarithms = losses.log().nan_to_num(nan=torch.inf)
    return (logarithms.unfold(0, SPAN, 1).mean(-1).argmin(0) + SPAN // 2).tolist()


def limit_over(rate: float, level: float, momentum: float = 0.0) -> float:
    """Return how many doublings a rate lies above the limit that a sharpness sets."""
    return float(np.log2(rate * level / (2 * (1 + momentum))))


def level_at(step: int, levels: Sequence[float] | np.ndarray) -> float:
    """Return the sharpness at a step, between two of its moments by equal ratios."""
    known = np.flatnonzero(np.isfinite(levels) & (np.asarray(levels) > 0))
    return float(np.exp(np.interp(step, known * EVERY, np.log(np.asarray(levels)[known]))))


def range_tests(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Find where the loss turns, in doublings above the limit of that moment and of the start."""
    outcomes: dict[str, list[float]] = {}
    settings = (("plain", 0.0, False), ("bn", 0.0, True), ("momentum", MOMENTUM, False))
    for name, momentum, batch_norm in settings:
        test = range_test(seeds, momentum=momentum, batch_norm=batch_norm)
        turns, levels = turning(test.losses), test.sharpness.numpy()
        rates = [float(TESTED[turn]) for turn in turns]
        then = [level_at(turn, levels[:, n]) for n, turn in enumerate(turns)]
        outcomes |= {
            f"{name}_rate": rates,
            f"{name}_over_then": [limit_over(r, s, momentum) for r, s in zip(rates, then, strict=True)],
            f"{name}_over_start": [limit_over(r, s, momentum) for r, s in zip(rates, levels[0], strict=True)],
        }
    outcomes["parabola_over"] = [parabola(seed) for seed in seeds]
    outcomes["effect"] = outcomes["plain_over_then"]
    return {name: short(torch.tensor(values, dtype=torch.float64)) for name, values in outcomes.items()}


def parabola(seed: int) -> float:
    """Return where the range test turns on a parabola of a random sharpness, in doublings above its limit."""
    rng = np.random.default_rng(seed)
    level, x, losses = float(np.exp(rng.uniform(np.log(2), np.log(500)))), float(rng.normal()), []
    for rate in TESTED:
        losses.append(level * x * x / 2)
        x -= float(rate) * level * x
    (turn,) = turning(torch.tensor(losses, dtype=torch.float64)[:, None])
    return limit_over(float(TESTED[turn]), level)


def scaling(
    seeds: Sequence[int], rates: Float[Tensor, "r n"], *, times: int, batch_norm: bool = False
) -> tuple[Float[Tensor, "r n"], Float[Tensor, "r n"], Float[Tensor, "r n"]]:
    """Take some small steps, and from the same start one with all their examples at that many times the rate.

    Args:
        seeds: n nets.
        rates: of the large step, for each net its own.
        times: small steps for a large one.
        batch_norm: whether the nets have it.

    Returns: the loss over all training digits after the small steps and after the large one, each in losses before;
        and how far apart the two ends are, in lengths of the way that the small steps went.
    """
    task, n = digits(), len(seeds)
    many = [*seeds] * len(rates)
    small, large = (_members(many, batch_norm, rates.flatten() / part) for part in (times, 1))
    start = {name: value.clone() for name, value in small.parameters.items()}
    before = small.evaluate(cross_entropy, task.inputs, task.targets)
    draw = minibatches(task.inputs, task.targets, size=BATCH, seed=many)
    batches = [draw(step) for step in range(times)]
    small.fit(lambda step: batches[step], cross_entropy, steps=times, in_dims=0)
    large.step(cross_entropy, *(torch.cat(parts, 1) for parts in zip(*batches, strict=True)), in_dims=0)
    losses = [one.evaluate(cross_entropy, task.inputs, task.targets) / before for one in (small, large)]
    apart = _distance(small.parameters, large.parameters) / _distance(small.parameters, start)
    first, second, third = (values.view(-1, n) for values in (*losses, apart))
    return first, second, third


def scaling_rule(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Compare eight small steps with a large one at rates from a quarter of the limit to eight times as much."""
    level = sharpness_of(_members(seeds, False, 1.0), False)
    rates = torch.tensor(LOADS, dtype=torch.float64)[:, None] * 2 / level
    small, large, apart = scaling(seeds, rates, times=TIMES)
    outcomes = {f"over_{load:g}": short((b / a).log2()) for load, a, b in zip(LOADS, small, large, strict=True)}
    outcomes |= {f"apart_{load:g}": short(one) for load, one in zip(LOADS, apart, strict=True)}
    outcomes |= {f"gain_{load:g}": short(-one.log2()) for load, one in zip(LOADS, small, strict=True)}
    outcomes["effect"] = outcomes["over_8"]
    return outcomes


def recheck_range_tests(seeds: Sequence[int]) -> Mapping[str, Sequence[float]]:
    """Run the range test with batch norm again, and the one on parabolas."""
    test = range_test(seeds, batch_norm=True, every=len(TESTED))
    rates = [float(TESTED[turn]) for turn in turning(test.losses)]
    found = {
        "bn_rate": rates,
        "bn_over_start": [limit_over(r, s) for r, s in zip(rates, test.sharpness[0].tolist(), strict=True)],
        "parabola_over": [parabola(seed) for seed in seeds],
    }
    return {name: short(torch.tensor(values, dtype=torch.float64)) for name, values in found.items()}


def sharpness_of(members: Ensemble, batch_norm: bool) -> Float[Tensor, " n"]:
    """Return the sharpness of the loss over the first 128 training digits, by power iteration in single precision."""
    task = digits()
    parameters = {name: value.float() for name, value in members.parameters.items()}
    batch = task.inputs[:EXAMPLES].float(), task.targets[:EXAMPLES]
    found = sharpness(task.build(batch_norm)().float(), parameters, cross_entropy, *batch, iterations=20)
    return found.double().detach()


def _members(seeds: Sequence[int], batch_norm: bool, rate: float | Tensor, momentum: float = 0.0) -> Ensemble:
    return Ensemble(digits().build(batch_norm), seeds, learning_rate=rate, momentum=momentum)


def _distance(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Float[Tensor, " n"]:
    return torch.stack([(a[name] - b[name]).flatten(1).square().sum(1) for name in a]).sum(0).sqrt()


_DOUBLING = "rates are tried in steps of a factor 2; less would not change which one is taken"

CLAIMS = (
    Claim(
        "WU-7",
        "A learning-rate range test turns where the rate meets 2 / sharpness.",
        Said("field", "Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section 3.3, for the test"),
        {
            "of the sharpness at that moment, plain SGD": stays_within(
                1, "doublings of the rate above 2 / sharpness then", of="plain_over_then", because=_DOUBLING
            ),
            "of the sharpness at that moment, with batch norm": stays_within(
                1, "doublings of the rate above 2 / sharpness then", of="bn_over_then", because=_DOUBLING
            ),
            "of the sharpness at that moment, with momentum 0.9": stays_within(
                1,
                "doublings of the rate above 2 (1 + 0.9) / sharpness then",
                of="momentum_over_then",
                because=_DOUBLING,
            ),
            "not of the sharpness at the start, plain SGD": exceeds(
                1, "doublings of the rate above 2 / sharpness of the start", of="plain_over_start", because=_DOUBLING
            ),
            "not of the sharpness at the start, with batch norm": exceeds(
                1, "doublings of the rate above 2 / sharpness of the start", of="bn_over_start", because=_DOUBLING
            ),
        },
        range_tests,
        seeds=24,
        control=stays_within(
            0.5,
            "doublings of the rate above 2 / sharpness where the test turns on a parabola of known sharpness",
            of="parabola_over",
            because="half of the doubling that matters",
        ),
        recheck=recheck_range_tests,
        told={
            "depends": "A range test is itself a warm-up: it finds a rate far above what the untrained net could take, "
            "and even above the limit of that moment."
        },
    ),
    Claim(
        "WU-8",
        "One step with a batch eight times as large, at eight times the rate, does what eight steps do, up to "
        "2 / sharpness.",
        Said(
            "field", "Goyal et al., Accurate, Large Minibatch SGD, 2017, section 2.1, for the rule; the limit is ours"
        ),
        {
            f"at {words}the limit": stays_within(
                MATTERS,
                "loss after the large step over that after eight, in doublings",
                of=f"over_{load:g}",
                because=WHY_MATTERS,
            )
            for load, words in ((0.25, "a quarter of "), (0.5, "half "), (1.0, ""))
        }
        | {
            "not at eight times the limit": exceeds(
                MATTERS,
                "loss after the large step over that after eight, in doublings",
                of="over_8",
                because=WHY_MATTERS,
            )
        },
        scaling_rule,
        seeds=24,
        control=exceeds(
            MATTERS, "doublings that eight steps lower the loss at the limit", of="gain_1", because=WHY_MATTERS
        ),
        told={
            "holds": "Many small steps and one large one lower the loss alike, up to 2 / sharpness; far above it the "
            "large one falls behind."
        },
    ),
)
