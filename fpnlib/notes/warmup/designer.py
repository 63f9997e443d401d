"""Explorer (a): a schedule from its parts, the code that makes it, and its area."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, PolynomialLR, StepLR

from fpnlib.explore import Explorer, choice, number, slider, toggle
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, SKY
from fpnlib.schedules import MODES, warmup_factor

STEPS = 200
DECAYS = {
    "none": "",
    "cosine": f"CosineAnnealingLR(optimizer, T_max={STEPS})",
    "step": "StepLR(optimizer, step_size=60, gamma=0.3)",
    "polynomial": f"PolynomialLR(optimizer, total_iters={STEPS}, power=2)",
}


def decay(name: str, optimizer: SGD) -> LRScheduler | None:
    """Make the scheduler whose code is `DECAYS[name]`."""
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=STEPS)
    if name == "step":
        return StepLR(optimizer, step_size=60, gamma=0.3)
    return PolynomialLR(optimizer, total_iters=STEPS, power=2) if name == "polynomial" else None


@functools.cache
def decay_factors(name: str) -> np.ndarray:
    """Return what torch's scheduler makes of a learning rate of 1, at steps 0 … 199."""
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, factors = decay(name, optimizer), []
    for _ in range(STEPS):
        factors.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return np.array(factors)


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
        warm = np.array([warmup_factor(step, warmup, mode=mode, start_factor=start) for step in range(STEPS)])
        clock = np.maximum(0, np.arange(STEPS) - warmup * delay)
        rates, plain = rate * warm * decay_factors(after)[clock], rate * decay_factors(after)
        return DesignerData(
            rates=rates,
            plain=plain,
            warmup=warmup,
            at_hand_over=float(rates[warmup]),
            highest=float(rates.max()),
            area=float(rates.sum()),
            plain_area=float(plain.sum()),
            code=_code(mode, warmup, start, after, delay, rate),
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out one panel."""
        axes = figure.subplots()
        axes.set(xlim=(-2, STEPS + 1), ylim=(0, 1.03), xlabel="step", ylabel="learning rate")
        axes.grid(color=FAINT, lw=0.6)
        self._area = axes.add_patch(Polygon([[0, 0]] * 3, color=SKY, alpha=0.45, lw=0))
        (self._plain,) = axes.plot([], [], "--", color=MUTED, lw=1.5, label="the decay alone")
        (self._rates,) = axes.plot([], [], color=BLUE, lw=2.5, label="with warm-up; area shaded")
        (self._hand_over,) = axes.plot([], [], "o", ms=9, color=ORANGE, mec=INK, label="the warm-up is over")
        axes.legend(loc="upper right")
        self.grab(axes, rate=lambda value: (0, value))  # every decay begins with the whole rate
        self.grab(axes, warmup=lambda value: (value, None))
        return [self._area, self._plain, self._rates, self._hand_over]

    def draw(self, data: DesignerData) -> None:
        """Move the curves."""
        steps = np.arange(STEPS)
        self._rates.set_data(steps, data.rates)
        self._plain.set_data(steps, data.plain)
        self._hand_over.set_data([data.warmup], [data.at_hand_over])
        self._area.set_xy(np.vstack([[0, 0], np.stack([steps, data.rates], 1), [STEPS - 1, 0]]))

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


def _code(mode: str, warmup: int, start: float, after: str, delay: bool, rate: float) -> str:
    lines = [f"optimizer = SGD(model.parameters(), lr={rate:.2g})"]
    arguments = f'optimizer, {warmup}, "{mode}", {start:.2g}'
    if DECAYS[after]:
        lines.append(f"after = {DECAYS[after]}")
        arguments += ", after"
    return "\n".join([*lines, f"scheduler = WarmupLR({arguments}{', delay=True' if delay else ''})"])
