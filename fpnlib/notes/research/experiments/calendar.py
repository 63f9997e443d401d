"""The months of a first paper: how long its three parts take, and where they land in the year."""

import dataclasses

from fpnlib.validation import require

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
PARTS = ("learn to code and read", "find a method and draft", "make it work and write")
YEAR = len(MONTHS)


@dataclasses.dataclass(frozen=True)
class Plan:
    """A first paper on the calendar; all numbers in months.

    Attributes:
        start: the month it begins with, 0 for January.
        lengths: how long each of the three parts takes.
    """

    start: int
    lengths: tuple[float, float, float]

    def __post_init__(self) -> None:
        require(0 <= self.start < YEAR, "start", self.start, f"a month from 0 to {YEAR - 1}")
        require(all(length > 0 for length in self.lengths), "lengths", self.lengths, "months above 0")

    @property
    def total(self) -> float:
        """Months from the first day to the last."""
        return sum(self.lengths)

    @property
    def ends(self) -> tuple[float, float, float]:
        """Where each part ends, in months since the January before the start."""
        first, second, _ = self.lengths
        return self.start + first, self.start + first + second, self.start + self.total

    def slack(self, deadline: int, times: int = 1) -> float:
        """Return the months between the end and the next deadline, which falls on the last day of its month.

        With several `times` a year the deadlines are equally far apart.

        Raises:
            ValueError: `deadline` is no month from 0 to 11, or `times` does not divide twelve.
        """
        require(0 <= deadline < YEAR, "deadline", deadline, f"a month from 0 to {YEAR - 1}")
        require(times in range(1, YEAR + 1) and YEAR % times == 0, "times", times, "a number that divides 12")
        return (deadline + 1 - self.ends[-1]) % (YEAR // times)


def day_at(months: float) -> str:
    """Say when something ends that ends `months` after a first of January: the end of a month, or the middle."""
    return f"the {'end' if months == int(months) else 'middle'} of {month_at(months)}"


def month_at(months: float) -> str:
    """Return the name of the month in which something ends that ends `months` after a first of January."""
    whole = int(months)
    return MONTHS[(whole if months > whole else whole - 1) % YEAR]
