"""What each mark of a panel shows, in one explorer that has all of them, and what it says to a pointer."""

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure
from support.asking import Page

from fpnlib.explore import Explorer, slider

ROWS, COLUMNS = ("low", "high"), (1, 10, 100)


@dataclasses.dataclass(frozen=True)
class Numbers:
    place: int
    values: np.ndarray


class EveryMark(Explorer[Numbers]):
    """All marks at once, each in a panel of its own."""

    size = (900, 600)

    def make_controls(self):
        return {"place": slider("place", 1, 0, 2, 1), "shift": slider("shift", 0.0, 0.0, 1.0, 0.5)}

    def compute(self, place, shift):
        return Numbers(place, np.array([0.2, 0.5, 0.8]) + shift / 5)

    def build(self, figure):
        self.axes = dict(zip(MARKS, figure.subplots(5, 5).ravel(), strict=False))
        self.shown = {}
        for name, mark in MARKS.items():
            panel = self.panel(self.axes[name], xlim=(-0.5, 2.5), ylim=(-0.5, 2.5))
            self.shown[name] = mark(panel), panel

    def describe(self, data):
        return f"{data.place} {data.values}"


MARKS = {
    "line": lambda p: p.line(lambda d: (range(3), d.values), label="the curve"),
    "dot": lambda p: p.dot(lambda d: (d.place, d.values[d.place]), grab={"place": lambda v, d: (v, d.values[v])}),
    "telling line": lambda p: p.line(
        lambda d: (range(3), d.values), says=lambda d, point: f"{point} of {len(d.values)}, with {d.place}"
    ),
    "telling image": lambda p: p.image(
        np.zeros((2, 2)), (0, 0, 2, 2), says=lambda d, row, column: f"{row}, {column}, with {d.place}"
    ),
    "upright": lambda p: p.upright(lambda d: d.place, grab="place"),
    "level": lambda p: p.level(lambda d: d.values[0], grab="shift"),
    "rows": lambda p: (p.rows(("top", "middle", "low")), p.line(lambda d: (d.values, range(3)), "o"))[1],
    "columns": lambda p: (p.columns(("a", "b", "c")), p.line(lambda d: (range(3), d.values), "o"))[1],
    "intervals": lambda p: p.intervals(lambda d: (range(3), d.values - 0.1, d.values + 0.1)),
    "level intervals": lambda p: p.intervals(lambda d: (range(3), d.values, d.values + 1), level=True),
    "means": lambda p: p.means(lambda d: (range(3), d.values[:, None] + [0, -0.1, 0.1]), color="red"),
    "areas": lambda p: p.areas(lambda d: [[(0, 0), (v, 0), (v, 1)] for v in d.values]),
    "steps": lambda p: p.steps(lambda d: (d.values, range(4))),
    "bars": lambda p: p.bars(lambda d: d.values, ("a", "b", "c"), ("red", "green", "blue")),
    "image": lambda p: p.image(lambda d: (np.full((2, 4), d.values[0]), (0, 0, 2, 1)), vmin=0, vmax=1),
    "classes": lambda p: p.classes(
        lambda d: np.array([[0, d.place]]), lambda d: ("none", "one", "two"), np.arange(9).reshape(3, 3), (0, 0, 2, 1)
    ),
    "box": lambda p: p.box(lambda d: (0, 0, d.place, 2) if d.place else None),
    "boxes": lambda p: p.boxes(lambda d: [(0, 0, one, 1) for one in d.values]),
    "heat_map": lambda p: p.heat_map(
        lambda d: np.outer([1, 2], d.values), ROWS, COLUMNS, lambda d: (0, d.place), vmin=0, vmax=2
    ),
    "renamed": lambda p: p.heat_map(
        lambda d: np.outer([1, 2], d.values),
        ROWS,
        COLUMNS,
        lambda d: (0, d.place),
        across=lambda d: [f"{name}{d.place}" for name in "abc"],
        vmin=0,
        vmax=2,
    ),
    "text": lambda p: p.text(lambda d: f"at {d.place}", at=lambda d: (d.place, 1)),
    "names": lambda p: p.names(lambda d: d.values[::-1], ("c", "b", "a"), ("red",) * 3, apart=0.2),
    "table": lambda p: p.table(lambda d: [[str(d.place), "b"]], (0, 1), (0, 1)),
    "formulas": lambda p: p.formulas([("twice", lambda d: str(2 * d.place))]),
}


