"""The exercise of note 09."""

import itertools
import math
from collections.abc import Callable

from fpnlib.exercises import Exercise, compare
from fpnlib.notes.research.experiments.calendar import YEAR

Answer = Callable[[float, int], int]


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
)
