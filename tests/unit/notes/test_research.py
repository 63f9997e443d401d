"""Note 09's calendar against Python's own."""

import itertools
from datetime import date, timedelta

import numpy as np
import pytest

from fpnlib.notes.research.exercises import two_looks
from fpnlib.notes.research.experiments.calendar import MONTHS, YEAR, Plan, month_at

PLANS = [Plan(start, parts) for start in range(YEAR) for parts in itertools.product((3, 3.5, 4), repeat=3)]


def last_day(months):
    """The day on which something ends that takes so many months from the first of January."""
    years, month = divmod(int(months), YEAR)
    return date(2027 + years, month + 1, 15 if months % 1 else 1) - timedelta(days=1)


@pytest.mark.parametrize("plan", PLANS[::7])
def test_plans_end_in_the_month_that_the_calendar_says(plan):
    assert month_at(plan.ends[-1]) == MONTHS[last_day(plan.ends[-1]).month - 1]


@pytest.mark.parametrize("times", [1, 2, 3, 4, 6, 12])
def test_the_next_deadline_is_the_first_after_the_end(times):
    for plan, deadline in itertools.product(PLANS[::11], range(YEAR)):
        deadlines = [deadline + 1 + k * YEAR / times for k in range(-2 * times, 3 * times)]
        waits = [at - plan.ends[-1] for at in deadlines if at >= plan.ends[-1]]
        assert plan.slack(deadline, times) == min(waits)


@pytest.mark.bad_input
@pytest.mark.parametrize(("deadline", "times", "message"), [(12, 1, "deadline: got 12"), (0, 5, "times: got 5")])
def test_slack_refuses(deadline, times, message):
    with pytest.raises(ValueError, match=message):
        PLANS[0].slack(deadline, times)


def test_two_looks_mislead_in_eight_or_nine_cases_of_a_hundred():
    values = np.random.default_rng(0).normal(size=(100_000, 16))
    assert 0.08 < two_looks(values, 8) < 0.09
    assert two_looks(values, 16) == pytest.approx(0.05, abs=0.003)  # the same look twice is one
