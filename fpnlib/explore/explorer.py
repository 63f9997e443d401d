"""One interactive picture, in parts that can each be tested alone."""

import functools
import inspect
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Generic, Self, TypeVar

import ipywidgets
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from fpnlib.discovery import by_name
from fpnlib.explore.canvas import Canvas
from fpnlib.explore.controls import checked
from fpnlib.explore.picture import Picture
from fpnlib.explore.style import STYLE
from fpnlib.validation import require

Data = TypeVar("Data")
_REST_SECONDS = 0.3


class Explorer(Generic[Data]):
    """A figure, its controls, and its text alternative.

    A subclass gives five parts: `make_controls`, `compute`, `build`, `draw` and `describe`; `invariants` is a sixth,
    for what must hold in every state. `state`, `set` and the controls share their names.
    """

    title: ClassVar[str] = ""
    size: ClassVar[tuple[int, int]] = (1000, 500)  # pixels

    def __init__(self) -> None:
        self._origin: tuple[str, tuple[str, ...]] = (type(self).__name__, ())
        self._lock = threading.RLock()  # JupyterLab answers widgets on a thread of their own
        self._rest: threading.Timer | None = None
        self._paused = False
        self._live: tuple[ipywidgets.VBox, Picture] | None = None
        self._canvas: Canvas | None = None
        self._controls: dict[str, ipywidgets.Widget] = self.make_controls()
        for widget in self._controls.values():
            widget.observe(self._moved, names="value")
        self.data: Data
        self.readout: str
        self._recompute()

    # What a subclass gives.

    def make_controls(self) -> dict[str, ipywidgets.Widget]:
        """Make the controls, by name. Every combination of their values must be valid."""
        raise NotImplementedError

    def compute(self, *args: Any, **state: Any) -> Data:
        """Return a frozen dataclass of numbers. Same state, same data."""
        raise NotImplementedError

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Fill the empty figure and return the artists that `draw` will move. All else is background."""
        raise NotImplementedError

    def draw(self, data: Data) -> None:
        """Move the artists to where `data` puts them."""
        raise NotImplementedError

    def describe(self, data: Data) -> str:
        """Say in words and at most 4 significant digits what the picture shows."""
        raise NotImplementedError

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
            self._show("png")
        return self

    def frame(self, format: str = "png") -> bytes:
        """Return the picture of this state as encoded bytes: `png`, `jpeg` or `webp`."""
        with self._lock:
            return self._drawn().encode(format)

    def close(self) -> None:
        """Let go of the widgets and of any picture still to be sent."""
        with self._lock:
            if self._rest:
                self._rest.cancel()
            for widget in self._controls.values():
                widget.close()
            if self._live:
                for part in self._live:
                    part.close()

    def __repr__(self) -> str:
        name, arguments = self._origin
        values = [f"{key}={_literal(value)}" for key, value in self.state.items()]
        return f"{name}({', '.join([*arguments, *values])})\n{self.readout}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        with self._lock:
            bundle = dict(self._view()._repr_mimebundle_())
            bundle["text/plain"] = repr(self)
            bundle["image/png"] = b64encode(self._drawn().encode_small()).decode()
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
                self._show("jpeg")
            except Exception as error:
                # The reader sees it under the picture, and it goes on to whoever called.
                if self._live:
                    self._live[1].error = f"{type(error).__name__}: {error}\nat {self.state}"
                raise
            if self._live:
                self._rest_soon()

    def _recompute(self) -> None:
        data = self.compute(**self.state)
        readout = self.describe(data)
        self.data, self.readout = data, readout

    def _drawn(self) -> Canvas:
        if self._canvas is None:
            with rc_context(STYLE):
                canvas = Canvas(*self.size)
                moving = list(self.build(canvas.figure))
                self.draw(self.data)
                canvas.freeze(moving)
            self._canvas = canvas
        self.draw(self.data)
        return self._canvas

    def _view(self) -> ipywidgets.VBox:
        if self._live is None:
            rows = ipywidgets.Layout(flex_flow="row wrap", align_items="center", grid_gap="2px 24px")
            controls = ipywidgets.Box(list(self._controls.values()), layout=rows)
            picture = Picture(alt=self.title, frame=self.frame("png"), readout=self.readout)
            box = ipywidgets.VBox([controls, picture])
            box.add_class("fpnlib-explorer")
            self._live = (box, picture)
        return self._live[0]

    def _show(self, format: str) -> None:
        if self._live is None:
            return
        picture = self._live[1]
        with picture.hold_sync():
            picture.format, picture.frame = format, self.frame(format)
            picture.readout, picture.error = self.readout, ""

    def _rest_soon(self) -> None:
        # A moving picture is sent as JPEG; once nothing has moved for a while, the same picture follows as PNG.
        if self._rest:
            self._rest.cancel()
        self._rest = threading.Timer(_REST_SECONDS, self._settle)
        self._rest.daemon = True
        self._rest.start()

    def _settle(self) -> None:
        with self._lock:
            if self._live and not self._live[1].error:  # which a later move may have left
                self._show("png")


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
