"""The exercises of note 09."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import stdtrit

from fpnlib.exercises import Exercise, compare
from fpnlib.notes.research.experiments.calendar import YEAR

Answer = Callable[..., Any]


def latest_start(total: float, deadline: int) -> int:
    """Return the latest month whose first day leaves `total` months until the last day of month `deadline`."""
    return math.floor(deadline + 1 - total) % YEAR


def _first_day(total: float, deadline: int) -> int:
    return math.floor(deadline - total) % YEAR


def _one_year(total: float, deadline: int) -> int:
    return math.floor(deadline + 1 - total)


def _rounded_up(total: float, deadline: int) -> int:
    return math.ceil(deadline + 1 - total) % YEAR


_FAULTS = {
    "You lose a month. The deadline is the last day of its month, so that month counts too.": _first_day,
    "Your month can be negative. Before January comes December: take it modulo 12.": _one_year,
    "With half a month your start is too late. You begin on a first day, so round down.": _rounded_up,
}


def _examine(answer: Answer) -> str | None:
    cases = list(itertools.product([9.0, 9.5, 10.5, 12.0, 3.5, 16.0], range(YEAR)))
    return compare(answer, latest_start, cases, _FAULTS)


def verdict(low: float, high: float, bound: float, control: bool) -> int:
    """Return 1 for holds, -1 for fails, 0 for not shown."""
    if low > bound:
        return 1
    return -1 if high <= bound and control else 0


def _not_significant(low: float, high: float, bound: float, control: bool) -> int:
    return 1 if low > bound else -1


def _blind(low: float, high: float, bound: float, control: bool) -> int:
    return 1 if low > bound else -1 if high <= bound else 0


def _timid(low: float, high: float, bound: float, control: bool) -> int:
    return verdict(low, high, bound, control) if control else 0


_VERDICT_FAULTS = {
    "An interval with the bound inside says that you do not know. That is not shown, and no failure.": _not_significant,
    "It says *fails* of an instrument that has not seen even the effect that is there. Ask for the control.": _blind,
    "A blind instrument cannot see an effect that is not there; where it sees one, the claim holds.": _timid,
}


def _examine_verdict(answer: Answer) -> str | None:
    ends = [(0.2, 0.4), (-0.3, -0.1), (-0.1, 0.3), (0.0, 0.1), (-0.1, 0.1), (0.11, 0.12)]
    cases = [(*pair, bound, control) for pair in ends for bound in (0.0, 0.1) for control in (True, False)]
    return compare(answer, verdict, cases, _VERDICT_FAULTS)


def two_looks(values: np.ndarray, first: int) -> float:
    """Return the share of experiments of which one look or the other shows an effect; each is a row of values.

    A look, at the first `first` values or at all, shows one if Student's 95 % interval of the mean misses zero.
    """
    return float((_misses(values[:, :first]) | _misses(values)).mean())


def _misses(seen: np.ndarray, quantile: float | None = None) -> np.ndarray:
    count = seen.shape[1]
    widths = quantile or stdtrit(count - 1, 0.975)
    return np.abs(seen.mean(1)) > widths * seen.std(1, ddof=1) / np.sqrt(count)


def _last_look(values: np.ndarray, first: int) -> float:
    return float(_misses(values).mean())


def _added(values: np.ndarray, first: int) -> float:
    return float(_misses(values[:, :first]).mean() + _misses(values).mean())


def _normal(values: np.ndarray, first: int) -> float:
    return float((_misses(values[:, :first], 1.96) | _misses(values, 1.96)).mean())


_LOOK_FAULTS = {
    "You count the last look alone. Whoever has seen an effect at the first look stops there.": _last_look,
    "You count twice those that both looks mislead. The second look holds the first one's values.": _added,
    "Your intervals are too narrow. With few values take Student's t: `scipy.stats.t.ppf(0.975, n - 1)`.": _normal,
}


def _examine_looks(answer: Answer) -> str | None:
    rng = np.random.default_rng(0)
    cases = [(rng.normal(size=(2000, everything)), first) for first, everything in ((8, 16), (4, 20), (10, 12))]
    return compare(answer, two_looks, cases, _LOOK_FAULTS)


EXERCISES = (
    Exercise(
        "latest start",
        "A project takes `total` months, begins on the first day of a month and must be done by the last day of month "
        "`deadline`, 0 for January. Write f(total, deadline) that counts back from there and returns the latest month "
        "to begin in, 0 for January of whichever year. `total` may hold half a month, and be more than a year.",
        _examine,
        latest_start,
        ((_first_day, "lose a month"), (_one_year, "negative"), (_rounded_up, "round down")),
        (
            "If the project takes one month and is due in June, June is the latest. And if it takes a month and a "
            "half?",
            "Whole months that it touches: round `total` up. Then go back from the deadline, and wrap around the "
            "year with % 12.",
        ),
    ),
    Exercise(
        "verdict",
        "Mend f(low, high, bound, control), so that it returns 1 (holds) if the whole interval lies above the bound, "
        "-1 (fails) if none of it does and the control has been seen, and 0 (not shown) otherwise.",
        _examine_verdict,
        verdict,
        ((_not_significant, "you do not know"), (_blind, "control"), (_timid, "blind instrument")),
        (
            "There are three places for the bound: below the interval, above it, and inside.",
            "Only one of the three answers needs the control: to say that something is not there, you must be able to "
            "see it.",
        ),
    ),
    Exercise(
        "two looks",
        "Write f(values, first). A row of `values` is an experiment. Look at its first `first` values and at all of "
        "them: Student's 95 % interval of the mean misses zero, or not. Return the share of rows for which one of the "
        "two intervals, or both, miss it.",
        _examine_looks,
        two_looks,
        ((_last_look, "stops there"), (_added, "twice"), (_normal, "Student's t")),
        (
            "An interval misses zero if the mean is further from it than half the interval's width.",
            "That half is `scipy.stats.t.ppf(0.975, n - 1) * seen.std(1, ddof=1) / n**0.5` for `seen` of n columns.",
        ),
    ),
)
