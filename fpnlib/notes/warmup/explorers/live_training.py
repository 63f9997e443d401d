"""Sixteen seeds trained here and now, with warm-up and without."""

import dataclasses
from typing import ClassVar

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, Panel, choice, number, slider
from fpnlib.explore.style import BLUE, ORANGE
from fpnlib.notes.warmup.experiments.nets import digits
from fpnlib.notes.warmup.experiments.recorded import thinned
from fpnlib.notes.warmup.experiments.runs import Outcome, Run, train_runs
from fpnlib.notes.warmup.explorers.curves import POINTS, end, known_lines, loss_panel

SEEDS = range(100, 116)  # not those of the claims
RATES = (0.1, 0.2, 0.4)
WARMUP = 80
WHAT = {"without warm-up": (0,), "with warm-up": (WARMUP,), "both": (0, WARMUP)}
_LABELS = {0: "without warm-up", WARMUP: f"with {WARMUP} steps of warm-up"}


@dataclasses.dataclass(frozen=True)
class LiveData:
    """The loss curves of each kind of training that was asked for, by its length of warm-up."""

    rate: float
    seed: int
    curves: dict[int, np.ndarray]  # (seeds, points); only those that are known count
    known: dict[int, np.ndarray]
    failed: dict[int, np.ndarray]  # (seeds,), whether


class LiveExplorer(Explorer[LiveData]):
    """Loss curves of sixteen nets that train when they are asked for; what is trained once is kept."""

    title = "Loss curves of sixteen nets trained in this notebook, with warm-up and without"
    size = (1000, 400)
    ahead = False  # nothing is trained unasked
    outcomes: ClassVar[dict[tuple[float, int], Outcome]] = {}  # at most one for each rate and warm-up above

    def make_controls(self) -> dict[str, Widget]:
        """Return what to train."""
        return {
            "train": choice("train 16 nets", list(WHAT)),
            "rate": choice("learning rate", RATES, 0.2),
            "seed": slider("show one of them thick", 0, 0, len(SEEDS) - 1, 1),
        }

    def compute(self, train: str, rate: float, seed: int) -> LiveData:
        """Train what is not trained yet."""
        trained = {warmup: self._trained(rate, warmup) for warmup in WHAT[train]}
        losses = {warmup: thinned(outcome.losses)[:, 0].T.numpy() for warmup, outcome in trained.items()}
        return LiveData(
            rate=rate,
            seed=seed,
            curves={warmup: np.nan_to_num(values) for warmup, values in losses.items()},
            known={warmup: np.isfinite(values) for warmup, values in losses.items()},
            failed={warmup: outcome.failed[0].numpy() > 0 for warmup, outcome in trained.items()},
        )

    def _trained(self, rate: float, warmup: int) -> Outcome:
        if (rate, warmup) not in self.outcomes:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)  # such small layers gain nothing from more, and lose much on a busy machine
            try:
                self.outcomes[rate, warmup] = train_runs(digits(), [Run(rate, warmup)], SEEDS, progress=self._report)
            finally:
                torch.set_num_threads(threads)
        return self.outcomes[rate, warmup]

    def _report(self, done: int, steps: int) -> None:
        if done % 10 == 0:
            self.say(f"Training {len(SEEDS)} nets at once: {done} of {steps} steps")

    def build(self, figure: Figure) -> None:
        """Lay out the curves; whose is thick can be chosen where it ends."""
        panel = loss_panel(self, figure.subplots())
        panel.text(lambda data: f"learning rate {number(data.rate)}", 3, 300, fontsize=11, weight="bold")
        for warmup, colour, height in ((0, ORANGE, 300), (WARMUP, BLUE, 100)):
            self._curves(panel, warmup, colour, height)
        panel.grab(seed=lambda value, data: _end(data, value))

    def _curves(self, panel: Panel, warmup: int, colour: str, height: float) -> None:
        """All curves of one kind of training, the chosen one thick, and how many nets fail."""
        panel.strokes(lambda data: _lines(data, warmup), colors=colour, linewidths=1, alpha=0.6)
        panel.line(lambda data: _thick(data, warmup), color=colour, lw=3, label=_LABELS[warmup])
        panel.text(lambda data: _count(data, warmup), 197, height, ha="right", color=colour, weight="bold")

    def describe(self, data: LiveData) -> str:
        """Say how many failed, and how the chosen one ended."""
        parts = []
        for warmup, failed in data.failed.items():
            end = "has failed" if failed[data.seed] else "has learnt"
            parts.append(
                f"{_LABELS[warmup].capitalize()} {int(failed.sum())} of {len(SEEDS)} nets fail; net {data.seed} {end}."
            )
        return f"Learning rate {number(data.rate)}, SGD with momentum, 200 steps. " + " ".join(parts)

    def invariants(self, data: LiveData) -> dict[str, bool]:
        """Check that every net has begun, and that those that diverged count as failed."""
        first = [curves[:, 0] for curves in data.curves.values()]
        diverged = {warmup: ~known[:, -1] for warmup, known in data.known.items()}
        return {
            "all nets have a first loss": all((values > 0).all() for values in first),
            "a diverged net has failed": all(data.failed[warmup][gone].all() for warmup, gone in diverged.items()),
        }


def _lines(data: LiveData, warmup: int) -> list[np.ndarray]:
    return known_lines(POINTS, data.curves[warmup], data.known[warmup]) if warmup in data.curves else []


def _thick(data: LiveData, warmup: int) -> np.ndarray:
    lines = _lines(data, warmup)
    return lines[data.seed].T if lines else np.zeros((2, 0))


def _count(data: LiveData, warmup: int) -> str:
    return f"{_LABELS[warmup]}: {int(data.failed[warmup].sum())} of {len(SEEDS)} fail" if warmup in data.failed else ""


def _end(data: LiveData, seed: int) -> tuple[float, float]:
    """Where the seed's last curve ends, or leaves the picture."""
    warmup = max(data.curves)
    x, y = end(POINTS, data.curves[warmup][seed], data.known[warmup][seed])
    return x, min(max(y, 1e-3), 1e3)
