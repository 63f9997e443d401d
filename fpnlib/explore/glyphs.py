"""Short texts that change at every move, drawn from a store of glyphs.

Matplotlib renders each glyph anew, 50 µs apiece, which makes a line of numbers dearer than a map. Here each character
of a font is rendered once.
"""

import functools
import math
import threading

import numpy as np
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

_LOCK = threading.RLock()  # explorers draw in several threads, with one workshop
_MARGIN = 2  # pixels a glyph may reach beyond its advance, left and right


def is_plain(text: Text) -> bool:
    """Return whether `draw` can stand in for the text's own: level, opaque, without a frame, formula or wrapping."""
    formula = text.get_parse_math() and "$" in text.get_text()
    framed = text.get_bbox_patch() is not None or text.get_path_effects() or text.get_wrap()
    opaque = text.get_alpha() is None and to_rgba(text.get_color())[3] == 1
    return type(text) is Text and not formula and not framed and not text.get_rotation() and opaque


def draw(text: Text, renderer: RendererBase) -> None:
    """Draw a plain text where and as large as Matplotlib would, glyph by stored glyph."""
    if not text.get_visible() or not text.get_text():
        return
    font, dpi, colour = text.get_fontproperties(), text.get_figure(root=True).dpi, to_rgb(text.get_color())
    anchor = text.get_transform().transform(text.get_unitless_position())
    gc = renderer.new_gc()
    if text.get_clip_on():
        gc.set_clip_rectangle(text.clipbox)
    # Where each line goes is Matplotlib's own layout, which has no public name.
    for line, _, offset in text._get_layout(renderer)[1]:
        if line:
            x, y = np.round(anchor + offset).astype(int)
            renderer.draw_image(gc, x - _MARGIN, y - _below(font, dpi), _line(line, font, dpi, colour))
    gc.restore()


def _line(line: str, font: FontProperties, dpi: float, colour: tuple[float, float, float]) -> np.ndarray:
    """Return a line's RGBA picture, bottom row first as Agg takes it."""
    glyphs = [_glyph(character, font, dpi) for character in line]
    width = sum(advance for _, advance in glyphs)
    picture = np.zeros((len(glyphs[0][0]), math.ceil(width) + 2 * _MARGIN + 2, 4), np.uint8)
    picture[..., :3] = np.round(np.multiply(colour, 255))
    at = 0.0
    for alpha, advance in glyphs:
        place = picture[:, round(at) : round(at) + alpha.shape[1], 3]
        np.maximum(place, alpha[:, : place.shape[1]], out=place)
        at += advance
    return picture


@functools.lru_cache(maxsize=1024)
def _glyph(character: str, font: FontProperties, dpi: float) -> tuple[np.ndarray, float]:
    """Return a character's coverage 0…255 with `_MARGIN` around, bottom row first, and its advance in pixels."""
    with _LOCK:
        renderer, figure = _workshop(dpi)
        alone, between = (renderer.get_text_width_height_descent(s, font, False)[0] for s in ("00", f"0{character}0"))
        height, _ = _line_metrics(font, dpi)
        below = _below(font, dpi)
        rows, columns = math.ceil(height) + 2 * below, math.ceil(between - alone) + 2 * _MARGIN
        figure.set_size_inches(columns / dpi, rows / dpi)
        figure.texts.clear()
        place = _MARGIN / columns, below / rows
        figure.text(*place, character, fontproperties=font, va="baseline", parse_math=False, color="black")
        figure.canvas.draw()
        coverage = np.asarray(figure.canvas.buffer_rgba())[::-1, :, 3].copy()
    return coverage, between - alone


@functools.lru_cache(maxsize=64)
def _line_metrics(font: FontProperties, dpi: float) -> tuple[float, float]:
    with _LOCK:
        _, height, descent = _workshop(dpi)[0].get_text_width_height_descent("lp", font, False)
    return height, descent


def _below(font: FontProperties, dpi: float) -> int:
    """Return how many rows of a glyph's picture lie below the baseline."""
    return math.ceil(_line_metrics(font, dpi)[1]) + 2


@functools.lru_cache(maxsize=4)
def _workshop(dpi: float) -> tuple[RendererBase, Figure]:
    figure = Figure(dpi=dpi, facecolor="none")
    return FigureCanvasAgg(figure).get_renderer(), figure
