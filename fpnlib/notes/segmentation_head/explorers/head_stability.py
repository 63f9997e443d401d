"""All nets of a head at one learning rate: how the mIoU on test scenes went, and where it ended."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from ipywidgets import Widget
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fpnlib.claims import Result
from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.notes.segmentation_head.experiments import last_layer
from fpnlib.notes.segmentation_head.experiments.heads import HEADS
from fpnlib.notes.segmentation_head.experiments.last_layer import EVALUATED, NORMS, RATES, cells, of_nets

SHOWN = {"spread": "spread of the\nfinal mIoU", "jitter": "jitter of the\nmIoU", "boundary": "final\nBoundary IoU"}
_GRAB = {"head": lambda head: (None, HEADS.index(head))}
_BEFORE = {last_layer.WORDS[normed]: norm for norm, normed in NORMS.items()}


@dataclasses.dataclass(frozen=True)
class StabilityData:
    """One head at one rate beside all others at that rate."""

    head: str
    rate: float
    before: str
    net: int  # the one that is drawn thick
    curves: np.ndarray  # (nets, evaluations) mIoU on half of the test scenes
    final: dict[str, np.ndarray]  # by head, the mIoU of each net at the end, on all test scenes
    measures: dict[str, dict[str, tuple[float, float, float]]]  # by measure and head: mean and interval


class StabilityExplorer(Explorer[StabilityData]):
    """The curves of all nets, and a row for each head: the last values of its nets, and three measures."""

    title = "mIoU of many nets over training, where they end by head, and their spread, jitter and Boundary IoU"
    size = (1000, 400)

    def __init__(self) -> None:
        self._stored = Result.load("SH-1")
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the head, the learning rate, whether there is batch norm, and one of the nets."""
        return {
            "head": choice("head", HEADS),
            "rate": choice("learning rate", RATES, RATES[last_layer.BEST]),
            "before": choice("before the last layer", list(_BEFORE)),
            "net": slider("show one net thick", 0, 0, last_layer.NETS * len(self._stored.seeds) - 1, 1),
        }

    def compute(self, head: str, rate: float, before: str, net: int) -> StabilityData:
        """Look up what was stored."""
        at, norm = RATES.index(rate), _BEFORE[before]
        here = {one: cell for one, normed, place, cell in cells() if (normed, place) == (norm, at)}
        found, interval = self._stored.per_seed, self._stored.with_interval
        return StabilityData(
            head=head,
            rate=rate,
            before=before,
            net=net,
            curves=np.stack([of_nets(found, f"curve_{here[head]}", f"_{step}") for step in EVALUATED], 1),
            final={one: of_nets(found, f"final_{cell}") for one, cell in here.items()},
            measures={m: {one: interval(f"{m}_{cell}") for one, cell in here.items()} for m in SHOWN},
        )

    def _limits(self, of: str) -> tuple[float, float]:
        """Return what all numbers of a kind lie between, with some room."""
        every = np.concatenate([values for name, values in self._stored.per_seed.items() if name.startswith(of)])
        return every.min() - 0.02, every.max() + 0.02

    def build(self, figure: Figure) -> None:
        """Lay out the curves, the last values and the measures."""
        left, middle, *right = figure.subplots(1, 2 + len(SHOWN), width_ratios=[2.2, 1.3, 1, 1, 1])
        curves = self.panel(left, title="Every net of the chosen head", xlabel="training step")
        curves.axes.set(xlim=(0, EVALUATED[-1]), ylim=self._limits("curve_"), ylabel="mIoU on half of the test scenes")
        curves.strokes(lambda data: [[*zip(EVALUATED, one, strict=True)] for one in data.curves], colors=BLUE, lw=0.5)
        curves.line(lambda data: (EVALUATED, data.curves.mean(0)), color=INK, lw=2.5, label="mean of the nets")
        ends = {"net": lambda net, data: (None, data.curves[net, -1])}
        curves.line(lambda data: (EVALUATED, data.curves[data.net]), color=ORANGE, label="the chosen net", grab=ends)
        final = self.panel(
            middle, title="final mIoU,\nall test scenes", xlim=self._limits("final_"), xlabel="dot: a net, | the mean"
        )
        final.rows(HEADS)
        final.line(lambda data: _dots(data, sorted({*data.final} - {data.head})), "o", ms=2.5, color=MUTED, alpha=0.6)
        final.line(lambda data: _dots(data, [data.head]), "o", ms=3, color=BLUE, grab=_GRAB)
        final.line(lambda data: ([*map(np.mean, data.final.values())], _rows(data.final)), "|", color=INK, ms=16)
        final.dot(lambda data: [one[data.net] for one in _dots(data, [data.head])], ms=7)
        for axes, measure in zip(right, SHOWN, strict=True):
            self._measure(axes, measure)

    def _measure(self, axes: Axes, measure: str) -> None:
        """One measure of all heads, the chosen one's larger."""
        ends = np.array([self._stored.with_interval(f"{measure}_{cell}")[1:] for *_, cell in cells()])
        low = ends.min() - 0.02 if measure in last_layer.SCORES else 0  # a score is nowhere near 0
        panel = self.panel(axes, title=SHOWN[measure], xlim=(low, ends.max() * 1.05))
        panel.rows(HEADS)
        axes.set_yticklabels([])
        axes.locator_params(axis="x", nbins=3)
        axes.grid(axis="x", color=FAINT, lw=0.6)

        def found(data: StabilityData) -> np.ndarray:
            return np.array([*data.measures[measure].values()]).T  # mean, low, high

        panel.intervals(lambda data: (_rows(data.final), *found(data)[1:]), level=True, color=INK, lw=2)
        panel.line(lambda data: (found(data)[0], _rows(data.final)), "o", color=INK, ms=4)
        panel.dot(lambda data: (data.measures[measure][data.head][0], _rows([data.head])), ms=8, color=BLUE, grab=_GRAB)

    def describe(self, data: StabilityData) -> str:
        """Say where the head ends and how restless it is beside 3×3→1×1."""
        two = "3×3→1×1"

        def said(head: str) -> str:
            spread, jitter, boundary = (number(by[head][0]) for by in data.measures.values())
            return f"mIoU {number(data.final[head].mean())}, spread {spread}, jitter {jitter}, Boundary IoU {boundary}"

        beside = "" if data.head == two else f" {two}: {said(two)}."
        return (
            f"{data.head} {data.before} at learning rate {number(data.rate)}, {len(data.curves)} nets: "
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


def _rows(heads: Iterable[str]) -> list[int]:
    return [HEADS.index(head) for head in heads]


def _dots(data: StabilityData, heads: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of the nets of these heads, kept apart in their rows."""
    apart = [HEADS.index(head) + (np.arange(len(data.final[head])) * 0.618 % 1 - 0.5) * 0.6 for head in heads]
    return np.concatenate([data.final[head] for head in heads]), np.concatenate(apart)
