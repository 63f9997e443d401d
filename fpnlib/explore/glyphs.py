"""Short texts that change at every move, drawn from a store of glyphs.

Matplotlib renders each glyph anew, 50 µs apiece, which makes a line of numbers dearer than a map. Here each character
of a font is rendered once.
"""

import functools
import math
import re
import threading
from collections.abc import Sequence
from typing import Any

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


_ABOVE = {"top": 0.0, "center": 0.5, "bottom": 1.0, "baseline": 1.0}
"""How much of a text lies above its place."""


class Words(Text):
    """A text whose characters come from the store where it is plain; else Matplotlib draws it."""

    _plain = False
    _looks: Any = None
    _pictures: Sequence[tuple[float, float, np.ndarray]] = ()

    def is_plain(self) -> bool:
        """Return whether the store will do: level, opaque, without a frame, formula, wrapping or odd spacing."""
        formula = self.get_parse_math() and "$" in self.get_text()
        framed = self.get_bbox_patch() is not None or self.get_path_effects() or self.get_wrap()
        opaque = self.get_alpha() is None and to_rgba(self.get_color())[3] == 1
        usual = self.get_linespacing() == "normal" and self.get_va() in _ABOVE
        return bool(usual and opaque and not (formula or framed or self.get_rotation()))

    def draw(self, renderer: RendererBase) -> None:
        """Draw where and as large as Matplotlib would."""
        if not self.get_visible() or not self.get_text():
            return
        if self.stale:  # type: ignore[has-type]
            self._plain = self.is_plain()
        if not self._plain or renderer.option_scale_image():  # a renderer without pixels
            return super().draw(renderer)
        font = _Face.of(*self.get_fontfamily(), self.get_fontsize(), self.get_fontweight(), self.get_fontstyle())
        looks = self.get_text(), font, self.get_figure(root=True).dpi, self.get_color(), self.get_ha(), self.get_va()
        if looks != self._looks:  # a place may move while the words stay
            self._looks, self._pictures = looks, _laid_out(*looks)
        x, y = self.get_transform().transform(self.get_unitless_position())
        gc = renderer.new_gc()
        if self.get_clip_on():
            gc.set_clip_rectangle(self.get_clip_box())
        for right, above, picture in self._pictures:
            renderer.draw_image(gc, round(x + right) - _MARGIN, round(y + above), picture)
        gc.restore()
        self.stale = False


class _Face(FontProperties):
    """A font that is its own key: Matplotlib's hash takes longer than a glyph's picture."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__

    @staticmethod
    @functools.lru_cache(maxsize=64)
    def of(*family_size_weight_style: Any) -> "_Face":
        *family, size, weight, style = family_size_weight_style
        return _Face(family=family, style=style, weight=weight, size=size)


def _laid_out(
    text: str, font: FontProperties, dpi: float, color: Any, ha: str, va: str
) -> list[tuple[float, float, np.ndarray]]:
    """Return how far right of the text's place and above it the picture of each line begins, in pixels, and that."""
    lines, aside = text.split("\n"), {"left": 0.0, "center": 0.5, "right": 1.0}[ha]
    ascent, descent = _line_metrics(font, dpi, len(lines) > 1)
    top = _ABOVE[va] * len(lines) * (ascent + descent) - descent * (va == "baseline")
    laid = []
    for row, line in enumerate(lines):
        if line:
            picture, width = _line(line, font, dpi, to_rgb(color))
            above = top - row * (ascent + descent) - ascent - _below(font, dpi)
            laid.append((-aside * width, above, picture))
    return laid


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
