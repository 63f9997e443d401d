"""Explorer (b): claim WU-2's map of learning rate and warm-up, and every run of one cell."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fpnlib.claims import Result
from fpnlib.explore import Explorer, choice, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, PAPER, RED, on_paper
from fpnlib.notes.warmup.rates import RATES, WARMUPS
from fpnlib.notes.warmup.recorded import EVERY, loss_curves

OPTIMIZERS = {"SGD with momentum": "sgd", "Adam": "adam"}
SHOWN = {"share of runs that failed": ("failed", 1.0), "final loss": ("loss", 2.4)}
_RATES = len(RATES["sgd"])


@dataclasses.dataclass(frozen=True)
class RateMapData:
    """The map, its chosen cell, and the curves of the cell's seeds."""

    values: np.ndarray  # (warm-ups, rates): what the map shows
    shown: str
    optimizer: str
    row: int
    column: int
    failed: np.ndarray  # (seeds,), whether
    losses: np.ndarray  # (seeds,), final
    curves: np.ndarray  # (seeds, points); only those that are known count
    known: np.ndarray  # (seeds, points), False after a run has diverged


class RateMapExplorer(Explorer[RateMapData]):
    """A heat map over learning rate and length of warm-up, and the loss curves of the chosen cell."""

    title = "How training ends by learning rate and warm-up, and the loss curves of all seeds in one cell"
    size = (1000, 420)

    def __init__(self) -> None:
        stored = Result.load("WU-2").per_seed
        self._cells = {
            (name, kind): np.array(
                [[stored[f"{name}_rate{i}_warmup{w}_{kind}"] for i in range(_RATES)] for w in WARMUPS]
            )
            for name in OPTIMIZERS.values()
            for kind in ("failed", "loss")
        }  # (warm-ups, rates, seeds)
        self._seeds = len(stored["effect"])
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the optimiser, what is shown, and the cell."""
        return {
            "optimizer": choice("optimiser", list(OPTIMIZERS)),
            "shown": choice("the map shows", list(SHOWN)),
            "place": slider("learning rate, from the smallest to the largest", 5, 1, _RATES, 1),
            "warmup": choice("warm-up (steps)", WARMUPS, WARMUPS[0]),
        }

    def compute(self, optimizer: str, shown: str, place: int, warmup: int) -> RateMapData:
        """Look up the map and the cell."""
        name, row, column = OPTIMIZERS[optimizer], WARMUPS.index(warmup), place - 1
        curves = loss_curves(name)[column, row].numpy()
        return RateMapData(
            values=self._cells[name, SHOWN[shown][0]].mean(2),
            shown=shown,
            optimizer=optimizer,
            row=row,
            column=column,
            failed=self._cells[name, "failed"][row, column] > 0,
            losses=self._cells[name, "loss"][row, column],
            curves=np.nan_to_num(curves),
            known=np.isfinite(curves),
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the map and the curves."""
        cells, curves = figure.subplots(1, 2, width_ratios=[1, 1.15])
        corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        squares = [np.add(corners, (x, y)) for y in range(len(WARMUPS)) for x in range(_RATES)]
        self._squares = cells.add_collection(PolyCollection(squares, lw=0))
        cells.set(xlim=(-0.5, _RATES - 0.5), ylim=(len(WARMUPS) - 0.5, -0.5))
        cells.set(ylabel="warm-up (of 200 steps)", title="Mean of all seeds; the stronger the grey, the worse")
        cells.set_xlabel("learning rate", labelpad=14)
        cells.set_xticks(range(_RATES), [""] * _RATES)
        cells.set_yticks(range(len(WARMUPS)), list(map(str, WARMUPS)))
        cells.tick_params(length=0)
        self._numbers = [
            cells.text(x, y, "", ha="center", va="center", fontsize=10)
            for y in range(len(WARMUPS))
            for x in range(_RATES)
        ]
        self._ticks = [
            cells.text(x, len(WARMUPS) - 0.42, "", ha="center", va="top", color=MUTED) for x in range(_RATES)
        ]
        self._frame = cells.add_patch(Rectangle((0, 0), 1, 1, fill=False, ec=ORANGE, lw=3))
        self.grab(cells, place=lambda value: (value - 1, None), warmup=lambda value: (None, WARMUPS.index(value)))
        curves.set(xlim=(0, 200), ylim=(1e-3, 1e3), yscale="log", xlabel="step", ylabel="loss")
        curves.set_title(f"The chosen cell: {self._seeds} seeds, red where the run failed")
        curves.grid(color=FAINT, lw=0.6)
        curves.axhline(np.log(10), color=MUTED, ls=":", lw=1.2)
        curves.text(199, np.log(10) * 1.15, "chance", ha="right", color=MUTED, fontsize=9)
        self._curves = curves.add_collection(LineCollection([], linewidths=1.1, alpha=0.75))
        return [self._squares, *self._numbers, *self._ticks, self._frame, self._curves]

    def draw(self, data: RateMapData) -> None:
        """Colour the map, move the frame, draw the curves."""
        most = SHOWN[data.shown][1]
        self._squares.set_facecolor([(INK, min(1.0, 0.8 * value / most)) for value in data.values.ravel()])
        turn = on_paper(0.7, 0.55)
        for text, value in zip(self._numbers, data.values.ravel(), strict=True):
            text.set_text(f"{value:.2f}")
            text.set_color(PAPER if value / most > turn else INK)
        for text, rate in zip(self._ticks, RATES[OPTIMIZERS[data.optimizer]], strict=True):
            text.set_text(number(rate))
        self._frame.set_xy((data.column - 0.5, data.row - 0.5))
        steps = np.arange(data.curves.shape[1]) * EVERY + EVERY / 2
        lines = [np.stack([steps[k], c[k]], 1) for c, k in zip(data.curves, data.known, strict=True)]
        self._curves.set_segments(lines)
        self._curves.set_color([RED if failed else BLUE for failed in data.failed])

    def describe(self, data: RateMapData) -> str:
        """Say the cell, and how it differs from no warm-up."""
        rate = RATES[OPTIMIZERS[data.optimizer]][data.column]
        failed, seeds = int(data.failed.sum()), len(data.failed)
        none, most = data.values[0, data.column], SHOWN[data.shown][0]
        what = "share of failed runs" if most == "failed" else "mean final loss"
        steps = counted(WARMUPS[data.row], "step")
        diverged = int((~data.known).any(1).sum())
        return (
            f"{data.optimizer}, learning rate {number(rate)}, {steps} of warm-up: {failed} of {counted(seeds, 'run')} "
            f"failed, {diverged} of them diverged. Median final loss "
            f"{number(float(np.median(data.losses)), 2)}.\nAt this rate the {what} is {number(float(none), 2)} without "
            f"warm-up and {number(float(data.values[-1, data.column]), 2)} with {WARMUPS[-1]} steps."
        )

    def invariants(self, data: RateMapData) -> dict[str, bool]:
        """Check that curves and ledger are of the same runs."""
        diverged = ~data.known[:, -1]
        last = data.curves[:, -20 // EVERY :].mean(1)
        close = np.abs(np.log(np.clip(last, 1e-4, 2.3) / np.clip(data.losses, 1e-4, 2.3))) < 0.08
        return {
            "a diverged run has failed": bool(data.failed[diverged].all()),
            "the curves end at the ledger's losses": bool(close[~diverged].all()),
        }
