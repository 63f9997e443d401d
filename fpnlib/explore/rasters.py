"""Images that change at every move, enlarged by looking up cells.

Matplotlib turns bytes into floats and blends before it looks up the nearest cell, 2 to 5 ms an image. Nearest needs
no more than an index for each row and column.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.backend_bases import RendererBase
from matplotlib.image import AxesImage
from matplotlib.transforms import Affine2D


class Raster(AxesImage):
    """An image whose cells are looked up where it is plain; else Matplotlib draws it."""

    def is_plain(self) -> bool:
        """Return whether looking up will do: nearest cells, linear axes, no alpha, no odd clipping."""
        linear = self.axes.get_xscale() == self.axes.get_yscale() == "linear"
        usual = bool(self.get_transform() == self.axes.transData) and self.get_clip_path() is None
        return linear and usual and self.get_interpolation() == "nearest" and self.get_alpha() is None

    _given: Any = None
    _placed: Any = None
    _drawn: tuple[Any, ...] = ()

    def set_data(self, A: Any) -> None:
        """Show other cells; the very same array is known to look the same."""
        if A is not self._given:
            self._given, self._drawn = A, ()
            super().set_data(A)

    def set_extent(self, extent: Any, **settings: Any) -> None:
        """Show the cells elsewhere; where they are already costs nothing."""
        if settings or extent != self._placed:
            self._placed = extent
            super().set_extent(extent, **settings)

    def draw(self, renderer: RendererBase) -> None:
        """Draw where and as large as Matplotlib would."""
        if renderer.option_scale_image():
            return self._draw_cells(renderer)
        if not self.is_plain():
            return super().draw(renderer)
        cells = self.get_array()
        if not self.get_visible() or cells is None or not cells.size:
            return
        left, right, bottom, top = self.get_extent()
        corners = self.get_transform().transform([(left, bottom), (right, top)])
        looks = (*corners.ravel(), *self.axes.bbox.extents, self.norm.vmin, self.norm.vmax, self.cmap)
        if not self._drawn or self._drawn[0] != looks:
            self._drawn = looks, self._enlarged(cells, corners)
        pixels, x, y = self._drawn[1]
        if pixels.size:
            gc = renderer.new_gc()
            gc.set_clip_rectangle(self.axes.bbox)
            renderer.draw_image(gc, x, y, pixels)
            gc.restore()

    def _enlarged(self, cells: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, int, int]:
        """Return the pixels, and where the first of them lies."""
        if not np.ma.is_masked(cells):
            cells = np.ma.getdata(cells)  # much faster to index
        (x0, y0), (x1, y1) = corners
        x_low, y_low, x_high, y_high = self.axes.bbox.extents
        # The last row of the data lies at the bottom for origin "upper", the first for "lower".
        first_y, last_y = (y1, y0) if self.origin == "upper" else (y0, y1)
        columns, x = _nearest(x0, x1, x_low, x_high, cells.shape[1], _half_up)
        rows, y = _nearest(first_y, last_y, y_low, y_high, cells.shape[0], _half_down)
        if not len(rows) or not len(columns):
            return np.zeros((0, 0, 4), np.uint8), x, y
        # Colour before enlarging if that means fewer pixels.
        if cells.size > len(rows) * len(columns):
            cells, rows, columns = cells[rows[:, None], columns], np.arange(len(rows)), np.arange(len(columns))
        pixels = np.ascontiguousarray(self.to_rgba(cells, bytes=True)).view(np.uint32)[..., 0]
        enlarged = pixels.take(columns, 1).take(rows, 0)
        return enlarged.view(np.uint8).reshape(len(rows), len(columns), 4), x, y

    def _draw_cells(self, renderer: RendererBase) -> None:
        """Give the cells as they are to a renderer that enlarges images itself."""
        cells = self.get_array()
        if not self.get_visible() or cells is None or not cells.size:
            return
        left, right, bottom, top = self.get_extent()
        pixels = self.to_rgba(cells, self.get_alpha(), bytes=True)
        gc = renderer.new_gc()
        self._set_gc_clip(gc)
        gc.set_antialiased(self.get_interpolation() != "nearest")
        place = Affine2D.from_values(right - left, 0, 0, top - bottom, left, bottom) + self.get_transform()
        renderer.draw_image(gc, 0, 0, pixels[::-1] if self.origin == "upper" else pixels, place)
        gc.restore()


def _nearest(
    first: float, last: float, low: float, high: float, count: int, rounded: Callable[[float], int]
) -> tuple[np.ndarray, int]:
    """Return the cell under each pixel and the lowest pixel; `count` cells reach from `first` to `last`, in pixels."""
    begin, end = rounded(max(min(first, last), low)), rounded(min(max(first, last), high))
    centres = np.arange(begin, end) + 0.5
    cells = np.floor((centres - first) / (last - first) * count).astype(int)
    return cells.clip(0, count - 1), begin


# How Matplotlib rounds to pixels, left to right and bottom to top.
def _half_up(at: float) -> int:
    return math.floor(at + 0.5 + 1e-8)


def _half_down(at: float) -> int:
    return math.ceil(at - 0.5 - 1e-8)
