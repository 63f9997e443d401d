"""The sharpness of the loss along training, against the limit that the learning rate sets."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider, toggle
from fpnlib.explore.style import BLUE, FAINT, ORANGE, RED, SKY
from fpnlib.notes.warmup.experiments import recorded
from fpnlib.notes.warmup.experiments.recorded import SHARP_RATES, SHARP_SEEDS, SHARP_STEPS, SHARP_WARMUPS
from fpnlib.notes.warmup.experiments.runs import STEPS, Run
from fpnlib.notes.warmup.experiments.why import limit
from fpnlib.notes.warmup.explorers.curves import end, known_lines

_MOMENTS = np.array(SHARP_STEPS)
_FINE = np.arange(STEPS)


@dataclasses.dataclass(frozen=True)
class SharpnessData:
    """Sharpness of all seeds at some moments, and the limit at those moments and at every step."""

    values: np.ndarray  # (seeds, moments); only those that are known count
    known: np.ndarray  # (seeds, moments), False after a run has diverged
    limits: np.ndarray  # (moments,)
    curve: np.ndarray  # (steps,)
    warmup: int
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
        found = recorded.sharpness_curves(batch_norm)[SHARP_RATES.index(rate), SHARP_WARMUPS.index(warmup)].numpy()
        known = np.isfinite(found)
        curve = np.array([limit(rate * Run(rate, warmup).factor(step)) for step in range(STEPS)])
        limits = curve[np.minimum(_MOMENTS, STEPS - 1)]
        values = np.where(known, found, 0)
        return SharpnessData(values, known, limits, curve, warmup, seed, (values > limits).sum(0))

    def build(self, figure: Figure) -> None:
        """Lay out all steps and the first; the end of the warm-up and the end of a curve can be dragged."""
        main, start = figure.subplots(1, 2, width_ratios=[1.6, 1])
        panels = (
            self.panel(main, title="Largest eigenvalue of the Hessian, each seed", xlim=(-3, STEPS + 3)),
            self.panel(start, title="The first 20 steps", xlim=(-0.5, 21)),
        )
        for panel in panels:
            panel.axes.set(yscale="log", ylim=(0.05, 5e3), xlabel="step", ylabel="sharpness")
            panel.axes.grid(color=FAINT, lw=0.6)
            panel.strokes(lambda data: known_lines(_MOMENTS, data.values, data.known), colors=SKY, linewidths=1.2)
            panel.line(lambda data: (_FINE, data.curve), "--", color=ORANGE, lw=2.2, label="the limit")
            chosen = panel.line(
                lambda data: known_lines(_MOMENTS, data.values, data.known)[data.seed].T, "o-", color=BLUE, ms=5
            )
            chosen.set_label("the chosen seed")
            panel.line(_diverged, "X", color=RED, ms=9, zorder=9, label="diverges")
        start.set_ylabel("")
        shown = panels[0]
        shown.text("the limit, 2 (1 + momentum) / rate", 20, 2.2e3, color=ORANGE, weight="bold")
        shown.text(
            lambda data: f"seed {data.seed}",
            at=lambda data: np.multiply(_end(data, data.seed), (1, 0.6)),
            ha="right",
            va="top",
            color=BLUE,
            weight="bold",
        )
        shown.grab(seed=lambda value, data: _end(data, value))
        shown.dot(
            lambda data: (data.warmup, data.curve[data.warmup]),
            grab={
                "rate": lambda value, data: (None, limit(value * Run(value, data.warmup).factor(data.warmup))),
                "warmup": lambda value: (value, None),
            },
        )

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


def _end(data: SharpnessData, seed: int) -> tuple[float, float]:
    return end(_MOMENTS, data.values[seed], data.known[seed])


def _diverged(data: SharpnessData) -> np.ndarray:
    """Return where the curves of the seeds that diverge end."""
    ends = [_end(data, int(seed)) for seed in np.flatnonzero(~data.known[:, -1])]
    return np.array(ends).reshape(-1, 2).T
