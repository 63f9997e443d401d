"""Store what pages without a kernel show of an explorer: the words of each state, and pictures as packs of rectangles.

An explorer's folder holds `index.json` and its packs. A picture is the plate of its theme with rectangles over it.
"""

import base64
import dataclasses
import hashlib
import inspect
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grimp
import numpy as np

from fpnlib.explore import Explorer, all_explorers
from fpnlib.explore.handles import Values
from fpnlib.explore.style import THEMES, Theme
from pages import patches
from repository import ROOT

DENSITY = 2
STATES = 420  # of an explorer, at most
_BYTES = 2_000_000  # of an explorer's pictures, at most
_FEW = 48  # states that it has in any case, if it has so many
_PACK = 300_000  # bytes that a pack is closed at
_SAMPLES = 9  # pictures that a plate is made from
_DRAWS = ("matplotlib", "numpy", "pillow", "torch")  # packages whose version may change a picture


@dataclasses.dataclass(frozen=True)
class Shown:
    """An explorer as a note shows it: its name, and the controls that its call sets."""

    name: str
    state: Mapping[str, Any]

    def made(self) -> Explorer[Any]:
        """Return the explorer."""
        return all_explorers()[self.name](**self.state)


def states(explorer: Explorer[Any], offered: Values) -> Iterator[dict[str, Any]]:
    """Yield every state that a page offers, the first control's values following each other."""
    names = list(reversed(list(offered)))
    for values in itertools.product(*(offered[name] for name in names)):
        yield explorer.state | dict(zip(names, values, strict=True))


def digest(content: bytes) -> str:
    """Return a file's hash as a browser checks it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content).digest()).decode()


class Packs:
    """Files that a folder's rectangles are written to, one after another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, bytearray] = {}
        self._places: dict[bytes, int] = {}
        self._rows: list[list[Any]] = []  # of a rectangle: its file's key, where it begins, its length, left, top
        self._files: dict[str, dict[str, str]] = {}
        self.bytes = 0  # of all rectangles

    def put(self, part: patches.Pixels, left: int, top: int, kind: str, *, photographic: bool) -> int:
        """Store a rectangle in a pack of some kind unless it is there, and return its number."""
        key = hashlib.blake2b(part.tobytes() + repr((left, top, part.shape)).encode()).digest()
        if key not in self._places:
            content = patches.encoded(part, photographic=photographic)
            file = f"{kind}-{sum(name.startswith(kind) for name in self._files)}"
            pack = self._open.setdefault(file, bytearray())
            self._places[key] = len(self._rows)
            self._rows.append([file, len(pack), len(content), left, top])
            pack += content
            self.bytes += len(content)
            if len(pack) > _PACK:
                self._close(file)
        return self._places[key]

    def done(self) -> dict[str, Any]:
        """Write what is open, and return what the index says of files and rectangles."""
        for file in list(self._open):
            self._close(file)
        order = {file: number for number, file in enumerate(self._files)}
        rows = [[order[file], *place] for file, *place in self._rows]
        return {"files": list(self._files.values()), "parts": rows}

    def _close(self, file: str) -> None:
        content = bytes(self._open.pop(file))
        name = f"{file}-{hashlib.sha256(content).hexdigest()[:8]}.pack"
        (self._folder / name).write_bytes(content)
        self._files[file] = {"name": name, "integrity": digest(content)}


def store(shown: Shown, folder: Path) -> dict[str, Any]:
    """Write an explorer's folder anew, and return its line in the manifest.

    If its pictures take too many bytes it holds fewer states.
    """
    made: dict[Theme, Explorer[Any]] = {theme: shown.made() for theme in THEMES}
    explorer = made["light"]
    wanted = STATES
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        offered = explorer.stored(wanted)
        every = list(states(explorer, offered))
        packs = Packs(folder)
        words, pictures, plates = _drawn(made, every, offered, packs)
        if packs.bytes <= _BYTES or len(every) <= _FEW:
            break
        wanted = max(_FEW, int(0.9 * len(words) * _BYTES / packs.bytes))
    index = {
        "spec": explorer.spec(offered) | {"ahead": True},
        "elsewhere": elsewhere(shown, explorer, offered),
        "density": DENSITY,
        "words": words,
        "plates": plates,
        "pictures": pictures,
        **packs.done(),
    }
    content = json.dumps(index, ensure_ascii=False, separators=(",", ":")).encode()
    (folder / "index.json").write_bytes(content)
    for one in made.values():
        one.close()
    size = sum(path.stat().st_size for path in folder.iterdir())
    return {"title": explorer.title, "integrity": digest(content), "states": len(every), "bytes": size}


