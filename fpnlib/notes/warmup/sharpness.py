"""Explorer (c): the sharpness of the loss along training, against the limit that the learning rate sets."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider, toggle
from fpnlib.explore.style import BLUE, FAINT, RED, SKY
from fpnlib.notes.warmup.recorded import SHARP_RATES, SHARP_SEEDS, SHARP_STEPS, SHARP_WARMUPS, sharpness_curves
from fpnlib.notes.warmup.runs import STEPS, Run
from fpnlib.notes.warmup.why import limit

_MOMENTS = np.array(SHARP_STEPS)
_FINE = np.arange(STEPS)
_LATE = 140  # a step


@dataclasses.dataclass(frozen=True)
class SharpnessData:
    """Sharpness of all seeds at some moments, and the limit at those moments and at every step."""

    values: np.ndarray  # (seeds, moments); only those that are known count
    known: np.ndarray  # (seeds, moments), False after a run has diverged
    limits: np.ndarray  # (moments,)
    curve: np.ndarray  # (steps,)
    seed: int
    above: np.ndarray  # (moments,), how many of the seeds still known lie above the limit


class SharpnessExplorer(Explorer[SharpnessData]):
    """Largest Hessian eigenvalue at ten moments of training, and 2 (1 + momentum) / rate."""

    title = "The largest eigenvalue of the Hessian along training, against the limit set by the learning rate"
    size = (1000, 430)

    def make_controls(self) -> dict[str, Widget]:
        """Return the run and one seed."""
        return {
            "rate": choice("learning rate", SHARP_RATES, SHARP_RATES[-1]),
            "warmup": choice("warm-up (steps)", SHARP_WARMUPS, SHARP_WARMUPS[-1]),
            "batch_norm": toggle("batch norm"),
            "seed": slider("one seed", 0, 0, len(SHARP_SEEDS) - 1, 1),
        }

    def compute(self, rate: float, warmup: int, batch_norm: bool, seed: int) -> SharpnessData:
        """Look up the curves; work out the limit."""
        found = sharpness_curves(batch_norm)[SHARP_RATES.index(rate), SHARP_WARMUPS.index(warmup)].numpy()
        known = np.isfinite(found)
        curve = np.array([limit(rate * Run(rate, warmup).factor(step)) for step in range(STEPS)])
        limits = curve[np.minimum(_MOMENTS, STEPS - 1)]
        values = np.where(known, found, 0)
        return SharpnessData(values, known, limits, curve, seed, (values > limits).sum(0))

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the curves and the counts."""
        main, start = figure.subplots(1, 2, width_ratios=[1.6, 1])
        style = {"yscale": "log", "ylim": (0.01, 5e3), "xlabel": "step"}
        main.set(
            xlim=(-3, STEPS + 3), ylabel="sharpness", title="Largest eigenvalue of the Hessian, all 200 steps", **style
        )
        start.set(xlim=(-0.5, 21), title="The first 20 steps", **style)
        self._lines = []
        for axes in (main, start):
            axes.grid(color=FAINT, lw=0.6)
            seeds = axes.add_collection(LineCollection([], colors=SKY, linewidths=1.2))
            (limits,) = axes.plot([], [], "--", color=RED, lw=2.2)
            (one,) = axes.plot([], [], "o-", color=BLUE, lw=2, ms=5)
            self._lines.append((seeds, limits, one))
        main.plot([], [], color=SKY, label="each seed")
        main.plot([], [], "o-", color=BLUE, label="the chosen seed")
        main.plot([], [], "--", color=RED, label="the limit, 2 (1 + momentum) / rate")
        main.legend(loc="lower center", ncols=3, fontsize=8, columnspacing=1.2, handlelength=1.6)
        # Where every warm-up is over, the limit tells the rate.
        self.grab(main, rate=lambda value: (_LATE, limit(value * Run(value).factor(_LATE))))
        self.grab(main, warmup=lambda value: (value, None))
        return [line for lines in self._lines for line in lines]

    def draw(self, data: SharpnessData) -> None:
        """Move the curves."""
        segments = [np.stack([_MOMENTS[k], v[k]], 1) for v, k in zip(data.values, data.known, strict=True)]
        known = data.known[data.seed]
        for seeds, limits, one in self._lines:
            seeds.set_segments(segments)
            limits.set_data(_FINE, data.curve)
            one.set_data(_MOMENTS[known], data.values[data.seed][known])

    def describe(self, data: SharpnessData) -> str:
        """Say where the chosen seed and the others lie, at the start and where most can go wrong."""
        seeds, end = len(data.values), SHARP_STEPS.index(80)
        one, known = data.values[data.seed], data.known[data.seed]
        gone = int((~data.known[:, -1]).sum())
        later = f"{number(one[end])} at step 80 (limit {number(data.limits[end])})" if known[end] else "then diverged"
        return (
            f"Seed {data.seed}: sharpness {number(one[0])} at the start, where the limit is {number(data.limits[0])}; "
            f"{later}. Above the limit: {data.above[0]} of {seeds} seeds at the start, {data.above[3]} at step 10, "
            f"{data.above[end]} at step 80. {gone} of {seeds} diverged."
        )

    def invariants(self, data: SharpnessData) -> dict[str, bool]:
        """Check what the eigenvalue and the limit must be."""
        return {
            "every run starts from a known, curved loss": bool(
                data.known[:, 0].all() and (data.values[:, 0] > 0).all()
            ),
            "no run comes back": bool((np.diff(data.known.astype(int), axis=1) <= 0).all()),
        }
