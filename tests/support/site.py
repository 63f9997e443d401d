"""The built pages: read as files, and opened in a browser."""

import base64
import functools
import http.server
import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from matplotlib import rc_context
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgba
from matplotlib.path import Path as Outline
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Bbox, TransformedPath
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, TimeoutError
from scipy import ndimage

from fpnlib.explore import Explorer
from fpnlib.explore.glyphs import Words as WordsOfPanels
from pages import packs

KINDS = ("states", "parts", "images", "hover")
# Shows a place, and says how many bytes the page has read, and how many milliseconds old it is, at its first picture.
_FIRST = """root => new Promise((done) => {
  const name = "fpnlib " + root.closest("[data-explorer]").dataset.explorer;
  function look() {
    const [mark] = performance.getEntriesByName(name);
    if (!mark) return setTimeout(look, 5);
    const files = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    const before = files.filter((file) => file.responseEnd && file.responseEnd <= mark.startTime);
    done([before.reduce((sum, file) => sum + file.encodedBodySize, 0), mark.startTime]);
  }
  root.scrollIntoView();
  look();
})"""
# Moves each slider by a step and back, twice, and says how many milliseconds each move took to its pixels.
_MOVES = """async root => {
  const picture = root.querySelector("canvas.fpnlib-picture");
  const taken = [];
  for (const control of root.querySelectorAll("input[type=range]")) {
    const begin = Number(control.value);
    const way = begin < Number(control.max) ? 1 : -1;
    for (const value of [begin + way, begin, begin + way, begin]) {
      const moved = new Promise((done) => {
        const seen = new MutationObserver(() => { seen.disconnect(); done(); });
        seen.observe(picture, { attributeFilter: ["data-state"] });
      });
      const start = performance.now();
      control.value = value;
      control.dispatchEvent(new Event("input"));
      await moved;
      picture.getContext("2d").getImageData(0, 0, 1, 1);
      taken.push(performance.now() - start);
    }
  }
  return taken;
}"""
_CODES = {"M": (1, 1), "L": (2, 1), "Q": (3, 2), "C": (4, 3), "Z": (79, 0)}


