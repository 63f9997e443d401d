"""AC-4's map: how aligned two inputs are, how many pairs there are, and whether add or concat learns more from them."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fpnlib.claims import Result, interval_of_mean
from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, INK, MUTED, ORANGE, PAPER
from fpnlib.notes.add_vs_concat.experiments.alignment import (
    ALIGNMENTS,
    DATA_SETS,
    SIZES,
    DataSet,
    misalign,
    pools,
    shuffled,
)
from fpnlib.notes.add_vs_concat.experiments.digits import digits

DATA_NAMES: dict[str, DataSet] = {"digits by two writers": "digits", "a network's channels, two scales": "network"}
COMPARISONS = {"equal widths": "add", "equal parameters": "wide"}
_MOST = 0.15  # of accuracy, where the colours end
_GRID = {"digits": (8, 8), "network": (5, 8)}  # how an input's channels are laid out as a picture


@dataclasses.dataclass(frozen=True)
class AlignmentData:
    """The ledger's map for one data set and comparison, the curves at one alignment, and one pair as pictures."""

    alignment: float
    pairs: int
    gain: np.ndarray  # (alignments, sizes): accuracy of add minus that of concat, mean over seeds
    sure: np.ndarray  # the same shape: whether its 95 % interval leaves 0 out
    interval: tuple[float, float]  # of the chosen cell
    curves: np.ndarray  # (2, sizes, 3): add and concat; mean, low, high
    pictures: np.ndarray  # (3, rows, columns): the two inputs and their sum

    @property
    def cell(self) -> tuple[int, int]:
        """Row and column of the chosen cell."""
        return ALIGNMENTS.index(self.alignment), SIZES.index(self.pairs)


