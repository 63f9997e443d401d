"""RS-1: the one saying of the source on research that has a number in it."""

import itertools

from fpnlib.claims import Claim, Measurement, Said, within
from fpnlib.notes.research.experiments.calendar import Plan

SHORTEST, LONGEST = 9, 12  # months of a whole first paper, as the saying has it
PART = (3.0, 3.5, 4.0)  # "three or four months"


def totals() -> list[float]:
    """Months of every plan the saying allows: each part three to four months."""
    return [Plan(0, (a, b, c)).total for a, b, c in itertools.product(PART, repeat=3)]


def measure_months() -> Measurement:
    """By how many months the plans of three or four months a part miss the nine to twelve of the whole."""
    months = totals()
    missed = max(max(SHORTEST - min(months), max(months) - LONGEST), 0)
    return Measurement.exact(missed, len(months), shortest=min(months), longest=max(months))


CLAIMS = (
    Claim(
        "RS-1",
        "A first paper takes three or four months to learn to code and read, as many to find a method and draft, as "
        "many to make it work and write.",
        Said(
            "source",
            "掌握基本的代码和学会阅读文章需要3-4个月 … 技术路线和论文雏形需要3-4个月 … 做出来和论文写出来要3-4个月",
            "to master basic code and reading papers takes 3–4 months … a technical route and a first draft 3–4 "
            "months … to make it work and write it up 3–4 months",
            "for students with a good base",
        ),
        {"": within(0, "months by which the three parts together miss nine to twelve")},
        measure_months,
        check="Three times three or four is nine to twelve. How long first papers take would need data on papers, "
        "which this book does not have; it is not measured",
        told={
            "holds": "Three times three or four months is about a year; how long a first paper takes is not measured."
        },
    ),
)