class Stored:
    """What a folder holds of one explorer, drawn by Matplotlib."""

    def __init__(self, site: Path, name: str) -> None:
        self.folder = site / "live" / name
        self.line: dict[str, Any] = json.loads((site / "live" / "manifest.json").read_text())[name]
        self.index: dict[str, Any] = packs.read(self.folder, self.line)
        self.states, self.parts, self._images, self._hover = (
            [one for file in self.index[kind] for one in packs.read(self.folder, file)] for kind in KINDS
        )
        controls = self.index["spec"]["controls"].items()
        self.offered = {name: one.get("values") or one.get("options") or [False, True] for name, one in controls}

    def files(self) -> list[dict[str, Any]]:
        """All files, each with its name and hash."""
        return [self.line, *(file for kind in KINDS for file in self.index[kind])]

    def number(self, state: Mapping[str, Any]) -> int:
        """The number of a state."""
        number, stride = 0, 1
        for name, values in self.offered.items():
            number += stride * values.index(state[name])
            stride *= len(values)
        return number

    def told(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray, list[str], int]]:
        """What a state's marks say to a pointer: their axes' corners and their places, both as shares of the picture,
        words, and columns; as `Explorer.told`.
        """
        size = np.multiply(self.index["spec"]["size"], self.index["units"][0])
        for mark in self.states[number]["hover"]:
            corners, places, words, columns = self._hover[mark]
            yield _points(corners) / size, _points(places) / size, words, columns

    def picture(self, theme: str, number: int, density: float = 1) -> np.ndarray:
        """A state's picture: red, green, blue."""
        width, height = self.index["spec"]["size"]
        agg = RendererAgg(width * density, height * density, 100 * density)
        for part in (self.index["background"], *self.states[number]["parts"]):
            for step in self.parts[part]:
                self._draw(agg, step, theme, density)
        return np.asarray(agg.buffer_rgba())[..., :3]

    def _draw(self, agg: RendererAgg, step: list[Any], theme: str, density: float) -> None:
        if step[0] == "e":
            for one in step[1 if theme == "light" else 2]:
                self._draw(agg, one, theme, density)
            return
        kind, number, *rest = step
        fill, stroke, width, cap, join, dashes, offset, snap, frame, clip = self.index["looks"][number]
        place = Affine2D().scale(density / self.index["units"][0], -density / self.index["units"][0])
        place.translate(0, agg.height)
        gc = agg.new_gc()
        gc.set_linewidth(width * 0.72 if stroke >= 0 else 0)
        gc.set_foreground(self._colour(stroke, theme), isRGBA=True)
        gc.set_snap(bool(snap))
        if cap:
            gc.set_capstyle(cap)
            gc.set_joinstyle(join)
        if dashes:
            gc.set_dashes(offset * 0.72, [length * 0.72 for length in dashes])
        if frame:
            gc.set_clip_rectangle(Bbox(place.transform(np.reshape(frame, (2, 2)))))
        if clip:
            gc.set_clip_path(TransformedPath(_path(clip[0], clip[1:]), place))
        face = self._colour(fill, theme) if fill >= 0 else None
        if kind == "p":
            agg.draw_path(gc, _path(*rest), place, face)
        elif kind == "m":
            size = density / self.index["units"][0]
            agg.draw_markers(
                gc, _path(*rest[:2]), Affine2D().scale(size, -size), Outline(_points(rest[2])), place, face
            )
        elif kind == "t":
            x, y, angle, size, letters, along = rest
            gc.set_linewidth(0)
            gc.set_snap(False)
            scale = size * density / 72 / self.index["units"][1]
            x, y = place.transform((x, y))
            for letter, far in zip(letters, along, strict=True):
                turn = Affine2D().scale(1, -1).translate(far, 0).scale(scale).rotate_deg(angle).translate(x, round(y))
                agg.draw_path(gc, _path(*self.index["letters"][letter]), turn, face)
        else:
            *corners, smooth, light = rest[:6]
            content = self._images[rest[6] if theme == "dark" and len(rest) > 6 else light]
            image = Image.open(io.BytesIO(base64.b64decode(content))).convert("RGBA")
            (x0, y1), (x1, y0) = np.rint(place.transform(np.reshape(corners, (2, 2)))).astype(int)
            size = max(1, x1 - x0), max(1, y1 - y0)
            large = image.resize(size, Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST)
            agg.draw_image(gc, x0, y0, np.asarray(large)[::-1])

    def _colour(self, number: int, theme: str) -> tuple[float, ...]:
        if number < 0:
            return (0, 0, 0, 0)
        return to_rgba(self.index["colours"][number][theme == "dark"] or "none")


def _points(ways: list[int]) -> np.ndarray:
    return np.cumsum(np.reshape(ways, (-1, 2)), axis=0)


def _path(steps: str, ways: list[int]) -> Outline:
    points, codes, vertices, at = _points(ways), [], [], 0
    for step in steps:
        code, count = _CODES[step]
        codes += [code] * max(count, 1)
        vertices += [*points[at : at + count]] or [(0, 0)]
        at += count
    return Outline(vertices, codes)


def unhinted(explorer: Explorer[Any], theme: str, density: float) -> np.ndarray:
    """The kernel's picture with letters as the fonts' outlines have them, as pages draw them: red, green, blue."""
    with explorer.drawn(explorer.data, theme) as canvas, pytest.MonkeyPatch.context() as patched:
        patched.setattr(WordsOfPanels, "draw", Text.draw)
        canvas._backgrounds.clear()  # they have other letters
        with rc_context({"text.hinting": "no_hinting"}):
            return np.array(canvas.render(density))[..., :3]


