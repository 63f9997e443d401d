"""Where add wins and where concat: accuracy over alignment and number of pairs."""

import dataclasses
from functools import partial

import numpy as np
from ipywidgets import Widget
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fpnlib.explore import Explorer, choice, number, slider, toggle
from fpnlib.explore.style import BLUE, ORANGE, PAPER, PURPLE
from fpnlib.notes.add_vs_concat.experiments.alignment import ALIGNMENTS, SIZES, DataSet, example_pair, stored_map

DATA_NAMES: dict[str, DataSet] = {"digits by two writers": "digits", "a network's channels, two scales": "network"}
COMPARISONS = {"equal widths": "add", "equal parameters": "wide"}
_MOST = 0.12  # of accuracy, where the colours end


@dataclasses.dataclass(frozen=True)
class AlignmentData:
    """The ledger's map for one data set and comparison, the curves at one alignment, and one pair as pictures."""

    alignment: float
    pairs: int
    gain: np.ndarray  # (alignments, sizes): accuracy of add minus that of concat, mean over seeds
    whole: bool  # whether all of it is seen, or the chosen row alone
    sure: np.ndarray  # the same shape: whether its 95 % interval leaves 0 out
    interval: tuple[float, float]  # of the chosen cell
    curves: np.ndarray  # (2, sizes, 3): add and concat; mean, low, high
    pictures: np.ndarray  # (3, rows, columns): the two inputs and their sum

    @property
    def cell(self) -> tuple[int, int]:
        """Row and column of the chosen cell."""
        return ALIGNMENTS.index(self.alignment), SIZES.index(self.pairs)


class AlignmentExplorer(Explorer[AlignmentData]):
    """The map of what add gains over concat, learning curves at one alignment, and one pair with its sum."""

    title = "Where add or concat has the higher test accuracy, over alignment and number of pairs, with learning curves"
    size = (1000, 430)

    def __init__(self) -> None:
        for data_set in DATA_NAMES.values():
            for kind in COMPARISONS.values():
                stored_map(data_set, kind)
            for alignment in ALIGNMENTS:
                example_pair(data_set, alignment)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return alignment, number of pairs, data set, what is held equal, and whether all rows are seen."""
        return {
            "alignment": slider("alignment of the two inputs", 0.5, 0.0, 1.0, 0.25),
            "pairs": choice("training pairs", SIZES),
            "data": choice("data", tuple(DATA_NAMES)),
            "equal": choice("at", tuple(COMPARISONS)),
            "whole": toggle("show the whole map"),
        }

    def compute(self, alignment: float, pairs: int, data: str, equal: str, whole: bool) -> AlignmentData:
        """Look up the ledger."""
        alignment = ALIGNMENTS[-1 - _row(alignment)]
        gain, ends, scores = stored_map(DATA_NAMES[data], COMPARISONS[equal])
        row, column = ALIGNMENTS.index(alignment), SIZES.index(pairs)
        return AlignmentData(
            alignment=alignment,
            pairs=pairs,
            gain=gain,
            whole=whole,
            sure=(ends[..., 0] > 0) | (ends[..., 1] < 0),
            interval=(float(ends[row, column, 0]), float(ends[row, column, 1])),
            curves=scores[row].transpose(1, 0, 2),
            pictures=example_pair(DATA_NAMES[data], alignment),
        )

    def build(self, figure: Figure) -> None:
        """Lay out the map, the curves and three small pictures."""
        axes = figure.subplot_mosaic(
            [["map", "curves", "first input"], ["map", "curves", "second input"], ["map", "curves", "sum, halved"]],
            width_ratios=[1.35, 1, 0.42],
        )
        shades = LinearSegmentedColormap.from_list("concat to add", [PURPLE, PAPER, BLUE])
        grid = self.panel(axes["map"], title="Add (blue) or concat (purple) ahead; dot: sure")
        grid.heat_map(
            _seen,
            *(ALIGNMENTS[::-1], SIZES, lambda data: (_row(data.alignment), data.cell[1])),
            **{"words": number, "cmap": shades, "vmin": -_MOST, "vmax": _MOST},
        )
        grid.axes.set(xlabel="training pairs", ylabel="alignment")
        for sign, colour in ((1, BLUE), (-1, PURPLE)):  # the winner's colour, as many a sure cell is nearly white
            (dots,) = grid.axes.plot([], [], "o", ms=8, color=colour, mec=PAPER)
            grid.add(dots, partial(_mark, sign))
        grid.grab(alignment=lambda value: (None, _row(value)), pairs=lambda value: (SIZES.index(value), None))
        curves = self.panel(axes["curves"], title="At this alignment", xlabel="training pairs", ylabel="test accuracy")
        curves.axes.set(xscale="log", xlim=(SIZES[0] / 1.3, SIZES[-1] * 1.05), ylim=(0, 1.02))
        curves.axes.set_xticks(SIZES, SIZES)
        curves.axes.minorticks_off()
        curves.upright(lambda data: data.pairs, color=ORANGE, lw=1.5, zorder=0, grab="pairs")
        curves.means(lambda data: (SIZES, data.curves[0]), color=BLUE, label="add")
        curves.means(lambda data: (SIZES, data.curves[1]), color=PURPLE, label="concat")
        curves.names(lambda data: data.curves[:, -1, 0], ("add", "concat"), (BLUE, PURPLE))
        for place, name in enumerate(("first input", "second input", "sum, halved")):
            pair = self.panel(axes[name], bare=True, xlim=(0, 8), ylim=(8, 0))
            pair.axes.set_title(name, fontsize=9)
            pair.image(partial(lambda at, data: data.pictures[at], place), (0, 0, 8, 8), cmap="gray", vmin=-1, vmax=2.5)

    def describe(self, data: AlignmentData) -> str:
        """Say who wins in the chosen cell."""
        row, column = data.cell
        add, concat = data.curves[:, column, 0]
        gain = float(data.gain[row, column])
        verdict = ("add" if gain > 0 else "concat") if data.sure[row, column] else "neither for sure"
        low, high = data.interval
        seen = "all alignments" if data.whole else "this alignment alone"
        return (
            f"Alignment {number(data.alignment)}, {data.pairs} pairs: test accuracy with add {number(add)}, with "
            f"concat {number(concat)}; add − concat {number(gain, 2)} (95 % interval {number(low, 2)} to "
            f"{number(high, 2)}). Who wins: {verdict}. The map shows {seen}."
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


def _seen(data: AlignmentData) -> np.ndarray:
    """The map from the top, not a number in rows that stay unseen."""
    return np.where(data.whole | (np.arange(len(data.gain)) == data.cell[0])[:, None], data.gain, np.nan)[::-1]


def _mark(sign: int, dots: Line2D, data: AlignmentData) -> None:
    """Put a dot into each cell where add, or with −1 concat, is ahead for sure."""
    rows, columns = (data.sure[::-1] & (sign * _seen(data) > 0)).nonzero()
    dots.set_data(columns, rows)


def _row(alignment: float) -> int:
    """Return the nearest row of the map, from the top: a value that was typed may lie between two."""
    return min(range(len(ALIGNMENTS)), key=lambda row: abs(ALIGNMENTS[-1 - row] - alignment))
