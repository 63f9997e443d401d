"""Claim WU-2's map of learning rate and warm-up, and every run of one cell."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from fpnlib.claims import Result
from fpnlib.explore import Explorer, choice, counted, number, slider, toggle
from fpnlib.explore.style import BLUE, INK, PAPER, RED
from fpnlib.notes.warmup.experiments.rates import RATES, WARMUPS
from fpnlib.notes.warmup.experiments.recorded import EVERY, loss_curves
from fpnlib.notes.warmup.explorers.curves import POINTS, known_lines, loss_panel

OPTIMIZERS = {"SGD with momentum": "sgd", "Adam": "adam"}
SHOWN = {"share of runs that failed": ("failed", 1.0), "final loss": ("loss", 2.4)}
_RATES = len(RATES["sgd"])
_INK = 0.45  # of it at most in a cell, so that a number can be read on it


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
    whole: bool  # whether all cells are shown


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
            "whole": toggle("show the whole map"),
        }

    def compute(self, optimizer: str, shown: str, place: int, warmup: int, whole: bool) -> RateMapData:
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
            whole=whole,
        )

    def build(self, figure: Figure) -> None:
        """Lay out the map and the curves."""
        cells, curves = figure.subplots(1, 2, width_ratios=[1, 1.15])
        ways = self.panel(cells, title="Mean of sixteen runs; the stronger the grey, the worse")
        cells.set(xlabel="learning rate", ylabel="warm-up (of 200 steps)")
        worse = ways.heat_map(
            lambda data: np.where(_open(data), data.values, 0),
            WARMUPS,
            range(_RATES),
            lambda data: (data.row, data.column),
            across=lambda data: map(number, RATES[OPTIMIZERS[data.optimizer]]),
            cmap=LinearSegmentedColormap.from_list("worse", [PAPER, INK]),
        )
        ways.add(worse, lambda image, data: image.set_clim(0, SHOWN[data.shown][1] / _INK))
        ways.table(
            lambda data: np.where(_open(data), np.char.mod("%.2f", data.values), ""),
            range(_RATES),
            range(len(WARMUPS)),
            ha="center",
        )
        ways.grab(place=lambda value: (value - 1, None), warmup=lambda value: (None, WARMUPS.index(value)))
        runs = loss_panel(self, curves, title=f"The chosen cell: {self._seeds} seeds, red where the run failed")
        lines = runs.strokes(lambda data: known_lines(POINTS, data.curves, data.known), linewidths=1.1, alpha=0.75)
        runs.add(lines, lambda lines, data: lines.set_color([RED if failed else BLUE for failed in data.failed]))

    def describe(self, data: RateMapData) -> str:
        """Say the cell, and how it differs from no warm-up."""
        rate = RATES[OPTIMIZERS[data.optimizer]][data.column]
        failed, seeds = int(data.failed.sum()), len(data.failed)
        none, most = data.values[0, data.column], SHOWN[data.shown][0]
        what = "share of failed runs" if most == "failed" else "mean final loss"
        steps = counted(WARMUPS[data.row], "step")
        diverged = int((~data.known).any(1).sum())
        ends = (
            f" Without warm-up it is {number(float(none), 2)}, with {WARMUPS[-1]} steps "
            f"{number(float(data.values[-1, data.column]), 2)}."
        )
        return (
            f"{data.optimizer}, learning rate {number(rate)}, {steps} of warm-up: {failed} of {counted(seeds, 'run')} "
            f"failed, {diverged} of them diverged. Median final loss {number(float(np.median(data.losses)), 2)}.\n"
            f"In this cell the {what} is {number(float(data.values[data.row, data.column]), 2)}."
            f"{ends if data.whole else ''}"
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


def _open(data: RateMapData) -> np.ndarray:
    """Which cells are shown."""
    cells = np.full(data.values.shape, data.whole)
    cells[data.row, data.column] = True
    return cells