def apart(one: np.ndarray, other: np.ndarray, density: float) -> float:
    """How far two pictures are apart where that is most, 0 to 255, seen from where 4 pixels of density 1 are a dot.

    A mark may lie a pixel of density 1 elsewhere, as the dashes of a long line do where its corners are rounded.
    Neither that nor the smoothing of an edge shows; a mark that is missing or moved further does.
    """
    dot, step = round(4 * density), max(1, round(density))
    blurred = (ndimage.uniform_filter(picture.astype(np.float32), (dot, dot, 1)) for picture in (one, other))
    seen = [picture[::step, ::step] for picture in blurred]
    lowest = [ndimage.minimum_filter(picture, (3, 3, 1)) for picture in seen]
    highest = [ndimage.maximum_filter(picture, (3, 3, 1)) for picture in seen]
    outside = [np.maximum(seen[i] - highest[1 - i], lowest[1 - i] - seen[i]).max() for i in (0, 1)]
    return max(0.0, *map(float, outside))


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

    def first_picture(self) -> tuple[int, float]:
        """Bring it to the window; the bytes that the page had read at its first picture, and its age then (ms)."""
        read, age = self.page.evaluate(_FIRST, self.root.element_handle())
        return int(read), float(age)

    def moves(self) -> list[float]:
        """Milliseconds of moves of each slider, by a step and back, twice."""
        return [float(one) for one in self.page.evaluate(_MOVES, self.root.element_handle())]

    def hears(self, across: float, down: float) -> str:
        """What a pointer hears that rests at a place (shares of the picture); nothing after three silent seconds."""
        box = self.picture.bounding_box()
        assert box
        hint = self.root.locator(".fpnlib-hint")
        for tries in range(6):  # while the page asks for a picture it does not listen
            self.page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"] + tries % 2)
            try:
                hint.wait_for(timeout=500)
            except TimeoutError:
                continue
            return " ".join(hint.inner_text().split())
        return ""

    def shown(self) -> list[Any]:
        """The state behind the picture."""
        return list(json.loads(self.picture.get_attribute("data-state") or "null"))

    def controls(self) -> dict[str, Locator]:
        """Its controls by name, those under “more” opened."""
        for more in self.root.locator("details:not([open]) > summary").all():
            more.click()
        return {one.get_attribute("data-control") or "": one for one in self.root.locator("[data-control]").all()}

    def settle(self) -> None:
        """Wait until the picture shows the state that is wanted."""
        condition = """root => {
          const picture = root.querySelector(".fpnlib-picture[data-state]");
          return picture && picture.closest(".fpnlib-explorer").dataset.state === picture.dataset.state;
        }"""
        self.page.wait_for_function(condition, arg=self.root.element_handle())

    def moved(self, before: list[Any]) -> bool:
        """Whether the picture soon shows another state."""
        condition = "([root, before]) => root.querySelector('.fpnlib-picture').dataset.state !== before"
        arg = [self.root.element_handle(), json.dumps(before, ensure_ascii=False, separators=(",", ":"))]
        try:
            self.page.wait_for_function(condition, arg=arg, timeout=1500)
        except TimeoutError:
            return False
        return True

    def put(self, name: str, place: int) -> None:
        """Set a control to one of its values by its place among them."""
        self.root.locator(f'[data-control="{name}"]').evaluate(
            """(one, place) => {
          if (one.type === "checkbox") one.checked = Boolean(place);
          else if (one.type === "range") one.value = place;
          else one.selectedIndex = place;
          one.dispatchEvent(new Event(one.type === "range" ? "input" : "change"));
        }""",
            place,
        )

    def wait_for_state(self, state: list[Any]) -> None:
        """Wait until the picture is that of a state."""
        condition = """([root, wanted]) => {
          const shown = JSON.parse(root.querySelector(".fpnlib-picture").dataset.state);
          return shown.every((value, place) => value === wanted[place]);
        }"""
        self.page.wait_for_function(condition, arg=[self.root.element_handle(), state], timeout=5000)

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
          return [one.width, one.height, btoa(text)];
        }"""
        width, height, text = self.picture.evaluate(read)
        content = base64.b64decode(text)
        return np.frombuffer(content, np.uint8).reshape(height, width, 4)[..., :3]
