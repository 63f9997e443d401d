"""The speed limit of descent, on a parabola and on a valley that gets flatter: steps that fly out, and land again."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.notes.warmup.experiments.catapult import Path, on_parabola, on_product

_LEFT, _LOW, _SIDE = -0.5, -1.5, 4.5  # the valley's picture
_STEPS = 40


@dataclasses.dataclass(frozen=True)
class CatapultData:
    """Two paths at one rate."""

    rate: float
    momentum: float
    start: tuple[float, float]
    parabola: np.ndarray  # x after each step, at the sharpness where the valley is entered
    valley: Path

    @property
    def limit(self) -> float:
        """The sharpness above which descent diverges on a parabola."""
        return 2 * (1 + self.momentum) / self.rate

    @property
    def shares(self) -> np.ndarray:
        """Sharpness along the valley's path over the limit."""
        return self.valley.sharpness / self.limit


class CatapultExplorer(Explorer[CatapultData]):
    """A parabola as sharp as the valley is at the start, the valley itself, and the sharpness over its limit."""

    title = "Descent on a parabola and in a valley, and the sharpness over the limit at each step"
    size = (1000, 370)

    def make_controls(self) -> dict[str, Widget]:
        """Return rate, momentum and the place to start from."""
        return {
            "rate": slider("learning rate", 0.2, 0.02, 0.6, 0.02),
            "momentum": slider("momentum", 0.0, 0.0, 0.9, 0.1),
            "u": slider("u at the start", 3.4, 0.1, 3.9, 0.1),
            "v": slider("v at the start", 0.4, 0.1, 3.9, 0.1),
        }

    def compute(self, rate: float, momentum: float, u: float, v: float) -> CatapultData:
        """Descend on both."""
        valley = on_product((u, v), rate, momentum, _STEPS)
        parabola = on_parabola(float(valley.sharpness[0]), rate, momentum, _STEPS)
        return CatapultData(rate, momentum, (u, v), parabola, valley)

    def build(self, figure: Figure) -> None:
        """Lay out parabola, valley and limit."""
        left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 1.1])
        bowl = self.panel(left, title="½ λ x²", xlim=(-3, 3), ylim=(-0.3, 9), xlabel="x", ylabel="loss / (λ / 2)")
        across = np.linspace(-3, 3, 101)
        bowl.line((across, across**2), color=MUTED, lw=1.5)
        bowl.line(lambda data: (data.parabola, data.parabola**2), "o-", ms=4, lw=1, color=ORANGE)
        bowl.text(_fate_of_bowl, 2.9, 0, ha="right", fontsize=10)

        box = (_LEFT, _LOW, _LEFT + _SIDE, _LOW + _SIDE)
        valley = self.panel(middle, title="½ (uv − 1)²: drag the start", xlabel="u", ylabel="v")
        valley.axes.set(xlim=box[::2], ylim=box[1::2])
        valley.image(_hills(), box, cmap="Greys", vmin=-0.3, vmax=3, origin="lower", alpha=0.6)
        along = np.geomspace(0.3, 4, 60)
        valley.line((along, 1 / along), color=BLUE, lw=1.5)
        valley.line(lambda data: data.valley.places.T, "o-", ms=4, lw=1, color=ORANGE)
        valley.dot(lambda data: data.start, grab={"u": lambda value: (value, None), "v": lambda value: (None, value)})

        limit = self.panel(right, title="Sharpness / limit", xlim=(-1, _STEPS + 1))
        limit.axes.set(ylim=(0, 3), xlabel="step")
        limit.axes.grid(color=FAINT, lw=0.6)
        limit.level(1, color=INK, ls="--", lw=1.2)
        limit.text("above: too fast", 40, 1.06, ha="right", fontsize=9, color=MUTED)
        limit.line(lambda data: (range(len(data.shares)), data.shares.clip(max=3)), "o-", ms=3, lw=1, color=ORANGE)
        # The rate is where the first sharpness would be at its limit.
        limit.dot(lambda data: (0, min(3, data.shares[0])), grab={"rate": _where_rate_lies})

    def describe(self, data: CatapultData) -> str:
        """Say the limit and what becomes of both."""
        first, last = data.valley.sharpness[0], data.valley.sharpness[-1]
        end = "It flies off for good." if _gone(data) else f"It ends where the sharpness is {number(last)}."
        fate = "diverges" if data.shares[0] > 1 else "converges"
        return (
            f"Learning rate {number(data.rate)}, momentum {number(data.momentum)}: the limit, 2 (1 + momentum) / rate, "
            f"is {number(data.limit)}. At the start sharpness is {number(first)}, {number(data.shares[0])} of that. "
            f"On a parabola as sharp as that, descent {fate}. In the valley the loss begins at "
            f"{number(data.valley.losses[0])} and is {number(data.valley.losses.max())} at its highest. {end}"
        )

    def invariants(self, data: CatapultData) -> dict[str, bool]:
        """Check the limit where it is a theorem."""
        grows = bool(np.abs(data.parabola[-2:]).max() > 1)
        return {
            "without momentum the limit is where the parabola's path begins to grow": data.momentum > 0
            or abs(data.shares[0] - 1) < 1e-9
            or grows == bool(data.shares[0] > 1),
            "what has come to rest lies in the valley": bool(
                data.valley.losses[-1] < 1e-9 or np.ptp(data.valley.sharpness[-2:]) > 0
            ),
        }


def _gone(data: CatapultData) -> bool:
    return len(data.valley.places) <= _STEPS


def _fate_of_bowl(data: CatapultData) -> str:
    return "diverges" if data.shares[0] > 1 else "converges"


def _where_rate_lies(value: float, data: CatapultData) -> tuple[None, float]:
    return None, min(3.0, float(data.valley.sharpness[0]) * value / (2 * (1 + data.momentum)))


def _hills() -> np.ndarray:
    u, v = (start + np.linspace(0, _SIDE, 181) for start in (_LEFT, _LOW))
    return np.log10(0.03 + (v[:, None] * u - 1) ** 2 / 2) + 1.5
