"""How far an LSTM looks back: the gradient against the lag, with its forget gate held at a value."""

import dataclasses
import functools
import math
from collections.abc import Iterable

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from torch import nn

from fpnlib.explore import Explorer, choice, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.notes.add_vs_concat.experiments.gradients import BURN_IN, LAGS, last_output, log_norm, make_cells, scanlines

_LAGS = LAGS[-1]
_GATES = np.arange(101) / 100
_FLOOR = -14.0  # decades shown
_ROW = 180  # the row of the photos that is shown
_ROWS = range(0, 400, 50)  # those that are read


@dataclasses.dataclass(frozen=True)
class MemoryData:
    """Decades of the gradient at each lag against lag 1, the gate forced; and without any forcing."""

    forget: float
    lag: int
    burn_in: int  # pixels read before those that are shown
    others: dict[str, np.ndarray]  # the same curve (200,) of an RNN and of an LSTM whose gate is free
    forced: np.ndarray  # (200,), from lag 1
    gate_alone: np.ndarray  # (200,), forget^(lag − 1), what the cell state alone would hand on
    seen: np.ndarray  # (201,), what each pixel of the row still counts, 0 to 1 on a scale of 6 decades

    @property
    def at_lag(self) -> float:
        """Decades at the chosen lag."""
        return float(self.forced[self.lag - 1])


@functools.cache
def gradients_per_lag(burn_in: int = BURN_IN) -> dict[str, np.ndarray]:
    """Decades against lag 1, over eight rows: `forced` (101, 200), gates by lags, `lstm` and `rnn` (200,).

    `burn_in`: how many pixels the cell has read before the furthest lag's.
    """
    cells = make_cells(0)
    rows = scanlines()[list(_ROWS), BURN_IN - burn_in :]
    forced, _ = cells["forced"]
    forced.forget = torch.from_numpy(_GATES).repeat_interleave(len(_ROWS))[:, None]
    found = {}
    for name, (cell, count) in {"forced": (forced, len(_GATES)), "lstm": cells["lstm"], "rnn": cells["rnn"]}.items():
        found[name] = _against_lag_1(cell, rows, count)
    return {"forced": found["forced"], "lstm": found["lstm"][0], "rnn": found["rnn"][0]}


def _against_lag_1(cell: nn.Module, rows: torch.Tensor, count: int) -> np.ndarray:
    x = rows.transpose(0, 1)[:, None].expand(-1, count, -1, -1).flatten(1, 2).clone().requires_grad_()
    out = last_output(cell, x)
    reading = torch.ones(out.shape[1], dtype=out.dtype) / out.shape[1] ** 0.5
    (gradient,) = torch.autograd.grad((out @ reading).sum(), x)
    decades = log_norm(gradient.view(len(x), count, -1)).flip(0)[1 : _LAGS + 1].T
    return (decades - decades[:, :1]).numpy()


