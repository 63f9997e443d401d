"""The stored sweep of learning rates and initial scales, with and without batch norm."""

import dataclasses
from typing import Any

import numpy as np
from ipywidgets import Widget
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from fpnlib.claims import Result, interval_of_mean
from fpnlib.explore import Explorer, Panel, counted, number, slider
from fpnlib.explore.style import BLUE, INK, ORANGE, PAPER
from fpnlib.notes.batch_norm.experiments.digits import LEARNS, RATES, SCALES, USUAL
from fpnlib.notes.batch_norm.experiments.learning_rates import largest_near_best, stored_errors

_KINDS = {"norm": ("with batch norm", BLUE, "o-"), "plain": ("without", INK, "s--")}
_STEP = float(np.log10(RATES[1] / RATES[0]))
_POWERS, _SCALE_POWERS = np.log10(RATES), np.log10(SCALES)


@dataclasses.dataclass(frozen=True)
class RatesData:
    """Errors at one rate and initial scale, one seed's curves, and where the nets learn at the chosen limit."""

    at: int  # index of the rate
    row: int  # index of the initial scale
    seed: int
    limit: float
    errors: dict[str, float]  # mean at the rate and scale
    learned: dict[str, int]  # seeds that learn there
    means: dict[str, np.ndarray]  # (rates,), at the scale
    curves: dict[str, np.ndarray]  # (rates,), of the seed
    shares: dict[str, np.ndarray]  # (scales, rates), of the seeds that learn
    gain: float  # powers of ten between the largest good rates
    interval: tuple[float, float]


