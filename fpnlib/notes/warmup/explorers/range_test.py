"""A learning-rate range test, and its rate beside 2 / sharpness."""

import dataclasses
import functools

import numpy as np
from ipywidgets import Widget
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, Panel, number, slider, toggle
from fpnlib.explore.style import BLUE, FAINT, MUTED, ORANGE, SKY
from fpnlib.notes.warmup.experiments.limits import EVERY, TESTED, level_at, turning
from fpnlib.notes.warmup.experiments.recorded_kin import RANGE_SEEDS, tested

_MOMENTS = TESTED[::EVERY]
_NOTHING = np.zeros(0), np.zeros(0)


@dataclasses.dataclass(frozen=True)
class RangeData:
    """What the chosen net met while the rate climbed, and where steps of the chosen kinds led."""

    net: int
    shown: bool  # whether the limits are
    losses: np.ndarray  # (nets, steps); only those that are known count
    known: np.ndarray
    turns: list[int]  # at which of the rates each net's loss turns
    turn: float  # the rate where that of the chosen one does
    load: np.ndarray  # (moments,): rate · sharpness / 2; only those that are known count
    load_known: np.ndarray
    at_turn: float  # rate · sharpness / 2 there
    limit: float  # 2 / sharpness of the start


class RangeExplorer(Explorer[RangeData]):
    """Loss against rate, and rate over limit, along the same rates."""

    title = "Loss while the learning rate climbs at every step, and the rate over its limit"
    size = (1000, 380)

    def make_controls(self) -> dict[str, Widget]:
        """Return the net, and whether the limits are shown."""
        return {
            "net": slider("net", 0, 0, len(RANGE_SEEDS) - 1, 1),
            "batch_norm": toggle("batch norm"),
            "shown": toggle("show the rate over its limit"),
        }

    def compute(self, net: int, batch_norm: bool, shown: bool) -> RangeData:
        """Look up the net; find where its loss turns."""
        losses, levels = tested(batch_norm)
        turns, level = turning(losses), levels[:, net].numpy()
        turn = turns[net]
        return RangeData(
            net=net,
            shown=shown,
            losses=np.nan_to_num(losses.T.numpy()),
            known=np.isfinite(losses.T.numpy()),
            turns=turns,
            turn=float(TESTED[turn]),
            load=np.nan_to_num(_MOMENTS * level / 2),
            load_known=np.isfinite(level) & (level > 0),
            at_turn=float(TESTED[turn]) * level_at(turn, level) / 2,
            limit=float(2 / level[0]),
        )

    def build(self, figure: Figure) -> None:
        """Lay out the test, and beside it the rate over both limits."""
        losses, load = (self._panel(axes) for axes in figure.subplots(1, 2))
        losses.axes.set(ylabel="loss", ylim=(0.1, 100), title="Range test: the rate climbs at every step")
        losses.strokes(lambda data: _known(TESTED, data.losses, data.known), colors=SKY, linewidths=0.8, alpha=0.7)
        losses.line(lambda data: _known(TESTED, data.losses, data.known)[data.net].T, color=BLUE, lw=2)
        losses.text("the loss turns", at=lambda data: (data.turn * 1.15, 55), color=ORANGE, weight="bold", fontsize=9)
        losses.grab(net=lambda value, data: (TESTED[data.turns[value]], data.losses[value, data.turns[value]]))
        load.axes.set(ylabel="rate / limit", ylim=(0.003, 300), title="The rate over its limit")
        load.level(1, color=MUTED, ls="--", lw=1.5)
        for words, height, of, look in (
            ("limit of the start", 110, _at_start, {"color": MUTED, "ls": ":"}),
            ("limit of that moment", 45, _then, {"color": BLUE, "marker": "o", "ms": 3}),
        ):
            load.line(of, lw=1.8, label=words, **look)
            name = functools.partial(_if_shown, words=f"rate / {words}")
            load.text(name, 1.2e-4, height, color=look["color"], fontsize=9)
        load.dot(lambda data: (data.turn, data.at_turn) if data.shown else ([], []))
        for panel in (losses, load):
            panel.upright(lambda data: data.turn, color=ORANGE, lw=1.2)

    def _panel(self, axes: Axes) -> Panel:
        """Make a panel over the tested rates."""
        axes.grid(color=FAINT, lw=0.6)
        return self.panel(axes, xscale="log", yscale="log", xlim=(1e-4, 10), xlabel="learning rate")

    def describe(self, data: RangeData) -> str:
        """Say where the loss turns and, where they are shown, beside which limits."""
        limits = (
            f" That is {number(data.turn / data.limit, 2)} times 2 / sharpness of the start, {number(data.limit, 2)}, "
            f"and {number(data.at_turn, 2)} times 2 / sharpness of that moment."
        )
        turns = f"Net {data.net}, plain SGD: the loss turns at a rate of {number(data.turn, 2)}."
        return turns + (limits if data.shown else " Its limits are hidden.")

    def invariants(self, data: RangeData) -> dict[str, bool]:
        """Check that all curves begin at the same net, and the load at that of the start."""
        return {
            "the first loss is known": bool(data.known[:, 0].all()),
            "the load begins at that of the start": bool(np.isclose(data.load[0], TESTED[0] / data.limit, rtol=1e-3)),
        }


def _at_start(data: RangeData) -> tuple[np.ndarray, np.ndarray]:
    return (_MOMENTS, _MOMENTS / data.limit) if data.shown else _NOTHING


def _then(data: RangeData) -> tuple[np.ndarray, np.ndarray]:
    return (_MOMENTS[data.load_known], data.load[data.load_known]) if data.shown else _NOTHING


def _if_shown(data: RangeData, words: str) -> str:
    return words if data.shown else ""


def _known(x: np.ndarray, values: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
    return [np.stack([x[k], np.minimum(v[k], 1e6)], 1) for v, k in zip(values, known, strict=True)]
