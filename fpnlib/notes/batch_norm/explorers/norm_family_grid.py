"""The N×C grid of maps in `norm_family`: the averaged ones framed, the others veiled, grey what is not in the batch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from fpnlib.explore import Panel
from fpnlib.explore.style import BLUE, FAINT, GREEN, PAPER, PURPLE, pixel
from fpnlib.notes.batch_norm.experiments.family import AVERAGED

if TYPE_CHECKING:
    from fpnlib.notes.batch_norm.explorers.norm_family import FamilyData

_GAP = 2  # pixels around a map
_ON = (PAPER, PAPER, FAINT)
_VEILS = ((0, 175, 242), (0, 60, 242))  # of 255, over maps averaged, apart, absent; what goes in, and what comes out
_WORDS = ("averaged with the dot's map", "not averaged with it", "not in this batch")


def tiled(maps: np.ndarray) -> np.ndarray:
    """Lay maps (N, C, H, W) out as one picture, with room around each; what is beyond −1 or 1 is cut off."""
    room = np.pad(maps.clip(-1, 1), ((0, 0), (0, 0), (_GAP, _GAP), (_GAP, _GAP))).transpose(0, 2, 1, 3)
    return room.reshape(room.shape[0] * room.shape[1], -1)


def fill_grid(panel: Panel, names: Sequence[str], channels: int) -> None:
    """Put the maps into a panel, with frames around those averaged, and a dot that is dragged from map to map."""
    panel.axes.spines[:].set_visible(False)
    panel.columns([str(channel) for channel in range(channels)], fontsize=8)
    panel.rows(names, fontsize=9)
    ends = -0.5, -0.5, channels - 0.5, len(names) - 0.5
    signs = LinearSegmentedColormap.from_list("signs", [PURPLE, PAPER, GREEN])
    panel.image(lambda data: data.tiles, ends, cmap=signs, vmin=-1, vmax=1, aspect="auto", zorder=0)
    veils = np.array(
        [[[*pixel(on), share] for on, share in zip(_ON, shares, strict=True)] for shares in _VEILS], np.uint8
    )
    panel.image(lambda data: veils[int(data.after)][data.where], ends, aspect="auto", zorder=1, says=_words)
    panel.boxes(_lit, colors=BLUE, linewidths=2)
    places = {"image": lambda value, data: (data.channel, value), "channel": lambda value, data: (value, data.image)}
    panel.dot(lambda data: (data.channel, data.image), ms=8, grab=places)


def _words(data: "FamilyData", row: int, column: int) -> str:
    return _WORDS[data.where[row, column]]


def _lit(data: "FamilyData") -> list[tuple[float, ...]]:
    rows = [(image, np.flatnonzero(row == AVERAGED)) for image, row in enumerate(data.where)]
    return [(lit[0] - 0.5, image - 0.5, lit[-1] + 0.5, image + 0.5) for image, lit in rows if lit.size]
