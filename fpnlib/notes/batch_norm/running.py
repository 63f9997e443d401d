"""Explorer (c): running statistics batch by batch, and how far eval mode is from training mode."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider, toggle
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE

SIZES = (2, 4, 8, 16, 32, 64)
BATCHES = 300
LAST = 100  # batches that the gap is about
MEAN, STD = 3.0, 2.0  # of the values after training; the running statistics begin at 0 and 1
EPS = 1e-5
MOMENTA = ("0.01", "0.03", "0.1", "0.3", "1")
AVERAGE = "None (plain average)"


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
        self._runs = functools.lru_cache(maxsize=256)(_run)
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
        true_mean = _true_mean(drift)
        batch_mean, batch_variance, running_mean, running_variance, _ = runs[at]
        return RunningData(
            true_mean=true_mean,
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

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out three panels."""
        means, variances, gaps = figure.subplots(1, 3, width_ratios=[1.2, 1.2, 1])
        steps = np.arange(BATCHES)
        means.set(title="Mean", xlabel="batch", xlim=(0, BATCHES), ylim=(-2.5, 12.5))
        variances.set(title="Variance", xlabel="batch", xlim=(0, BATCHES), ylim=(0, 16))
        gaps.set(
            title="Gap between the two modes",
            xlabel="values per channel in a batch",
            ylabel="median |x̂ − x̂ in eval mode|",
            xlim=(1.6, 80),
            ylim=(0.02, 4),
            xscale="log",
            yscale="log",
        )
        gaps.set_xticks(SIZES, [str(size) for size in SIZES])
        gaps.set_yticks([0.1, 1.0], ["0.1", "1"])
        gaps.minorticks_off()
        self._lines = []
        for panel in (means, variances):
            (of_batch,) = panel.plot(steps, steps, ".", ms=3, color=BLUE, alpha=0.5, label="of each batch")
            (true,) = panel.plot(steps, steps, color=INK, lw=1.2, ls="--", label="true")
            (running,) = panel.plot(steps, steps, color=ORANGE, label="running")
            self._lines += [of_batch, true, running]
        means.legend(loc="lower right", ncols=1)
        self.grab(means, drift=lambda value: (BATCHES - 1, MEAN + value))
        gaps.axhline(1, color=FAINT, lw=1)
        (self._gaps,) = gaps.plot([], [], "o-", color=MUTED, ms=5)
        (self._gap,) = gaps.plot([], [], "o", ms=10, color=ORANGE, mec=INK)
        self.grab(gaps, batch_size=lambda value: (value, None))
        return [*self._lines, self._gaps, self._gap]

    def draw(self, data: RunningData) -> None:
        """Move lines and points."""
        shown = (
            *(data.batch_mean, data.true_mean, data.running_mean),
            *(data.batch_variance, data.true_variance, data.running_variance),
        )
        for line, values in zip(self._lines, shown, strict=True):
            line.set_ydata(values)
        self._gaps.set_data(SIZES, data.gaps)
        self._gap.set_data([SIZES[data.at]], [data.gaps[data.at]])

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


def _true_mean(drift: float) -> np.ndarray:
    return MEAN + drift * np.linspace(0, 1, BATCHES)


def _run(
    momentum: str, size: int, drift: float, unbiased: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Batch means and variances, running ones after each batch, and the gap."""
    rng = np.random.default_rng(size)
    x = _true_mean(drift)[:, None] + STD * rng.standard_normal((BATCHES, size))
    means, variances = x.mean(1), x.var(1)
    stored = variances * (size / (size - 1) if unbiased else 1.0)
    running_means, running_variances = np.empty(BATCHES), np.empty(BATCHES)
    running_mean, running_variance = 0.0, 1.0
    for step in range(BATCHES):
        weight = 1 / (step + 1) if momentum == AVERAGE else float(momentum)
        running_mean += weight * (means[step] - running_mean)
        running_variance += weight * (stored[step] - running_variance)
        running_means[step], running_variances[step] = running_mean, running_variance
    # A batch meets the running statistics of those before it.
    now, before = slice(BATCHES - LAST, BATCHES), slice(BATCHES - LAST - 1, BATCHES - 1)
    training = (x[now] - means[now, None]) / np.sqrt(variances[now, None] + EPS)
    evaluated = (x[now] - running_means[before, None]) / np.sqrt(running_variances[before, None] + EPS)
    return means, variances, running_means, running_variances, float(np.median(abs(training - evaluated)))
