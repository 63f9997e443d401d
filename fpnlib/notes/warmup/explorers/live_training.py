"""Sixteen seeds trained here and now, with warm-up and without, and how many of their ReLUs fall silent."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure
from torch import Tensor

from fpnlib.explore import Explorer, Panel, choice, number, slider, toggle
from fpnlib.explore.style import BLUE, FAINT, MUTED, ORANGE
from fpnlib.notes.warmup.experiments.nets import WIDTH
from fpnlib.notes.warmup.experiments.recorded import thinned
from fpnlib.notes.warmup.experiments.runs import STEPS, Outcome, Run
from fpnlib.notes.warmup.experiments.silence import HEARD, train_and_listen
from fpnlib.notes.warmup.explorers.curves import POINTS, known_lines, loss_panel

SEEDS = range(100, 116)  # not those of the claims
RATES = (0.1, 0.2, 0.4)
WARMUP = 80
SHOWN = {"the first 80 steps": WARMUP, f"all {STEPS} steps": STEPS}
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
    speaking: dict[int, np.ndarray]  # (seeds, moments): of the last 32 ReLUs
    steps: int  # that are shown
    heard: bool  # whether the ReLUs are shown


class LiveExplorer(Explorer[LiveData]):
    """Loss curves of nets that train when asked, and how many ReLUs still speak; what is trained once is kept."""

    title = "Loss curves of sixteen nets trained in this notebook, and how many of their last ReLUs still speak"
    size = (1000, 400)
    ahead = False  # nothing is trained unasked
    outcomes: ClassVar[
        dict[tuple[float, int], tuple[Outcome, Tensor]]
    ] = {}  # at most one for each rate and warm-up above

    def make_controls(self) -> dict[str, Widget]:
        """Return what to train."""
        return {
            "train": choice("train 16 nets", list(WHAT)),
            "rate": choice("learning rate", RATES, 0.2),
            "shown": choice("show", list(SHOWN)),
            "heard": toggle("count the ReLUs that speak"),
            "seed": slider("show one of them thick", 0, 0, len(SEEDS) - 1, 1),
        }

    def compute(self, train: str, rate: float, shown: str, heard: bool, seed: int) -> LiveData:
        """Train what is not trained yet."""
        trained = {warmup: self._trained(rate, warmup) for warmup in WHAT[train]}
        losses = {warmup: thinned(outcome.losses)[:, 0].T.numpy() for warmup, (outcome, _) in trained.items()}
        return LiveData(
            rate=rate,
            seed=seed,
            curves={warmup: np.nan_to_num(values) for warmup, values in losses.items()},
            known={warmup: np.isfinite(values) for warmup, values in losses.items()},
            failed={warmup: outcome.failed[0].numpy() > 0 for warmup, (outcome, _) in trained.items()},
            speaking={warmup: counts.T.numpy() for warmup, (_, counts) in trained.items()},
            steps=SHOWN[shown],
            heard=heard,
        )

    def _trained(self, rate: float, warmup: int) -> tuple[Outcome, Tensor]:
        if (rate, warmup) not in self.outcomes:
            self.outcomes[rate, warmup] = train_and_listen(Run(rate, warmup), SEEDS, progress=self._report)
        return self.outcomes[rate, warmup]

    def _report(self, done: int, steps: int) -> None:
        if done % 10 == 0:
            self.say(f"Training {len(SEEDS)} nets at once: {done} of {steps} steps")

    def build(self, figure: Figure) -> None:
        """Lay out the curves and the counts; whose is thick can be chosen where it ends."""
        losses, counts = figure.subplots(1, 2, width_ratios=[1.5, 1])
        panel = loss_panel(self, losses)
        panel.text(lambda data: f"learning rate {number(data.rate)}", 3, 300, fontsize=11, weight="bold")
        heard = self.panel(counts, xlim=(0, WARMUP), ylim=(-1, WIDTH + 1))
        heard.axes.set(xlabel="step", title=f"How many of the last {WIDTH} ReLUs speak")
        heard.axes.grid(color=FAINT, lw=0.6)
        heard.text(lambda data: "" if data.heard else "hidden", WARMUP / 2, WIDTH / 2, ha="center", color=MUTED)
        for warmup, colour, height in ((0, ORANGE, 300), (WARMUP, BLUE, 100)):
            self._both(panel, _lines, warmup, colour)
            self._both(heard, _counts, warmup, colour)
            panel.text(partial(_fate, warmup=warmup), STEPS - 3, height, ha="right", color=colour, weight="bold")
        panel.grab(seed=lambda value, data: _end(data, value))

    def _both(self, panel: Panel, of: Callable[[LiveData, int], list[np.ndarray]], warmup: int, colour: str) -> None:
        """All lines of one kind of training, the chosen one thick."""
        panel.strokes(lambda data: of(data, warmup), colors=colour, linewidths=1, alpha=0.6)
        panel.line(lambda data: _thick(of(data, warmup), data.seed), color=colour, lw=3, label=_LABELS[warmup])

    def describe(self, data: LiveData) -> str:
        """Say what is shown of the nets' fates and of the chosen one's ReLUs."""
        parts = [f"Learning rate {number(data.rate)}, SGD with momentum, {data.steps} of {STEPS} steps."]
        parts += [f"{_fate(data, warmup).capitalize()}." for warmup in data.failed if data.steps == STEPS]
        for warmup, counts in data.speaking.items():
            loss = number(float(_lines(data, warmup)[data.seed][-1, 1]), 2)
            heard = "; {} ReLUs speak at first, {} at step 80".format(*counts[data.seed, [0, -1]]) if data.heard else ""
            parts.append(f"Net {data.seed} {_LABELS[warmup]} comes to a loss of {loss}{heard}.")
        return " ".join(parts)

    def invariants(self, data: LiveData) -> dict[str, bool]:
        """Check that every net has begun, and that those that diverged count as failed."""
        diverged = {warmup: ~known[:, -1] for warmup, known in data.known.items()}
        return {
            "all nets have a first loss": all((curves[:, 0] > 0).all() for curves in data.curves.values()),
            "a diverged net has failed": all(data.failed[warmup][gone].all() for warmup, gone in diverged.items()),
        }


def _lines(data: LiveData, warmup: int) -> list[np.ndarray]:
    if warmup not in data.curves:
        return []
    shown = data.steps > POINTS
    return known_lines(POINTS[shown], data.curves[warmup][:, shown], data.known[warmup][:, shown])


def _counts(data: LiveData, warmup: int) -> list[np.ndarray]:
    shown = data.speaking.get(warmup, ()) if data.heard else ()
    return [np.stack([HEARD, one], 1) for one in shown]


def _thick(lines: list[np.ndarray], seed: int) -> np.ndarray:
    return lines[seed].T if lines else np.zeros((2, 0))


def _fate(data: LiveData, warmup: int) -> str:
    failed = data.failed.get(warmup) if data.steps == STEPS else None
    return "" if failed is None else f"{_LABELS[warmup]}: {int(failed.sum())} of {len(SEEDS)} fail"


def _end(data: LiveData, seed: int) -> tuple[float, float]:
    """Where the seed's last curve ends, or leaves the picture."""
    x, y = _lines(data, max(data.curves))[seed][-1].tolist()
    return x, min(max(y, 1e-3), 1e3)
