"""Explorer (d): the stored sweep of learning rates, with and without batch norm."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from fpnlib.claims import Result, interval_of_mean
from fpnlib.explore import Explorer, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.notes.batch_norm.digits import LEARNS, RATES

_KINDS = {"norm": ("with batch norm", ORANGE), "plain": ("without", BLUE)}
_STEP = float(np.log10(RATES[1] / RATES[0]))
_POWERS = np.log10(RATES)


@dataclasses.dataclass(frozen=True)
class RatesData:
    """Errors at one rate, one seed's curves, and the largest rates that learn at the chosen limit."""

    at: int  # index of the rate
    seed: int
    limit: float
    errors: dict[str, float]  # mean at the rate
    learned: dict[str, int]  # seeds that learn at the rate
    curves: dict[str, np.ndarray]  # of the seed
    counts: dict[str, np.ndarray]  # of seeds by their largest rate; the first counts those where none learns
    gain: float  # powers of ten
    interval: tuple[float, float]


class RatesExplorer(Explorer[RatesData]):
    """Test error against the learning rate for all seeds, and how large a rate still learns."""

    title = "Test error against the learning rate with and without batch norm, and the largest rate that learns"
    size = (1000, 420)

    def __init__(self) -> None:
        result = Result.load("BN-6")
        stored, self._effect = result.per_seed, result.measurement.effect
        self._errors = {
            kind: np.array([stored[f"{kind}_error_{i}"] for i in range(len(RATES))]).T for kind in _KINDS
        }  # (seeds, rates)
        self._seeds = len(stored["effect"])
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the rate, the error that still counts as learned, and a seed."""
        return {
            "power": slider("learning rate, as a power of ten", -0.5, float(_POWERS[0]), float(_POWERS[-1]), _STEP),
            "limit": slider("learned means: a test error of at most", LEARNS, 0.05, 0.5, 0.01),
            "seed": slider("one seed", 0, 0, self._seeds - 1, 1),
        }

    def compute(self, power: float, limit: float, seed: int) -> RatesData:
        """Count at the chosen limit."""
        at = int(np.argmin(abs(_POWERS - power)))
        # As in the claim: one step below the least rate where none learns.
        largest = {
            kind: (np.arange(1, len(RATES) + 1) * (errors <= limit + 1e-9)).max(1)
            for kind, errors in self._errors.items()
        }
        gains = _STEP * (largest["norm"] - largest["plain"])
        return RatesData(
            at=at,
            seed=seed,
            limit=limit,
            errors={kind: float(errors[:, at].mean()) for kind, errors in self._errors.items()},
            learned={kind: int((errors[:, at] <= limit + 1e-9).sum()) for kind, errors in self._errors.items()},
            curves={kind: errors[seed] for kind, errors in self._errors.items()},
            counts={kind: np.bincount(places, minlength=len(RATES) + 1) for kind, places in largest.items()},
            gain=float(gains.mean()),
            interval=interval_of_mean(gains),
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the curves and the counts."""
        curves, counts = figure.subplots(1, 2, width_ratios=[1.5, 1])
        jitter = np.random.default_rng(0).uniform(-0.04, 0.04, (self._seeds, 1))
        for (kind, (label, colour)), aside in zip(_KINDS.items(), (0.05, -0.05), strict=True):
            errors = self._errors[kind]
            x = np.broadcast_to(_POWERS + aside + jitter, errors.shape)
            curves.plot(x.ravel(), errors.ravel(), ".", ms=4, color=colour, alpha=0.35, mew=0)
            marker = "o-" if kind == "norm" else "s--"
            curves.plot(_POWERS, errors.mean(0), marker, color=colour, ms=6, label=f"{label}, mean of all seeds")
        (seed_norm,) = curves.plot([], [], color=ORANGE, lw=1.2)
        (seed_plain,) = curves.plot([], [], color=BLUE, lw=1.2, ls="--")
        self._seed_curves = {"norm": seed_norm, "plain": seed_plain}
        self._rate = curves.axvline(0, color=INK, lw=1, zorder=0)
        self._limit = curves.axhline(0, color=MUTED, lw=1, ls=":", zorder=0)
        curves.set(
            title=f"Test error, {self._seeds} seeds; thin lines: one seed",
            xlabel="learning rate",
            ylabel="test error",
            ylim=(0, 1.14),
            xlim=(_POWERS[0] - 0.2, _POWERS[-1] + 0.2),
        )
        labels = [number(rate, 2) for rate in RATES]
        curves.set_xticks(_POWERS, labels)
        curves.legend(loc="upper center", ncols=2)
        edges = np.arange(len(RATES) + 2) - 0.5
        self._stairs = {
            kind: counts.stairs(np.zeros(len(RATES) + 1), edges, fill=True, color=colour, alpha=0.65, label=label)
            for kind, (label, colour) in _KINDS.items()
        }
        counts.set(
            title="Largest rate that learns",
            xlabel="learning rate",
            ylabel="seeds",
            ylim=(0, self._seeds * 1.25),
            xlim=(edges[0], edges[-1]),
        )
        counts.set_xticks(range(len(RATES) + 1), ["none", *labels])
        counts.axhline(self._seeds, color=FAINT, lw=1)
        counts.legend(loc="upper left")
        return [*self._seed_curves.values(), self._rate, self._limit, *self._stairs.values()]

    def draw(self, data: RatesData) -> None:
        """Move lines and counts."""
        for kind, line in self._seed_curves.items():
            line.set_data(_POWERS, data.curves[kind])
        self._rate.set_xdata([_POWERS[data.at]] * 2)
        self._limit.set_ydata([data.limit] * 2)
        for kind, stairs in self._stairs.items():
            stairs.set_data(values=data.counts[kind])

    def describe(self, data: RatesData) -> str:
        """Say both errors at the rate, and how much larger a rate may be with batch norm."""
        low, high = data.interval
        parts = [
            f"{label} the mean test error is {number(data.errors[kind])} and {data.learned[kind]} of "
            f"{counted(self._seeds, 'seed')} learn"
            for kind, (label, _) in _KINDS.items()
        ]
        alone = [number(float(data.curves[kind][data.at])) for kind in _KINDS]
        return (
            f"Learning rate {number(RATES[data.at], 2)}: {'; '.join(parts)} (test error at most {number(data.limit)}). "
            f"Seed {data.seed}: {alone[0]} with, {alone[1]} without.\nThe largest rate that learns is larger with "
            f"batch norm by {number(data.gain)} powers of ten (95 % interval {number(low)} to {number(high)})."
        )

    def invariants(self, data: RatesData) -> dict[str, bool]:
        """Check that no seed is lost, and that the claim's limit gives the claim's effect."""
        return {
            "every seed is counted": all(counts.sum() == self._seeds for counts in data.counts.values()),
            "at the claim's limit the gain is the claim's": abs(data.limit - LEARNS) > 1e-6
            or abs(data.gain - self._effect) < 1e-6,
        }
