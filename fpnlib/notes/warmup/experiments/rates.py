"""Claims WU-2, WU-3 and WU-6: nets trained at many rates, with warm-up and without, and in Goyal et al.'s three ways.

The net, the rates and the lengths were chosen after trials with seeds 1000 to 1015, which no stored result uses.
`python -m fpnlib.notes.warmup.experiments.trials` prints the best rates of `BEST`.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from fpnlib.claims import Claim, Criterion, Said, all_of, exceeds
from fpnlib.notes.warmup.experiments.nets import digits, scene_objects
from fpnlib.notes.warmup.experiments.runs import Outcome, Run, grid, train_runs

RATES = {"sgd": (0.025, 0.05, 0.1, 0.2, 0.4, 0.8), "adam": (0.00625, 0.0125, 0.025, 0.05, 0.1, 0.2)}
BN_RATES = {"sgd": (0.2, 0.4, 0.8, 1.6, 3.2), "adam": (0.05, 0.1, 0.2, 0.4, 0.8)}
SCENE_RATES = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)
SMALL, LARGE = range(3), range(3, 6)  # which of the six rates, by place
LOWER, HIGHER = range(2), range(2, 5)  # and of batch norm's five
WARMUPS = (0, 10, 40, 80)
LONGEST = WARMUPS[-1]

BEST: Mapping[str, tuple[int, int]] = {"sgd": (1, 2), "adam": (1, 2), "sgd_bn": (2, 3), "adam_bn": (2, 3)}
"""The place of the rate with the smallest mean final loss over the trials' seeds, without warm-up and with 80 steps."""

SHORT = 11  # of 200 steps, as 5 of 90 epochs
SETTINGS = {"short": (SHORT, 1 / 32, True, (0.4, 0.8)), "long": (LONGEST, 0.1, False, (0.2, 0.4))}
"""Of claim WU-3: steps of warm-up, the first step's factor, whether with batch norm, the rates."""
WAYS = ("none", "constant", "linear")


def short(values: Tensor) -> list[float]:
    """Keep five digits: a ledger that is read, and enough to compare with."""
    return [float(f"{value:.5g}") for value in values.tolist()]


def rate_map(
    seeds: Sequence[int], *, keep: Callable[[str, Tensor], object] = lambda optimizer, losses: None
) -> dict[str, list[float]]:
    """Train the map of learning rate, warm-up and optimiser, with its controls, on digits and on scenes.

    `keep` is given the map's losses without batch norm, (steps, rates × warm-ups, seeds), by optimiser.
    """
    cells: dict[str, list[float]] = {}
    for optimizer, rates in RATES.items():
        runs = grid(rates, WARMUPS) + [Run(rate, LONGEST).equal_area() for rate in rates]
        result = train_runs(digits(), runs, seeds, optimizer=optimizer)
        keep(optimizer, result.losses[:, : -len(rates)])
        cells |= _cells(optimizer, result, len(rates), WARMUPS)
        runs = grid(rates, (0, LONGEST))
        result = train_runs(digits(), runs, seeds, optimizer=optimizer, batch_norm=True)
        cells |= _cells(f"{optimizer}_bn", result, len(rates), (0, LONGEST))
    runs = grid(SCENE_RATES, (0, LONGEST)) + [Run(rate, LONGEST).equal_area() for rate in SCENE_RATES]
    cells |= _cells("scenes", train_runs(scene_objects(), runs, seeds), len(SCENE_RATES), (0, LONGEST))
    return cells | sums(cells)


def _cells(name: str, result: Outcome, rates: int, warmups: Sequence[int]) -> dict[str, list[float]]:
    cells = [f"{name}_rate{i}_warmup{w}" for i in range(rates) for w in warmups]
    cells += [f"{name}_rate{i}_area" for i in range(result.final.shape[0] - len(cells))]
    named = {f"{cell}_loss": short(values) for cell, values in zip(cells, result.final, strict=True)}
    return named | {f"{cell}_failed": short(values) for cell, values in zip(cells, result.failed, strict=True)}


