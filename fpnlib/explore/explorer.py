"""One interactive picture, in parts that can each be tested alone."""

import functools
import inspect
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, Self, TypeVar

import ipywidgets
import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fpnlib.discovery import by_name
from fpnlib.explore import style
from fpnlib.explore.canvas import Canvas
from fpnlib.explore.controls import checked, from_page, on_page
from fpnlib.explore.handles import Handle, Place, Values, checked_places, stops
from fpnlib.explore.panels import Panel
from fpnlib.explore.picture import Picture
from fpnlib.explore.style import Theme
from fpnlib.validation import require

Data = TypeVar("Data")


class Explorer(Generic[Data]):
    """A figure, its controls, and its text alternative.

    A subclass gives four parts: `make_controls`, `compute`, `build` and `describe`; `invariants` is a fifth, for what
    must hold in every state. `state`, `set` and the controls share their names.
    """

    title: ClassVar[str] = ""
    size: ClassVar[tuple[int, int]] = (1000, 500)  # pixels
    groups: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = ()  # names for controls that stand together
    ahead: ClassVar[bool] = True  # whether neighbouring states may be computed before the reader asks for them

    def __init__(self) -> None:
        self._origin: tuple[str, tuple[str, ...]] = (type(self).__name__, ())
        self._lock = threading.RLock()  # JupyterLab answers widgets on a thread of their own
        self._paused = False
        self._widget: Picture | None = None
        self._screen: tuple[float, Theme] = (1.0, "light")  # the reader's: its density and theme
        self._theme: Theme = "light"
        self._canvas: Canvas | None = None
        self._handles: list[Handle] = []
        self._panels: list[Panel] = []
        self._controls: dict[str, ipywidgets.Widget] = self.make_controls()
        for widget in self._controls.values():
            widget.observe(self._moved, names="value")
        self.data: Data
        self.readout: str
        self._start = self.state
        self._recompute()

    # What a subclass gives.

    def make_controls(self) -> dict[str, ipywidgets.Widget]:
        """Make the controls, by name. Every combination of their values must be valid."""
        raise NotImplementedError

    def compute(self, *args: Any, **state: Any) -> Data:
        """Return a frozen dataclass of numbers. Same state, same data."""
        raise NotImplementedError

    def build(self, figure: Figure) -> None:
        """Fill the empty figure with panels, whose marks follow the data. All else is background."""
        raise NotImplementedError

    def describe(self, data: Data) -> str:
        """Say in words and at most 4 significant digits what the picture shows."""
        raise NotImplementedError

    def panel(self, axes: Axes, **settings: Any) -> Panel:
        """In `build`: make a panel of `axes`, to put marks in; settings are those of `Panel` and `Axes.set`."""
        self._panels.append(Panel(axes, self.grab, **settings))
        return self._panels[-1]

    def grab(self, axes: Axes, **places: Place) -> None:
        """In `build`: let the reader drag in `axes`, where `places` say for each control where its values lie.

            self.grab(panel, threshold=lambda value: (value, None))  # an upright line

        ValueError for a control that is not there.
        """
        self._handles.append(Handle(axes, checked_places(places, self._controls)))

    def invariants(self, data: Data) -> dict[str, bool]:
        """Return what must hold in every state, by name."""
        return {}

    # What a reader or a test uses.

    def controls(self) -> dict[str, ipywidgets.Widget]:
        """The live controls by name; moving one moves the picture."""
        return dict(self._controls)

    @property
    def state(self) -> dict[str, Any]:
        """The controls' values by name."""
        return {name: widget.value for name, widget in self._controls.items()}

    def set(self, **state: Any) -> Self:
        """Set controls by name, as the widgets show their values. Nothing changes if any value is refused.

        Raises:
            ValueError: an unknown control, or a value that its control does not allow.
        """
        for name in state:
            require(name in self._controls, "control", repr(name), ", ".join(self._controls))
        wanted = {name: checked(name, self._controls[name], value) for name, value in state.items()}
        with self._lock:
            before = self.state
            self._assign(wanted)
            try:
                self._recompute()
            except Exception:
                self._assign(before)
                raise
            self._push()
        return self

    def frame(self, format: str = "png", density: float = 1, theme: Theme = "light") -> bytes:
        """Return the picture of this state as encoded bytes.

        Args:
            format: `png`, `jpeg` or `webp`.
            density: pixels for each of `size`, 1 to 3 on today's screens.
            theme: `light` or `dark`.
        """
        with self.drawn(self.data, theme) as canvas:
            return canvas.encode(format, density)

    @contextmanager
    def drawn(self, data: Data, theme: Theme) -> Iterator[Canvas]:
        """Give the canvas with its artists where `data` puts them, for as long as nothing else is drawn."""
        with self._lock, style.LOCK:
            style.use(theme)
            if self._canvas is None or theme != self._theme:
                self._handles, self._panels = [], []
                with rc_context(style.STYLE):
                    canvas = Canvas(*self.size)
                    self.build(canvas.figure)
                    self._draw(data)
                    canvas.freeze(artist for panel in self._panels for artist in panel.artists)
                self._canvas, self._theme = canvas, theme
            self._draw(data)
            yield self._canvas

    def words(self, data: Data, state: Mapping[str, Any], offered: Values) -> dict[str, Any]:
        """Return what a page shows with a state's picture, where it has only the `offered` controls.

        Args:
            data: what `compute` gave for `state`.
            offered: their values, in any number.
        """
        with self.drawn(data, "light"):
            handles = self._moved_to(offered, data)
        return {"readout": self.describe(data), "code": self._call(state), "handles": handles}

    def told(self, data: Data, most: int) -> Iterator[tuple[np.ndarray, np.ndarray, list[str], int]]:
        """Yield what marks with at most so many points say to a pointer: their axes' corners, and `Panel.told`."""
        with self.drawn(data, "light"):
            for panel in self._panels:
                for told in panel.told(most):
                    yield panel.axes.bbox.get_points(), *told

    def spec(self, offered: Values | None = None) -> dict[str, Any]:
        """Return what a page needs before it has a picture: with all controls, or with those offered."""
        values = self._values if offered is None else offered
        with self.drawn(self.data, "light"):
            handles = [handle.on_page(values, self.data) for handle in self._grabbed(values)]
        return {
            "alt": self.title,
            "size": self.size,
            "controls": {name: on_page(self._controls[name], offered[name] if offered else None) for name in values},
            "groups": {title: [name for name in names if name in values] for title, names in self.groups},
            "handles": handles,
            "start": self._start if offered is None else {name: self.state[name] for name in offered},
            "ahead": self.ahead,
        }

    def say(self, words: str) -> None:
        """Show words in place of the readout while `compute` takes its time."""
        if self._widget:
            self._widget.send({"kind": "says", "readout": words})

    def close(self) -> None:
        """Let go of the widgets."""
        with self._lock:
            for widget in [*self._controls.values(), *([self._widget] if self._widget else [])]:
                widget.close()

    def __repr__(self) -> str:
        return f"{self._call(self.state)}\n{self.readout}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        with self._lock:
            live = self._view()._repr_mimebundle_()
            bundle = dict(live[0]) if live else {}
            bundle["text/plain"] = repr(self)
            with self.drawn(self.data, "light") as canvas:
                kind, picture = canvas.encode_saved()
            bundle[f"image/{kind}"] = b64encode(picture).decode()
        return bundle

    # How it works.

    def _assign(self, state: dict[str, Any]) -> None:
        self._paused = True
        try:
            for name, value in state.items():
                self._controls[name].value = value
        finally:
            self._paused = False

    def _moved(self, change: Any) -> None:
        if self._paused:
            return
        with self._lock:
            try:
                self._recompute()
            except Exception as error:
                # The reader sees it under the picture, and it goes on to whoever called.
                if self._widget:
                    self._widget.send({"kind": "moved", "state": self.state} | self._error_words(error, self.state))
                raise
            self._push()

    def _recompute(self) -> None:
        data = self.compute(**self.state)
        readout = self.describe(data)
        self.data, self.readout = data, readout

    def _draw(self, data: Data) -> None:
        for panel in self._panels:
            panel.draw(data)

    # The page's side.

    def _view(self) -> Picture:
        if self._widget is None:
            self._widget = Picture(spec=self.spec(), state=self.state)
            self._widget.on_msg(self._heard)
        return self._widget

    def _heard(self, page: Picture, asked: dict[str, Any], buffers: Any) -> None:
        """Answer the page, which asks for a state's picture: to show at once, at rest, or ahead of the reader.

        Or for words about what lies under the pointer, at shares x and y of the picture.
        """
        start = time.perf_counter()
        answer: dict[str, Any] = {"id": asked["id"]}
        picture = None
        with self._lock:
            try:
                state = {name: from_page(name, self._controls[name], value) for name, value in asked["state"].items()}
                if asked["kind"] == "hover":
                    # The page may show a state from its store that nobody has told us of.
                    data = self.data if state == self.state else self.compute(**state)
                    answer |= self._said_at(data, asked["x"], asked["y"])
                else:
                    picture = self._picture_of(asked, state, answer)
            except Exception as error:
                answer |= self._error_words(error, asked["state"])
        answer["milliseconds"] = 1000 * (time.perf_counter() - start)
        page.send(answer, [picture] if picture else None)

    def _picture_of(self, asked: dict[str, Any], state: dict[str, Any], answer: dict[str, Any]) -> bytes:
        if asked["kind"] == "ahead":
            data = self.compute(**state)
            answer["readout"] = self.describe(data)
        else:
            self._screen = asked["density"], asked["theme"]
            self._assign(state)
            self._recompute()
            data, answer["readout"] = self.data, self.readout
        answer["code"] = self._call(state)
        return self._encoded(data, answer, asked["density"], asked["theme"], final=asked["kind"] == "rest")

    def _encoded(self, data: Data, answer: dict[str, Any], density: float, theme: Theme, *, final: bool) -> bytes:
        # Of a chart a JPEG is soon made, but only a PNG has clean edges.
        with self.drawn(data, theme) as canvas:
            format = "png" if final and not canvas.photographic else "jpeg"
            answer |= {"density": density, "format": format, "final": final or canvas.photographic}
            answer["handles"] = self._moved_to(self._values, data)
            return canvas.encode(format, density)

    @property
    def _values(self) -> Values:
        return {name: stops(widget) for name, widget in self._controls.items()}

    def _grabbed(self, values: Values) -> list[Handle]:
        return [handle for handle in self._handles if any(name in values for name in handle.places)]

    def _moved_to(self, values: Values, data: Data) -> dict[int, dict[str, list[list[Any]]]]:
        handles = enumerate(self._grabbed(values))
        return {place: handle.tables(values, data) for place, handle in handles if handle.moves}

    def _said_at(self, data: Data, across: float, down: float) -> dict[str, Any]:
        """What a panel says of a place, and where that is; all places are shares of the picture, y down."""
        with self.drawn(data, self._screen[1]) as canvas:
            width, height = canvas.figure.bbox.size
            for panel in self._panels:
                if found := panel.said_at(across * width, (1 - down) * height):
                    return {"words": found[0], "x": found[1] / width, "y": 1 - found[2] / height}
        return {}

    def _push(self) -> None:
        """Send the page what Python has moved."""
        if self._widget is None:
            return
        answer: dict[str, Any] = {"kind": "moved", "state": self.state, "readout": self.readout}
        answer["code"] = self._call(self.state)
        picture = self._encoded(self.data, answer, *self._screen, final=True)
        self._widget.send(answer, [picture])

    def _error_words(self, error: Exception, state: Mapping[str, Any]) -> dict[str, str]:
        return {"error": f"{type(error).__name__}: {error}\nat {dict(state)}"}

    def _call(self, state: Mapping[str, Any]) -> str:
        name, arguments = self._origin
        values = [f"{key}={_literal(value)}" for key, value in state.items()]
        return f"{name}({', '.join([*arguments, *values])})"


def _literal(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else repr(value)


def explorer(factory: Callable[..., Explorer[Any]]) -> Callable[..., Explorer[Any]]:
    """Let a factory also take control values by name, and let the explorer's repr show the call that made it."""
    signature = inspect.signature(factory)

    @functools.wraps(factory)
    def make(*args: Any, **kwargs: Any) -> Explorer[Any]:
        state = {name: kwargs.pop(name) for name in list(kwargs) if name not in signature.parameters}
        given = tuple(signature.bind(*args, **kwargs).arguments)
        made = factory(*args, **kwargs)
        made._origin = (factory.__name__, given)
        return made.set(**state) if state else made

    return make


def all_explorers() -> dict[str, Callable[..., Explorer[Any]]]:
    """Map the name of every explorer in the book to its factory, which needs no argument."""
    return by_name("explorers", "EXPLORERS", "__name__")
