"""One figure that is drawn many times: the background is kept, and only what moves is drawn again."""

import io
from collections.abc import Iterable
from typing import Any

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from PIL import Image

from fpnlib.explore import glyphs, rasters
from fpnlib.validation import require_choice

_DPI = 100
# JPEG while something moves, since encoding costs more than drawing; PNG for a picture that stays.
_ENCODINGS: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_level": 1},
    "jpeg": {"format": "JPEG", "quality": 85, "subsampling": 0},
    "webp": {"format": "WEBP", "quality": 80, "method": 0},
}


class Canvas:
    """A figure of fixed size in pixels, outside pyplot, with its background cached.

    Args:
        width, height: size in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, layout="constrained", facecolor="white")
        self._agg = FigureCanvasAgg(self.figure)
        self._moving: list[Artist] = []
        self._background: Any = None

    def freeze(self, moving: Iterable[Artist]) -> None:
        """Keep all but the `moving` artists as the background. Their places are fixed from here on."""
        self._moving = sorted(moving, key=lambda artist: artist.get_zorder())
        self._agg.draw()
        self.figure.set_layout_engine("none")
        for artist in self._moving:
            artist.set_animated(True)
        self._background = None

    def render(self) -> Image.Image:
        """Draw the moving artists over the background. The picture shares memory with the canvas."""
        if self._background is None:
            self._agg.draw()
            self._background = self._agg.copy_from_bbox(self.figure.bbox)
        self._agg.restore_region(self._background)
        renderer = self._agg.get_renderer()
        for artist in self._moving:
            if isinstance(artist, Text) and glyphs.is_plain(artist):
                glyphs.draw(artist, renderer)
            elif isinstance(artist, AxesImage) and rasters.is_plain(artist):
                rasters.draw(artist, renderer)
            else:
                artist.draw(renderer)
        return Image.frombuffer("RGBX", self._agg.get_width_height(), self._agg.buffer_rgba(), "raw", "RGBX", 0, 1)

    def encode(self, format: str = "png") -> bytes:
        """Return the picture as `png`, `jpeg` or `webp` bytes."""
        require_choice("format", format, _ENCODINGS)
        picture = self.render()
        return _saved(picture if format == "jpeg" else picture.convert("RGB"), **_ENCODINGS[format])

    def encode_small(self, colours: int = 64) -> bytes:
        """Return the picture as a PNG with few colours, a fraction of the size, for a notebook on disk."""
        picture = (
            self.render().convert("RGB").quantize(colours, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        )
        return _saved(picture, format="PNG", optimize=True)


def _saved(picture: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, **options)
    return stream.getvalue()