def sums(cells: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Sum up the map's cells: shares failed at large and small rates, losses at the best rate, ten steps' cost."""
    found: dict[str, Tensor] = {}

    def loss(name: str, place: int, warmup: int) -> Tensor:
        return torch.tensor(cells[f"{name}_rate{place}_warmup{warmup}_loss"])

    for name in (*BEST, "scenes"):
        none, longest = (share_failed(cells, name, f"warmup{w}", LARGE) for w in (0, LONGEST))
        found |= {f"{name}_none_failed": none, f"{name}_longest_failed": longest, f"{name}_large": none - longest}
        found[f"{name}_by_rate"] = none - share_failed(cells, name, "warmup0", SMALL)
        if f"{name}_rate0_area_failed" in cells:
            area = share_failed(cells, name, "area", LARGE)
            found |= {f"{name}_area_failed": area, f"{name}_over_area": area - longest}
    for name, places in BEST.items():
        best = {w: loss(name, place, w) for place, w in zip(places, (0, LONGEST), strict=True)}
        found |= {f"{name}_best_warmup{w}_loss": values for w, values in best.items()}
        found[f"{name}_best_gain"] = (best[0] / best[LONGEST]).log2()
    for name in RATES:
        cost = loss(name, 0, 10) - loss(name, 0, 0)
        found |= {f"{name}_ten_cost": cost, f"{name}_ten_worse": (cost > 0).double()}
    for kind in ("large", "over_area", "by_rate"):
        found[kind] = torch.stack([found[f"{name}_{kind}"] for name in RATES]).mean(0)
    return {name: short(values) for name, values in found.items()} | {"effect": short(found["large"])}


def share_failed(cells: Mapping[str, Sequence[float]], name: str, ending: str, places: range) -> Tensor:
    """Return of each seed's runs at these rates the share that failed."""
    return torch.tensor([cells[f"{name}_rate{i}_{ending}_failed"] for i in places]).mean(0)


def recheck_rate_map(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train three cells of the map again, on SGD's second largest rate: no warm-up, the longest, the equal area."""
    i = len(RATES["sgd"]) - 2
    rate = RATES["sgd"][i]
    runs = [Run(rate), Run(rate, LONGEST), Run(rate, LONGEST).equal_area()]
    result = train_runs(digits(), runs, seeds)
    names = (f"sgd_rate{i}_{ending}" for ending in ("warmup0", f"warmup{LONGEST}", "area"))
    return {f"{name}_loss": short(values) for name, values in zip(names, result.final, strict=True)}


def higher_rates(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train nets with batch norm at rates up to four times those of the map, with warm-up and without."""
    outcomes: dict[str, list[float]] = {}
    for optimizer, rates in BN_RATES.items():
        result = train_runs(digits(), grid(rates, (0, LONGEST)), seeds, optimizer=optimizer, batch_norm=True)
        cells = _cells(optimizer, result, len(rates), (0, LONGEST))
        none, longest = (share_failed(cells, optimizer, f"warmup{w}", HIGHER) for w in (0, LONGEST))
        outcomes |= cells | {
            f"{optimizer}_none_failed": short(none),
            f"{optimizer}_longest_failed": short(longest),
            f"{optimizer}_higher": short(none - longest),
            f"{optimizer}_by_rate": short(none - share_failed(cells, optimizer, "warmup0", LOWER)),
        }
    for kind in ("higher", "by_rate"):
        outcomes[kind] = short(torch.tensor([outcomes[f"{name}_{kind}"] for name in RATES]).mean(0))
    outcomes["effect"] = outcomes["higher"]
    return outcomes


def recheck_higher_rates(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train one cell again: SGD with batch norm at its second rate, with warm-up."""
    result = train_runs(digits(), [Run(BN_RATES["sgd"][1], LONGEST)], seeds, batch_norm=True)
    return {f"sgd_rate1_warmup{LONGEST}_loss": short(result.final[0])}


def three_ways(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train without warm-up, with a constant low start and with a ramp, of equal length; the error on test digits."""
    outcomes: dict[str, list[float]] = {}
    for setting, (length, start, batch_norm, rates) in SETTINGS.items():
        runs = [Run(rate, length, way, start) for way in WAYS for rate in rates]
        errors = train_runs(digits(), runs, seeds, batch_norm=batch_norm).error.view(len(WAYS), len(rates), -1)
        for way, error in zip(WAYS, errors, strict=True):
            outcomes |= {f"{setting}_{way}_{rate}": short(one) for rate, one in zip(rates, error, strict=True)}
            outcomes[f"{setting}_{way}"] = short(error.mean(0))
        for worse, better in (("none", "linear"), ("constant", "linear"), ("constant", "none")):
            gain = errors[WAYS.index(worse)] - errors[WAYS.index(better)]
            name = f"{setting}_{worse}_less_{better}"
            outcomes |= {f"{name}_{rate}": short(one) for rate, one in zip(rates, gain, strict=True)}
            outcomes[name] = short(gain.mean(0))
        by_rate = errors[WAYS.index("none"), 1] - errors[WAYS.index("none"), 0]
        outcomes[f"{setting}_by_rate"] = short(by_rate)
    outcomes["effect"] = outcomes["short_constant_less_linear"]
    return outcomes


UNNOTICED = 0.13
FIVE_RUNS = (
    "at a chance of 0.13 to lose a run, five runs, as many as Goyal et al. train, lose none as often as one or more"
)
MATTERS = 0.36
WHY_MATTERS = "0.36 is what SGD loses without warm-up by half its best rate, .0307 against .0240"
_POINTS = 0.011
_GOYAL = "1.1 points of error is what warm-up gains in Goyal et al.'s table 1, 24.84 less 23.74"


def saves(what: str, of: str) -> Criterion:
    """Return the criterion of a share of failed runs that many would notice."""
    return exceeds(UNNOTICED, f"share of failed runs, {what}", of=of, because=FIVE_RUNS)


def _points(what: str, of: str) -> Criterion:
    return exceeds(_POINTS, f"error on test digits, {what}", of=of, because=_GOYAL)


_NETS = {"SGD": "sgd", "Adam": "adam"}
_LARGE = "none less 80 of 200 steps, the three larger of six rates"


CLAIMS = (
    Claim(
        "WU-2",
        "Large learning rates need warm-up.",
        Said("field", "Goyal et al., Accurate, Large Minibatch SGD, 2017, section 2.2"),
        {f"with {who} without batch norm": saves(_LARGE, f"{name}_large") for who, name in _NETS.items()}
        | {f"with {who} and batch norm": saves(_LARGE, f"{name}_bn_large") for who, name in _NETS.items()}
        | {
            f"with {who} against a lower rate of equal area": saves(
                "no warm-up at a rate whose sum over all steps is as large, less 80 steps", f"{name}_over_area"
            )
            for who, name in _NETS.items()
        }
        | {
            f"with {who} {word} batch norm, each way at its best rate": exceeds(
                MATTERS,
                "final loss, none over 80 steps, in doublings, each at the rate that was best for 16 other seeds",
                of=f"{name}{bn}_best_gain",
                because=WHY_MATTERS,
            )
            for who, name in _NETS.items()
            for word, bn in (("without", ""), ("and", "_bn"))
        },
        rate_map,
        seeds=16,
        control=saves("no warm-up, the three larger rates less the three smaller, both optimisers", "by_rate"),
        recheck=recheck_rate_map,
        told={
            "depends": "Without batch norm, warm-up saves nets at large rates and wins even where both ways are tuned; "
            "with batch norm few nets need it at the same rates."
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
        "WU-6",
        "Batch norm does not do away with warm-up: at higher rates it is needed again.",
        Said("us"),
        {
            f"with {who}": saves("none less 80 of 200 steps, batch norm, four times the large rates", f"{name}_higher")
            for who, name in _NETS.items()
        },
        higher_rates,
        seeds=16,
        control=saves("no warm-up, the three higher of five rates less the two lower, both optimisers", "by_rate"),
        recheck=recheck_higher_rates,
        told={
            "depends": "Batch norm lets you go to higher rates, and there warm-up saves nets again, with Adam for "
            "certain."
        },
    ),
)