class MemoryExplorer(Explorer[MemoryData]):
    """The gradient against the lag for one forget gate, beside an RNN's and a free LSTM's; and the row of pixels."""

    title = "The gradient against the lag for an LSTM whose forget gate is held, and what the last step sees of a row"
    size = (1000, 400)

    def make_controls(self) -> dict[str, Widget]:
        """Return the gate, the lag, and where the row begins."""
        return {
            "forget": slider("forget gate, held at", 0.9, 0.0, 1.0, 0.01),
            "lag": slider("lag (steps back)", 100, 1, _LAGS, 1),
            "burn_in": choice("pixels read before these", (BURN_IN, 0)),
        }

    def compute(self, forget: float, lag: int, burn_in: int) -> MemoryData:
        """Look up the gate's curve."""
        curves = gradients_per_lag(burn_in)
        forced = curves["forced"][round(100 * forget)]
        steps = np.arange(_LAGS)
        with np.errstate(divide="ignore"):
            alone = np.maximum(steps * np.log10(forget), -400.0) if forget else np.where(steps, -400.0, 0.0)
        seen = np.concatenate([np.clip(1 + forced / 6, 0, 1)[::-1], [1.0]])
        return MemoryData(
            forget=forget,
            lag=lag,
            burn_in=burn_in,
            others={name: curves[name] for name in ("rnn", "lstm")},
            forced=forced,
            gate_alone=alone,
            seen=seen,
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the curve above the row and what is seen of it."""
        panels = figure.subplot_mosaic([["curve"], ["row"], ["seen"]], height_ratios=[6, 1, 1])
        curve, row, seen = panels["curve"], panels["row"], panels["seen"]
        self._others = {
            name: curve.plot([], [], color=colour, ls="--", label=label)[0]
            for name, colour, label in (("rnn", MUTED, "RNN"), ("lstm", ORANGE, "LSTM at torch's start, gate free"))
        }
        (self._alone,) = curve.plot([], [], color=FAINT, lw=4, label="the cell state alone: gate^(lag − 1)")
        (self._forced,) = curve.plot([], [], color=BLUE, label="LSTM, gate held")
        (self._point,) = curve.plot([], [], "o", ms=9, color=BLUE, mec=INK, clip_on=False)
        curve.set(xlim=(_LAGS, 0), ylim=(_FLOOR, 2), ylabel="decades against lag 1", xlabel="lag (steps back)")
        curve.set_title("How much an input counts, steps later (eight rows of a photo)")
        curve.legend(loc="lower left", ncols=2)
        pixels = scanlines()[_ROW, BURN_IN:].numpy()
        colours = (pixels - pixels.min()) / (pixels.max() - pixels.min())
        across = (_LAGS + 0.5, -0.5, 1, 0)
        row.imshow(colours[None], extent=across, aspect="auto")
        self._seen = seen.imshow(np.zeros((1, _LAGS + 1)), extent=across, aspect="auto", cmap="gray", vmin=0, vmax=1)
        self._marks = [panel.axvline(1, color=ORANGE, lw=2) for panel in (row, seen)]
        for panel, name in ((row, "a row"), (seen, "seen of it")):
            panel.set(xlim=(_LAGS, 0), xticks=[])
            panel.set_yticks([0.5], [name])
            panel.tick_params(axis="y", length=0)
        seen.set_xlabel("white: counts as much as at lag 1; black: a millionth or less")
        self.grab(curve, forget=_end_of_gate_alone)
        for panel in (curve, row, seen):
            self.grab(panel, lag=lambda value: (value, None))
        return [*self._others.values(), self._alone, self._forced, self._point, self._seen, *self._marks]

    def draw(self, data: MemoryData) -> None:
        """Move curve, point, marks and the strip."""
        lags = np.arange(1, _LAGS + 1)
        for name, line in self._others.items():
            line.set_data(lags, np.maximum(data.others[name], _FLOOR - 1))
        self._forced.set_data(lags, np.maximum(data.forced, _FLOOR - 1))
        self._alone.set_data(lags, np.maximum(data.gate_alone, _FLOOR - 1))
        self._point.set_data([data.lag], [max(data.at_lag, _FLOOR)])
        self._seen.set_data(data.seen[None])
        for mark in self._marks:
            mark.set_xdata([data.lag, data.lag])

    def describe(self, data: MemoryData) -> str:
        """Say what is left at the lag."""
        left = {name: times(float(curve[data.lag - 1])) for name, curve in data.others.items()}
        begun = (
            f"{data.burn_in} pixels before these were read." if data.burn_in else "The rows begin with these pixels."
        )
        return (
            f"Forget gate held at {number(data.forget)}: {counted(data.lag, 'step')} back an input counts "
            f"{times(data.at_lag)} as much as one step back; the cell state alone would hand on "
            f"{times(float(data.gate_alone[data.lag - 1]))}. With its gate free at torch's start "
            f"{left['lstm']}, an RNN {left['rnn']}.\n{begun}"
        )

    def invariants(self, data: MemoryData) -> dict[str, bool]:
        """Check the measure, and that an open gate loses less than a shut one."""
        curves = gradients_per_lag(data.burn_in)["forced"]
        return {
            "lag 1 is the measure": bool(data.forced[0] == 0),
            "an open gate keeps more than a shut one": bool(curves[-1, -1] > curves[0, -1]),
            "what is seen lies between 0 and 1": bool((data.seen >= 0).all() and (data.seen <= 1).all()),
        }


def _end_of_gate_alone(forget: float) -> tuple[float, float]:
    """Return lag and decades where the curve of the cell state alone leaves the picture."""
    fall = math.log10(forget) if forget else -math.inf  # at each step
    return (_LAGS, (_LAGS - 1) * fall) if (_LAGS - 1) * fall >= _FLOOR else (1 + _FLOOR / fall, _FLOOR)


def times(decades: float) -> str:
    """Write a factor given in decades: 0.02 times, or less than 10⁻¹⁵ times."""
    return "less than 10⁻¹⁵ times" if decades < -15 else f"{number(10**decades, 2)} times"