@functools.cache
def stored_map(data_set: DataSet, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gain of `kind` over concat (alignments, sizes), its interval's ends (…, 2), and both accuracies (…, 2, 3)."""
    stored = Result.load("AC-4")
    gain, ends, scores = (np.empty((len(ALIGNMENTS), len(SIZES), *shape)) for shape in ((), (2,), (2, 3)))
    for i, alignment in enumerate(ALIGNMENTS):
        for j, size in enumerate(SIZES):
            names = [f"{data_set}_{one}_{round(100 * alignment)}_{size}" for one in (kind, "concat")]
            ours, theirs = (np.array(stored.per_seed[name]) for name in names)
            gain[i, j] = (ours - theirs).mean()
            ends[i, j] = interval_of_mean(ours - theirs)
            scores[i, j] = [[stored.number(f"{name}{end}") for end in ("", "_low", "_high")] for name in names]
    return gain, ends, scores


@functools.cache
def example_pair(data_set: DataSet, alignment: float) -> np.ndarray:
    """One pair of the set, its second input misaligned, and their sum, as pictures (3, rows, columns)."""
    train, _ = pools(data_set, 0)
    order = shuffled(train.first.shape[1], 0)
    # Digits are shown with their mean put back, so that paper is black and ink is white.
    shown = digits()[0].mean(0) - digits()[0].min() if data_set == "digits" else torch.zeros(train.first.shape[1])
    first, second = train.first[0] + shown, misalign(train.second[:1] + shown, alignment, order)[0]
    pictures = np.stack([first.numpy(), second.numpy(), (first + second).numpy() / 2])
    return pictures.reshape(3, *_GRID[data_set])


class AlignmentExplorer(Explorer[AlignmentData]):
    """The map of what add gains over concat, learning curves at one alignment, and one pair with its sum."""

    title = "Where add or concat has the higher test accuracy, over alignment and number of pairs, with learning curves"
    size = (1000, 430)

    def __init__(self) -> None:
        for data_set in DATA_SETS:
            for kind in COMPARISONS.values():
                stored_map(data_set, kind)
            for alignment in ALIGNMENTS:
                example_pair(data_set, alignment)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return alignment, number of pairs, data set and what is held equal."""
        return {
            "alignment": slider("alignment of the two inputs", 1.0, 0.0, 1.0, 0.25),
            "pairs": choice("training pairs", SIZES),
            "data": choice("data", tuple(DATA_NAMES)),
            "equal": choice("at", tuple(COMPARISONS)),
        }

    def compute(self, alignment: float, pairs: int, data: str, equal: str) -> AlignmentData:
        """Look up the ledger."""
        alignment = ALIGNMENTS[_row(alignment)]
        gain, ends, scores = stored_map(DATA_NAMES[data], COMPARISONS[equal])
        row, column = ALIGNMENTS.index(alignment), SIZES.index(pairs)
        low, high = ends[row, column]
        return AlignmentData(
            alignment=alignment,
            pairs=pairs,
            gain=gain,
            sure=(ends[..., 0] > 0) | (ends[..., 1] < 0),
            interval=(float(low), float(high)),
            curves=scores[row].transpose(1, 0, 2),
            pictures=example_pair(DATA_NAMES[data], alignment),
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the map, the curves and three small pictures."""
        panels = figure.subplot_mosaic(
            [["map", "curves", "first"], ["map", "curves", "second"], ["map", "curves", "sum"]],
            width_ratios=[1.2, 1, 0.42],
        )
        grid, curves = panels["map"], panels["curves"]
        rows, columns = len(ALIGNMENTS), len(SIZES)
        shades = LinearSegmentedColormap.from_list("concat to add", [ORANGE, PAPER, BLUE])
        self._map = grid.imshow(
            np.zeros((rows, columns)), cmap=shades, vmin=-_MOST, vmax=_MOST, origin="lower", aspect="auto"
        )
        grid.set(title="Test accuracy: add − concat", xlabel="training pairs", ylabel="alignment")
        grid.set_xticks(range(columns), SIZES)
        grid.set_yticks(range(rows), ALIGNMENTS)
        bar = figure.colorbar(self._map, ax=grid, orientation="horizontal", shrink=0.9, pad=0.02)
        bar.set_label("orange: concat wins · blue: add wins · dot: sure")
        (self._sure,) = grid.plot([], [], "o", ms=4, color=INK)
        self._frame = grid.add_patch(Rectangle((0, 0), 1, 1, fill=False, ec=INK, lw=2.5))
        self.grab(grid, alignment=lambda value: (None, _row(value)), pairs=lambda value: (SIZES.index(value), None))
        self._lines, self._intervals = [], []
        for kind, colour in (("add", BLUE), ("concat", ORANGE)):
            (line,) = curves.plot([], [], color=colour, marker="o", ms=5, label=kind)
            self._lines.append(line)
            self._intervals.append(curves.add_collection(LineCollection([], colors=colour, lw=5, alpha=0.4)))
        curves.set(title="At this alignment", xlabel="training pairs", ylabel="test accuracy", ylim=(0, 1))
        curves.set_xscale("log")
        curves.set_xlim(SIZES[0] / 1.3, SIZES[-1] * 1.3)
        curves.set_xticks(SIZES, SIZES)
        curves.minorticks_off()
        curves.legend(loc="lower right")
        self._mark = curves.axvline(SIZES[0], color=MUTED, lw=1, ls="--")
        self.grab(curves, pairs=lambda value: (value, None))
        self._pictures = []
        for name, title in (("first", "first input"), ("second", "second input"), ("sum", "sum, halved")):
            panels[name].set_axis_off()
            panels[name].set_title(title, fontsize=9)
            picture = panels[name].imshow(np.zeros((8, 8)), cmap="gray", extent=(0, 8, 8, 0), vmin=-1, vmax=2.5)
            self._pictures.append(picture)
        return [self._map, self._sure, self._frame, *self._lines, *self._intervals, self._mark, *self._pictures]

    def draw(self, data: AlignmentData) -> None:
        """Colour the map, move frame, curves and pictures."""
        self._map.set_data(data.gain)
        rows, columns = data.sure.nonzero()
        self._sure.set_data(columns, rows)
        row, column = data.cell
        self._frame.set_bounds(column - 0.5, row - 0.5, 1, 1)
        for line, interval, curve in zip(self._lines, self._intervals, data.curves, strict=True):
            line.set_data(SIZES, curve[:, 0])
            ends = zip(SIZES, curve, strict=True)
            interval.set_segments([[(size, low), (size, high)] for size, (_, low, high) in ends])
        self._mark.set_xdata([data.pairs, data.pairs])
        for picture, pixels in zip(self._pictures, data.pictures, strict=True):
            picture.set_data(pixels)

    def describe(self, data: AlignmentData) -> str:
        """Say who wins in the chosen cell, and how many cells each wins."""
        row, column = data.cell
        add, concat = data.curves[:, column, 0]
        gain = float(data.gain[row, column])
        won = [int((data.sure & (data.gain * sign > 0)).sum()) for sign in (1, -1)]
        verdict = ("add" if gain > 0 else "concat") if data.sure[row, column] else "neither for sure"
        low, high = data.interval
        return (
            f"Alignment {number(data.alignment)}, {data.pairs} pairs: test accuracy with add {number(add)}, with "
            f"concat {number(concat)}; add − concat {number(gain, 2)} (95 % interval {number(low, 2)} to "
            f"{number(high, 2)}). Who wins: {verdict}.\nOf {data.gain.size} cells add wins {won[0]} for sure, concat "
            f"{won[1]}."
        )

    def invariants(self, data: AlignmentData) -> dict[str, bool]:
        """Check that map and curves are one, and that the interval holds the gain."""
        row, column = data.cell
        return {
            "the map is the difference of the curves": bool(
                np.isclose(data.gain[row, column], data.curves[0, column, 0] - data.curves[1, column, 0])
            ),
            "the interval holds the gain": data.interval[0] <= data.gain[row, column] <= data.interval[1],
        }


def _row(alignment: float) -> int:
    """Return the nearest row of the map: a value that was typed may lie between two."""
    return min(range(len(ALIGNMENTS)), key=lambda row: abs(ALIGNMENTS[row] - alignment))
