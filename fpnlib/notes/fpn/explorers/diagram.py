"""The drawing of the architecture, with room for the words that `architecture` moves."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle

from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PAPER

LEVELS = (2, 3, 4, 5)
SIZE = (1000, 520)
_COLUMNS = {"C": (190, BLUE), "M": (560, ORANGE), "P": (850, GREEN)}
_ROWS = {5: 420, 4: 310, 3: 200, 2: 90}
_WIDTHS = {5: 92, 4: 104, 3: 120, 2: 140}
_HEIGHT = 44
_IMAGE = 12


def draw_architecture(axes: Axes, write: Callable[..., object]) -> None:
    """Draw boxes and arrows into axes of SIZE; `write(name, x, y, **look)` is to write what differs.

    Names: "C2" … "P5" under the boxes' names, "image", "up2" … "up4" at the arrows that enlarge, "out" below P2.
    """
    axes.set_axis_off()
    axes.set(xlim=(0, SIZE[0]), ylim=(0, SIZE[1]))
    middle_of: dict[str, Any] = {"ha": "center", "va": "center"}
    for (column, (x, colour)), heading in zip(
        _COLUMNS.items(), ("backbone, bottom-up", "merged, top-down", "pyramid"), strict=True
    ):
        axes.text(x, 480, heading, ha="center", color=colour, weight="bold", fontsize=12)
        for level in LEVELS:
            y, width = _ROWS[level], _WIDTHS[level]
            axes.add_patch(Rectangle((x - width / 2, y), width, _HEIGHT, fc=PAPER, ec=colour, lw=2))
            axes.text(x, y + 25, f"{column}{level}", weight="bold", fontsize=12, color=INK, **middle_of)
            write(f"{column}{level}", x, y + 9, fontsize=8, **middle_of)
    left, middle, right = (_COLUMNS[name][0] for name in "CMP")
    axes.add_patch(Rectangle((left - 90, _IMAGE), 180, 34, fc=FAINT, ec=MUTED, lw=1.5))
    write("image", left, _IMAGE + 17, fontsize=9, **middle_of)
    _arrow(axes, (left, _IMAGE + 34), (left, _ROWS[2]), MUTED)
    for level in LEVELS:
        y, half = _ROWS[level] + _HEIGHT // 2, _WIDTHS[level] // 2
        axes.text(left - half - 12, y, f"stride {2**level}", ha="right", va="center", color=MUTED, fontsize=9.5)
        # A circle with a plus stands where lateral and level above meet; the top level has no level above.
        plus = middle - half - 40
        _arrow(axes, (left + half, y), (middle - half if level == LEVELS[-1] else plus - 11, y), BLUE)
        axes.text((left + half + plus) / 2 - 4, y + 6, "1×1", ha="center", color=BLUE, weight="bold")
        _arrow(axes, (middle + half, y), (right - half, y), GREEN)
        axes.text((middle + right) / 2, y + 6, "3×3", ha="center", color=GREEN, weight="bold")
        if level == LEVELS[-1]:
            continue
        above = _ROWS[level + 1]
        _arrow(axes, (left, _ROWS[level] + _HEIGHT), (left, above), MUTED)
        axes.text(left + 6, (_ROWS[level] + _HEIGHT + above) / 2, "÷2", color=MUTED, va="center", fontsize=9)
        axes.plot([middle, middle, plus], [above, above - 24, above - 24], color=ORANGE, lw=2)
        _arrow(axes, (plus, above - 24), (plus, y + 11), ORANGE)
        axes.plot([plus], [y], "o", ms=17, mfc=PAPER, mec=ORANGE, mew=2)
        axes.text(plus, y - 1, "+", ha="center", va="center", color=INK, weight="bold", fontsize=13)
        _arrow(axes, (plus + 11, y), (middle - half, y), ORANGE)
        axes.text(middle + 8, above - 18, "enlarge", color=ORANGE, weight="bold", va="center", fontsize=9)
        write(f"up{level}", middle + 68, above - 18, va="center", fontsize=8.5)
    write("out", right, _IMAGE + 17, fontsize=9, **middle_of)


def _arrow(axes: Axes, begin: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    axes.add_patch(
        FancyArrowPatch(begin, end, arrowstyle="-|>", mutation_scale=12, lw=2, color=colour, shrinkA=0, shrinkB=0)
    )