def _drawn(
    made: Mapping[Theme, Explorer[Any]], every: list[dict[str, Any]], offered: Values, packs: Packs
) -> tuple[list[dict[str, Any]], dict[Theme, list[list[int]]], dict[Theme, int]]:
    """Put pictures into packs, while the bytes are not too many: each state's words and rectangles, and the plates."""
    compute = made["light"].compute
    samples: dict[Theme, list[patches.Pixels]] = {theme: [] for theme in made}
    for number in np.unique(np.linspace(0, len(every) - 1, _SAMPLES).round().astype(int)):
        data = compute(**every[number])
        for theme, one in made.items():
            samples[theme].append(patches.packed(one.still(data, every[number], DENSITY, theme, offered)[0]))
    plates, numbers, photographic = {}, {}, False
    for theme, one in made.items():
        background, photographic = one.background(DENSITY, theme)
        plates[theme] = patches.plate(samples[theme], patches.packed(background))
        numbers[theme] = packs.put(plates[theme], 0, 0, f"{theme}-plate", photographic=photographic)

    words: list[dict[str, Any]] = []
    pictures: dict[Theme, list[list[int]]] = {theme: [] for theme in made}
    for state in every:
        data = compute(**state)
        for theme, one in made.items():
            pixels, said = one.still(data, state, DENSITY, theme, offered)
            parts = patches.differences(patches.packed(pixels), plates[theme])
            pictures[theme].append(
                [packs.put(part, left, top, theme, photographic=photographic) for (left, top, _, _), part in parts]
            )
        words.append(said)
        if packs.bytes > _BYTES and len(every) > _FEW:
            break
    return words, pictures, numbers


def elsewhere(shown: Shown, explorer: Explorer[Any], offered: Values) -> list[str]:
    """Say what only JupyterLab has of an explorer."""
    controls = explorer.controls()
    labels = {name: control.description for name, control in controls.items()}
    finer = [
        labels[name]
        for name, values in offered.items()
        if hasattr(control := controls[name], "max") and len(values) <= (control.max - control.min) / control.step
    ]
    missing = [label for name, label in labels.items() if name not in offered]
    own = list(inspect.signature(all_explorers()[shown.name].__wrapped__).parameters)  # type: ignore[attr-defined]
    said = []
    for words, things in (("finer steps of", finer), ("the controls" if len(missing) > 1 else "the control", missing)):
        if things:
            said.append(f"{words} {listed(things)}")
    return said + ([f"your own {listed(own)}"] if own else [])


def listed(things: Iterable[str]) -> str:
    """Return things as a sentence has them: one, two and three."""
    *most, last = things
    return f"{', '.join(most)} and {last}" if most else last


def key(shown: Shown) -> str:
    """Return a hash of all that an explorer's pictures depend on: its call, code, data and drawing packages."""
    hashed = hashlib.sha256(
        repr((shown.name, sorted(shown.state.items()), [version(name) for name in _DRAWS])).encode()
    )
    module = all_explorers()[shown.name].__module__
    code = [_file(name) for name in sorted({module, *_graph().find_upstream_modules(module)})]
    folders = sorted({path.parent for path in code} | ({ROOT / "fpnlib/results"} if _reads_results(module) else set()))
    data = [
        path for folder in folders for path in sorted(folder.rglob("*.*")) if path.suffix in (".json", ".safetensors")
    ]
    for path in [*code, *data, Path(__file__), Path(patches.__file__)]:
        hashed.update(str(path.relative_to(ROOT)).encode() + _hash(path))
    return hashed.hexdigest()


@cache
def _graph() -> Any:
    return grimp.build_graph("fpnlib", cache_dir=None)


def _reads_results(module: str) -> bool:
    return "fpnlib.claims.store" in _graph().find_upstream_modules(module)


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _hash(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