@pytest.fixture
def every():
    shown = EveryMark()
    shown.frame()
    yield shown
    shown.close()


def artist(every, name):
    return every.shown[name][0]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_each_mark_shows_the_data(every, place, shift):
    every.set(place=place, shift=shift)
    every.frame()
    values = every.data.values
    assert artist(every, "line").get_ydata().tolist() == values.tolist()
    assert artist(every, "dot").get_xydata().tolist() == [[place, values[place]]]
    assert artist(every, "upright").get_xdata() == [place, place]
    assert artist(every, "level").get_ydata() == [values[0]] * 2
    assert [one[:, 1].tolist() for one in artist(every, "intervals").get_segments()] == [
        pytest.approx([value - 0.1, value + 0.1]) for value in values
    ]
    assert [one.tolist() for one in artist(every, "level intervals").get_segments()] == [
        [[value, row], [value + 1, row]] for row, value in enumerate(values)
    ]
    assert artist(every, "means").get_xydata().tolist() == [[x, value] for x, value in enumerate(values)]
    assert [one[:, 1].tolist() for one in every.axes["means"].collections[0].get_segments()] == [
        pytest.approx([value - 0.1, value + 0.1]) for value in values
    ]
    assert [path.vertices[1, 0] for path in artist(every, "areas").get_paths()] == values.tolist()
    assert artist(every, "steps").get_data().values.tolist() == values.tolist()
    assert artist(every, "image").get_array().max() == values[0]
    assert artist(every, "image").get_extent() == [0, 2, 1, 0]
    assert artist(every, "classes").to_rgba(np.array([0, 2]), bytes=True)[:, :3].tolist() == [[0, 1, 2], [6, 7, 8]]
    assert artist(every, "classes").get_array().tolist() == [[0, place]]
    assert artist(every, "box").get_visible() == (place > 0)
    if place:
        assert artist(every, "box").get_bbox().extents.tolist() == [0, 0, place, 2]
    assert [one[1, 0] for one in artist(every, "boxes").get_segments()] == values.tolist()
    assert artist(every, "heat_map").get_array()[1].tolist() == (2 * values).tolist()
    frame = every.axes["heat_map"].patches[0].get_bbox()
    assert frame.extents.tolist() == [place - 0.5, -0.5, place + 0.5, 0.5]
    assert [text.get_text() for text in every.axes["renamed"].texts] == [f"{name}{place}" for name in "abc"]
    assert (artist(every, "text").get_text(), artist(every, "text").get_position()) == (f"at {place}", (place, 1))
    assert [text.get_text() for text in every.axes["table"].texts] == [str(place), "b", "", ""]
    assert [text.get_text() for text in every.axes["formulas"].texts] == ["twice", str(2 * place)]
    bars = every.axes["bars"]
    assert [bar.get_width() for bar in bars.patches[3:]] == values.tolist()
    assert [text.get_text() for text in bars.texts] == [f"{value:.3g}" for value in values]


def test_names_lie_at_their_places_or_as_near_as_they_can_and_apart():
    def lie(*ends):
        panel = EveryMark().panel(Figure().subplots(), ylim=(0, 10))
        panel.names(lambda data: ends, "abc", ["red"] * 3, apart=0.1)
        panel.draw(None)
        return [round(text.get_position()[1], 6) for text in panel.axes.texts]

    assert lie(2, 9, 5) == [0.2, 0.9, 0.5]
    assert lie(5, 5, 1) == [0.45, 0.55, 0.1]
    assert lie(5.6, 5, 5.3) == [0.63, 0.43, 0.53]
    assert lie(-3, -8, 4) == [0.1, 0.0, 0.4]
    assert lie(20, 10, 10) == [1.0, 0.8, 0.9]


def test_where_marks_lie_when_first_drawn_moves_no_panel():
    places = []
    for place in (0, 2):
        shown = EveryMark().set(place=place, shift=place / 2)
        shown.frame()
        places.append([axes.get_position().extents.tolist() for axes in shown.axes.values()])
        shown.close()
    assert places[0] == places[1]


