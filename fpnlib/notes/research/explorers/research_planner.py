"""A calendar of the first paper, for a start in each month of the year."""

import dataclasses
from collections.abc import Callable

from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, MUTED, ORANGE, PAPER, SKY, YELLOW
from fpnlib.notes.research.experiments.calendar import MONTHS, PARTS, YEAR, Plan, day_at, month_at

LONGEST = 6.0  # months, of each part
_LENGTHS = ("reading", "method", "writing")
TIMES = (1, 2, 3, 4)  # deadlines a year
_SHOWN = YEAR + 3 * LONGEST  # months across the picture
_KEY = (7, YEAR - 3.5)  # right and upper edge of where the parts' names stand; no bar begins so early in so late a row


@dataclasses.dataclass(frozen=True)
class PlannerData:
    """One plan for each month of the year, the chosen start, the deadline's month, and how many a year there are."""

    plans: tuple[Plan, ...]
    start: int
    deadline: int
    times: int

    @property
    def deadlines(self) -> range:
        """In months since the first of the first January."""
        gap = YEAR // self.times
        return range(self.deadline % gap + 1, int(_SHOWN) + 1, gap)

    @property
    def chosen(self) -> Plan:
        """The plan that begins in the chosen month."""
        return self.plans[self.start]


class PlannerExplorer(Explorer[PlannerData]):
    """Three bars for each start; the chosen one is framed, and triangles mark the deadlines."""

    title = "Twelve plans of three bars, one for each month a project can begin in, over a calendar with deadlines"
    size = (1000, 400)
    groups = (("months for", _LENGTHS),)

    def make_controls(self) -> dict[str, Widget]:
        """Return the three lengths, the month of the start, the month of a deadline, and how many a year."""
        lengths = {
            name: slider(f"{part} (months)", 3.5, 1.0, LONGEST, 0.5) for name, part in zip(_LENGTHS, PARTS, strict=True)
        }
        return lengths | {
            "start": choice("start in", MONTHS),
            "times": choice("deadlines a year", TIMES),
            "deadline": choice("one at the end of each", MONTHS, "November"),
        }

    def compute(
        self, reading: float, method: float, writing: float, start: str, times: int, deadline: str
    ) -> PlannerData:
        """Lay the same plan into every month of the year."""
        plans = tuple(Plan(month, (reading, method, writing)) for month in range(YEAR))
        return PlannerData(plans, MONTHS.index(start), MONTHS.index(deadline), times)

    def build(self, figure: Figure) -> None:
        """Lay out two years and a half, a row for each start."""
        calendar = self.panel(figure.subplots(), xlim=(0, _SHOWN), ylim=(YEAR - 0.4, -1.4), ylabel="start in")
        calendar.axes.set_yticks(range(YEAR), MONTHS)
        months = range(int(_SHOWN))
        names = [MONTHS[month % YEAR][0] + f"\nyear {month // YEAR + 1}" * (month % YEAR == 0) for month in months]
        calendar.axes.set_xticks([month + 0.5 for month in months], names)
        calendar.axes.tick_params(length=0)
        calendar.axes.vlines(months, -1.4, YEAR, color=FAINT, lw=0.5, zorder=0)
        calendar.axes.vlines(range(0, int(_SHOWN), YEAR), -0.4, YEAR, color=MUTED, lw=1, zorder=0)
        for part, (name, colour) in enumerate(zip(PARTS, (SKY, BLUE, YELLOW), strict=True)):
            calendar.areas(_bars_of(part), facecolors=colour, edgecolors=PAPER, linewidths=1)
            calendar.axes.barh(_KEY[1] + 0.5 + part, 0.8, 0.5, 0.3, color=colour)
            calendar.text(name, 1.4, _KEY[1] + 0.5 + part, va="center", fontsize=11, backgroundcolor=PAPER)
        calendar.strokes(
            lambda data: [[(at, -0.95), (at, _KEY[1] if at < _KEY[0] else YEAR)] for at in data.deadlines],
            colors=ORANGE,
            linewidths=1.5,
            zorder=0,
        )
        calendar.line(
            lambda data: (data.deadlines, [-0.95] * len(data.deadlines)),
            "v",
            color=ORANGE,
            ms=9,
            grab={"deadline": lambda value: (MONTHS.index(value) + 1, -0.95)},
        )
        calendar.text("deadline", at=lambda data: (data.deadlines[0] + 0.5, -0.95), va="center", fontsize=11)
        calendar.box(lambda data: (data.start, data.start - 0.4, data.chosen.ends[-1], data.start + 0.4))
        # At the lower edge of the chosen row, so that the row itself can be grabbed too.
        calendar.dot(lambda data: (data.chosen.ends, [data.start + 0.4] * 3), ms=7)
        for part, name in enumerate(_LENGTHS):
            calendar.grab(**{name: _end_of(part)})
        calendar.grab(start=lambda value: (None, MONTHS.index(value)))

    def describe(self, data: PlannerData) -> str:
        """Say when each part ends and how long it is to the deadline."""
        plan = data.chosen
        parts = [f"{part} until {day_at(months)}" for part, months in zip(PARTS, plan.ends, strict=True)]
        slack = plan.slack(data.deadline, data.times)
        left = f"{number(slack)} month{'' if slack == 1 else 's'}" if slack else "no time"
        return (
            f"Start in {MONTHS[data.start]}: {', '.join(parts)}. That takes {number(plan.total)} months and leaves "
            f"{left} to the next deadline, at the end of {month_at(plan.ends[-1] + slack)}, with {data.times} a year."
        )

    def invariants(self, data: PlannerData) -> dict[str, bool]:
        """Check that all plans are as long and that the next deadline is one, and the first after the end."""
        slack = data.chosen.slack(data.deadline, data.times)
        return {
            "every start takes as long": len({plan.total for plan in data.plans}) == 1,
            "the next deadline is the first one": 0 <= slack < YEAR // data.times,
            "and falls on one": (data.chosen.ends[-1] + slack - data.deadlines[0]) % (YEAR // data.times) == 0,
            "all bars fit into the picture": data.plans[-1].ends[-1] <= _SHOWN,
        }


def _bars_of(part: int) -> Callable[[PlannerData], list[list[tuple[float, float]]]]:
    """The outlines of one part's bars, one for each start."""

    def bar(plan: Plan) -> list[tuple[float, float]]:
        left, right, row = plan.ends[part] - plan.lengths[part], plan.ends[part], plan.start
        return [(left, row - 0.38), (right, row - 0.38), (right, row + 0.38), (left, row + 0.38)]

    return lambda data: [bar(plan) for plan in data.plans]


def _end_of(part: int) -> Callable[[float, PlannerData], tuple[float, float]]:
    """Where the chosen plan's part ends if it takes so many months."""
    return lambda months, data: (data.start + sum(data.chosen.lengths[:part]) + months, data.start + 0.4)
