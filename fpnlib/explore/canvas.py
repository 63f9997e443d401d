"""One figure that is drawn many times: the background is kept, and only what moves is drawn again."""

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from fpnlib.validation import require_choice

_DPI = 100
_DENSITIES = 2  # backgrounds that are kept: that of a moving picture and that of the screen
_PHOTOGRAPHIC = 3000  # more colours than that are a photo's
# JPEG while something moves, since encoding costs more than drawing; PNG for a picture that stays.
_ENCODINGS: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_level": 1},
    "jpeg": {"format": "JPEG", "quality": 88, "subsampling": 0},
    "webp": {"format": "WEBP", "quality": 80, "method": 0},
}


class Canvas:
    """A figure of fixed size in pixels, outside pyplot, with its background cached.

    Args:
        width, height: size in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, layout="constrained")
        self._agg = FigureCanvasAgg(self.figure)
        self._moving: list[Artist] = []
        self._backgrounds: dict[float, Any] = {}
        self.photographic = False  # whether the first picture has as many colours as photos have and charts have not

    def freeze(self, moving: Iterable[Artist]) -> None:
        """Keep all but the `moving` artists as the background. Their places are fixed from here on."""
        self._moving = sorted(moving, key=lambda artist: artist.get_zorder())
        self._agg.draw()
        colours = np.asarray(self._agg.buffer_rgba())[::2, ::2].view(np.uint32)
        self.photographic = len(np.unique(colours)) > _PHOTOGRAPHIC
        self.figure.set_layout_engine("none")
        for artist in self._moving:
            artist.set_animated(True)
        self._backgrounds.clear()

    def render(self, density: float = 1) -> Image.Image:
        """Draw the moving artists over the background, at so many pixels for each of the size's.

        The picture shares memory with the canvas.
        """
        renderer = self._restored(density)
        for artist in self._moving:
            artist.draw(renderer)
        return self._image()

    def layers(self) -> list[Artist]:
        """Return what another renderer draws to have this picture at density 1: the background, then what moves."""
        self.figure.set_dpi(_DPI)
        return [self.figure, *self._moving]

    def _restored(self, density: float) -> Any:
        self.figure.set_dpi(_DPI * density)
        if density not in self._backgrounds:
            if len(self._backgrounds) == _DENSITIES:
                self._backgrounds.pop(next(iter(self._backgrounds)))
            self._agg.draw()
            self._backgrounds[density] = self._agg.copy_from_bbox(self.figure.bbox)
        renderer = self._agg.get_renderer()
        self._agg.restore_region(self._backgrounds[density])
        return renderer

    def _image(self) -> Image.Image:
        return Image.frombuffer("RGBX", self._agg.get_width_height(), self._agg.buffer_rgba(), "raw", "RGBX", 0, 1)

    def encode(self, format: str = "png", density: float = 1) -> bytes:
        """Return the picture as `png`, `jpeg` or `webp` bytes."""
        require_choice("format", format, _ENCODINGS)
        picture = self.render(density)
        return _saved(picture if format == "jpeg" else picture.convert("RGB"), **_ENCODINGS[format])

    def encode_saved(self, colours: int = 64) -> tuple[str, bytes]:
        """Return the picture for a notebook on disk, small: of a photo a JPEG, of a chart a PNG with few colours."""
        picture = self.render().convert("RGB")
        if self.photographic:
            return "jpeg", _saved(picture, format="JPEG", quality=82, optimize=True)
        few = picture.quantize(colours, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        return "png", _saved(few, format="PNG", optimize=True)


def _saved(picture: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, **options)
    return stream.getvalue()
