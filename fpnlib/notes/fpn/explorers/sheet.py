"""All maps of a pyramid in colours on one sheet, a cell a pixel."""

import dataclasses
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8

from fpnlib.explore import number
from fpnlib.notes.fpn.experiments.photo_pyramid import STAGES, Pyramid, Stage
from fpnlib.notes.fpn.experiments.reading import Reading, Shown, flat
from fpnlib.notes.fpn.explorers.colours import components, heat, heat_range

ROOM = (285, 420)  # points for a sheet's width and height
_GAP, _MARGIN = 6, 2  # cells between the maps, and from a map to the frame around it


@dataclasses.dataclass(frozen=True, eq=False)
class Sheet:
    """Every map of a photo in a row for each stage, transparent between them; `frames` says where: x, y, w, h."""

    cells: UInt8[np.ndarray, "h w 4"]
    frames: dict[tuple[Stage, int], tuple[int, int, int, int]]

    def picture(self, stage: Stage, level: int) -> UInt8[np.ndarray, "rows columns 3"]:
        """One map."""
        x, y, width, height = self.frames[stage, level]
        return self.cells[y : y + height, x : x + width, :3]

    @property
    def extent(self) -> tuple[float, ...]:
        """Where the sheet lies in a panel as large as ROOM: a cell a point, or smaller so that it fits."""
        height, width = self.cells.shape[:2]
        scale = min(1.0, ROOM[0] / width, ROOM[1] / height)
        return 0.0, 0.0, scale * width, scale * height

    def up_to(self, stage: Stage) -> UInt8[np.ndarray, "h w 4"]:
        """The sheet without the rows of later stages, which a reader may guess at."""
        shown = self.cells.copy()
        shown[(STAGES.index(stage) + 1) * len(shown) // len(STAGES) :] = 0
        return shown

    def around(self, stage: Stage, level: int) -> np.ndarray:
        """The frame x0 y0 x1 y1 around a map in that panel, or around that of the nearest level there is."""
        known = min((one for _, one in self.frames), key=lambda one: abs(one - level))
        x, y, width, height = self.frames[stage, known]
        corners = np.array([x - _MARGIN, y - _MARGIN, x + width + _MARGIN, y + height + _MARGIN])
        return corners * self.extent[2] / self.cells.shape[1]


@lru_cache(maxsize=32)
def sheet_of(pyramid: Pyramid, shown: Shown, channel: int) -> Sheet:
    """The sheet of a photo's maps; the channel matters where one is shown."""
    sizes = [one.shape[1:] for one in pyramid.maps["C"]]
    row = max(size[0] for size in sizes) + _GAP
    cells = np.zeros((row * len(STAGES), sum(size[1] + _GAP for size in sizes), 4), np.uint8)
    frames = {}
    for number_of_row, stage in enumerate(STAGES):
        x, y = 0, number_of_row * row
        for place, (level, (rows, columns)) in enumerate(zip(pyramid.levels, sizes, strict=True)):
            part = cells[y : y + rows, x : x + columns]
            part[..., :3], part[..., 3] = _coloured(pyramid, stage, place, shown, channel), 255
            frames[stage, level] = (x, y, columns, rows)
            x += columns + _GAP
    return Sheet(cells, frames)


def _coloured(
    pyramid: Pyramid, stage: Stage, place: int, shown: Shown, channel: int
) -> UInt8[np.ndarray, "rows columns 3"]:
    if shown == "colours":
        return components(pyramid.colours(stage)[place])
    one = flat(pyramid.maps[stage][place], shown, channel)
    return heat(one, *heat_range(one))


def in_words(read: Reading, shown: Shown) -> str:
    """The stride of a map, and what its colours say."""
    down, across = (number(stride, 4) for stride in read.stride)
    stride = f"stride {down}" if down == across else f"strides {down} down and {across} across"
    if shown == "colours":
        return f"{stride}; shown are the first three principal components as red, green and blue"
    what = "the mean of all channels" if shown == "mean" else f"channel {read.channel}"
    middle, reach = heat_range(read.flat)
    return f"{stride}; shown is {what}, dark to bright from {number(middle - reach)} to {number(middle + reach)}"
