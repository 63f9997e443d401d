"""Six schedules at one rate and another: their shapes, how many nets they lose, and every run."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, INK, MUTED, PAPER, RED
from fpnlib.notes.warmup.experiments.kin import KIN
from fpnlib.notes.warmup.experiments.rates import RATES
from fpnlib.notes.warmup.experiments.recorded_kin import SEEDS, kin_failed, kin_losses
from fpnlib.notes.warmup.experiments.runs import STEPS
from fpnlib.notes.warmup.explorers.curves import POINTS, known_lines, loss_panel

OPTIMIZERS = {"SGD": "sgd", "Adam": "adam"}
_STEPS = np.arange(STEPS)
_PLACES = range(6)
_NAMES = ((165, 0.91), (85, 0.18), (2, 0.86), (62, 0.34), (103, 0.84), (30, 0.01))  # where each shape's name stands
_END = 5  # points of a curve that its last loss is the mean of


@dataclasses.dataclass(frozen=True)
class KinData:
    """The chosen schedule at the chosen rate, and the share of failed runs of every schedule at every rate."""

    optimizer: str
    schedule: int
    place: int
    factors: np.ndarray  # (schedules, steps)
    failed: np.ndarray  # (seeds,), whether
    shares: np.ndarray  # (schedules, rates)
    curves: np.ndarray  # (seeds, points); only those that are known count
    known: np.ndarray

    @property
    def name(self) -> str:
        """The chosen schedule's name."""
        return list(KIN)[self.schedule]

    @property
    def rate(self) -> float:
        """The chosen learning rate."""
        return RATES[OPTIMIZERS[self.optimizer]][self.place]


class KinExplorer(Explorer[KinData]):
    """Factors along the steps, failed runs by rate, and the runs of one schedule at one rate."""

    title = "Six schedules of the learning rate, the share of nets that each loses by rate, and sixteen loss curves"
    size = (1000, 480)

    def __init__(self) -> None:
        self._factors = np.array([[run.factor(step) for step in range(STEPS)] for run in KIN.values()])
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the optimiser, the schedule and its rate."""
        return {
            "optimizer": choice("optimiser", list(OPTIMIZERS)),
            "schedule": choice("schedule", list(KIN), "cosine"),
            "place": slider("learning rate, from the smallest to the largest", 3, 1, len(_PLACES), 1),
        }

    def compute(self, optimizer: str, schedule: str, place: int) -> KinData:
        """Look up the runs."""
        name, row, column = OPTIMIZERS[optimizer], list(KIN).index(schedule), place - 1
        curves, failed = kin_losses(name)[row, column].numpy(), kin_failed(name).numpy()
        return KinData(
            *(optimizer, row, column, self._factors),
            failed=failed[row, column] > 0,
            shares=failed.mean(2),
            curves=np.nan_to_num(curves),
            known=np.isfinite(curves),
        )

    def build(self, figure: Figure) -> None:
        """Lay out the shapes, the map, where the cell is dragged, and the runs."""
        axes = figure.subplot_mosaic([["shape", "runs"], ["share", "runs"]], width_ratios=[1.2, 1])
        shape = self.panel(axes["shape"], xlim=(-3, STEPS + 1), ylim=(-0.03, 1.08), xlabel="step")
        shape.axes.set(ylabel="of the full rate", title="The six shapes")
        shape.strokes([np.stack([_STEPS, one], 1) for one in self._factors], colors=MUTED, linewidths=1)
        shape.line(lambda data: (_STEPS, data.factors[data.schedule]), color=BLUE, lw=3)
        for name, place in zip(KIN, _NAMES, strict=True):
            shape.text(name, *place, fontsize=8, color=MUTED)
        share = self.panel(axes["share"], title="How many of the sixteen nets fail", xlabel="learning rate")
        shade = LinearSegmentedColormap.from_list("worse", [PAPER, INK])
        share.heat_map(
            lambda data: data.shares,
            list(KIN),
            _PLACES,
            lambda data: (data.schedule, data.place),
            across=lambda data: map(number, RATES[OPTIMIZERS[data.optimizer]]),
            cmap=shade,
            vmin=0,
            vmax=2,  # so that numbers can be read on any cell
        )
        share.table(
            lambda data: [[str(round(len(SEEDS) * one)) for one in row] for row in data.shares],
            _PLACES,
            range(len(KIN)),
            ha="center",
        )
        share.grab(
            place=lambda value: (value - 1, None),
            schedule=lambda value: (None, list(KIN).index(value)),
        )
        runs = loss_panel(self, axes["runs"], title="The sixteen runs of the framed cell; red: failed")
        lines = runs.strokes(lambda data: known_lines(POINTS, data.curves, data.known), linewidths=1.1, alpha=0.75)
        runs.add(lines, lambda lines, data: lines.set_color([RED if failed else BLUE for failed in data.failed]))

    def describe(self, data: KinData) -> str:
        """Say what the chosen schedule loses and where it ends, and what the others lose."""
        others = [
            f"{name} {round(share * len(SEEDS))}"
            for place, (name, share) in enumerate(zip(KIN, data.shares[:, data.place], strict=True))
            if place != data.schedule
        ]
        learnt = data.curves[~data.failed][:, -_END:].mean(1)
        end = f" The others end at a median loss of {number(float(np.median(learnt)), 2)}." if learnt.size else ""
        return (
            f"{data.optimizer}, {data.name}, learning rate {number(data.rate)}: {int(data.failed.sum())} of "
            f"{len(SEEDS)} nets fail.{end}\nFailures at this rate with the other schedules: {', '.join(others)}."
        )

    def invariants(self, data: KinData) -> dict[str, bool]:
        """Check that curves and shares are of the same runs, and that every schedule reaches no more than its rate."""
        return {
            "a diverged run has failed": bool(data.failed[~data.known[:, -1]].all()),
            "the share is that of the curves": bool(
                np.isclose(data.shares[data.schedule, data.place], data.failed.mean())
            ),
            "no factor above 1": bool(data.factors.max() <= 1 and data.factors.min() >= 0),
        }
