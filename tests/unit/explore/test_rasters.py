import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from fpnlib.explore.rasters import Raster


def page(kind, values, view=None, *, aspect="equal", vmin=None, vmax=None, visible=True, **look):
    """Return the pixels of a page with an image of one kind."""
    figure = Figure(figsize=(4, 3), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.13, 0.11, 0.71, 0.83))
    extent = look.pop("extent", None)
    image = kind(axes, **{"interpolation": "nearest", "norm": Normalize(vmin, vmax)} | look)
    image.set_data(values)
    image.set_extent(extent or image.get_extent())
    axes.add_image(image)
    axes.set_aspect(aspect)
    if view:
        axes.set(xlim=view[:2], ylim=view[2:])
    axes.set_axis_off()
    image.set(animated=True, visible=visible)
    canvas.draw()
    assert kind is AxesImage or image.is_plain()
    image.draw(canvas.get_renderer())
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)


def same(values, **look):
    ours = page(Raster, values, **look)
    theirs = page(AxesImage, values, **look)
    assert (ours < 250).any(), "nothing was drawn"
    differ = (np.abs(ours - theirs) > 2).any(-1)
    # Agg counts in 1/256 of a pixel, so a cell may begin one pixel earlier.
    assert differ.mean() < 0.01
    assert frame(ours) == frame(theirs)


def frame(pixels):
    """The first and last row and column that are not white."""
    rows, columns = ((pixels < 250).any(-1).any(axis).nonzero()[0] for axis in (1, 0))
    return rows[0], rows[-1], columns[0], columns[-1]


RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("origin", ["upper", "lower"])
@pytest.mark.parametrize("aspect", ["equal", "auto"])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
@pytest.mark.parametrize("size", [(7, 5), (40, 90), (400, 500)])
def test_drawn_as_by_matplotlib(size, channels, aspect, origin):
    # Blocks, so that where a thousand cells meet few pixels a shift by one shows seldom.
    blocks = RANDOM.integers(0, 200, (7, 5, *channels), dtype=np.uint8)
    blocks[..., 3:] = 255
    values = blocks.repeat(_ceil(size[0], 7), 0).repeat(_ceil(size[1], 5), 1)[: size[0], : size[1]]
    look = {} if channels else {"vmin": 0, "vmax": 255, "cmap": "viridis"}
    same(values, origin=origin, aspect=aspect, **look)


def _ceil(whole, part):
    return -(-whole // part)


@given(
    st.tuples(*[st.floats(-3, 12)] * 4).filter(lambda v: abs(v[0] - v[1]) > 0.5 and abs(v[2] - v[3]) > 0.5),
    st.tuples(*[st.integers(1, 9)] * 2),
)
def test_any_part_of_an_image_in_view(view, size):
    values = np.arange(size[0] * size[1], dtype=float).reshape(size)
    look = {"view": view, "extent": (0, 9, 9, 0), "aspect": "auto", "vmin": -1, "vmax": 100, "cmap": "cividis"}
    ours = page(Raster, values, **look)
    theirs = page(AxesImage, values, **look)
    assert (np.abs(ours - theirs) > 2).any(-1).mean() < 0.02


def test_what_shines_through_is_blended():
    overlay = np.zeros((6, 6, 4), np.uint8)
    overlay[:3], overlay[3:] = (200, 30, 0, 128), (0, 60, 200, 60)
    same(overlay)


def test_a_missing_value_has_the_maps_bad_colour():
    values = np.array([[0.0, np.nan], [0.5, 1.0]])
    same(values, cmap="viridis", vmin=0, vmax=1)
    same(np.ma.masked_invalid(values), cmap="viridis", vmin=0, vmax=1)


@pytest.mark.parametrize("look", [{"interpolation": "bilinear"}, {"alpha": 0.5}])
def test_what_is_not_plain_is_left_to_matplotlib(look):
    axes = Figure().subplots()
    assert axes.add_image(Raster(axes, interpolation="nearest")).is_plain()
    assert not axes.add_image(Raster(axes, **{"interpolation": "nearest"} | look)).is_plain()


def test_nothing_is_drawn_of_what_is_out_of_view_or_hidden():
    away = page(Raster, np.zeros((3, 3, 3), np.uint8), view=(10, 20, 10, 20))
    hidden = page(Raster, np.zeros((3, 3, 3), np.uint8), visible=False)
    assert (away == 255).all()
    assert (hidden == 255).all()


def test_what_is_shown_again_is_kept_and_what_changes_is_drawn_anew():
    figure = Figure(figsize=(2, 2), dpi=100)
    canvas, axes = FigureCanvasAgg(figure), figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 2), ylim=(2, 0))
    image = axes.add_image(Raster(axes, interpolation="nearest", norm=Normalize(0, 1), animated=True))

    def drawn(cells, extent=(0, 2, 2, 0)):
        canvas.draw()
        image.set_data(cells)
        image.set_extent(extent)
        image.draw(canvas.get_renderer())
        return np.asarray(canvas.buffer_rgba()).copy()

    cells = np.array([[0.0, 1.0], [1.0, 0.0]])
    first, kept = drawn(cells), image._drawn[1][0]
    assert (drawn(cells) == first).all()
    assert image._drawn[1][0] is kept
    assert (drawn(1 - cells) != first).any()
    assert (drawn(cells, (1, 2, 2, 1)) != first).any()
    image.set_cmap("gray")
    assert (drawn(cells) != first).any()
