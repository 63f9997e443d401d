"""One map of a photo's pyramid, and its channels under a cursor."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from fpnlib.notes.fpn.experiments.photo_pyramid import Pyramid, Stage, is_stride

Shown = Literal["colours", "mean", "one channel"]
SHOWN: tuple[Shown, ...] = ("colours", "mean", "one channel")


@dataclass(frozen=True, eq=False)
class Reading:
    """What a map says.

    channel: the one that is shown, from 1
    size:    rows and columns of the photo
    stride:  pixels that a cell is high and wide
    flat:    the mean of the channels, or the channel shown
    cursor:  the pixel, x and y; `cell` is its row and column on the map
    values:  of every channel there
    """

    stage: Stage
    level: int
    channel: int
    size: tuple[int, int]
    stride: tuple[float, float]
    flat: Float[Tensor, "rows columns"]
    cursor: tuple[int, int]
    cell: tuple[int, int]
    values: Float[Tensor, " channels"]

    @property
    def name(self) -> str:
        """Such as P3."""
        return f"{self.stage}{self.level}"

    @property
    def cells(self) -> str:
        """Such as 43×64."""
        return "×".join(map(str, self.flat.shape))

    @property
    def heights(self) -> Float[Tensor, " channels"]:
        """The values as shares of the largest."""
        return self.values / (self.values.abs().max() or 1.0)

    def pixels(self, row: int, column: int, rows: int = 1, columns: int = 1) -> Float[np.ndarray, "4"]:
        """x0 y0 x1 y1 on the photo of so many cells."""
        down, across = self.stride
        return np.array([column * across, row * down, (column + columns) * across, (row + rows) * down], float)

    def invariants(self) -> dict[str, bool]:
        """Check sizes and the cursor's cell."""
        sides = list(zip(self.size, self.flat.shape, self.stride, self.cursor[::-1], self.cell, strict=True))
        return {
            "the map has side / stride cells, rounded": all(is_stride(*side[:3]) for side in sides),
            # What a backbone rounded off lies beyond the last cell.
            "the cursor lies in its cell": all(
                cell * stride <= at and (at < (cell + 1) * stride or cell == cells - 1)
                for _, cells, stride, at, cell in sides
            ),
            "every channel has a finite value": bool(self.values.isfinite().all()),
        }


def read(pyramid: Pyramid, stage: Stage, level: int, shown: Shown, channel: int, x: int, y: int) -> Reading:
    """Read the map of the nearest level there is, at a cursor in percent of the photo; channels from 1."""
    place = pyramid.place(level)
    one, (down, across) = pyramid.maps[stage][place], pyramid.strides[place]
    height, width = pyramid.photo.shape[:2]
    cursor = pixel_at(x, width), pixel_at(y, height)
    rows, columns = one.shape[1:]
    row, column = min(int(cursor[1] // down), rows - 1), min(int(cursor[0] // across), columns - 1)
    return Reading(
        stage,
        pyramid.levels[place],
        min(channel, len(one)),
        (height, width),
        (down, across),
        flat(one, shown, channel),
        cursor,
        (row, column),
        one[:, row, column].double(),
    )


def pixel_at(percent: int, side: int) -> int:
    """The pixel at so many percent of a side."""
    return round(percent / 100 * (side - 1))


def flat(one: Float[Tensor, "c h w"], shown: Shown, channel: int) -> Float[Tensor, "h w"]:
    """A map of channels as one of values: the chosen channel, or the last of fewer, or the mean of all."""
    return one[min(channel, len(one)) - 1] if shown == "one channel" else one.mean(0)
