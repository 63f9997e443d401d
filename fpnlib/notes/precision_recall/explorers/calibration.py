"""Can a score be taken at its word?"""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, Panel, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, RED
from fpnlib.metrics import CalibrationCurve, average_precision, roc_auc
from fpnlib.metrics.arrays import ArrayLike
from fpnlib.notes.precision_recall.experiments.temperature import TEMPERATURES, Forecasts
from fpnlib.notes.precision_recall.explorers.scored import UNIT, Scored


@dataclasses.dataclass(frozen=True)
class CalibrationData:
    """Probabilities made of scores: the share of positives among those who were told about the same."""

    temperature: float
    offset: float
    bins: int
    curve: CalibrationCurve
    mean: float  # of the probabilities
    brier: float
    by_temperature: np.ndarray  # Brier score and miscalibration at each of TEMPERATURES
    order: tuple[float, float]  # average precision and ROC area


class CalibrationExplorer(Explorer[CalibrationData]):
    """A reliability diagram and its histogram; over temperatures, the scores that see them and those that do not."""

    title = "Reliability diagram, histogram of probabilities, and AP, area and Brier score over temperatures"
    size = (1000, 430)

    def __init__(self, scores: ArrayLike, targets: ArrayLike) -> None:
        scored = Scored(scores, targets)
        logits = np.concatenate([scored.positives, scored.negatives])
        self._forecasts = Forecasts(logits, np.arange(scored.size) < len(scored.positives))
        self._prevalence = self._forecasts.prevalence
        self._unknowing = self._prevalence * (1 - self._prevalence)  # the Brier score of who always says the prevalence
        self._orders = np.array([self._order(logits / temperature) for temperature in TEMPERATURES]).T
        super().__init__()

    def _order(self, scores: np.ndarray) -> tuple[float, float]:
        targets = self._forecasts.targets
        return average_precision(scores, targets), roc_auc(scores, targets)

    def make_controls(self) -> dict[str, Widget]:
        """Return what is done to the log odds, and in how many bins they are looked at."""
        return {
            "temperature": slider("temperature", 1.0, 0.2, 5.0, 0.05),
            "offset": slider("added to the log odds", 0.0, -3.0, 3.0, 0.1),
            "bins": slider("bins", 10, 2, 20, 1),
        }

    def compute(self, temperature: float, offset: float, bins: int) -> CalibrationData:
        """Turn scores into probabilities, and compare them with what came."""
        said = self._forecasts.probabilities(temperature, offset)
        return CalibrationData(
            *(temperature, offset, bins),
            curve=self._forecasts.curve(temperature, offset, bins),
            mean=float(said.mean()),
            brier=self._forecasts.brier(temperature, offset),
            by_temperature=self._forecasts.by_temperature(offset, bins),
            order=self._order(self._forecasts.logits / temperature + offset),
        )

    def build(self, figure: Figure) -> None:
        """Lay out four panels."""
        axes = figure.subplot_mosaic([["diagram", "ranks"], ["diagram", "brier"], ["crowd", "brier"]])
        diagram = self.panel(axes["diagram"], title="What was said, and what came true", **UNIT)
        diagram.axes.set(ylabel="share of positives", xlabel="probability that was said")
        diagram.line(([0, 1], [0, 1]), color=FAINT, lw=1, zorder=0)
        diagram.intervals(_gaps, color=RED, lw=3, alpha=0.6)
        diagram.line(lambda data: (data.curve.predicted, data.curve.observed), "o-", says=_said, lw=1, color=BLUE)
        means = {"offset": lambda offset, data: (self._forecasts.probabilities(data.temperature, offset).mean(), None)}
        diagram.upright(lambda data: data.mean, color=ORANGE, grab=means)
        diagram.level(self._prevalence, color=MUTED, lw=1, ls=":")
        diagram.text("prevalence", 1.02, self._prevalence, ha="right", va="bottom", color=MUTED, fontsize=9)
        crowd = self.panel(axes["crowd"], ylabel="share", yscale="log", ylim=(0.0004, 1), xlim=UNIT["xlim"])
        crowd.steps(_shares, color=BLUE, alpha=0.65)
        self._show_temperatures(self.panel(axes["ranks"]), self.panel(axes["brier"]))

    def _show_temperatures(self, ranks: Panel, brier: Panel) -> None:
        """What does not see the temperature, and what does, drawn as far as the reader has gone from one."""
        top = 1.35 * self._unknowing  # what is more lies on the edge
        for panel in (ranks, brier):
            panel.axes.set(xscale="log", xlim=TEMPERATURES[[0, -1]])
            panel.axes.set_xticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"], minor=False)
            panel.axes.minorticks_off()
            panel.upright(lambda data: data.temperature, color=INK, lw=1, grab="temperature")
        ranks.axes.set(title="What reads the order", ylim=(0, 1.08))
        ranks.line(lambda data: _gone(data, self._orders[0]), color=BLUE)
        ranks.line(lambda data: _gone(data, self._orders[1]), color=MUTED)
        ranks.dot(lambda data: ([data.temperature] * 2, data.order), color=BLUE, ms=7)
        brier.axes.set(title="What reads the probabilities", xlabel="temperature", ylim=(0, top))
        brier.line(lambda data: _gone(data, data.by_temperature[0]), color=GREEN)
        brier.line(lambda data: _gone(data, data.by_temperature[1]), color=RED)
        brier.dot(lambda data: (data.temperature, min(data.brier, top)), color=GREEN)
        brier.dot(lambda data: (data.temperature, min(data.curve.miscalibration, top)), color=RED)
        brier.level(self._unknowing, color=MUTED, lw=1, ls=":")
        brier.text(
            " always saying the prevalence", TEMPERATURES[0], self._unknowing, va="bottom", color=MUTED, fontsize=9
        )
        ranks.names(lambda data: data.order, ("AP", "ROC area"), (BLUE, MUTED), apart=0.2)
        ends = ("miscalibration", "Brier"), (RED, GREEN)
        brier.names(lambda data: np.clip([data.curve.miscalibration, data.brier], 0, top), *ends)

    def describe(self, data: CalibrationData) -> str:
        """Say the parts of the Brier score, and what stays."""
        curve = data.curve
        parts = [curve.miscalibration, curve.resolution, curve.uncertainty]
        parts.append(data.brier - (parts[0] - parts[1] + parts[2]))
        said = " {} miscalibration − {} resolution + {} uncertainty, {} within bins".format(*map(number, parts))
        return (
            f"At temperature {number(data.temperature)} the mean probability is {number(data.mean)}, the share of "
            f"positives {number(self._prevalence)}; in {counted(data.bins, 'bin')} the mean gap is "
            f"{number(curve.expected_error)}.\nBrier score {number(data.brier)}:{said}.\n"
            f"Average precision {number(data.order[0])}, area under ROC {number(data.order[1])}."
        )

    def invariants(self, data: CalibrationData) -> dict[str, bool]:
        """Check that the order's numbers stay, and the Brier score against its parts."""
        return {
            "the order does not see the temperature": bool(np.allclose(self._orders.T, data.order)),
            "every example is in one bin": int(data.curve.counts.sum()) == len(self._forecasts.targets),
            "no bin is resolved beyond certainty": data.curve.resolution <= data.curve.uncertainty + 1e-12,
        }


def _gone(data: CalibrationData, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line over temperatures, from one as far as the present one."""
    x = TEMPERATURES.clip(min(1.0, data.temperature), max(1.0, data.temperature))
    return x, np.interp(x, TEMPERATURES, values)


def _gaps(data: CalibrationData) -> list[list[float]]:
    return [one.tolist() for one in (data.curve.predicted, data.curve.predicted, data.curve.observed)]


def _said(data: CalibrationData, place: int) -> str:
    said, true, count = data.curve.predicted[place], data.curve.observed[place], int(data.curve.counts[place])
    return f"{counted(count, 'example')}: said {number(said)}, true {number(true)}"


def _shares(data: CalibrationData) -> tuple[np.ndarray, np.ndarray]:
    return np.histogram(data.curve.predicted, data.bins, (0, 1), weights=data.curve.counts / data.curve.counts.sum())
