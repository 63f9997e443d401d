"""Claim WU-9: warm-up among its kin, the schedules that begin low and those that begin high; RAdam's among them."""

from collections.abc import Mapping, Sequence

from fpnlib.claims import Claim, Criterion, Said, exceeds, stays_within
from fpnlib.notes.warmup.experiments.nets import digits
from fpnlib.notes.warmup.experiments.rates import (
    FIVE_RUNS,
    LARGE,
    LONGEST,
    MATTERS,
    RATES,
    SMALL,
    UNNOTICED,
    WHY_MATTERS,
    saves,
    short,
)
from fpnlib.notes.warmup.experiments.runs import Run, train_runs

KIN = {
    "constant": Run(1.0, decay="constant"),
    "steps": Run(1.0, decay="step"),
    "cosine": Run(1.0),
    "warm-up, cosine": Run(1.0, LONGEST),
    "one-cycle": Run(1.0, decay="one-cycle"),
    "RAdam's, cosine": Run(1.0, decay="rectified"),
}
"""Each schedule at rate 1, by its name."""
_NAMES = {"constant": "constant", "steps": "steps", "cosine": "cosine", "warm-up, cosine": "warm", "one-cycle": "cycle"}


def at_rates(names: Sequence[str], rates: Sequence[float]) -> list[Run]:
    """Return a run for every schedule and rate, schedule by schedule."""
    return [KIN[name].at(rate) for name in names for rate in rates]


def kin(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train with five schedules at six rates, SGD; and Adam with RAdam's factor at the three larger ones."""
    rates = RATES["sgd"]
    outcomes: dict[str, list[float]] = {}
    result = train_runs(digits(), at_rates([*_NAMES], rates), seeds)
    shape = len(_NAMES), len(rates), -1
    failed = dict(zip(_NAMES.values(), result.failed.view(shape), strict=True))
    final = dict(zip(_NAMES.values(), result.final.log2().view(shape), strict=True))
    for name in _NAMES.values():
        outcomes |= {
            f"{name}_failed": short(failed[name][LARGE.start :].mean(0)),
            f"{name}_small_failed": short(failed[name][: SMALL.stop].mean(0)),
            f"{name}_loss": short(final[name][SMALL.stop - 1]),
        }
    for name, first, second in _PAIRS:
        outcomes[name] = short((failed[first] - failed[second])[LARGE.start :].mean(0))
    outcomes["decay_gain"] = short(final["constant"][SMALL.stop - 1] - final["cosine"][SMALL.stop - 1])
    outcomes["by_rate"] = short(failed["cosine"][LARGE.start :].mean(0) - failed["cosine"][: SMALL.stop].mean(0))
    outcomes |= _rectified(seeds)
    outcomes["effect"] = outcomes["cycle_saves"]
    return outcomes


_PAIRS = (
    ("constant_less_cosine", "constant", "cosine"),
    ("steps_less_cosine", "steps", "cosine"),
    ("cycle_saves", "cosine", "cycle"),
    ("cycle_less_warm", "cycle", "warm"),
)


def _rectified(seeds: Sequence[int]) -> dict[str, list[float]]:
    rates = [RATES["adam"][place] for place in LARGE]
    ways = {
        "none": at_rates(["cosine"], rates),
        "warm": at_rates(["warm-up, cosine"], rates),
        "rectified": at_rates(["RAdam's, cosine"], rates),
        "area": [run.equal_area() for run in at_rates(["RAdam's, cosine"], rates)],
    }
    runs = [run for some in ways.values() for run in some]
    failed = train_runs(digits(), runs, seeds, optimizer="adam").failed.view(len(ways), len(rates), -1).mean(1)
    by_way = dict(zip(ways, failed, strict=True))
    return {f"adam_{way}_failed": short(values) for way, values in by_way.items()} | {
        "rectified_saves": short(by_way["none"] - by_way["rectified"]),
        "rectified_over_area": short(by_way["area"] - by_way["rectified"]),
    }


def recheck_kin(seeds: Sequence[int]) -> Mapping[str, Sequence[float]]:
    """Train again what is not chaotic: the cosine and the constant rate at the largest of the small rates."""
    rate = RATES["sgd"][SMALL.stop - 1]
    final = train_runs(digits(), at_rates(["constant", "cosine"], [rate]), seeds).final
    return {f"{name}_loss": short(one.log2()) for name, one in zip(("constant", "cosine"), final, strict=True)}


def _alike(what: str, of: str) -> Criterion:
    return stays_within(UNNOTICED, f"share of failed runs, {what}, the three larger rates", of=of, because=FIVE_RUNS)


CLAIMS = (
    Claim(
        "WU-9",
        "Of a schedule's shape the beginning decides whether a net is lost, and the end how far it gets.",
        Said("us"),
        {
            "of the beginning: a constant rate loses as many as a cosine": _alike(
                "constant less cosine", "constant_less_cosine"
            ),
            "of the beginning: steps lose as many as a cosine": _alike("steps less cosine", "steps_less_cosine"),
            "of the beginning: one-cycle saves nets": saves(
                "cosine less one-cycle, the three larger rates", "cycle_saves"
            ),
            "of the beginning: one-cycle loses as many as a warm-up before a cosine": _alike(
                "one-cycle less warm-up and cosine", "cycle_less_warm"
            ),
            "of the end: a cosine ends lower than a constant rate": exceeds(
                MATTERS,
                "final loss at rate 0.1, where no beginning kills, constant over cosine, in doublings",
                of="decay_gain",
                because=WHY_MATTERS,
            ),
            "of Adam: RAdam's factor saves nets": saves("cosine less RAdam's factor on it", "rectified_saves"),
            "of Adam: it saves more than a lower rate of equal area": saves(
                "cosine at a rate whose sum over all steps is as large, less RAdam's factor", "rectified_over_area"
            ),
        },
        kin,
        seeds=24,
        control=saves("cosine, the three larger rates less the three smaller", "by_rate"),
        recheck=recheck_kin,
        told={
            "depends": "A schedule's end saves no net: those that begin at the full rate lose as many. RAdam's factor "
            "saves nets, and so does a lower rate."
        },
    ),
)
