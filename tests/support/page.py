"""An explorer on a bare page in a browser: the front end as it is, with this process in place of a kernel."""

import base64
import json
import time
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page

from fpnlib.explore import Explorer

ADDRESS = "http://localhost:1/"  # nobody listens there; a page of this host may use the clipboard
BLANK = """<!doctype html><html lang="en"><meta charset="utf-8"><title>An explorer</title>
<style>body {{ margin: 8px; }} {css}</style><body data-jp-theme-light="true"><main id="explorer"></main>"""
START = """async ({ module, spec, state }) => {
  const address = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
  window.front = await import(address);
  const listeners = [];
  const bytes = text => Uint8Array.from(atob(text), character => character.charCodeAt(0));
  window.answer = ([message, picture]) => listeners.forEach(hear => hear(message, picture ? [bytes(picture)] : []));
  window.end = front.default.render({
    model: {
      get: name => ({ spec, state })[name],
      on: (_, hear) => listeners.push(hear),
      off: (_, hear) => listeners.splice(listeners.indexOf(hear), 1),
      send: message => window.ask(JSON.stringify(message)),
    },
    el: document.getElementById("explorer"),
  });
}"""


class ExplorerPage:
    """A page that shows one explorer; `asked` is all that it has asked for, `errors` what its console said."""

    def __init__(self, browser: Browser, explorer: Explorer[Any], **context: Any) -> None:
        self.explorer = explorer
        explorer._repr_mimebundle_()
        self.widget = explorer._widget
        assert self.widget
        self.asked: list[dict[str, Any]] = []
        self._open: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.context = browser.new_context(viewport={"width": 1040, "height": 1000}, **context)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.expose_function("ask", lambda text: self._open.append(json.loads(text)))
        blank = BLANK.format(css=self.widget._css)
        self.page.route(ADDRESS, lambda route: route.fulfill(content_type="text/html", body=blank))
        self.page.goto(ADDRESS)
        self.widget.send = self._send  # type: ignore[method-assign]
        given = {"module": self.widget._esm, "spec": self.widget.spec, "state": self.widget.state}
        self.page.evaluate(START, given)
        self.settle()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _send(self, message: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        self.page.evaluate("answer", [message, base64.b64encode(buffers[0]).decode() if buffers else None])

    def settle(self, quiet: float = 0.4) -> None:
        """Answer what the page asks until it has asked nothing for so many seconds; 30 at most."""
        begin = last = time.monotonic()
        while time.monotonic() - last < quiet:
            assert time.monotonic() - begin < 30, "the page does not stop asking"
            self.page.wait_for_timeout(20)
            while self._open:
                asked = self._open.pop(0)
                self.asked.append(asked)
                self.explorer._heard(self.widget, asked, [])
                last = time.monotonic()

    def shown(self) -> tuple[str, str, str]:
        """The state behind the picture, the readout, and the picture's size in pixels."""
        picture = self.page.locator("img.fpnlib-picture")
        state = picture.get_attribute("data-state") or ""
        size = picture.evaluate("one => `${one.naturalWidth}×${one.naturalHeight}`")
        return state, self.page.get_by_role("status").inner_text(), size

    def picture(self) -> bytes:
        """The bytes of the picture."""
        read = """async one => {
          const bytes = new Uint8Array(await (await fetch(one.src)).arrayBuffer());
          let text = "";
          for (const byte of bytes) text += String.fromCharCode(byte);
          return btoa(text);
        }"""
        return base64.b64decode(self.page.locator("img.fpnlib-picture").evaluate(read))

    def agrees(self) -> bool:
        """Whether sliders, picture and readout show the state that the explorer has."""
        state, readout, _ = self.shown()
        sliders = self.page.locator("input[type=range]").all()
        at = {one.get_attribute("data-control"): float(one.input_value()) for one in sliders}
        wanted = self.explorer.state
        return (
            json.loads(state) == list(wanted.values())
            and readout == self.explorer.readout
            and all(abs(value - wanted[name or ""]) < 1e-9 for name, value in at.items())
        )

    def close(self) -> None:
        """Take the explorer off the page, and close it."""
        self.page.evaluate("end()")
        self.context.close()
        self.explorer.close()
