"""A calendar of the first paper, for a start in each month of the year."""

import dataclasses
from collections.abc import Iterable

from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, PAPER, SKY, YELLOW
from fpnlib.notes.research.calendar import MONTHS, PARTS, YEAR, Plan, month_at

LONGEST = 6.0  # months, of each part
_COLOURS = (SKY, BLUE, YELLOW)
_SHOWN = YEAR + 3 * LONGEST  # months across the picture


@dataclasses.dataclass(frozen=True)
class PlannerData:
    """One plan for each month of the year, the chosen start, and the deadline's month."""

    plans: tuple[Plan, ...]
    start: int
    deadline: int

    @property
    def chosen(self) -> Plan:
        """The plan that begins in the chosen month."""
        return self.plans[self.start]


class PlannerExplorer(Explorer[PlannerData]):
    """Three bars for each start; the chosen one is framed, and triangles mark each year's deadline."""

    title = "Twelve plans of three bars, one for each month a project can begin in, over a calendar with deadlines"
    size = (1000, 400)

    def make_controls(self) -> dict[str, Widget]:
        """Return the three lengths, the month of the start and the month of the deadline."""
        names = ("reading", "route", "writing")
        lengths = {
            name: slider(f"{part} (months)", 3.5, 1.0, LONGEST, 0.5) for name, part in zip(names, PARTS, strict=True)
        }
        return lengths | {
            "start": choice("start in", MONTHS, "September"),
            "deadline": choice("a deadline at the end of each", MONTHS, "November"),
        }

    def compute(self, reading: float, route: float, writing: float, start: str, deadline: str) -> PlannerData:
        """Lay the same plan into every month of the year."""
        plans = tuple(Plan(month, (reading, route, writing)) for month in range(YEAR))
        return PlannerData(plans, MONTHS.index(start), MONTHS.index(deadline))

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out two years and a half."""
        figure.get_layout_engine().set(rect=(0, 0, 1, 0.91))  # type: ignore[union-attr, call-arg]
        axes = figure.subplots()
        axes.set(xlim=(0, _SHOWN), ylim=(YEAR - 0.4, -0.8))
        axes.set_yticks(range(YEAR), MONTHS)
        axes.set_ylabel("start in")
        months = range(int(_SHOWN))
        axes.set_xticks([m + 0.5 for m in months], [MONTHS[m % YEAR][0] for m in months])
        axes.tick_params(length=0)
        for january in range(0, int(_SHOWN) + 1, YEAR):
            axes.axvline(january, color=MUTED, lw=1, zorder=0)
        for month in months:
            axes.axvline(month, color=FAINT, lw=0.5, zorder=0)
        self._bars = [
            axes.add_collection(PolyCollection([], facecolors=colour, edgecolors=PAPER, lw=1)) for colour in _COLOURS
        ]
        self._frame = axes.add_collection(PolyCollection([], facecolors="none", edgecolors=INK, lw=2))
        (self._deadlines,) = axes.plot([], [], "v", color=INK, ms=8)
        self.grab(axes, deadline=lambda value: (MONTHS.index(value) + 1, -0.55))
        self.grab(axes, start=lambda value: (None, MONTHS.index(value)))
        figure.text(0.12, 0.93, "Where each part lands:", fontsize=11, color=INK)
        for x, part, colour in zip((0.31, 0.47, 0.65), PARTS, _COLOURS, strict=True):
            figure.text(x, 0.93, "■", fontsize=13, color=colour)
            figure.text(x + 0.02, 0.93, part, fontsize=11, color=INK)
        figure.text(0.86, 0.93, "▼ deadline", fontsize=11, color=INK)
        return [*self._bars, self._frame, self._deadlines]

    def draw(self, data: PlannerData) -> None:
        """Move the bars, the frame and the deadlines."""
        for part, bars in enumerate(self._bars):
            bars.set_verts([_box(_begin(plan, part), plan.ends[part], plan.start) for plan in data.plans])
        self._frame.set_verts([_box(data.start, data.chosen.ends[-1], data.start)])
        at = range(data.deadline + 1, int(_SHOWN) + 1, YEAR)
        self._deadlines.set_data(list(at), [-0.55] * len(at))

    def describe(self, data: PlannerData) -> str:
        """Say when each part ends and how long it is to the deadline."""
        plan = data.chosen
        reading, route, end = (month_at(months) for months in plan.ends)
        slack = plan.slack(data.deadline)
        return (
            f"Begun with {MONTHS[data.start]}: reading and coding until {reading}, a route found by {route}, the paper "
            f"done in {end}, after {number(plan.total)} months. Then {number(slack)} month{'' if slack == 1 else 's'} "
            f"to the deadline at the end of {MONTHS[data.deadline]}."
        )

    def invariants(self, data: PlannerData) -> dict[str, bool]:
        """Check that all plans are as long and that a deadline is never more than a year away."""
        return {
            "every start takes as long": len({plan.total for plan in data.plans}) == 1,
            "the next deadline is less than a year away": 0 <= data.chosen.slack(data.deadline) < YEAR,
            "all bars fit into the picture": data.plans[-1].ends[-1] <= _SHOWN,
        }


def _begin(plan: Plan, part: int) -> float:
    return plan.ends[part] - plan.lengths[part]


def _box(left: float, right: float, row: int) -> list[tuple[float, float]]:
    return [(left, row - 0.38), (right, row - 0.38), (right, row + 0.38), (left, row + 0.38)]
