"""What stands beside the graph in `after_fpn`: all nets' costs, and the outputs with the cells that are reached."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from fpnlib.explore import Panel, counted, number
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, PAPER
from fpnlib.notes.fpn.experiments.successors import NECKS

if TYPE_CHECKING:
    from fpnlib.notes.fpn.explorers.after_fpn import AfterData

_LEFT, _RIGHT = 0.008, 900  # billions
_FAINTEST = 0.3  # of a reached cell, so that it is seen
_EMPTY = np.zeros((1, 1))
_WHOLE = (0, 0, 1, 1)


def _mark(macs: float, row: float) -> list[tuple[float, float]]:
    return [(macs, row - 0.15), (macs, row + 0.15)]


def fill_costs(panel: Panel) -> None:
    """Put a row for each net into a panel: a dot at its multiply-adds, and its name and weights above it."""
    panel.axes.set(xlim=(_LEFT, _RIGHT), ylim=(len(NECKS) - 0.2, -0.7), xlabel="multiply-adds (billions)")
    panel.axes.spines["left"].set_visible(False)
    small: dict[str, Any] = {"va": "center", "fontsize": 8.5}
    bottom = len(NECKS) - 0.45
    # A mark in each row, since one line would cross the names.
    marks = (*range(len(NECKS)), bottom)
    panel.strokes(lambda data: [_mark(data.backbone_macs / 1e9, row) for row in marks], colors=MUTED, lw=2, zorder=0)
    panel.text("ResNet-50 itself", at=lambda data: (1.2 * data.backbone_macs / 1e9, bottom), color=MUTED, **small)
    rows = np.arange(len(NECKS))
    for row, neck in enumerate(NECKS):
        panel.text(partial(_net_words, neck), 1.2 * _LEFT, row - 0.3, color=INK, **small)
    panel.strokes(lambda data: [[(_LEFT, row), (one, row)] for row, one in enumerate(_macs(data))], colors=FAINT)
    panel.line(lambda data: (_macs(data), rows), "o", color=BLUE, ms=8, says=_cost_words)
    panel.dot(
        lambda data: (_macs(data)[NECKS.index(data.neck)], NECKS.index(data.neck)),
        **{"ms": 13, "mfc": "none", "mec": ORANGE, "mew": 2.5},
        grab={"neck": lambda value, data: (_macs(data)[NECKS.index(value)], NECKS.index(value))},
    )


def fill_output(panel: Panel, row: int) -> None:
    """Put the output of a row of the graph into a panel, if there is one: stronger where more ways lead."""
    shades = LinearSegmentedColormap.from_list("shades", [PAPER, ORANGE])
    panel.axes.set(xlim=(-0.02, 1.02), ylim=(1.02, -0.02))
    panel.image(
        lambda data: _shown(data, row),
        _WHOLE,
        **{"cmap": shades, "vmin": 0, "vmax": 1},
        says=lambda data, *cell: _cell_words(data, row, *cell),
    )
    panel.box(lambda data: _WHOLE if _output(data, row) else None, ec=MUTED, lw=1)
    look: dict[str, Any] = {"transform": panel.axes.transAxes, "fontsize": 8.5}
    panel.text(lambda data: _titles(data, row)[0], 0, 1.2, weight="bold", **look)
    panel.text(lambda data: _titles(data, row)[1], 0, 1.06, **look)


def weights_words(parameters: int) -> str:
    """Weights as they are said."""
    return f"{number(parameters / 1e6)} million weights" if parameters else "no weights"


def reached_words(data: "AfterData", name: str) -> tuple[str, str]:
    """How many convolutions lead from the cell to an output, and to how many of its cells."""
    if name not in data.ways:
        return "not reached", ""
    fewest, most = data.ways[name]
    cells = f"{int((data.flows[name] > 0).sum())} of {counted(data.flows[name].size, 'cell')}"
    return (counted(fewest, "convolution") if fewest == most else f"{fewest} to {most} convolutions"), cells


def _macs(data: "AfterData") -> np.ndarray:
    return np.array([macs for _, macs in data.costs.values()]) / 1e9


def _net_words(neck: str, data: "AfterData") -> str:
    return f"{neck}: {weights_words(data.costs[neck][0])}"


def _cost_words(data: "AfterData", row: int) -> str:
    return f"{NECKS[row]}: {number(_macs(data)[row])} billion multiply-adds"


def _output(data: "AfterData", row: int) -> str:
    """The name of the output in a row of the graph, or nothing."""
    return next((name for name in data.graph.outputs if data.graph.nodes[name][1] == row), "")


def _shown(data: "AfterData", row: int) -> np.ndarray:
    one = data.flows.get(_output(data, row), _EMPTY)
    return np.where(one > 0, _FAINTEST + (1 - _FAINTEST) * one, 0)


def _cell_words(data: "AfterData", row: int, down: int, across: int) -> str:
    name = _output(data, row)
    return f"{name}, row {down}, column {across}: {number(data.flows[name][down, across])}" if name else "no level"


def _titles(data: "AfterData", row: int) -> tuple[str, str]:
    name = _output(data, row)
    if not name:
        return "", ""
    steps, cells = reached_words(data, name)
    return f"{name}: {steps.replace('convolution', 'conv')}", cells
