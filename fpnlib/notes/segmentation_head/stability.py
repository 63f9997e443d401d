"""All nets of a head at one learning rate: how validation mIoU went, and where it ended."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from fpnlib.claims import Result
from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.notes.segmentation_head.claims import EVALUATED, MEASURES, NAMES, NETS, RATES, SEEDS
from fpnlib.notes.segmentation_head.heads import HEADS

_TITLES = {"spread": "spread", "jitter": "jitter", "spikes": "loss spikes"}


@dataclasses.dataclass(frozen=True)
class StabilityData:
    """One head at one rate beside all others at that rate."""

    head: str
    rate: float
    net: int  # the one that is drawn thick
    curves: np.ndarray  # (nets, evaluations) validation mIoU
    final: dict[str, np.ndarray]  # by head, the last mIoU of each net
    measures: dict[str, dict[str, tuple[float, float, float]]]  # by measure and head: mean and interval


class StabilityExplorer(Explorer[StabilityData]):
    """The curves of all nets, their last values beside those of the other heads, and three measures of unrest."""

    title = "Validation mIoU of many nets over training, their last values by head, and three measures of unrest"
    size = (1000, 420)

    def __init__(self) -> None:
        stored = Result.load("SH-1")
        self._per_seed, self._numbers = stored.per_seed, stored.measurement.numbers
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the head, the learning rate, and one of the nets."""
        return {
            "head": choice("head", HEADS),
            "rate": choice("learning rate", RATES, RATES[1]),
            "net": slider("show one net thick", 0, 0, NETS * SEEDS - 1, 1),
        }

    def compute(self, head: str, rate: float, net: int) -> StabilityData:
        """Look up what was stored."""
        at = RATES.index(rate)

        def last(one: str) -> np.ndarray:
            return self._curves(one, at)[:, -1]

        return StabilityData(
            head=head,
            rate=rate,
            net=net,
            curves=self._curves(head, at),
            final={one: last(one) for one in HEADS},
            measures={m: {one: self._interval(f"{m}_{NAMES[one]}_{at}") for one in HEADS} for m in MEASURES},
        )

    def _curves(self, head: str, rate: int) -> np.ndarray:
        """Return (nets, evaluations)."""
        nets = [
            [self._per_seed[f"curve_{NAMES[head]}_{rate}_{net}_{step}"] for step in EVALUATED] for net in range(NETS)
        ]
        return np.array(nets).transpose(2, 0, 1).reshape(-1, len(EVALUATED))

    def _interval(self, name: str) -> tuple[float, float, float]:
        return tuple(self._numbers[f"{name}{end}"] for end in ("", "_low", "_high"))  # type: ignore[return-value]

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the curves, the last values and the measures."""
        grid = figure.add_gridspec(3, 3, width_ratios=[1.25, 1, 1])
        curves, last = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[:, 1])
        most = max(max(values) for name, values in self._per_seed.items() if name.startswith("curve_")) * 1.05
        curves.set(xlim=(0, EVALUATED[-1]), ylim=(0, most), xlabel="training step", ylabel="validation mIoU")
        curves.set_title("Every net of the chosen head")
        self._lines = curves.add_collection(LineCollection([], colors=BLUE, lw=0.8, alpha=0.35))
        (self._mean,) = curves.plot([], [], color=ORANGE, lw=2.5)
        (self._one,) = curves.plot([], [], color=INK, lw=1.8)
        rows = range(len(HEADS))
        last.set(xlim=(0, most), ylim=(len(HEADS) - 0.4, -0.6), xlabel="last mIoU: each net a dot, | the mean")
        last.set_yticks(rows, HEADS)
        last.set_title("Where all heads end")
        self._dots = last.scatter([], [], s=9, color=MUTED, alpha=0.5, lw=0)
        self._chosen = last.scatter([], [], s=12, color=BLUE, alpha=0.7, lw=0)
        (self._means,) = last.plot([], [], "|", color=INK, ms=16, mew=2)
        self._rows = []
        for row, measure in enumerate(MEASURES):
            panel = figure.add_subplot(grid[row, 2])
            high = max(
                self._numbers[f"{measure}_{name}_{rate}_high"] for name in NAMES.values() for rate in range(len(RATES))
            )
            panel.set(xlim=(0, high * 1.05), ylim=(len(HEADS) - 0.4, -0.6))
            panel.set_yticks(rows, HEADS, fontsize=8)
            panel.set_title(_TITLES[measure])
            panel.locator_params(axis="x", nbins=3)
            panel.grid(axis="x", color=FAINT, lw=0.6)
            bars = panel.add_collection(LineCollection([], colors=INK, lw=2))
            (points,) = panel.plot([], [], "o", color=INK, ms=4)
            (mark,) = panel.plot([], [], "o", color=BLUE, ms=7)
            self._rows.append((bars, points, mark))
        return [
            self._lines,
            self._mean,
            self._one,
            self._dots,
            self._chosen,
            self._means,
            *(artist for row in self._rows for artist in row),
        ]

    def draw(self, data: StabilityData) -> None:
        """Move curves, dots and intervals."""
        self._lines.set_segments([np.column_stack([EVALUATED, curve]) for curve in data.curves])
        self._mean.set_data(EVALUATED, data.curves.mean(0))
        self._one.set_data(EVALUATED, data.curves[data.net])
        place = HEADS.index(data.head)
        dots = [np.column_stack([final, _strip(len(final)) + row]) for row, final in enumerate(data.final.values())]
        self._dots.set_offsets(np.concatenate([dot for row, dot in enumerate(dots) if row != place]))
        self._chosen.set_offsets(dots[place])
        self._means.set_data([final.mean() for final in data.final.values()], range(len(HEADS)))
        for measure, (bars, points, mark) in zip(MEASURES, self._rows, strict=True):
            found = list(data.measures[measure].values())
            bars.set_segments([[(low, row), (high, row)] for row, (_, low, high) in enumerate(found)])
            points.set_data([mean for mean, _, _ in found], range(len(HEADS)))
            mark.set_data([found[place][0]], [place])

    def describe(self, data: StabilityData) -> str:
        """Say where the head ends and how restless it is beside 3×3→1×1."""
        found = {measure: data.measures[measure] for measure in MEASURES}
        two = "3×3→1×1"

        def said(head: str) -> str:
            spread, jitter, spikes = (found[measure][head][0] for measure in MEASURES)
            return f"spread {number(spread)}, jitter {number(jitter)}, spikes in {number(100 * spikes)} % of steps"

        beside = "" if data.head == two else f" {two}: mIoU {number(float(data.final[two].mean()))}, {said(two)}."
        return (
            f"{data.head} at learning rate {number(data.rate)}, {len(data.curves)} nets: mIoU "
            f"{number(float(data.final[data.head].mean()))}, {said(data.head)}.{beside} "
            f"Net {data.net} ends at {number(float(data.curves[data.net, -1]))}."
        )

    def invariants(self, data: StabilityData) -> dict[str, bool]:
        """Check that curves end where the dots are, and that means lie in their intervals."""
        return {
            "curves end at the dots": bool(np.array_equal(data.curves[:, -1], data.final[data.head])),
            "means lie in their intervals": all(
                low <= mean <= high for by_head in data.measures.values() for mean, low, high in by_head.values()
            ),
            "mIoU is a share": bool(((data.curves >= 0) & (data.curves <= 1)).all()),
        }


def _strip(count: int) -> np.ndarray:
    """Return heights that keep dots apart, the same every time."""
    return (np.arange(count) * 0.618 % 1 - 0.5) * 0.6