def test_all_that_moves_is_drawn_over_the_background_alone(every):
    before = every.frame()
    every.set(place=2, shift=1.0)
    moved = every.frame()
    assert moved != before
    other = EveryMark()
    other.set(place=2, shift=1.0)
    assert other.frame() == moved
    other.close()
    every.set(place=1, shift=0.0)
    assert every.frame() == before


def test_a_mark_follows_in_one_more_way_and_is_drawn_once(every):
    mark, panel = every.shown["line"]
    before = len(panel.artists)
    panel.add(mark, lambda line, data: line.set_linewidth(data.place + 3))
    every.frame()
    assert (len(panel.artists), mark.get_linewidth()) == (before, every.data.place + 3)


def pixels(every, name, x, y):
    width, height = every.axes[name].figure.bbox.size
    across, up = every.axes[name].transData.transform((x, y))
    return across / width, 1 - up / height


@pytest.mark.parametrize(
    ("name", "place", "words"),
    [
        ("line", (1.02, 0.5), "the curve: x 1, y 0.5"),
        ("dot", (1, 0.5), "x 1, y 0.5"),
        ("telling line", (1, 0.5), "1 of 3, with 1"),
        ("telling image", (1.5, 0.5), "row 0, column 1: 0, 1, with 1"),
        ("rows", (0.8, 2), "x 0.8, low"),
        ("columns", (2, 0.8), "c, y 0.8"),
        ("heat_map", (2.2, 0.8), "y high, x 100: 1.6"),
        ("heat_map", (2.5, 1.5), "y high, x 100: 1.6"),  # the very corner
        ("renamed", (2.2, 0.8), "y high, x c1: 1.6"),
        ("image", (1.2, 0.3), "row 0, column 2: 0.2"),
        ("line", (1, 2), None),
        ("classes", (1.5, 0.5), "row 0, column 1: one"),
        ("image", (1.2, 1.4), None),
        ("text", (1, 1), None),
    ],
)
def test_what_lies_under_a_pointer_says_its_numbers(every, name, place, words):
    x, y = pixels(every, name, *place)
    page = Page(every)
    page.ask("hover", x=x, y=y)
    assert page.last.get("words") == words
    if name == "line" and words:  # it lies where the point is, not where the pointer is
        assert (page.last["x"], page.last["y"]) == pytest.approx(pixels(every, name, 1, 0.5))


def test_what_the_data_move_is_grabbed_where_it_lies_now(every):
    page = Page(every)
    first = page.widget.spec["handles"][0]["tables"]["place"]
    moved = page.ask("rest", shift=1.0)["handles"]
    assert list(moved) == [0]  # the other handles' places depend on their control alone
    assert [row[0] for row in moved[0]["place"]] == [0, 1, 2]
    assert all(after[2] < before[2] for before, after in zip(first, moved[0]["place"], strict=True))


def test_a_mark_that_lies_at_no_controls_value_needs_places():
    panel = EveryMark().panel(Figure().subplots())
    with pytest.raises(ValueError, match="grab"):
        panel.dot(lambda d: (0, 0), grab="place")


def test_no_points_move_no_panel():
    def places(*values):
        explorer = EveryMark()
        explorer.build = lambda figure: (
            [explorer.panel(axes).dot(lambda data: (values, values)) for axes in figure.subplots(1, 2)] and None
        )
        explorer.frame()
        return [axes.bbox.extents.tolist() for axes in explorer._canvas.figure.axes]

    assert places() == places(0.5)


def test_a_pointer_hears_of_the_state_that_the_page_shows(every):
    """It may come from the page's store, while the explorer is still at another one."""
    x, y = pixels(every, "heat_map", 2.2, 0.8)
    page = Page(every)
    assert page.ask("hover", x=x, y=y, shift=1.0)["words"] == "y high, x 100: 2"
    assert every.state["shift"] == 0.0


def test_a_pointer_is_answered_even_where_nothing_can_be_said(every, monkeypatch):
    monkeypatch.setattr(type(every), "compute", lambda self, **state: 1 / 0)
    page = Page(every)
    assert page.ask("hover", x=0.5, y=0.5, shift=1.0)["error"].startswith("ZeroDivisionError")


def test_a_cell_without_a_value_says_so(every):
    image, panel = every.shown["image"]
    image.set_data(np.full(image.get_array().shape, np.nan))
    assert "row 0, column 2: undefined" in [word for _, words, _ in panel.told(1000) for word in words]
