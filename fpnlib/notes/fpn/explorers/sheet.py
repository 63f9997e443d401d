"""All maps of a pyramid in colours on one sheet, a cell a pixel."""

from typing import Literal

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from fpnlib.notes.fpn.experiments.photo_pyramid import STAGES, Pyramid, Stage
from fpnlib.notes.fpn.explorers.colours import components, heat, heat_range

Shown = Literal["colours", "mean", "one channel"]
SHOWN: tuple[Shown, ...] = ("colours", "mean", "one channel")
Frames = dict[tuple[Stage, int], tuple[int, int, int, int]]
"""Where each map stands on the sheet, by stage and level: x, y, width, height."""
_GAP = 6  # pixels between the maps


def flat(one: Tensor, shown: Shown, channel: int) -> Tensor:
    """A map of channels as one of values: the chosen channel, or the mean of all."""
    return one[channel - 1] if shown == "one channel" else one.mean(0)


def coloured(
    pyramid: Pyramid, stage: Stage, place: int, shown: Shown, channel: int
) -> UInt8[np.ndarray, "rows columns 3"]:
    """A map of the pyramid in colours."""
    if shown == "colours":
        return components(pyramid.colours(stage)[place])
    one = pyramid.maps[stage][place]
    mean = flat(one, shown, min(channel, len(one)))
    return heat(mean, *heat_range(mean))


def side_by_side(pyramid: Pyramid, shown: Shown, channel: int) -> tuple[UInt8[np.ndarray, "h w 4"], Frames]:
    """The sheet, a row for each stage and transparent between the maps, and where each map stands."""
    sizes = [one.shape[1:] for one in pyramid.maps["C"]]
    row = max(size[0] for size in sizes) + _GAP
    sheet = np.zeros((row * len(STAGES), sum(size[1] + _GAP for size in sizes), 4), np.uint8)
    frames: Frames = {}
    for number_of_row, stage in enumerate(STAGES):
        x, y = 0, number_of_row * row
        for place, (level, (rows, columns)) in enumerate(zip(pyramid.levels, sizes, strict=True)):
            part = sheet[y : y + rows, x : x + columns]
            part[..., :3], part[..., 3] = coloured(pyramid, stage, place, shown, channel), 255
            frames[stage, level] = (x, y, columns, rows)
            x += columns + _GAP
    return sheet, frames
