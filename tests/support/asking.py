"""The page's side of an explorer without a browser: it asks, and keeps what it is told."""

import json
from typing import Any

from fpnlib.explore import Explorer


class Page:
    """What a browser would hold: what came last, and all that came."""

    def __init__(self, shown: Explorer[Any]) -> None:
        shown._repr_mimebundle_()
        assert shown._widget
        self.explorer, self.widget = shown, shown._widget
        self.answers: list[dict[str, Any]] = []
        self.widget.send = self._hear  # type: ignore[method-assign]
        self.asked = 0

    def _hear(self, message: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        self.answers.append(message | ({"picture": buffers[0]} if buffers else {}))

    @property
    def last(self) -> dict[str, Any]:
        """What came last."""
        return self.answers[-1]

    def ask(self, kind: str = "show", density: float = 1, theme: str = "light", /, **changes: object) -> dict[str, Any]:
        """Ask as `front.js` does, in JSON, and return the answer; of a pointer x and y are given too."""
        self.asked += 1
        asked = {"id": self.asked, "kind": kind, "density": density, "theme": theme}
        asked |= {name: changes.pop(name) for name in ("x", "y") if kind == "hover"}
        state = json.loads(json.dumps(self.explorer.state | changes))
        self.explorer._heard(self.widget, asked | {"state": state}, [])
        assert self.last["id"] == self.asked
        return self.last
