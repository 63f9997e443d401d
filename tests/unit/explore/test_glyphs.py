from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

from fpnlib.explore import glyphs
from fpnlib.explore.glyphs import Words


def ink(kind, content, **look):
    """Return how dark each pixel of a white page is, 0 to 255, with a text of one kind."""
    figure = Figure(figsize=(4, 2), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    text = figure.add_artist(kind(0.5, 0.5, content, **look))
    text.set_transform(figure.transFigure)
    text.draw(canvas.get_renderer())
    return 255.0 - np.asarray(canvas.buffer_rgba())[..., :3].mean(-1)


def extent(dark):
    rows, columns = np.nonzero(dark.max(1) > 60)[0], np.nonzero(dark.max(0) > 60)[0]
    return np.array([rows[0], rows[-1], columns[0], columns[-1]])


@pytest.mark.parametrize("ha", ["left", "center", "right"])
@pytest.mark.parametrize("va", ["top", "center", "bottom", "baseline"])
@pytest.mark.parametrize("content", ["0.978", "γ x̂ + β", "TP 145, FP 55\nAP −0.5 (β = 1)\n\n89 / (89 + 2)"])
def test_drawn_where_and_as_dark_as_by_matplotlib(ha, va, content):
    look = {"ha": ha, "va": va, "fontsize": 11, "weight": "bold", "color": "#204060"}
    ours, theirs = ink(Words, content, **look), ink(Text, content, **look)
    assert np.abs(extent(ours) - extent(theirs)).max() <= 1
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.03)


@pytest.mark.parametrize(
    "look",
    [
        {"rotation": 30},
        {"alpha": 0.5},
        {"bbox": {"facecolor": "white"}},
        {"text": "$x^2$"},
        {"wrap": True},
        {"color": "#00000040"},
        {"linespacing": 1.7},
    ],
)
def test_what_is_not_plain_is_left_to_matplotlib(look):
    text = Figure().add_artist(Words(0, 0, **{"text": "0.5"} | look))
    assert not text.is_plain()


def test_words_that_move_change_and_turn_are_drawn_anew():
    figure = Figure(figsize=(4, 2), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    text = figure.add_artist(Words(0.2, 0.5, "0.5", transform=figure.transFigure, animated=True))

    def drawn():
        canvas.draw()
        text.draw(canvas.get_renderer())
        return extent(255.0 - np.asarray(canvas.buffer_rgba())[..., :3].mean(-1))

    places = [drawn()]
    for change in ({"x": 0.6}, {"text": "0.75"}, {"fontsize": 20}, {"rotation": 90}, {"rotation": 0}):
        text.set(**change)
        places.append(drawn())
    assert places[1][2] - places[0][2] == 160
    assert places[3][0] < places[1][0]
    assert places[4][1] - places[4][0] > places[3][1] - places[3][0]
    np.testing.assert_array_equal(places[5], places[3])


def test_threads_do_not_draw_into_each_others_glyphs():
    characters, fonts = [chr(c) for c in range(33, 127)], [FontProperties(size=size) for size in (9, 23)]

    def fill(font):
        return [glyphs._glyph(c, font, 100.0)[0] for c in characters]

    glyphs._glyph.cache_clear()
    alone = [fill(font) for font in fonts]
    glyphs._glyph.cache_clear()
    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(fill, fonts))
    for one, other in zip(alone, together, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_store_of_glyphs_is_bounded():
    assert glyphs._glyph.cache_info().maxsize is not None
    assert glyphs._line_metrics.cache_info().maxsize is not None
