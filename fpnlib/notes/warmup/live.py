"""Explorer (d): sixteen seeds trained here and now, with warm-up and without."""

import dataclasses
from collections.abc import Iterable

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.notes.warmup.nets import digits
from fpnlib.notes.warmup.recorded import EVERY, thinned
from fpnlib.notes.warmup.runs import Outcome, Run, train_runs

SEEDS = range(100, 116)  # not those of the claims
RATES = (0.1, 0.2, 0.4)
WARMUP = 80
WHAT = {"without warm-up": (0,), "with warm-up": (WARMUP,), "both": (0, WARMUP)}
_COLOURS = {0: ORANGE, WARMUP: BLUE}
_LABELS = {0: "without warm-up", WARMUP: f"with {WARMUP} steps of warm-up"}


_trained: dict[tuple[float, int], Outcome] = {}  # at most one for each rate and warm-up above


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
        if (rate, warmup) not in _trained:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)  # such small layers gain nothing from more, and lose much on a busy machine
            try:
                _trained[rate, warmup] = train_runs(digits(), [Run(rate, warmup)], SEEDS, progress=self._report)
            finally:
                torch.set_num_threads(threads)
        return _trained[rate, warmup]

    def _report(self, done: int, steps: int) -> None:
        if done % 10 == 0:
            self.say(f"Training {len(SEEDS)} nets at once: {done} of {steps} steps")

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the curves."""
        axes = figure.subplots()
        axes.set(xlim=(0, 200), ylim=(1e-3, 1e3), yscale="log", xlabel="step", ylabel="loss")
        axes.grid(color=FAINT, lw=0.6)
        axes.axhline(np.log(10), color=MUTED, ls=":", lw=1.2)
        axes.text(199, np.log(10) * 1.15, "chance", ha="right", color=MUTED, fontsize=9)
        self._lines = {
            warmup: axes.add_collection(LineCollection([], colors=colour, linewidths=1, alpha=0.6))
            for warmup, colour in _COLOURS.items()
        }
        self._ones = {warmup: axes.plot([], [], color=colour, lw=3)[0] for warmup, colour in _COLOURS.items()}
        for warmup, colour in _COLOURS.items():
            axes.plot([], [], color=colour, label=_LABELS[warmup])
        axes.legend(loc="upper right")
        self._rate = axes.text(3, 300, "", color=INK, fontsize=11, weight="bold")
        return [*self._lines.values(), *self._ones.values(), self._rate]

    def draw(self, data: LiveData) -> None:
        """Draw what is trained."""
        for warmup in _COLOURS:
            curves, known = data.curves.get(warmup, np.zeros((0, 1))), data.known.get(warmup, np.zeros((0, 1), bool))
            steps = np.arange(curves.shape[1]) * EVERY + EVERY / 2
            segments = [np.stack([steps[k], c[k]], 1) for c, k in zip(curves, known, strict=True)]
            self._lines[warmup].set_segments(segments)
            self._ones[warmup].set_data(*(segments[data.seed].T if segments else ([], [])))
        self._rate.set_text(f"learning rate {number(data.rate)}")

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
