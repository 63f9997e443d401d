"""A picture of few, large pixels, drawn without Matplotlib's resampling, which costs more than all else a move does."""

import numpy as np
from jaxtyping import UInt8
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase


class Pixels(Artist):
    """An RGB or RGBA picture in a box of its axes, every pixel a sharp block; y runs down, as in a photo."""

    def __init__(self, axes: Axes) -> None:
        super().__init__()
        self.set_in_layout(False)
        self._picture = np.full((1, 1, 3), 255, np.uint8)
        self._box = (0.0, 0.0, 1.0, 1.0)
        axes.add_artist(self)

    def show(self, picture: UInt8[np.ndarray, "h w channels"], x0: float, y0: float, x1: float, y1: float) -> None:
        """Put the picture's upper left corner at (x0, y0) and its lower right one at (x1, y1)."""
        self._picture, self._box = picture, (x0, y0, x1, y1)

    def draw(self, renderer: RendererBase) -> None:
        """Give each pixel of the screen the colour of the picture's pixel that its centre lies in."""
        corners = np.reshape(self._box, (2, 2))
        (left, top), (right, bottom) = np.rint(self.axes.transData.transform(corners)).astype(int).tolist()  # type: ignore
        # Agg counts from the bottom and takes the bottom row first.
        rows = _sources(top - bottom, self._picture.shape[0])[::-1]
        columns = _sources(right - left, self._picture.shape[1])
        block = np.full((len(rows), len(columns), 4), 255, np.uint8)
        block[..., : self._picture.shape[2]] = self._picture[rows][:, columns]
        gc = renderer.new_gc()
        gc.set_clip_rectangle(self.axes.bbox)  # type: ignore[union-attr]
        renderer.draw_image(gc, left, bottom, block)
        gc.restore()


def _sources(screen: int, pixels: int) -> np.ndarray:
    """Which of `pixels` each of `screen` places shows; at least one place, or Agg has nothing to draw."""
    places = max(1, screen)
    return ((np.arange(places) + 0.5) * pixels / places).astype(int)
