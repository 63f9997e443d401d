"""Panels: axes whose marks follow the data.

A mark is declared once, with a function from the explorer's data to what the mark shows; what is no function is drawn
once and stays. What a mark stands for can be grabbed where it lies, and says its numbers to a pointer that rests on it.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, TypeVar

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle, StepPatch
from matplotlib.patheffects import withStroke

from fpnlib.explore.glyphs import Words
from fpnlib.explore.handles import Place
from fpnlib.explore.rasters import Raster
from fpnlib.explore.style import FAINT, INK, MUTED, ORANGE, PAPER
from fpnlib.explore.text import number

NEAR = 12  # pixels from a pointer to a point whose numbers it asks for
_LOOP = [[0, 1], [2, 1], [2, 3], [0, 3], [0, 1]]  # the corners of x0 y0 x1 y1, around and back

Of: TypeAlias = Callable[[Any], Any]
"""From an explorer's data to what a mark shows."""
Grab: TypeAlias = str | Mapping[str, Place] | None
"""What a mark stands for: a control's name, or for each control where its values lie."""
Kind = TypeVar("Kind", bound=Artist)


class Panel:
    """Axes with marks. Explorers make them by `self.panel(axes, …)`.

    Args:
        axes: Matplotlib's own, for all that never moves.
        grab: the explorer's.
        bare: no ticks and no frame, as for photos and maps.
        settings: what `Axes.set` takes.
    """

    def __init__(self, axes: Axes, grab: Callable[..., None], *, bare: bool = False, **settings: Any) -> None:
        self.axes = axes
        self.artists: list[Artist] = []
        self._data: Any = None
        self._follow: list[Callable[[Any], Any]] = []
        self._said: dict[Artist, _Points | _Cells] = {}
        self._named: dict[int, Sequence[str]] = {}  # of x, 0, and y, 1
        self._grab = grab
        if bare:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        axes.set(**settings)

    def draw(self, data: Any) -> None:
        """Move all marks to where `data` puts them."""
        self._data = data
        for follow in self._follow:
            follow(data)

    def grab(self, **places: Place) -> None:
        """Let the reader drag in these axes; see `Explorer.grab`."""
        self._grab(self.axes, **places)

    def add(self, artist: Kind, follow: Callable[[Kind, Any], Any], *, grab: Grab = None) -> Kind:
        """Let any artist follow the data: `panel.add(artist, lambda artist, data: artist.set_width(data.width))`.

        A mark of this panel may follow it in one more way.
        """
        self._add([artist], lambda data: follow(artist, data), grab)
        return artist

    def columns(self, names: Sequence[str], **look: Any) -> None:
        """Give 0, 1, … across a name each, which a pointer hears in place of the number."""
        self.axes.set_xlim(-0.5, len(names) - 0.5)
        self.axes.set_xticks(range(len(names)), names, **look)
        self.axes.tick_params(axis="x", length=0, labelcolor=INK)
        self._named[0] = names

    def rows(self, names: Sequence[str], **look: Any) -> None:
        """Give 0, 1, … from the top down a name each, which a pointer hears in place of the number."""
        self.axes.set_ylim(len(names) - 0.4, -0.6)
        self.axes.set_yticks(range(len(names)), names, **look)
        self.axes.tick_params(axis="y", length=0, labelcolor=INK)
        self._named[1] = names

    # Points, lines, areas.

    def line(
        self,
        of: Of | Sequence[Any],
        style: str = "",
        *,
        grab: Grab = None,
        says: Callable[[Any, int], str] | None = None,
        **look: Any,
    ) -> Line2D:
        """A curve, or dots by a `style` such as "o": x and y, of any length.

        `says` gives words for the data and a point's number, where x and y are not what a pointer should hear.
        """
        (line,) = self.axes.plot(*(([], []) if callable(of) else of), *([style] if style else []), **look)
        if callable(of):
            self._add([line], lambda data: line.set_data(*np.atleast_1d(*of(data))), grab)
        words = says and partial(self._tell, says)
        self._said[line] = _Points(line, self._named, words)
        return line

    def dot(self, of: Of, *, grab: Grab = None, **look: Any) -> Line2D:
        """One point that stands for the state, or several: x and y."""
        usual: dict[str, Any] = {"ms": 10, "color": ORANGE, "mec": INK, "clip_on": False}
        return self.line(of, grab=grab, **{"marker": "o", "ls": "none"} | usual | look)

    def cross(self, of: Of, *, grab: Grab = None) -> Line2D:
        """A cross at x and y that is seen on any picture."""
        outline = [withStroke(linewidth=5, foreground=PAPER)]
        return self.dot(of, grab=grab, marker="+", ms=16, mew=2.5, mec=ORANGE, path_effects=outline)

    def upright(self, of: Of | float, *, grab: Grab = None, **look: Any) -> Line2D:
        """An upright line at x; with a control's name as `grab` it is that control's value."""
        line = self.axes.axvline(0 if callable(of) else of, **look)
        places = {grab: lambda value: (value, None)} if isinstance(grab, str) else grab
        return self._moved(line, of, lambda x: line.set_xdata([x, x]), places)

    def level(self, of: Of | float, *, grab: Grab = None, **look: Any) -> Line2D:
        """A level line at y; with a control's name as `grab` it is that control's value."""
        line = self.axes.axhline(0 if callable(of) else of, **look)
        places = {grab: lambda value: (None, value)} if isinstance(grab, str) else grab
        return self._moved(line, of, lambda y: line.set_ydata([y, y]), places)

    def intervals(self, of: Of | Sequence[Any], *, level: bool = False, **look: Any) -> LineCollection:
        """Upright strokes: x, low and high; or level ones: y, low and high."""

        def strokes(ends: Any) -> list[list[tuple[float, float]]]:
            upright = [[(at, low), (at, high)] for at, low, high in zip(*ends, strict=True)]
            return [[(y, x) for x, y in stroke] for stroke in upright] if level else upright

        return self.strokes((lambda data: strokes(of(data))) if callable(of) else strokes(of), **look)

    def means(self, of: Of, *, grab: Grab = None, **look: Any) -> Line2D:
        """A curve of means with their intervals: x, and (n, 3) of mean, low and high."""
        look = {"marker": "o", "ms": 5, **look}
        line = self.line(lambda data: (of(data)[0], of(data)[1][:, 0]), grab=grab, **look)
        self.intervals(lambda data: (of(data)[0], *of(data)[1].T[1:]), color=line.get_color(), lw=5, alpha=0.35)
        return line

    def strokes(self, of: Of | Sequence[Any], **look: Any) -> LineCollection:
        """Lines of any number, each (points, 2)."""
        lines = self.axes.add_collection(LineCollection([] if callable(of) else of, **look), autolim=False)
        return self._moved(lines, of, lines.set_segments)

    def areas(self, of: Of | Sequence[Any], **look: Any) -> PolyCollection:
        """Filled polygons of any number, each (points, 2)."""
        filled = PolyCollection([] if callable(of) else of, **{"linewidths": 0} | look)
        self.axes.add_collection(filled, autolim=False)
        return self._moved(filled, of, filled.set_verts)

    def steps(self, of: Of | Sequence[Any], **look: Any) -> StepPatch:
        """A histogram: heights (n) and edges (n + 1)."""
        steps = self.axes.stairs(*(([0.0], [0.0, 1.0]) if callable(of) else of), **{"fill": True} | look)
        return self._moved(steps, of, lambda both: steps.set_data(*both))

    def bars(self, of: Of, names: Sequence[str], colors: Sequence[str], *, digits: int = 3) -> None:
        """Shares of 1 as level bars from the top down, each with its name and its number."""
        rows = range(len(names))
        self.axes.set(xlim=(0, 1.18), xticks=np.linspace(0, 1, 6))
        self.rows(names)
        self.axes.barh(rows, [1] * len(names), height=0.5, color=FAINT)
        shown = self.axes.barh(rows, [1] * len(names), 0.5, color=colors)

        def fill(data: Any) -> None:
            for bar, value in zip(shown, of(data), strict=True):
                bar.set_width(value)

        self._add(list(shown), fill)
        self.table(lambda data: [[number(value, digits)] for value in of(data)], (1.02,), rows, ha="left")

    # Pictures, boxes, maps.

    def image(
        self,
        of: Of | np.ndarray,
        extent: Sequence[float] | None = None,
        *,
        vmin: float | None = None,
        vmax: float | None = None,
        aspect: str = "equal",
        says: Callable[[Any, int, int], str] | None = None,
        **look: Any,
    ) -> Raster:
        """Pixels (h, w), (h, w, 3) or (h, w, 4) between x0 y0 and x1 y1; a function may give both, as a tuple.

        Without an extent each pixel is 1 wide around a whole number, as Matplotlib has it. `says` gives words for the
        data and a pixel's row and column, where the pixels are not what a pointer should hear.
        """
        image = Raster(self.axes, norm=Normalize(vmin, vmax), **look)
        self.axes.set_aspect(aspect)
        self.axes.add_image(image)
        image.set_clip_box(self.axes.bbox)

        def show(given: Any) -> None:
            pixels, at = given if isinstance(given, tuple) else (given, extent)
            height, width = pixels.shape[:2]
            x0, y0, x1, y1 = (-0.5, -0.5, width - 0.5, height - 0.5) if at is None else at
            image.set_data(pixels)
            # `origin` says which end of y the first row has; boxes have it at y0.
            image.set_extent((x0, x1, y1, y0) if image.origin == "upper" else (x0, x1, y0, y1))

        if callable(of):
            self._add([image], lambda data: show(of(data)))
        else:
            show(of)
        words = says and partial(self._tell, says)
        self._said[image] = _Cells(image, words)
        return image

    def classes(
        self,
        of: Of | np.ndarray,
        names: Of | Sequence[str],
        colours: np.ndarray,
        extent: Sequence[float] | None = None,
        **look: Any,
    ) -> Raster:
        """Whole numbers (h, w), each with a colour, bytes (n, 3) or (n, 4), and a name, which a pointer hears."""
        palette = ListedColormap(np.asarray(colours) / 255)
        image = self.image(of, extent, cmap=palette, vmin=-0.5, vmax=len(colours) - 0.5, **look)
        known = [] if callable(names) else [*names]
        if callable(names):
            self._follow.append(lambda data: known.__setitem__(slice(None), names(data)))
        self._said[image] = _Cells(image, lambda row, column: known[int(image.get_array()[row, column])])
        return image

    def box(self, of: Of | Sequence[float], *, grab: Grab = None, **look: Any) -> Rectangle:
        """A frame x0 y0 x1 y1, or None for no frame."""
        frame = Rectangle((0, 0), 1, 1, **{"fill": False, "ec": ORANGE, "lw": 2.5} | look)
        self.axes.add_artist(frame)

        def put(corners: Sequence[float] | np.ndarray | None) -> None:
            frame.set_visible(corners is not None)
            if corners is not None:
                x0, y0, x1, y1 = corners
                frame.set_bounds(x0, y0, x1 - x0, y1 - y0)

        return self._moved(frame, of, put, grab)

    def boxes(self, of: Of, **look: Any) -> LineCollection:
        """Frames of any number, (n, 4) as x0 y0 x1 y1."""
        return self.strokes(lambda data: np.asarray(of(data))[:, _LOOP], **look)

    def heat_map(
        self,
        of: Of,
        rows: Sequence[Any],
        columns: Sequence[Any],
        cell: Of,
        *,
        words: Callable[[Any], str] = str,
        across: Of | None = None,
        **look: Any,
    ) -> Raster:
        """Values (rows, columns) as colours, with a frame around one cell, (row, column); `words` writes the names.

        `across` gives the columns other names, which follow the data.
        """
        image = self.image(of, **{"aspect": "auto"} | look)
        names = [[words(one) for one in axis] for axis in (rows, columns)]
        self.axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        if image.origin == "lower":
            self.axes.invert_yaxis()
        self.axes.set_yticks(range(len(rows)), names[0])
        self.axes.set_xticks(range(len(columns)), names[1])
        self.axes.tick_params(length=0)

        def renamed(data: Any) -> list[list[str]]:
            names[1] = [words(one) for one in across(data)] if across else names[1]
            return names[1:]

        if across:
            self.axes.tick_params(axis="x", labelcolor="none")  # they keep the place of those that move
            self.table(renamed, range(len(columns)), [len(rows) - 0.42], ha="center", va="top", color=MUTED)

        def around(data: Any) -> tuple[float, ...]:
            row, column = cell(data)
            return column - 0.5, row - 0.5, column + 0.5, row + 0.5

        self.box(around, lw=3)

        def say(row: int, column: int) -> str:
            across, up = _names(self.axes)
            return f"{up} {names[0][row]}, {across} {names[1][column]}: {number(image.get_array()[row, column])}"

        self._said[image] = _Cells(image, say, whole=True)
        return image

    # Words.

    def text(self, of: Of | str, x: float = 0.0, y: float = 0.0, *, at: Of | None = None, **look: Any) -> Words:
        """Words at a fixed place, or where `at` puts them; `transform=panel.axes.transAxes` for shares of the axes."""
        words = self._words(x, y, "" if callable(of) else of, **look)

        def say(data: Any) -> None:
            if callable(of):
                words.set_text(of(data))
            if at:
                words.set_position(at(data))

        if callable(of) or at:
            self._add([words], say)
        return words

    def names(self, of: Of, names: Sequence[str], colors: Sequence[str], *, apart: float = 0.07, **look: Any) -> None:
        """Names right of the axes at these y, as where lines end.

        Where two would overlap they move to be `apart`, in shares of the axes' height.
        """
        from scipy.optimize import isotonic_regression  # which takes a while, and most pictures need it not

        words = [
            self._words(1.01, 0.5, name, color=color, transform=self.axes.transAxes, **{"va": "center"} | look)
            for name, color in zip(names, colors, strict=True)
        ]
        steps = apart * np.arange(len(names))

        def put(data: Any) -> None:
            places = self.axes.transData.transform([(self.axes.get_xlim()[0], y) for y in of(data)])
            heights = self.axes.transAxes.inverted().transform(places)[:, 1]
            order = np.argsort(heights, kind="stable")
            free = isotonic_regression(heights[order] - steps).x.clip(0, 1 - steps[-1]) + steps
            for place, height in zip(order, free, strict=True):
                words[place].set_y(height)

        self._add(words, put)
        for one in words:
            one.set_in_layout(True)  # so that there is room for them

    def formulas(self, rows: Sequence[tuple[str, Of]], *, top: float = 0.9, fall: float = 0.2, **look: Any) -> None:
        """Rows of words that stay, each with words below it that follow the data; the axes are switched off."""
        self.axes.set_axis_off()
        self.axes.set(xlim=(0, 1), ylim=(0, 1))
        for row, (fixed, live) in enumerate(rows):
            self.text(fixed, 0, top - row * fall, va="bottom", **look)
            self.text(live, 0, top - row * fall - 0.02, va="top", weight="bold", **look)

    def table(self, of: Of, columns: Sequence[float], rows: Sequence[float], **look: Any) -> None:
        """Words in rows and columns, right-aligned at these places; fewer rows than places leave the rest empty."""
        look = {"ha": "right", "va": "center", **look}
        cells = [[self._words(x, y, "", **look) for x in columns] for y in rows]

        def fill(data: Any) -> None:
            given = [*of(data)]
            empty = [[""] * len(columns)] * (len(rows) - len(given))
            for texts, words in zip(cells, [*given, *empty], strict=True):
                for text, one in zip(texts, words, strict=True):
                    text.set_text(one)

        self._add([text for texts in cells for text in texts], fill)

    # How it works.

    def said_at(self, x: float, y: float) -> tuple[str, float, float] | None:
        """What the mark near a place, in pixels of the figure, says of itself, and where in pixels that lies."""
        if not self.axes.bbox.contains(x, y):
            return None
        place = self.axes.transData.inverted().transform((x, y))
        for said in self._shown():
            if found := said.at(*place):
                words, *where = found
                return words, *self.axes.transData.transform(where)
        return None

    def told(self, most: int) -> Iterator[tuple[np.ndarray, list[str], int]]:
        """Yield what `said_at` says of marks with at most so many points or cells, the uppermost mark first.

        Of points: their places (n, 2) in pixels of the figure, their words, and 0. Of cells: the places of the first
        row's and column's outer corner and of the last's, the words row by row, and the number of columns.
        """
        for said in self._shown():
            if said.count <= most:
                places, words, columns = said.every()
                yield self.axes.transData.transform(places), words, columns

    def _shown(self) -> list["_Points | _Cells"]:
        found = sorted(self._said.items(), key=lambda one: -one[0].get_zorder())
        return [said for artist, said in found if artist.get_visible()]

    def _tell(self, says: Callable[..., str], *place: int) -> str:
        return says(self._data, *place)

    def _words(self, x: float, y: float, words: str, /, **look: Any) -> Words:
        look = {"color": INK, "transform": self.axes.transData, "clip_on": False} | look
        return self.axes.add_artist(Words(x, y, words, **look))

    def _add(self, artists: Sequence[Artist], follow: Callable[[Any], Any], grab: Grab = None) -> None:
        for artist in artists:
            artist.set_in_layout(False)  # where a mark lies, or what it says, must not move the panels
        self.artists += [artist for artist in artists if artist not in self.artists]
        self._follow.append(follow)
        if grab:
            if isinstance(grab, str):
                raise ValueError(f"grab is {grab!r}: only upright and level lines lie where a control's value is")
            self.grab(**grab)

    def _moved(self, artist: Kind, of: Any, put: Callable[[Any], Any], grab: Grab = None) -> Kind:
        if callable(of):
            self._add([artist], lambda data: put(of(data)), grab)
        else:
            put(of)
        return artist


