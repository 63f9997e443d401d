"""The graph of the explorer `passes`: nodes with a value and a gradient, edges, and gauges for what can be dragged."""

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from fpnlib.explore import Explorer, Panel, number
from fpnlib.explore.style import BLUE, FAINT, MUTED, ORANGE, PAPER, RED
from fpnlib.notes.batch_norm.experiments.graph import CONSTANT_MEAN, CONSTANT_STATISTICS, CONSTANT_VARIANCE

HEIGHTS = (-1.65, 4.35)
_ROWS = (3.4, 2.6, 1.8, 1.0)
_LOW = -0.35  # height of the statistics
_COLUMNS = {"x": 0.0, "centered": 2.1, "normalized": 4.2, "y": 6.3}
_STATISTICS = {"mean": 0.35, "variance": 2.45, "inverse_std": 4.0, "bias": 5.35, "weight": 6.3}
_HEADS = ("x", "x − mean", "x̂", "y = γ x̂ + β"), ("mean", "variance", "1 / √(variance + ε)", "β", "γ")
_FIXED_EDGES = [
    [(_COLUMNS[a] + 0.5, row), (_COLUMNS[b] - 0.5, row)] for row in _ROWS for a, b in itertools.pairwise(_COLUMNS)
] + [[(4.0, _LOW + 0.45), (4.15, 0.6)], [(5.4, _LOW + 0.45), (6.1, 0.6)], [(6.3, _LOW + 0.45), (6.3, 0.6)]]
_CUT_EDGES = (  # to the mean and to the variance, and the derivations that cut them
    ([[(0.05, 0.6), (0.3, _LOW + 0.45)], [(0.6, _LOW + 0.45), (1.85, 0.6)]], (CONSTANT_STATISTICS, CONSTANT_MEAN)),
    ([[(2.2, 0.6), (2.42, _LOW + 0.45)], [(2.95, _LOW), (3.5, _LOW)]], (CONSTANT_STATISTICS, CONSTANT_VARIANCE)),
)


def graph_panel(explorer: Explorer[Any], axes: Axes) -> None:
    """Draw the graph into `axes`, with a gauge beside each x, each gradient at y, and γ."""
    graph = explorer.panel(axes, xlim=(-0.85, 7.2), ylim=HEIGHTS)
    axes.set_axis_off()
    graph.strokes(_FIXED_EDGES, colors=FAINT, linewidths=1.5, zorder=0)
    for lines, cutting in _CUT_EDGES:
        edges = axes.add_collection(LineCollection(lines, linewidths=2.5, zorder=0))
        graph.add(edges, functools.partial(_cut, cutting))
    _nodes(graph, _COLUMNS, _ROWS, _HEADS[0], 4.05)
    _nodes(graph, _STATISTICS, (_LOW,), _HEADS[1], _LOW - 0.8)
    for words, x, colour in (("value forward", -0.8, BLUE), ("gradient backward", 0.75, RED)):
        graph.text(words, x, -1.6, color=colour, weight="bold")
    graph.text("drag the orange marks", 2.85, -1.6, color=MUTED)
    for i, row in enumerate(_ROWS, 1):
        _gauge(explorer, axes, -0.65, row, f"x{i}")
        _gauge(explorer, axes, 7.0, row, f"g{i}")
    _gauge(explorer, axes, 7.0, _LOW, "gamma")


def _nodes(
    graph: Panel, nodes: Mapping[str, float], rows: Sequence[float], heads: Sequence[str], height: float
) -> None:
    """Nodes side by side, each with its name, and in each row with its value above its gradient."""
    places = [*nodes.values()]
    for at, head in zip(places, heads, strict=True):
        graph.text(head, at, height, ha="center", fontsize=11, weight="bold")
    above, below = [row + 0.16 for row in rows], [row - 0.17 for row in rows]
    graph.table(lambda data: cells(data.values, nodes), places, above, ha="center", color=BLUE, weight="bold")
    graph.table(lambda data: cells(data.grads, nodes), places, below, ha="center", color=RED)


def _gauge(explorer: Explorer[Any], axes: Axes, x: float, y: float, name: str) -> None:
    """A scale beside a node, with a mark where its control stands. With axes of its own only it is grabbed there."""
    most = 1.05 * explorer.controls()[name].max
    place = axes.inset_axes([x - 0.07, y - 0.34, 0.14, 0.68], transform=axes.transData)
    gauge = explorer.panel(place, bare=True, ylim=(-most, most), facecolor=FAINT)
    gauge.level(0, color=PAPER, lw=1.5)
    gauge.level(lambda data: data.given[name], color=ORANGE, lw=5, grab=name)


def _cut(cutting: Sequence[str], edges: LineCollection, data: Any) -> None:
    """An edge that carries no gradient is dotted and red."""
    cut = data.variant in cutting
    edges.set_linestyle(":" if cut else "-")
    edges.set_color(RED if cut else MUTED)


def cells(shown: Mapping[str, list[float | None]], nodes: Iterable[str]) -> list[tuple[str, ...]]:
    """Return rows of words for nodes side by side."""
    return [tuple(map(say, row)) for row in zip(*(shown[name] for name in nodes), strict=True)]


def say(value: float | None) -> str:
    """Write a node's number; None is none."""
    if value is None:
        return "NaN"
    return number(0.0 if abs(value) < 5e-4 else value, 4 if abs(value) >= 1000 else 3)
