"""The table in `fusion_kin`: what each kin's weights depend on, and what it costs."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fpnlib.explore import Panel, number
from fpnlib.explore.style import BLUE, FAINT, MUTED, ORANGE
from fpnlib.notes.add_vs_concat.experiments.kin import KIN, TRAITS, traits

if TYPE_CHECKING:
    pass

_NAMES, _FIRST, _STEP = 0.3, 3.25, 0.47  # where the names begin, and the columns of the traits
_COSTS = (7.35, 8.5, 9.5)
_RIGHT = 9.6
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def fill_table(panel: Panel) -> None:
    """Put a row for each kin into a panel, with a dot beside the chosen one that is dragged from row to row."""
    panel.axes.set_axis_off()
    panel.axes.set(xlim=(-0.1, _RIGHT), ylim=(len(KIN) - 0.3, -2.0))
    columns = [_FIRST + place * _STEP for place in range(len(TRAITS))]
    rows = np.arange(len(KIN))
    for at, name in zip(columns, TRAITS, strict=True):
        panel.text(name, at + 0.05, -0.62, rotation=50, ha="left", va="bottom", fontsize=9, color=MUTED)
    for at, name in zip(_COSTS, ("weights", "products", "kept"), strict=True):
        panel.text(name, at, -0.75, ha="right", va="center", fontsize=9, color=MUTED)
    panel.strokes([[(_NAMES, row + 0.5), (_RIGHT, row + 0.5)] for row in rows], colors=FAINT, linewidths=0.8)
    for row, name in enumerate(KIN):
        panel.text(name, _NAMES, row, va="center", fontsize=9.5)
    true = [(at, row) for row, kind in enumerate(KIN) for at, has in zip(columns, traits(kind), strict=True) if has]
    panel.line(tuple(zip(*true, strict=True)), "o", ms=8, color=BLUE, says=lambda data, place: _words(true[place]))
    panel.table(
        lambda data: [[short(one) for one in data.costs[kind]] for kind in KIN], _COSTS, rows.tolist(), fontsize=9
    )
    row_of: dict[str, Any] = {"kind": lambda value: (0.08, KIN.index(value))}
    panel.box(lambda data: (-0.1, KIN.index(data.kind) - 0.46, _RIGHT, KIN.index(data.kind) + 0.46), ec=ORANGE, lw=2)
    panel.dot(lambda data: (0.08, KIN.index(data.kind)), ms=8, grab=row_of)


def short(count: int) -> str:
    """A count with a unit, as in 1.2 M."""
    for size, unit in _UNITS:
        if count >= size:
            return f"{number(count / size)} {unit}"
    return str(count)


def _words(at: tuple[float, float]) -> str:
    return f"{KIN[round(at[1])]}: {TRAITS[round((at[0] - _FIRST) / _STEP)]}"
