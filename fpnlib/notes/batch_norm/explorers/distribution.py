"""What batch norm does to a distribution, and how far the batch's statistics are those of all."""

import dataclasses

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, PAPER
from fpnlib.ops import batch_norm_forward
from fpnlib.validation import require

SIZES = (2, 4, 8, 16, 32, 64, 128, 256)
BATCHES = 100
_BINS = 40
_STRIP = 0.3  # height of the dots below a histogram, as a share of the highest bar
_SPAN = 6.0  # outputs shown
_BAR = 1.08  # height of γ's bar


@dataclasses.dataclass(frozen=True)
class DistributionData:
    """One batch before and after, and mean and spread of many batches of its size."""

    batch: np.ndarray
    after: np.ndarray
    edges_after: np.ndarray  # where this batch's statistics send the histogram of all values
    mean: float
    std: float
    after_mean: float
    after_std: float
    line: float  # the spread after, by the formula
    means: np.ndarray
    stds: np.ndarray
    gamma: float
    beta: float
    power: int


class DistributionExplorer(Explorer[DistributionData]):
    """All values and one batch of them before and after batch norm, and the statistics of many batches."""

    title = "A distribution before and after batch norm, and the means and spreads of many batches"
    size = (1000, 400)

    def __init__(self, values: np.ndarray) -> None:
        values = np.asarray(values, float).ravel()
        require(values.size >= 2, "values", f"{values.size} numbers", "2 or more")
        require(bool(np.isfinite(values).all()), "values", "NaN or infinite ones", "finite numbers")
        require(bool(values.std() > 0), "values", "equal ones", "values that differ")
        self._all = values
        self._edges = np.linspace(values.min(), values.max(), _BINS + 1)
        counts, _ = np.histogram(values, self._edges)
        self._shares = counts / counts.max()
        rng = np.random.default_rng(0)
        self._batches = values[rng.integers(values.size, size=(BATCHES, SIZES[-1]))]
        self._heights = -_STRIP * (0.15 + 0.75 * rng.random(SIZES[-1]))
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the two parameters, ε, the batch, and the size of the values."""
        return {
            "gamma": slider("γ", 1.0, -2.0, 2.0, 0.1),
            "beta": slider("β", 0.0, -3.0, 3.0, 0.1),
            "epsilon": slider("ε, as a power of ten", -5, -8, 4, 1),
            "batch_size": choice("batch size", SIZES, 16),
            "batch": slider("which batch", 0, 0, BATCHES - 1, 1),
            "scale": slider("x is multiplied by ten to the power", 0, -5, 0, 1),
        }

    def compute(
        self, gamma: float, beta: float, epsilon: int, batch_size: int, batch: int, scale: int
    ) -> DistributionData:
        """Normalise one batch. The picture shows x as it was before it was multiplied."""
        factor, eps = 10.0**scale, 10.0**epsilon
        x = torch.tensor(factor * self._batches[batch, :batch_size])[:, None]
        y, cache = batch_norm_forward(x, *torch.tensor([[gamma], [beta]], dtype=torch.float64), eps=eps)
        mean, variance, inverse_std = (float(s) for s in (cache.mean, cache.variance, cache.inverse_std))
        batches = self._batches[:, :batch_size]
        return DistributionData(
            batch=self._batches[batch, :batch_size],
            after=y[:, 0].numpy(),
            edges_after=gamma * (factor * self._edges - mean) * inverse_std + beta,
            mean=mean / factor,
            std=variance**0.5 / factor,
            after_mean=y.mean().item(),
            after_std=y.std(correction=0).item(),
            line=abs(gamma) * (variance / (variance + eps)) ** 0.5,
            means=batches.mean(1),
            stds=batches.std(1),
            gamma=gamma,
            beta=beta,
            power=scale,
        )

    def build(self, figure: Figure) -> None:
        """Lay out three panels; β, the end of γ's bar, and the batch among the others can be dragged."""
        before, after, spread = figure.subplots(1, 3, width_ratios=[1, 1, 0.9])
        given = self.panel(before, title="x: all values, and the batch as dots", xlabel="x", xlim=self._room())
        made = self.panel(after, title="y, by this batch's mean and variance", xlabel="y", xlim=(-_SPAN, _SPAN))
        for panel in (given, made):
            panel.axes.set(ylim=(-_STRIP - 0.05, 1.2), yticks=[])
            panel.axes.spines["left"].set_visible(False)
            panel.level(0, color=FAINT, lw=1)
        given.steps((self._shares, self._edges), color=FAINT)
        given.line(lambda data: (data.batch, self._heights[: len(data.batch)]), "o", ms=5, color=BLUE, alpha=0.8)
        given.upright(lambda data: data.mean, color=BLUE)
        made.steps(lambda data: (self._shares, data.edges_after), color=FAINT)
        made.line(lambda data: (data.after, self._heights[: len(data.batch)]), "o", ms=5, color=ORANGE, alpha=0.8)
        made.text("β", at=lambda data: (data.beta - np.copysign(0.4, data.gamma), 1.12), ha="center", color=ORANGE)
        made.strokes(lambda data: [[(data.beta, _BAR), (data.beta + data.gamma, _BAR)]], color=INK, lw=1.5)
        end = {"gamma": lambda value, data: (data.beta + value, _BAR)}
        made.dot(lambda data: (data.beta + data.gamma, _BAR), ms=8, grab=end)
        made.upright(lambda data: data.beta, color=ORANGE, grab="beta")  # last: a tap anywhere is its
        made.text("γ", at=lambda data: (data.beta + data.gamma + np.copysign(0.4, data.gamma), _BAR), ha="center")
        batches = self.panel(spread, title=f"{BATCHES} batches of this size; + is all", xlim=self._room())
        spread.set(xlabel="mean", ylabel="standard deviation")
        spread.set_ylim(-0.03 * self._all.std(), 0.52 * np.ptp(self._all))
        batches.line(lambda data: (data.means, data.stds), "o", ms=4, color=MUTED, alpha=0.6, mew=0)
        other = {"batch": lambda value, data: (data.means[value], data.stds[value])}
        batches.dot(lambda data: (data.mean, data.std), color=BLUE, grab=other)
        whole = self._all.mean(), self._all.std()
        batches.line(lambda data: whole, "P", ms=12, color=INK, mec=PAPER, label="all values")

    def describe(self, data: DistributionData) -> str:
        """Say mean and spread before and after, and how much the batches differ."""
        divided = f" (x is divided by {10**-data.power})" if data.power else ""
        return (
            f"This batch of {len(data.batch)}: mean {number(data.mean)}, standard deviation {number(data.std)}"
            f"{divided}. After: mean {_small(data.after_mean)}, standard deviation {_small(data.after_std)}.\n"
            f"All values: mean {number(self._all.mean())}, standard deviation {number(self._all.std())}. The means of "
            f"{BATCHES} batches of this size scatter by {number(data.means.std())}."
        )

    def invariants(self, data: DistributionData) -> dict[str, bool]:
        """Check the formula for what comes out."""
        return {
            "the mean after is β": bool(np.isclose(data.after_mean, data.beta, atol=1e-6)),
            "the spread after is |γ| σ / √(σ² + ε)": bool(np.isclose(data.after_std, data.line, atol=1e-6)),
        }

    def _room(self) -> tuple[float, float]:
        margin = 0.04 * np.ptp(self._all)
        return self._all.min() - margin, self._all.max() + margin


def _small(value: float) -> str:
    return number(0.0 if abs(value) < 1e-9 else value)
