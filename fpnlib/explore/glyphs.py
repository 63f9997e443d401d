"""Short texts that change at every move, drawn from a store of glyphs.

Matplotlib renders each glyph anew, 50 µs apiece, which makes a line of numbers dearer than a map. Here each character
of a font is rendered once.
"""

import functools
import math
import re
import threading

import numpy as np
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

_LOCK = threading.RLock()  # explorers draw in several threads, with one workshop
_CHARACTERS = re.compile("(?s:.)[\u0300-\u036f]*")  # accents stand on the letter before them
_MARGIN = 2  # pixels a glyph may reach beyond its advance, left and right


class Words(Text):
    """A text whose characters come from the store where it is plain; else Matplotlib draws it."""

    def is_plain(self) -> bool:
        """Return whether the store will do: level, opaque, without a frame, formula or wrapping."""
        formula = self.get_parse_math() and "$" in self.get_text()
        framed = self.get_bbox_patch() is not None or self.get_path_effects() or self.get_wrap()
        opaque = self.get_alpha() is None and to_rgba(self.get_color())[3] == 1
        return not formula and not framed and not self.get_rotation() and opaque

    def draw(self, renderer: RendererBase) -> None:
        """Draw where and as large as Matplotlib would."""
        if not self.get_visible() or not self.get_text():
            return
        if not self.is_plain() or renderer.option_scale_image():  # a renderer without pixels
            return super().draw(renderer)
        font, dpi, colour = self.get_fontproperties(), self.get_figure(root=True).dpi, to_rgb(self.get_color())
        lines, box = self.get_text().split("\n"), self.get_window_extent(renderer)
        ascent, _ = _line_metrics(font, dpi, len(lines) > 1)
        pitch, aside = box.height / len(lines), {"left": 0.0, "center": 0.5, "right": 1.0}[self.get_ha()]
        gc = renderer.new_gc()
        if self.get_clip_on():
            gc.set_clip_rectangle(self.get_clip_box())
        for row, line in enumerate(lines):
            if not line:
                continue
            if self.get_linespacing() != "normal":  # then a line's ink stands in the middle of its room
                _, height, descent = renderer.get_text_width_height_descent(line, font, False)
                ascent = (pitch + height - 2 * descent) / 2
            picture, width = _line(line, font, dpi, colour)
            x = round(box.x0 + aside * (box.width - width))
            y = round(box.y1 - row * pitch - ascent)
            renderer.draw_image(gc, x - _MARGIN, y - _below(font, dpi), picture)
        gc.restore()


def _line(line: str, font: FontProperties, dpi: float, colour: tuple[float, float, float]) -> tuple[np.ndarray, float]:
    """Return a line's RGBA picture, bottom row first as Agg takes it, and the line's width in pixels."""
    glyphs = [_glyph(character, font, dpi) for character in _CHARACTERS.findall(line)]
    width = sum(advance for _, advance in glyphs)
    picture = np.zeros((len(glyphs[0][0]), math.ceil(width) + 2 * _MARGIN + 2, 4), np.uint8)
    picture[..., :3] = np.round(np.multiply(colour, 255))
    at = 0.0
    for alpha, advance in glyphs:
        place = picture[:, round(at) : round(at) + alpha.shape[1], 3]
        np.maximum(place, alpha[:, : place.shape[1]], out=place)
        at += advance
    return picture, width


@functools.lru_cache(maxsize=1024)
def _glyph(character: str, font: FontProperties, dpi: float) -> tuple[np.ndarray, float]:
    """Return a character's coverage 0…255 with `_MARGIN` around, bottom row first, and its advance in pixels."""
    with _LOCK:
        renderer, figure = _workshop(dpi)
        alone, between = (renderer.get_text_width_height_descent(s, font, False)[0] for s in ("00", f"0{character}0"))
        below = _below(font, dpi)
        rows, columns = math.ceil(sum(_line_metrics(font, dpi))) + 2 * below, math.ceil(between - alone) + 2 * _MARGIN
        figure.set_size_inches(columns / dpi, rows / dpi)
        figure.texts.clear()
        place = _MARGIN / columns, below / rows
        figure.text(*place, character, fontproperties=font, va="baseline", parse_math=False, color="black")
        figure.canvas.draw()
        coverage = np.asarray(figure.canvas.buffer_rgba())[::-1, :, 3].copy()
    return coverage, between - alone


@functools.lru_cache(maxsize=64)
def _line_metrics(font: FontProperties, dpi: float, several: bool = False) -> tuple[float, float]:
    """Return the room above and below a line's baseline, of one line or of each of several."""
    with _LOCK:
        renderer, figure = _workshop(dpi)
        figure.texts.clear()
        words = figure.text(0, 0, "lp\nlp" if several else "lp", fontproperties=font, va="baseline", parse_math=False)
        box = words.get_window_extent(renderer)
    return box.height / (1 + several) + box.y0, -box.y0


def _below(font: FontProperties, dpi: float) -> int:
    """Return how many rows of a glyph's picture lie below the baseline."""
    return math.ceil(_line_metrics(font, dpi)[1]) + 2


@functools.lru_cache(maxsize=4)
def _workshop(dpi: float) -> tuple[RendererBase, Figure]:
    figure = Figure(dpi=dpi, facecolor="none")
    return FigureCanvasAgg(figure).get_renderer(), figure