class RatesExplorer(Explorer[RatesData]):
    """Test error against the learning rate at one initial scale, and a map of rates and scales at which nets learn."""

    title = "Test error by learning rate, and at which rates and initial weights nets learn, with batch norm or without"
    size = (1000, 440)

    def __init__(self) -> None:
        self._errors = stored_errors()  # (scales, rates, seeds)
        self._seeds = self._errors["norm"].shape[2]
        self._effect = Result.load("BN-6").measurement.effect
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the rate, the initial scale, the error that still counts as learned, and a seed."""
        return {
            "power": slider("learning rate, as a power of ten", -0.5, float(_POWERS[0]), float(_POWERS[-1]), _STEP),
            "scale": slider("initial weights × ten to the power", 0.0, -1.0, 1.0, 0.5),
            "limit": slider("learned means: a test error of at most", LEARNS, 0.05, 0.5, 0.01),
            "seed": slider("one seed", 0, 0, self._seeds - 1, 1),
        }

    def compute(self, power: float, scale: float, limit: float, seed: int) -> RatesData:
        """Count at the chosen limit."""
        at, row = _nearest(_POWERS, power), _nearest(_SCALE_POWERS, scale)
        here = {kind: errors[row] for kind, errors in self._errors.items()}
        gains = largest_near_best(here["norm"]) - largest_near_best(here["plain"])
        return RatesData(
            at=at,
            row=row,
            seed=seed,
            limit=limit,
            errors={kind: float(errors[at].mean()) for kind, errors in here.items()},
            learned={kind: int((errors[at] <= limit + 1e-9).sum()) for kind, errors in here.items()},
            means={kind: errors.mean(1) for kind, errors in here.items()},
            curves={kind: errors[:, seed] for kind, errors in here.items()},
            shares={kind: (errors <= limit + 1e-9).mean(2) for kind, errors in self._errors.items()},
            gain=float(gains.mean()),
            interval=interval_of_mean(gains),
        )

    def build(self, figure: Figure) -> None:
        """Lay out the curves, and a map for each kind of net."""
        axes = figure.subplot_mosaic([["curves", "norm"], ["curves", "plain"]], width_ratios=[1.4, 1])
        curves = self.panel(axes["curves"], title=f"Test error, {self._seeds} seeds; thin lines: one seed")
        curves.axes.set(xlabel="learning rate", ylabel="test error", xscale="log", xlim=(0.0065, 15), ylim=(0, 1.05))
        curves.axes.set_xticks(RATES, [number(rate, 2) for rate in RATES])
        curves.axes.minorticks_off()
        curves.level(lambda data: data.limit, color=ORANGE, lw=1.2, ls=":", grab="limit")
        curves.text("learned: below", at=lambda data: (1.05 * RATES[0], data.limit - 0.01), va="top", color=ORANGE)
        across = {"power": lambda value: (RATES[_nearest(_POWERS, value)], None)}
        curves.upright(lambda data: RATES[data.at], color=ORANGE, lw=1.2, grab=across)
        for kind in _KINDS:
            self._net(curves, axes[kind], kind)
        below: Any = {"at": lambda data: min(zip(data.means["norm"] - 0.02, RATES, strict=True))[::-1], "va": "top"}
        curves.text("with batch norm", ha="center", color=BLUE, **below)
        curves.text("without", at=lambda data: (RATES[5], data.means["plain"][5] + 0.03), ha="center")
        axes["norm"].xaxis.set_visible(False)

    def _net(self, curves: Panel, axes: Axes, kind: str) -> None:
        """A kind of net's two curves and its map."""
        label, colour, style = _KINDS[kind]
        curves.line(lambda data: (RATES, data.means[kind]), style, color=colour, ms=6, label=label)
        curves.line(lambda data: (RATES, data.curves[kind]), style[1:], color=colour, lw=1.2)
        cells = self.panel(axes, title=f"{label} (blue: all seeds learn)")
        axes.set(xlabel="learning rate", ylabel="initial weights ×")
        cells.heat_map(
            lambda data: data.shares[kind],
            SCALES,
            RATES,
            lambda data: (data.row, data.at),
            words=lambda value: number(value, 2),
            cmap=LinearSegmentedColormap.from_list("learn", [PAPER, BLUE]),
            vmin=0,
            vmax=1,
            origin="lower",
        )
        cells.grab(
            power=lambda value: (_nearest(_POWERS, value), None),
            scale=lambda value: (None, _nearest(_SCALE_POWERS, value)),
        )

    def describe(self, data: RatesData) -> str:
        """Say both errors at the rate, how much larger it may be with batch norm, and in how many cells nets learn."""
        low, high = data.interval
        parts = [
            f"{label} the mean test error is {number(data.errors[kind])} and {data.learned[kind]} of "
            f"{counted(self._seeds, 'seed')} learn"
            for kind, (label, *_) in _KINDS.items()
        ]
        alone = [number(float(data.curves[kind][data.at])) for kind in _KINDS]
        cells = [int((data.shares[kind] > 0.5).sum()) for kind in _KINDS]
        return (
            f"Learning rate {number(RATES[data.at], 2)}, initial weights × {number(SCALES[data.row], 2)}: "
            f"{'; '.join(parts)} (test error at most {number(data.limit)}). Seed {data.seed}: {alone[0]} with, "
            f"{alone[1]} without.\nThe largest rate within twice a net's own best error is larger with batch norm by "
            f"{number(data.gain)} powers of ten (95 % interval {number(low)} to {number(high)}). Of "
            f"{len(RATES) * len(SCALES)} pairs of rate and scale most seeds learn at {cells[0]} with, {cells[1]} "
            "without."
        )

    def invariants(self, data: RatesData) -> dict[str, bool]:
        """Check that map and count are one, and that at the usual scale the gain is the claim's."""
        off = [self._seeds * data.shares[kind][data.row, data.at] - data.learned[kind] for kind in _KINDS]
        return {
            "the map is what is counted": bool(max(map(abs, off)) < 1e-6),
            "at He's scale the gain is the claim's": data.row != USUAL or abs(data.gain - self._effect) < 1e-6,
        }


def _nearest(places: np.ndarray, value: float) -> int:
    return int(np.argmin(abs(places - value)))
