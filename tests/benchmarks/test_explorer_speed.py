"""A new picture: ours, `interact` with a new figure, and ipympl, side by side in one run."""

import io
import itertools

import pytest
from ipympl.backend_nbagg import Canvas, FigureManager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from support.asking import Page
from support.four_maps import FourMaps, lay_out, move, waves
from support.side_by_side import amount, compare, least_seconds

from fpnlib.explore import all_explorers

SIZE = (10, 5)  # inches at 100 dpi: 1000×500 px
PHASES = itertools.cycle(i / 7 for i in range(40))


def ours():
    page = Page(FourMaps())

    def update():
        page.ask(phase=next(PHASES))
        page.answers.clear()

    return update


def interact():
    def update():
        # What `interact` does around a plotting function: a new figure, drawn in full, sent as PNG.
        figure = Figure(figsize=SIZE, dpi=100, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        move(*lay_out(figure), waves(next(PHASES)))
        canvas.print_png(io.BytesIO())

    return update


def ipympl_canvas():
    figure = Figure(figsize=SIZE, dpi=100, layout="constrained")
    canvas = Canvas(figure)
    manager = FigureManager(canvas, 0)
    artists = lay_out(figure)

    sent = []
    canvas.send = lambda content, buffers=None: sent.append(buffers)  # the last step, to the browser

    def update():
        move(*artists, waves(next(PHASES)))
        sent.clear()
        canvas.draw()
        manager.refresh_all()
        assert sent

    return update


@pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")  # ipympl's toolbar
def test_a_new_picture(benchmark):
    mine, redrawn, widget = least_seconds(ours(), interact(), ipympl_canvas(), rounds=15)
    benchmark(ours())
    what = "a new picture, four maps and a curve, 1000×500"
    compare(benchmark, what, "`interact` with a new figure", redrawn / mine, 8)
    compare(benchmark, what, "ipympl", widget / mine, 1)


@pytest.mark.parametrize("name", sorted(all_explorers()))
def test_every_explorer_of_the_book(name, benchmark):
    page = Page(all_explorers()[name]())
    key, slider = next((key, w) for key, w in page.explorer.controls().items() if hasattr(w, "step"))
    values = itertools.cycle([slider.min, slider.max, type(slider.value)((slider.min + slider.max) / 2)])

    def move():
        page.ask(**{key: next(values)})
        page.answers.clear()

    benchmark.pedantic(move, rounds=30, warmup_rounds=6)
    amount(benchmark, f"explorer `{name}`, first slider", benchmark.stats.stats.median * 1e3, "ms", 16.7)