def _names(axes: Axes) -> tuple[str, str]:
    """What lies across and what up, without the units in brackets and what follows them."""
    across, up = (
        label.partition("(")[0].partition("\n")[0].strip() for label in (axes.get_xlabel(), axes.get_ylabel())
    )
    return across or "x", up or "y"


@dataclasses.dataclass(frozen=True)
class _Points:
    """What the points of a line say of themselves, in the words of the axes or those that are given for it."""

    line: Line2D
    named: Mapping[int, Sequence[str]]
    words_of: Callable[[int], str] | None

    @property
    def count(self) -> int:
        return len(self._points())

    def at(self, x: float, y: float) -> tuple[str, float, float] | None:
        """Words about the point near a place in the axes, and where it is."""
        axes, points = self.line.axes, self._points()
        far = np.hypot(*(axes.transData.transform(points) - axes.transData.transform((x, y))).T)
        near = np.flatnonzero(far <= NEAR * axes.figure.dpi / 100)
        if not near.size:
            return None
        nearest = int(near[far[near].argmin()])
        return self._words(nearest, points[nearest]), *points[nearest]

    def every(self) -> tuple[np.ndarray, list[str], int]:
        points = self._points()
        kept = np.flatnonzero(np.isfinite(points).all(1))
        return points[kept], [self._words(int(place), points[place]) for place in kept], 0

    def _points(self) -> np.ndarray:
        return np.column_stack([np.asarray(one, float) for one in self.line.get_data()])

    def _words(self, place: int, at: np.ndarray) -> str:
        if self.words_of:
            return self.words_of(place)
        words = ", ".join(
            self.named[axis][round(value)] if axis in self.named else f"{name} {number(value)}"
            for axis, (name, value) in enumerate(zip(_names(self.line.axes), at, strict=True))
        )
        label = str(self.line.get_label())
        return words if label.startswith("_") else f"{label}: {words}"


