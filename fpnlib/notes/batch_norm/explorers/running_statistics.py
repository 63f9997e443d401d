"""Running statistics batch by batch, and how far eval mode is from training mode."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider, toggle
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.notes.batch_norm.experiments.running import AVERAGE, BATCHES, LAST, MEAN, STD, run, true_mean

SIZES = (2, 4, 8, 16, 32, 64)
MOMENTA = ("0.01", "0.03", "0.1", "0.3", "1")
_STEPS = np.arange(BATCHES)
_LOOKS: dict[str, dict[str, Any]] = {
    "batch": {"label": "of each batch", "color": BLUE, "style": ".", "ms": 3, "alpha": 0.5},
    "true": {"label": "true", "color": INK, "lw": 1.2, "style": "--"},
    "running": {"label": "running", "color": ORANGE},
}


@dataclasses.dataclass(frozen=True)
class RunningData:
    """The statistics of every batch and the running ones, and the gap of the two modes at every batch size."""

    true_mean: np.ndarray  # (BATCHES,)
    true_variance: np.ndarray
    batch_mean: np.ndarray
    batch_variance: np.ndarray
    running_mean: np.ndarray
    running_variance: np.ndarray
    gaps: np.ndarray  # one for each of SIZES
    at: int  # index of the batch size
    momentum: str
    settled: float  # mean of the running variance over the last batches, over the true one


class RunningExplorer(Explorer[RunningData]):
    """Mean and variance of each batch, the running ones, and the gap between training and eval mode."""

    title = "Running mean and running variance batch by batch, and the gap between training and eval mode"
    size = (1000, 400)

    def __init__(self) -> None:
        self._runs = functools.lru_cache(maxsize=256)(run)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return momentum, batch size, how the values drift, and the two ways to store the variance."""
        return {
            "momentum": choice("momentum", (*MOMENTA, AVERAGE), "0.1"),
            "batch_size": choice("values per channel in a batch", SIZES, 8),
            "drift": slider("the mean still moves by, over all batches", 0.0, 0.0, 6.0, 0.5),
            "unbiased": toggle("store the unbiased variance", True),
        }

    def compute(self, momentum: str, batch_size: int, drift: float, unbiased: bool) -> RunningData:
        """Feed the batches one after another."""
        runs = [self._runs(momentum, size, drift, unbiased) for size in SIZES]
        at = SIZES.index(batch_size)
        batch_mean, batch_variance, running_mean, running_variance, _ = runs[at]
        return RunningData(
            true_mean=true_mean(drift),
            true_variance=np.full(BATCHES, STD**2),
            batch_mean=batch_mean,
            batch_variance=batch_variance,
            running_mean=running_mean,
            running_variance=running_variance,
            gaps=np.array([run[-1] for run in runs]),
            at=at,
            momentum=momentum,
            settled=float(running_variance[-LAST:].mean() / STD**2),
        )

    def build(self, figure: Figure) -> None:
        """Lay out three panels; the end of the true mean and the batch size can be dragged."""
        means, variances, gaps = figure.subplots(1, 3, width_ratios=[1.2, 1.2, 1])
        mean = self.panel(means, title="Mean", xlabel="batch", ylabel="mean", xlim=(0, BATCHES), ylim=(-2.5, 12.5))
        variance = self.panel(variances, title="Variance", xlabel="batch", ylabel="variance")
        variances.set(xlim=(0, BATCHES), ylim=(0, 16))
        for panel, name in ((mean, "mean"), (variance, "variance")):
            for kind, look in _LOOKS.items():
                panel.line(_along(f"{kind}_{name}"), **look)
        for row, look in enumerate(_LOOKS.values()):
            mean.text(look["label"], 290, -0.5 - 0.8 * row, ha="right", color=look["color"], weight="bold", fontsize=9)
        mean.dot(
            lambda data: (BATCHES - 1, data.true_mean[-1]), grab={"drift": lambda value: (BATCHES - 1, MEAN + value)}
        )
        gap = self.panel(gaps, title="Gap between the two modes", xscale="log", yscale="log", xlim=(1.6, 80))
        gaps.set(ylim=(0.02, 4), xlabel="values per channel in a batch", ylabel="median |x̂ − x̂ in eval mode|")
        gaps.set_xticks(SIZES, [str(size) for size in SIZES])
        gaps.set_yticks([0.1, 1.0], ["0.1", "1"])
        gaps.minorticks_off()
        gap.level(1, color=FAINT, lw=1)
        gap.line(lambda data: (SIZES, data.gaps), "o-", color=MUTED, ms=5)
        gap.dot(lambda data: (SIZES[data.at], data.gaps[data.at]), grab={"batch_size": lambda value: (value, None)})

    def describe(self, data: RunningData) -> str:
        """Say where the running statistics end, and how far the two modes are apart."""
        return (
            f"Momentum {data.momentum}, {SIZES[data.at]} values per channel. After {BATCHES} batches the running mean "
            f"is {number(data.running_mean[-1])}, the true one {number(data.true_mean[-1])}. Over the last {LAST} "
            f"batches the running variance is on average {number(data.settled)} of the true one.\n"
            "A value normalised in training mode, by its own batch, and in eval mode, by the running statistics it "
            f"meets, differs by {number(data.gaps[data.at])} (median over the last {LAST} batches)."
        )

    def invariants(self, data: RunningData) -> dict[str, bool]:
        """Check the ends of the range of momentum."""
        last = data.momentum == "1"
        return {
            "with momentum 1 the running mean is the last batch's": not last
            or bool(np.allclose(data.running_mean, data.batch_mean)),
            "variances are not negative": bool((data.running_variance >= 0).all()),
        }


def _along(name: str) -> Callable[[RunningData], tuple[np.ndarray, np.ndarray]]:
    return lambda data: (_STEPS, getattr(data, name))
