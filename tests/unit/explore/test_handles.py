"""What can be grabbed: a handle's table puts each value where the axes put it, whatever the axes are."""

import numpy as np
import pytest
from support.four_maps import FourMaps

from fpnlib.explore import Explorer, choice, slider, toggle


class Grabbed(Explorer[float]):
    """Axes of every kind, with a dot whose place in the picture Matplotlib itself tells."""

    title = "a dot in axes of a kind"
    size = (400, 300)

    def __init__(self, x=(0.5, 200.0), y=(0.0, 10.0), xscale="linear", yscale="linear"):
        self._axes = {"xlim": x, "ylim": y, "xscale": xscale, "yscale": yscale}
        super().__init__()

    def make_controls(self):
        return {"x": slider("x", 5.0, 1.0, 100.0, 0.5), "y": slider("y", 3, 0, 10, 1)}

    def compute(self, x, y):
        return (x, y)

    def build(self, figure):
        _, axes = figure.subplots(1, 2)
        places = {"x": lambda value: (value, None), "y": lambda value: (None, value)}
        self.dot = self.panel(axes, **self._axes).dot(lambda data: data, grab=places)

    def describe(self, data):
        return "a dot"


def shown(explorer):
    explorer._repr_mimebundle_()
    return explorer._widget.spec["handles"]


@pytest.mark.parametrize(
    "axes", [{}, {"xscale": "log"}, {"y": (10.0, 0.0)}, {"x": (200.0, 0.5), "yscale": "symlog"}], ids=str
)
def test_a_table_puts_each_value_where_the_picture_has_it(axes):
    explorer = Grabbed(**axes)
    (handle,) = shown(explorer)
    left, top, right, bottom = handle["region"]
    assert 0.5 < left < right <= 1
    assert 0 <= top < bottom <= 1
    for number in (0, 3, -1):
        (x, across, nothing), (y, none, down) = handle["tables"]["x"][number], handle["tables"]["y"][number]
        assert nothing is none is None
        explorer.set(x=x, y=y)
        with explorer.drawn(explorer.data, "light") as canvas:
            at = explorer.dot.get_transform().transform((x, y)) / canvas.figure.bbox.size
        np.testing.assert_allclose((across, down), (at[0], 1 - at[1]), atol=1e-4)
    explorer.close()


def test_a_table_has_every_stop_of_a_slider_and_few_of_a_long_one():
    (handle,) = shown(Grabbed())
    assert [value for value, *_ in handle["tables"]["x"]] == [1 + 0.5 * k for k in range(199)]
    assert [value for value, *_ in handle["tables"]["y"]] == list(range(11))

    class Long(Grabbed):
        def make_controls(self):
            return {"x": slider("x", 5, 1, 100_000, 1), "y": toggle("y")}

        def build(self, figure):
            self.panel(figure.subplots()).grab(x=lambda value: (value, value))

    (handle,) = shown(Long())
    values = [value for value, *_ in handle["tables"]["x"]]
    assert len(values) <= 401
    assert (values[0], values[-1]) == (1, 100_000)


def test_lists_and_boxes_have_places_too():
    class Listed(FourMaps):
        def make_controls(self):
            return super().make_controls() | {"kind": choice("kind", ["sine", "cosine"])}

        def build(self, figure):
            super().build(figure)
            self._panels[-1].grab(
                kind=lambda value: (["sine", "cosine"].index(value), None),
                flipped=lambda value: (None, -0.5 if value else 0.5),
            )

    (handle,) = shown(Listed())
    assert [row[0] for row in handle["tables"]["kind"]] == ["sine", "cosine"]
    assert [row[0] for row in handle["tables"]["flipped"]] == [False, True]
    assert handle["tables"]["flipped"][0][2] < handle["tables"]["flipped"][1][2]  # y points down on a page


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"z": lambda value: (value, None)}, "control: got 'z', allowed: x, y"),
        ({}, "handle: got no control, allowed: x, y"),
    ],
)
def test_a_handle_of_no_known_control_is_refused(places, message):
    class Wrong(Grabbed):
        def build(self, figure):
            self.panel(figure.subplots()).grab(**places)

    with pytest.raises(ValueError, match=message):
        Wrong().frame()
