"""The map of the book: which note helps with which."""

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

# A note, and those that it helps with.
HELPS: dict[str, tuple[str, ...]] = {
    "01": ("04", "08"),
    "02": (),
    "03": ("08",),
    "04": ("07",),
    "05": (),
    "06": (),
    "07": (),
    "08": (),
    "09": (),
}
_NAMES = {
    "01": "Precision\nand recall",
    "02": "The padding\npitfall",
    "03": "The segmen-\ntation head",
    "04": "The feature\npyramid",
    "05": "Learning-rate\nwarm-up",
    "06": "Batch normal-\nisation",
    "07": "Add or\nconcatenate",
    "08": "What is hard in\nsegmentation",
    "09": "On doing\nresearch",
}
# Column and row of each box, so placed that an arrow crosses no box.
_PLACES = {
    "03": (0, 3),
    "08": (1, 3),
    "01": (0, 2),
    "04": (1, 2),
    "07": (2, 2),
    "05": (0, 1),
    "06": (1, 1),
    "02": (2, 3),
    "09": (2, 1),
}
_WIDE, _HIGH, _ACROSS, _DOWN = 1.6, 0.7, 2.3, 1.05


def book_map() -> bytes:
    """Return the map as a PNG."""
    figure = Figure(figsize=(7.2, 3.4), dpi=110)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    middles = {note: (_ACROSS * column, _DOWN * row) for note, (column, row) in _PLACES.items()}
    for note, (x, y) in middles.items():
        box = FancyBboxPatch(
            (x - _WIDE / 2, y - _HIGH / 2), _WIDE, _HIGH, boxstyle="round,pad=0.03", fc="#EAF2F8", ec="#0072B2", lw=1.5
        )
        axes.add_patch(box)
        axes.text(x - _WIDE / 2 + 0.06, y, note, va="center", fontsize=11, color="#0072B2", fontweight="bold")
        axes.text(x + 0.18, y, _NAMES[note], ha="center", va="center", fontsize=9.5, color="#222222")
    for note, others in HELPS.items():
        for other in others:
            (x0, y0), (x1, y1) = middles[note], middles[other]
            start, end = (x0 + _WIDE / 2 + 0.05, y0), (x1 - _WIDE / 2 - 0.05, y1)
            arrow = FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, color="#6B6B6B", lw=1.6)
            axes.add_patch(arrow)
    axes.set(xlim=(-_WIDE * 0.6, 2 * _ACROSS + _WIDE * 0.6), ylim=(0.55, 3 * _DOWN + 0.5))
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    return stream.getvalue()
