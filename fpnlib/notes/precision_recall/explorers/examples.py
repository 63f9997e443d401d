"""The tiles of a confusion matrix: counts, and the scored examples that lie next to the threshold, as images."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.patches import Rectangle

from fpnlib.explore import Panel
from fpnlib.explore.style import INK

_NONE = np.full((1, 1), np.nan)


class Examples:
    """Images of scored examples, positives and negatives each in the order of their scores."""

    def __init__(
        self, images: Float[np.ndarray, "n h w"], scores: Float[np.ndarray, " n"], targets: Bool[np.ndarray, " n"]
    ) -> None:
        order = np.argsort(scores, kind="stable")
        self._positives, self._negatives = (images[order][targets[order] == kind] for kind in (True, False))

    def nearest(self, name: str, data: Any) -> np.ndarray:
        """Return of TP, FN, FP or TN the one next to the threshold, a pixel of nan where there is none."""
        ranked, first = (self._positives, data.fn) if name in ("TP", "FN") else (self._negatives, data.tn)
        place = first if name in ("TP", "FP") else first - 1
        return ranked[place] if 0 <= place < len(ranked) else _NONE

    def show(self, table: Panel, x: int, y: int, name: str) -> None:
        """Put it to the left in a tile of the confusion matrix."""
        extent = (x - 0.46, y - 0.32, x - 0.12, y + 0.32)
        table.image(lambda data: self.nearest(name, data), extent, cmap="gray", aspect="auto", vmin=0, vmax=16)


def tile(table: Panel, x: int, y: int, name: str, other: str, examples: Examples | None) -> None:
    """Show a count, the darker, the larger its share of the row, in which `other` is the second, and an example."""

    def count(data: Any) -> int:
        return int(getattr(data, name.lower()))

    table.add(
        table.axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, zorder=-1)),
        lambda patch, data: patch.set_facecolor((INK, 0.45 * count(data) / (count(data) + getattr(data, other)))),
    )
    table.text(
        lambda data: f"{name} {count(data)}", x + 0.12 * bool(examples), y, ha="center", va="center", fontsize=13
    )
    if examples:
        examples.show(table, x, y, name)
