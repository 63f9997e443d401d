"""A learning-rate range test, and one large step beside many small ones, each beside 2 / sharpness."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, Panel, choice, number, slider, toggle
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, SKY
from fpnlib.notes.warmup.experiments.limits import EVERY, TESTED, level_at, turning
from fpnlib.notes.warmup.experiments.recorded_kin import LARGE_RATES, RANGE_SEEDS, TIMES, scaled, tested

_RATES = LARGE_RATES.numpy()
_MOMENTS = TESTED[::EVERY]


@dataclasses.dataclass(frozen=True)
class RangeData:
    """What the chosen net met while the rate climbed, and where steps of the chosen kinds led."""

    net: int
    times: int
    place: int  # of the large step's rate
    losses: np.ndarray  # (nets, steps); only those that are known count
    known: np.ndarray
    turn: float  # the rate
    load: np.ndarray  # (moments,): rate · sharpness / 2; only those that are known count
    load_known: np.ndarray
    at_turn: float  # rate · sharpness / 2 there
    limit: float  # 2 / sharpness of the start
    small: np.ndarray  # (rates,): loss after the small steps, in losses before
    large: np.ndarray


class RangeExplorer(Explorer[RangeData]):
    """Loss against rate, rate against limit, and a large step against small ones, over the same rates."""

    title = "Loss while the learning rate climbs, the rate beside its limit, and one large step beside many small ones"
    size = (1000, 500)

    def make_controls(self) -> dict[str, Widget]:
        """Return the net, and the large step."""
        return {
            "net": slider("net", 0, 0, len(RANGE_SEEDS) - 1, 1),
            "batch_norm": toggle("batch norm"),
            "times": choice("small steps for a large one", TIMES, 8),
            "place": slider("rate of the large step, from the smallest to the largest", 25, 1, len(_RATES), 1),
        }

    def compute(self, net: int, batch_norm: bool, times: int, place: int) -> RangeData:
        """Look up the net; find where its loss turns."""
        losses, levels = tested(batch_norm)
        turn, level = turning(losses)[net], levels[:, net].numpy()
        small, large = scaled(batch_norm)[TIMES.index(times), :, net].T.numpy()
        return RangeData(
            *(net, times, place - 1),
            losses=np.nan_to_num(losses.T.numpy()),
            known=np.isfinite(losses.T.numpy()),
            turn=float(TESTED[turn]),
            load=np.nan_to_num(_MOMENTS * level / 2),
            load_known=np.isfinite(level) & (level > 0),
            at_turn=float(TESTED[turn]) * level_at(turn, level) / 2,
            limit=float(2 / level[0]),
            small=small,
            large=large,
        )

    def build(self, figure: Figure) -> None:
        """Lay out the test above the limit, and the steps beside both, where the large one's rate is dragged."""
        axes = figure.subplot_mosaic([["losses", "steps"], ["load", "steps"]], width_ratios=[1.1, 1])
        losses, load, steps = (self._panel(axes[name]) for name in ("losses", "load", "steps"))
        losses.axes.set(ylabel="loss", ylim=(0.1, 100), title="Range test: the rate climbs at every step")
        losses.strokes(lambda data: _known(TESTED, data.losses, data.known), colors=SKY, linewidths=0.8, alpha=0.7)
        losses.line(lambda data: _known(TESTED, data.losses, data.known)[data.net].T, color=BLUE, lw=2)
        load.axes.set(ylabel="rate / limit", ylim=(0.003, 300), xlabel="learning rate", title="Rate over limit")
        load.level(1, color=MUTED, ls="--", lw=1.5)
        load.line(lambda data: (_MOMENTS, _MOMENTS / data.limit), ":", color=MUTED, lw=1.8, label="limit of the start")
        load.line(lambda data: (_MOMENTS[data.load_known], data.load[data.load_known]), "o-", color=BLUE, ms=3)
        load.text("rate / limit at the start", 1.2e-4, 110, color=MUTED, fontsize=9)
        load.text("rate / limit at that moment", 1.2e-4, 35, color=BLUE, fontsize=9, weight="bold")
        load.dot(lambda data: (data.turn, data.at_turn))
        for panel in (losses, load):
            panel.upright(lambda data: data.turn, color=ORANGE, lw=1.2)
        losses.text("the loss turns", at=lambda data: (data.turn * 1.15, 55), color=ORANGE, weight="bold", fontsize=9)
        steps.axes.set(
            ylabel="loss after, of that before", ylim=(0.08, 100), xlim=(1e-4, 3.2), xlabel="rate of the large step"
        )
        steps.axes.set_title("The same examples, in one step or in many")
        steps.level(1, color=MUTED, lw=1)
        steps.upright(lambda data: data.limit, color=MUTED, ls="--", lw=1.5)
        steps.text("2 / sharpness", at=lambda data: (data.limit * 0.85, 55), ha="right", color=MUTED, fontsize=9)
        steps.line(lambda data: (_RATES, data.small), color=BLUE, lw=2.2, label="many small steps")
        steps.line(lambda data: (_RATES, data.large), color=ORANGE, lw=2.2, label="one large step")
        steps.text(lambda data: f"{data.times} small steps", 1.2e-4, 0.2, color=BLUE, weight="bold")
        steps.text("1 large step", 1.2e-4, 0.13, color=ORANGE, weight="bold")
        steps.dot(
            lambda data: (_RATES[data.place], data.large[data.place].clip(0.08, 100)),
            grab={"place": lambda value: (_RATES[value - 1], None)},
        )
        steps.dot(lambda data: (_RATES[data.place], data.small[data.place].clip(0.08, 100)), color=BLUE, mec=INK)

    def _panel(self, axes: Axes) -> Panel:
        """Make a panel over the tested rates."""
        axes.grid(color=FAINT, lw=0.6)
        return self.panel(axes, xscale="log", yscale="log", xlim=(1e-4, 10))

    def describe(self, data: RangeData) -> str:
        """Say where the loss turns beside the limits, and where the two kinds of steps lead."""
        rate, small, large = _RATES[data.place], data.small[data.place], data.large[data.place]
        return (
            f"Net {data.net}, plain SGD: the loss turns at a rate of {number(data.turn, 2)}. That is "
            f"{number(data.turn / data.limit, 2)} times 2 / sharpness of the start, {number(data.limit, 2)}, and "
            f"{number(data.at_turn, 2)} times 2 / sharpness of that moment.\n"
            f"From the start, {data.times} small steps at {number(rate / data.times, 2)} bring the loss to "
            f"{number(small, 2)} of what it was, one step with "
            f"{data.times} times the batch at {number(rate, 2)}, {number(rate / data.limit, 2)} times the limit, to "
            f"{number(large, 2)}."
        )

    def invariants(self, data: RangeData) -> dict[str, bool]:
        """Check that all curves begin at the same net, and that the smallest rate changes next to nothing."""
        return {
            "the first loss is known": bool(data.known[:, 0].all()),
            "at the smallest rate both kinds of steps agree": bool(
                abs(data.small[0] - data.large[0]) < 0.08 and abs(data.small[0] - 1) < 0.08
            ),
            "the load begins at that of the start": bool(np.isclose(data.load[0], TESTED[0] / data.limit, rtol=1e-3)),
        }


def _known(x: np.ndarray, values: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
    return [np.stack([x[k], np.minimum(v[k], 1e6)], 1) for v, k in zip(values, known, strict=True)]
