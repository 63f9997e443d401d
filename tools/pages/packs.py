"""What explorers draw, as files for a page: numbered parts, each stored once, in packs of compressed JSON."""

import base64
import gzip
import hashlib
import io
import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pages.recorder import UNIT, Cells, Look, Marks, Op, Outline, Recorder, Stroke, Words

_PACK = 120_000  # characters after which a pack is closed
_LARGE = 8_000  # bytes; an image that takes more without loss may be stored with some, if that halves it
_QUALITY = 85  # of images with loss: WebP's scale to 100
_SPOT = 4  # pixels of the picture at density 1; over so many along both sides a loss is averaged
_SEEN = 20  # of 255; what a spot may lose at most


class Packs:
    """JSON values of one kind, in files one after another."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._kind = folder, kind
        self._open: list[str] = []
        self._numbers: dict[bytes, int] = {}
        self._size = 0
        self.files: list[dict[str, Any]] = []  # with `first`, the number of their first value

    def put(self, value: Any) -> int:
        """Store a value unless it is there, and return its number."""
        text = compact(value)
        key = hashlib.blake2b(text.encode()).digest()
        if key not in self._numbers:
            if self._size > _PACK:
                self.close()
            self._numbers[key] = len(self._numbers)
            self._open.append(text)
            self._size += len(text)
        return self._numbers[key]

    def close(self) -> list[dict[str, Any]]:
        """Write what is not yet written, and return all files."""
        if self._open:
            first = len(self._numbers) - len(self._open)
            text = f"[{','.join(self._open)}]"
            self.files.append({"first": first} | write(self._folder, f"{self._kind}-{len(self.files)}", text))
            self._open, self._size = [], 0
        return self.files


class Drawings:
    """Parts of pictures in packs, and the tables of what they have in common, with the colours of both themes.

    A part is a list of steps. Each has a letter, the number of its look, and the rest:

    - p: a path's steps and places
    - m: a path's steps and places, and where it is drawn
    - t: x, y, angle, size in points, numbers of letters, how far along each stands
    - i: x0, y0, x1, y1, 1 for smooth, the image's number, and that of the dark theme if it has another
    - e: in place of a look and the rest, a list for the light theme and one for the dark

    Places are x and y by turns, each pair but the first as the way from the one before it.
    """

    def __init__(self, folder: Path, size: tuple[int, int]) -> None:
        self.recorder = Recorder(size)
        self.parts, self.images = Packs(folder, "parts"), Packs(folder, "images")
        self._colours: dict[tuple[str, str], int] = {}
        self._looks: dict[tuple[Any, ...], int] = {}
        self._letters: dict[str, int] = {}
        self._outlines: list[Outline] = []
        self._images: dict[bytes, int] = {}

    def put(self, light: Sequence[Op], dark: Sequence[Op]) -> int:
        """Store what the recorder has taken of an artist in either theme as a part, and return its number."""
        return self.parts.put(self._both(light, dark))

    def tables(self) -> dict[str, Any]:
        """Return what an index has of parts, after the last of them."""
        return {
            "colours": list(self._colours),
            "looks": list(self._looks),
            "letters": [[steps, ways(places)] for steps, places in self._outlines],
            "parts": self.parts.close(),
            "images": self.images.close(),
        }

    def _both(self, light: Sequence[Op], dark: Sequence[Op]) -> list[Any]:
        steps = []
        for one, other in zip_longest(light, dark):
            if one is None or other is None or not _alike(one, other):
                themes = [[self._step(op, op) for op in ops] for ops in (light, dark)]
                return [["e", *themes]]
            steps.append(self._step(one, other))
        return steps

    def _step(self, light: Op, dark: Op) -> list[Any]:
        look = self._look(light.look, dark.look)
        match light:
            case Stroke(_, (steps, places)):
                return ["p", look, steps, ways(places)]
            case Marks(_, (steps, outline), places):
                return ["m", look, steps, ways(outline), ways(places)]
            case Words(_, place, angle, size, letters, along):
                return ["t", look, *place, angle, size, [self._letter(one) for one in letters], along]
            case Cells(_, corners, smooth, _):
                names = [op.image for op in (light, dark) if isinstance(op, Cells)]
                across = (corners[2] - corners[0]) / UNIT
                return ["i", look, *corners, int(smooth), *(self._image(name, across) for name in dict.fromkeys(names))]

    def _look(self, light: Look, dark: Look) -> int:
        fill, stroke = (
            self._colours.setdefault(pair, len(self._colours)) if any(pair) else -1
            for pair in ((light.fill, dark.fill), (light.stroke, dark.stroke))
        )
        clip = light.clip and (light.clip.steps, *ways(light.clip.places))
        row = (fill, stroke, *light[2:7], int(light.snap), light.frame, clip)
        return self._looks.setdefault(row, len(self._looks))

    def _image(self, name: bytes, across: float) -> int:
        if name not in self._images:
            self._images[name] = self.images.put(encoded(self.recorder.images[name], across))
        return self._images[name]

    def _letter(self, name: str) -> int:
        if name not in self._letters:
            self._letters[name] = len(self._outlines)
            self._outlines.append(self.recorder.letters[name])
        return self._letters[name]


def _alike(one: Op, other: Op) -> bool:
    """Whether two steps differ in colours only."""
    if type(one) is not type(other) or bool(one.look.fill) != bool(other.look.fill):
        return False
    if isinstance(one, Cells) and isinstance(other, Cells):
        other = other._replace(image=one.image)
    look = other.look._replace(fill=one.look.fill, stroke=one.look.stroke)
    return one == other._replace(look=look)


def ways(places: Sequence[int]) -> tuple[int, ...]:
    """Return x and y by turns as the way from each pair to the next."""
    return (*places[:2], *(after - before for before, after in zip(places, places[2:], strict=False)))


def encoded(pixels: np.ndarray, across: float) -> str:
    """Return an image that is drawn so many pixels wide as WebP in base64: without loss, or with one that halves it and
    is not seen.
    """
    exact = _webp(pixels, lossless=True, quality=60, method=4)
    if len(exact) > _LARGE:
        near = _webp(pixels, quality=_QUALITY, method=4, use_sharp_yuv=True)
        spot = max(1, round(_SPOT * pixels.shape[1] / across))
        exact = near if len(near) < len(exact) / 2 and _lost(near, pixels, spot) <= _SEEN else exact
    return base64.b64encode(exact).decode()


def _lost(content: bytes, pixels: np.ndarray, spot: int) -> float:
    """How far an encoded image is from the true one, averaged over spots, where that is most."""
    shown = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA")).astype(float)
    height, width = (side // spot * spot for side in pixels.shape[:2])
    apart = (shown - pixels)[:height, :width].reshape(height // spot, spot, width // spot, spot, 4)
    return float(np.abs(apart.mean((1, 3))).max(initial=0))


def _webp(pixels: np.ndarray, **options: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="WEBP", **options)
    return stream.getvalue()


def compact(value: Any) -> str:
    """Return JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def write(folder: Path, name: str, text: str) -> dict[str, str]:
    """Write a compressed file whose name has its hash, and return its name and its hash as a browser checks it."""
    content = gzip.compress(text.encode(), 9, mtime=0)
    digest = hashlib.sha256(content).digest()
    file = f"{name}-{digest.hex()[:8]}.pack"
    (folder / file).write_bytes(content)
    return {"name": file, "integrity": "sha256-" + base64.b64encode(digest).decode()}


def read(folder: Path, file: dict[str, Any]) -> Any:
    """Return what `write` wrote."""
    return json.loads(gzip.decompress((folder / file["name"]).read_bytes()))
