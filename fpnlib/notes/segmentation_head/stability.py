"""All nets of a head at one learning rate: how the mIoU on test scenes went, and where it ended."""

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
from fpnlib.notes.segmentation_head.claims import BEST, COMPARED, EVALUATED, NETS, NORMS, RATES, SEEDS, WORDS, cells
from fpnlib.notes.segmentation_head.heads import HEADS

SHOWN = {"spread": "spread of the final mIoU", "jitter": "jitter of the mIoU", "boundary": "Boundary IoU"}
_BEFORE = {WORDS[normed]: norm for norm, normed in NORMS.items()}


@dataclasses.dataclass(frozen=True)
class StabilityData:
    """One head at one rate beside all others at that rate."""

    head: str
    rate: float
    before: str
    net: int  # the one that is drawn thick
    curves: np.ndarray  # (nets, evaluations) mIoU on some test scenes
    final: dict[str, np.ndarray]  # by head, the mIoU of each net at the end, on all test scenes
    measures: dict[str, dict[str, tuple[float, float, float]]]  # by measure and head: mean and interval


class StabilityExplorer(Explorer[StabilityData]):
    """The curves of all nets, their last values beside those of the other heads, and three measures."""

    title = "mIoU of many nets over training, where they end by head, and their spread, jitter and Boundary IoU"
    size = (1000, 420)

    def __init__(self) -> None:
        stored = Result.load("SH-1")
        self._stored, self._numbers = stored.per_seed, stored.measurement.numbers
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the head, the learning rate, whether there is batch norm, and one of the nets."""
        return {
            "head": choice("head", HEADS),
            "rate": choice("learning rate", RATES, RATES[BEST]),
            "before": choice("before the last layer", list(_BEFORE)),
            "net": slider("show one net thick", 0, 0, NETS * SEEDS - 1, 1),
        }

    def compute(self, head: str, rate: float, before: str, net: int) -> StabilityData:
        """Look up what was stored; a head that was not trained at this rate is shown at the middle one."""
        at, norm = RATES.index(rate) if head in COMPARED else BEST, _BEFORE[before]
        here = {one: cell for one, normed, place, cell in cells() if (normed, place) == (norm, at)}
        return StabilityData(
            head=head,
            rate=RATES[at],
            before=before,
            net=net,
            curves=np.stack([self._nets(f"curve_{here[head]}", f"_{step}") for step in EVALUATED], 1),
            final={one: self._nets(f"final_{cell}") for one, cell in here.items()},
            measures={m: {one: self._interval(f"{m}_{cell}") for one, cell in here.items()} for m in SHOWN},
        )

    def _nets(self, name: str, end: str = "") -> np.ndarray:
        """Return one number for each net (nets,), the two of a seed one after the other."""
        return np.array([self._stored[f"{name}_{net}{end}"] for net in range(NETS)]).T.ravel()

    def _interval(self, name: str) -> tuple[float, float, float]:
        return tuple(self._numbers[f"{name}{end}"] for end in ("", "_low", "_high"))  # type: ignore[return-value]

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the curves, the last values and the measures."""
        grid = figure.add_gridspec(3, 3, width_ratios=[1.25, 1, 1])
        curves, last = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[:, 1])
        most = 1.0
        curves.set(xlim=(0, EVALUATED[-1]), ylim=(0, most), xlabel="training step", ylabel="mIoU on test scenes")
        curves.set_title("Every net of the chosen head")
        self._lines = curves.add_collection(LineCollection([], colors=BLUE, lw=0.8, alpha=0.35))
        (self._mean,) = curves.plot([], [], color=ORANGE, lw=2.5)
        (self._one,) = curves.plot([], [], color=INK, lw=1.8)
        rows = range(len(HEADS))
        last.set(xlim=(0, most), ylim=(len(HEADS) - 0.4, -0.6), xlabel="final mIoU: each net a dot, | the mean")
        last.set_yticks(rows, HEADS)
        last.set_title("Where all heads end")
        self._dots = last.scatter([], [], s=9, color=MUTED, alpha=0.5, lw=0)
        self._chosen = last.scatter([], [], s=12, color=BLUE, alpha=0.7, lw=0)
        (self._means,) = last.plot([], [], "|", color=INK, ms=16, mew=2)
        self._rows = []
        for row, measure in enumerate(SHOWN):
            panel = figure.add_subplot(grid[row, 2])
            high = max(self._numbers[f"{measure}_{cell}_high"] for *_, cell in cells())
            panel.set(xlim=(0, high * 1.05), ylim=(len(HEADS) - 0.4, -0.6))
            panel.set_yticks(rows, HEADS, fontsize=8)
            panel.set_title(SHOWN[measure])
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
        rows = [HEADS.index(head) for head in data.final]
        dots = {
            row: np.column_stack([final, _strip(len(final)) + row])
            for row, final in zip(rows, data.final.values(), strict=True)
        }
        self._dots.set_offsets(np.concatenate([dot for row, dot in dots.items() if row != place]))
        self._chosen.set_offsets(dots[place])
        self._means.set_data([final.mean() for final in data.final.values()], rows)
        for measure, (bars, points, mark) in zip(SHOWN, self._rows, strict=True):
            found = list(data.measures[measure].values())
            bars.set_segments([[(low, row), (high, row)] for row, (_, low, high) in zip(rows, found, strict=True)])
            points.set_data([mean for mean, _, _ in found], rows)
            mark.set_data([data.measures[measure][data.head][0]], [place])

    def describe(self, data: StabilityData) -> str:
        """Say where the head ends and how restless it is beside 3×3→1×1."""
        two = "3×3→1×1"

        def said(head: str) -> str:
            spread, jitter, boundary = (number(by[head][0]) for by in data.measures.values())
            mean = number(float(data.final[head].mean()))
            return f"mIoU {mean}, spread {spread}, jitter {jitter}, Boundary IoU {boundary}"

        beside = "" if data.head == two else f" {two}: {said(two)}."
        only = "" if data.head in COMPARED else ", the only one at which it was trained"
        return (
            f"{data.head} {data.before} at learning rate {number(data.rate)}{only}, {len(data.curves)} nets: "
            f"{said(data.head)}.{beside} Net {data.net} ends at {number(float(data.final[data.head][data.net]))}."
        )

    def invariants(self, data: StabilityData) -> dict[str, bool]:
        """Check that curves end near the dots, and that means lie in their intervals."""
        return {
            "curves end near the dots": bool((np.abs(data.curves[:, -1] - data.final[data.head]) < 0.15).all()),
            "means lie in their intervals": all(
                low <= mean <= high for by_head in data.measures.values() for mean, low, high in by_head.values()
            ),
            "mIoU is a share": bool(((data.curves >= 0) & (data.curves <= 1)).all()),
        }


def _strip(count: int) -> np.ndarray:
    """Return heights that keep dots apart, the same every time."""
    return (np.arange(count) * 0.618 % 1 - 0.5) * 0.6
