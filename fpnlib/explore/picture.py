"""The widget that an explorer is on a page: its controls, its picture with what can be grabbed, and its words."""

from pathlib import Path

import anywidget
import traitlets

_HERE = Path(__file__).parent


class Picture(anywidget.AnyWidget):
    """The page's side of an explorer; the module `front.js` says what passes between the two.

    Attributes:
        spec: what does not change: size, alternative text, controls with their ranges, handles, the state at the start.
        state: the controls' values when the page first sees them.
    """

    _esm = (_HERE / "front.js").read_text(encoding="utf-8")
    _css = (_HERE / "front.css").read_text(encoding="utf-8")
    spec = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