@dataclasses.dataclass(frozen=True)
class _Cells:
    """What the cells of an image say of themselves: their place and number, or words that stand for the `whole`."""

    image: Raster
    words_of: Callable[[int, int], str] | None
    whole: bool = False

    @property
    def count(self) -> int:
        return int(np.prod(self.image.get_array().shape[:2]))

    def at(self, x: float, y: float) -> tuple[str, float, float] | None:
        """Words about the cell at a place in the axes, and that place."""
        (left, first), (right, last) = self._corners()
        across, down = (x - left) / (right - left), (y - first) / (last - first)
        if not self.whole and not (0 <= across < 1 and 0 <= down < 1):
            return None
        rows, columns = self.image.get_array().shape[:2]
        # Where the cells fill the axes, its very edge may lie a hair beyond them.
        row, column = (min(max(int(at * n), 0), n - 1) for at, n in ((down, rows), (across, columns)))
        return self._words(row, column), x, y

    def every(self) -> tuple[np.ndarray, list[str], int]:
        rows, columns = self.image.get_array().shape[:2]
        return np.array(self._corners()), [self._words(*place) for place in np.ndindex(rows, columns)], columns

    def _corners(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where the first row and column begin, and where the last end."""
        left, right, bottom, top = self.image.get_extent()
        return ((left, bottom), (right, top)) if self.image.origin == "lower" else ((left, top), (right, bottom))

    def _words(self, row: int, column: int) -> str:
        value = self.image.get_array()[row, column]
        if self.words_of:
            words = self.words_of(row, column)
        elif np.ndim(value):
            words = ", ".join(f"{name} {one}" for name, one in zip(("red", "green", "blue"), value, strict=False))
        else:
            words = number(np.ma.filled(value, np.nan))
        return words if self.whole else f"row {row}, column {column}: {words}"
