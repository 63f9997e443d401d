"""The graph of a net in `after_fpn`: its levels with their shapes, and what one of them reaches, lit."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fpnlib.explore import Panel
from fpnlib.explore.style import MUTED, ORANGE, PAPER
from fpnlib.notes.fpn.experiments.successors import ROWS, Edge

if TYPE_CHECKING:
    from fpnlib.notes.fpn.explorers.after_fpn import AfterData

_COLUMNS = range(4)
_HALF = np.array([0.32, 0.25])  # a box's width and height, halved
_HEAD = np.array([[0.0, 0.0], [-0.07, 0.055], [-0.07, -0.055]])  # of an arrow to the right, in columns and rows


def fill_graph(panel: Panel) -> None:
    """Put boxes, arrows and words into a panel, and beside the backbone a dot that is dragged from level to level."""
    panel.axes.set_axis_off()
    panel.axes.set(xlim=(-1.05, 3.45), ylim=(1.65, 7.95))
    for lit, colour, width in ((False, MUTED, 1.0), (True, ORANGE, 2.2)):
        panel.strokes(partial(_ways, lit), colors=colour, lw=width)
        panel.areas(partial(_heads, lit), facecolors=colour)
    panel.areas(lambda data: [_box(place) for place in data.graph.nodes.values()], facecolors=PAPER, zorder=2)
    look = {"zorder": 3, "linewidths": 1.2}
    panel.boxes(lambda data: _frames(data, lit=False), colors=MUTED, **look)
    panel.boxes(lambda data: _frames(data, lit=True), colors=ORANGE, **look | {"linewidths": 2.4})
    words = {"ha": "center", "zorder": 4}
    panel.table(
        lambda data: _words(data, lambda _, name: name),
        _COLUMNS,
        [row + 0.09 for row in ROWS],
        weight="bold",
        fontsize=10,
        **words,
    )
    panel.table(lambda data: _words(data, _shape), _COLUMNS, [row - 0.12 for row in ROWS], fontsize=7.5, **words)
    for column in _COLUMNS:
        _heading(panel, column, **words)
    for row in ROWS:
        panel.text(f"stride {2**row}", -0.52, row, ha="right", va="center", fontsize=8.5, color=MUTED)

    def beside(value: int, data: "AfterData") -> tuple[float, float]:
        column, row = data.graph.nodes[f"C{value}"]
        return column - 0.44, row

    panel.dot(lambda data: beside(data.level, data), grab={"level": beside})


def _box(place: tuple[int, int]) -> np.ndarray:
    middle = np.array(place)
    return middle + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * _HALF


def _frames(data: "AfterData", *, lit: bool) -> np.ndarray:
    places = [place for name, place in data.graph.nodes.items() if (name in data.ways) == lit]
    middles = np.array(places, float).reshape(-1, 2)
    return np.concatenate([middles - _HALF, middles + _HALF], 1)


def _heading(panel: Panel, column: int, **look: Any) -> None:
    """What a column is made by, above its uppermost box."""

    def above(data: "AfterData") -> tuple[float, float]:
        return column, max((row for across, row in data.graph.nodes.values() if across == column), default=2) + 0.42

    panel.text(
        lambda data: "".join(data.graph.headings[column : column + 1]), at=above, fontsize=9, color=MUTED, **look
    )


def _ways(lit: bool, data: "AfterData") -> list[np.ndarray]:
    """The edges that what was chosen passes, or the others, as lines from box to box."""
    return [_line(data, edge) for edge in data.graph.edges if _passed(data, edge) == lit]


def _heads(lit: bool, data: "AfterData") -> list[np.ndarray]:
    return [_head(way) for way in _ways(lit, data)]


def _passed(data: "AfterData", edge: Edge) -> bool:
    return edge.start in data.ways and edge.end in data.ways and (data.through or not edge.end.startswith("C"))


def _line(data: "AfterData", edge: Edge) -> np.ndarray:
    start, end = (np.array(data.graph.nodes[name], float) for name in (edge.start, edge.end))
    across, up = end - start
    right = np.array([_HALF[0], 0])
    if across == 0:  # straight up or down
        side = np.array([0, np.sign(up) * _HALF[1]])
        return np.stack([start + side, end - side])
    if across > 1 and up == 0:  # over the box between
        lift = np.array([0, 0.16])
        out, back = start + right + lift, end - right + lift
        rise = np.array([0.12, 0.2])
        return np.stack([out, out + rise, back + rise * (-1, 1), back])
    if across > 1:  # up beside the boxes of its column, and level to its end
        return np.stack([start + right + (0, 0.1), (start[0] + 0.5, end[1]), end - right])
    return np.stack([start + right, end - right])


def _head(way: np.ndarray) -> np.ndarray:
    """The arrow's head at the end of a line."""
    across, up = way[-1] - way[-2]
    # A column is as wide as about two rows and a half are high, and heads should not look bent.
    wide = 2.1
    length = np.hypot(wide * across, up)
    cos, sin = wide * across / length, up / length
    x, y = _HEAD.T * [[wide], [1]] * 1.3
    return way[-1] + np.stack([(x * cos - y * sin) / wide, x * sin + y * cos], 1)


def _words(data: "AfterData", word: Callable[["AfterData", str], str]) -> list[list[str]]:
    named = {place: name for name, place in data.graph.nodes.items()}
    return [[word(data, named[column, row]) if (column, row) in named else "" for column in _COLUMNS] for row in ROWS]


def _shape(data: "AfterData", name: str) -> str:
    channels, cells = data.shapes[name]
    return f"{channels}×{cells}×{cells}"
