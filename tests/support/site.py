"""The built pages: read as files, and opened in a browser."""

import base64
import functools
import http.server
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from axe_playwright_python.base import AXE_SCRIPT
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page


class Stored:
    """What a folder holds of one explorer, put together as the page does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index: dict[str, Any] = json.loads((folder / "index.json").read_text())
        self._packs = [(folder / file["name"]).read_bytes() for file in self.index["files"]]

    def part(self, number: int) -> tuple[int, int, np.ndarray]:
        """A rectangle: left, top, and its red, green, blue and alpha."""
        file, begin, length, left, top = self.index["parts"][number]
        content = self._packs[file][begin : begin + length]
        return left, top, np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))

    def picture(self, theme: str, number: int) -> np.ndarray:
        """A state's picture."""
        canvas = self.part(self.index["plates"][theme])[2][..., :3].copy()
        for part in self.index["pictures"][theme][number]:
            left, top, pixels = self.part(part)
            under = canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]]
            under[pixels[..., 3] > 0] = pixels[pixels[..., 3] > 0][:, :3]
        return canvas


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on the loopback and give its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class SitePage:
    """A page in a browser; `asked` is every address it asked for, `errors` what its console said."""

    def __init__(self, browser: Browser, address: str, width: int = 1280, **context: Any) -> None:
        self.address = address
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **context)
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} {message.location.get('url')}")

    def explorers(self) -> dict[str, "LiveExplorer"]:
        """The page's explorers by name, not yet looked at."""
        places = self.page.locator("[data-explorer]").all()
        return {one.get_attribute("data-explorer") or "": LiveExplorer(self.page, one) for one in places}

    def faults(self) -> list[tuple[str, str]]:
        """What axe finds: rule and place."""
        self.page.evaluate(AXE_SCRIPT)
        found = self.page.evaluate("axe.run({resultTypes: ['violations']})")
        return [(rule["id"], node["html"][:160]) for rule in found["violations"] for node in rule["nodes"]]


class LiveExplorer:
    """One explorer of a page."""

    def __init__(self, page: Page, root: Locator) -> None:
        self.page, self.root = page, root
        self.picture = root.locator("canvas.fpnlib-picture")
        self.readout = root.get_by_role("status")
        self.error = root.get_by_role("alert")

    def wake(self) -> None:
        """Bring it to the window and wait for its first picture."""
        self.root.scroll_into_view_if_needed()
        self.picture.wait_for()

    def shown(self) -> list[Any]:
        """The state behind the picture."""
        return list(json.loads(self.picture.get_attribute("data-state") or "null"))

    def controls(self) -> dict[str, Locator]:
        """Its controls by name, those under “more” opened."""
        for more in self.root.locator("details:not([open]) > summary").all():
            more.click()
        return {one.get_attribute("data-control") or "": one for one in self.root.locator("[data-control]").all()}

    def wait_for(self, name: str, value: object) -> None:
        """Wait until the picture is that of a value of a control."""
        place = list(self.controls()).index(name)
        condition = """([root, place, value]) => {
          const state = root.querySelector(".fpnlib-picture")?.dataset.state;
          return state && JSON.parse(state)[place] === value;
        }"""
        handle = self.root.element_handle()
        self.page.wait_for_function(condition, arg=[handle, place, value])

    def pixels(self) -> np.ndarray:
        """The picture: red, green, blue."""
        read = """one => {
          const { data } = one.getContext("2d").getImageData(0, 0, one.width, one.height);
          let text = "";
          for (let at = 0; at < data.length; at += 32768) {
            text += String.fromCharCode(...data.subarray(at, at + 32768));
          }
          return btoa(text);
        }"""
        width, height = (int(self.picture.get_attribute(side) or 0) for side in ("width", "height"))
        content = base64.b64decode(self.picture.evaluate(read))
        return np.frombuffer(content, np.uint8).reshape(height, width, 4)[..., :3]
