"""The drawing of the architecture, with room for words: fixed ones for the picture, moving ones for the explorer."""

from collections.abc import Mapping

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.text import Text

from fpnlib.explore.canvas import Canvas
from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PAPER, STYLE

LEVELS = (2, 3, 4, 5)
SIZE = (1000, 520)
_COLUMNS = {"C": (190, BLUE), "M": (560, ORANGE), "P": (850, GREEN)}
_ROWS = {5: 420, 4: 310, 3: 200, 2: 90}
_WIDTHS = {5: 92, 4: 104, 3: 120, 2: 140}
_HEIGHT = 44
_IMAGE = 12


def draw_architecture(axes: Axes) -> dict[str, Text]:
    """Draw boxes and arrows into axes of SIZE; return the texts, by name and empty.

    Names: "C2" … "P5" under the boxes' names, "image", "up2" … "up4" at the arrows that enlarge, "out" at the top.
    """
    axes.set_axis_off()
    axes.set(xlim=(0, SIZE[0]), ylim=(0, SIZE[1]))
    texts: dict[str, Text] = {}
    for (column, (x, colour)), heading in zip(
        _COLUMNS.items(), ("backbone, bottom-up", "merged, top-down", "pyramid"), strict=True
    ):
        axes.text(x, 480, heading, ha="center", color=colour, weight="bold", fontsize=12)
        for level in LEVELS:
            y, width = _ROWS[level], _WIDTHS[level]
            axes.add_patch(Rectangle((x - width / 2, y), width, _HEIGHT, fc=PAPER, ec=colour, lw=2))
            axes.text(x, y + 25, f"{column}{level}", ha="center", va="center", weight="bold", fontsize=12, color=INK)
            texts[f"{column}{level}"] = axes.text(x, y + 9, "", ha="center", va="center", fontsize=8, color=INK)
    left, middle, right = (_COLUMNS[name][0] for name in "CMP")
    axes.add_patch(Rectangle((left - 90, _IMAGE), 180, 34, fc=FAINT, ec=MUTED, lw=1.5))
    texts["image"] = axes.text(left, _IMAGE + 17, "", ha="center", va="center", fontsize=9, color=INK)
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
        axes.text(middle + 8, above - 18, "×2", color=ORANGE, weight="bold", va="center")
        texts[f"up{level}"] = axes.text(middle + 34, above - 18, "", color=INK, va="center", fontsize=8.5)
    texts["out"] = axes.text(right, _IMAGE + 17, "", ha="center", va="center", fontsize=9, color=INK)
    return texts


def _arrow(axes: Axes, begin: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    axes.add_patch(
        FancyArrowPatch(begin, end, arrowstyle="-|>", mutation_scale=12, lw=2, color=colour, shrinkA=0, shrinkB=0)
    )


_WORDS: Mapping[str, str] = {
    "image": "image",
    "out": "every level: the same channels",
    **{f"up{level}": "to the lateral's size" for level in (2, 3, 4)},
}


def diagram() -> bytes:
    """The architecture as the paper tells it, as a PNG of few colours: left the strides, right what is done."""
    with rc_context(STYLE):
        canvas = Canvas(*SIZE)
        canvas.figure.set_layout_engine("none")
        texts = draw_architecture(canvas.figure.add_axes((0, 0, 1, 1)))
        for name, words in _WORDS.items():
            texts[name].set_text(words)
        return canvas.encode_saved(32)[1]
