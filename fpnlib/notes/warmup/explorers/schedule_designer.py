"""A schedule from its parts, the code that makes it, and its area."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider, toggle
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, SKY
from fpnlib.notes.warmup.experiments.decays import DECAYS, code, decay_factors
from fpnlib.notes.warmup.experiments.runs import STEPS
from fpnlib.schedules import MODES, warmup_factor

_STEPS = np.arange(STEPS)


@dataclasses.dataclass(frozen=True)
class DesignerData:
    """Learning rates at steps 0 … 199, with warm-up and without, and what the controls say."""

    rates: np.ndarray
    plain: np.ndarray
    warmup: int
    at_hand_over: float
    highest: float
    area: float
    plain_area: float
    code: str


class DesignerExplorer(Explorer[DesignerData]):
    """The learning rate at every step, its area, and that of the decay alone."""

    title = "The learning rate along 200 steps with warm-up and decay, beside the decay alone; the area is shaded"
    size = (1000, 400)
    groups = (("warm-up", ("mode", "warmup", "start")),)

    def make_controls(self) -> dict[str, Widget]:
        """Return the parts of a schedule."""
        return {
            "mode": choice("warm-up", MODES, "linear"),
            "warmup": slider("its length (steps)", 40, 0, 120, 1),
            "start": slider("first factor", 0.1, 0.01, 1.0, 0.01),
            "after": choice("decay", list(DECAYS), "cosine"),
            "delay": toggle("the decay waits for the end of the warm-up"),
            "rate": slider("learning rate", 0.4, 0.05, 1.0, 0.05),
        }

    def compute(self, mode: str, warmup: int, start: float, after: str, delay: bool, rate: float) -> DesignerData:
        """Multiply the factors of warm-up and decay, each at its own clock."""
        warm = np.array([warmup_factor(step, warmup, mode=mode, start_factor=start) for step in _STEPS.tolist()])
        clock = np.maximum(0, _STEPS - warmup * delay)
        rates, plain = rate * warm * decay_factors(after)[clock], rate * decay_factors(after)
        return DesignerData(
            rates=rates,
            plain=plain,
            warmup=warmup,
            at_hand_over=float(rates[warmup]),
            highest=float(rates.max()),
            area=float(rates.sum()),
            plain_area=float(plain.sum()),
            code=code(mode, warmup, start, after, delay, rate),
        )

    def build(self, figure: Figure) -> None:
        """Lay out one panel; the dots where the warm-up begins and ends can be dragged, the second both ways."""
        panel = self.panel(figure.subplots(), xlim=(-2, STEPS + 1), ylim=(0, 1.15), xlabel="step")
        panel.axes.set(ylabel="learning rate", yticks=np.linspace(0, 1, 6))
        panel.axes.set_title("with warm-up; area shaded", color=BLUE, weight="bold")
        panel.axes.set_title("dashed: the decay alone", loc="right", color=MUTED)
        panel.axes.grid(color=FAINT, lw=0.6)
        panel.areas(lambda data: [np.stack([[0, *_STEPS, STEPS - 1], [0, *data.rates, 0]], 1)], color=SKY, alpha=0.45)
        panel.line(lambda data: (_STEPS, data.plain), "--", color=MUTED, lw=1.5, label="the decay alone")
        panel.line(lambda data: (_STEPS, data.rates), color=BLUE, lw=2.5, label="with warm-up")
        panel.dot(lambda data: (0, data.rates[0]), ms=8, grab={"start": lambda value, data: (0, value * data.plain[0])})
        panel.dot(
            lambda data: (data.warmup, data.at_hand_over),
            grab={
                "warmup": lambda value: (value, None),
                "rate": lambda value, data: (None, value * data.at_hand_over / data.plain[0]),
            },
        )
        panel.text(
            lambda data: "the warm-up is over",
            at=lambda data: (data.warmup + 2.5, data.at_hand_over + 0.02),
            va="bottom",
        )
        panel.text(
            lambda data: f"area {number(data.area)}, of the decay alone {number(data.plain_area)}",
            STEPS,
            1.11,
            ha="right",
            va="top",
            color=INK,
        )

    def describe(self, data: DesignerData) -> str:
        """Say the rates that matter, both areas, and the code."""
        share = 100 * data.area / data.plain_area
        return (
            f"The rate begins at {number(data.rates[0])}, is {number(data.at_hand_over)} at step {data.warmup} where "
            f"the warm-up is over, and {number(data.highest)} at most. Its area is {number(data.area)}, "
            f"{number(share, 3)}% of the {number(data.plain_area)} of the decay alone.\n{data.code}"
        )

    def invariants(self, data: DesignerData) -> dict[str, bool]:
        """Check what every schedule with warm-up has."""
        return {
            "never above the full rate": data.highest <= float(data.plain[0]) + 1e-12,
            "never restarted": bool((np.diff(data.rates[data.warmup :]) <= 1e-12).all()),
        }
