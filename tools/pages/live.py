"""Store what pages without a kernel show of an explorer: of each state its words and the parts of its picture.

An explorer's folder holds an index and packs. A picture is its background and, over it, the state's parts.
"""

import dataclasses
import hashlib
import inspect
import itertools
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grimp

from fpnlib.explore import Explorer, all_explorers
from fpnlib.explore.handles import Values
from fpnlib.explore.style import Theme
from pages.offered import OFFERED, offered
from pages.packs import Drawings, Packs, compact, ways, write
from pages.recorder import LETTER_UNIT, UNIT
from repository import ROOT

_MAKERS = [Path(__file__).with_name(f"{name}.py") for name in ("live", "packs", "recorder")]
TOLD = 150  # points of a mark whose numbers a pointer hears, at most
_DRAWS = ("matplotlib", "numpy", "pillow", "torch")  # packages whose version may change a picture


@dataclasses.dataclass(frozen=True)
class Shown:
    """An explorer as a note shows it: its name, and the controls that its call sets."""

    name: str
    state: Mapping[str, Any]

    def made(self) -> Explorer[Any]:
        """Return the explorer."""
        return all_explorers()[self.name](**self.state)


def states(explorer: Explorer[Any], values: Values) -> Iterator[dict[str, Any]]:
    """Yield every state that a page offers, the first control's values following each other."""
    names = list(reversed(list(values)))
    for each in itertools.product(*(values[name] for name in names)):
        yield explorer.state | dict(zip(names, each, strict=True))


def store(shown: Shown, folder: Path) -> dict[str, Any]:
    """Write an explorer's folder anew, and return its line in the manifest."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    explorer = shown.made()
    values = offered(explorer.controls(), explorer.state, OFFERED[shown.name])
    every = list(states(explorer, values))
    start = next(number for number, state in enumerate(every) if state == explorer.state)
    drawings, hover = Drawings(folder, explorer.size), Packs(folder, "hover")
    both: dict[Theme, Explorer[Any]] = {"light": explorer, "dark": shown.made()}  # each keeps its artists
    background, *_ = drawn(both, explorer.data, drawings, first=0, last=1)
    made: dict[int, Any] = {}
    for number in sorted(range(len(every)), key=lambda number: number != start):  # the first picture's files first
        state = every[number]
        data = explorer.compute(**state)
        made[number] = explorer.words(data, state, values) | {
            "parts": drawn(both, data, drawings, first=1),
            "hover": [
                hover.put([*(ways(drawings.recorder.places(one)) for one in (corners, places)), words, columns])
                for corners, places, words, columns in explorer.told(data, TOLD)
            ],
        }
    shots = Packs(folder, "states")
    for number in range(len(every)):
        shots.put(made[number])
    index = {
        "spec": explorer.spec(values) | {"ahead": True},
        "elsewhere": elsewhere(shown, explorer, values),
        "units": [UNIT, LETTER_UNIT],
        "background": background,
        "states": shots.close(),
        "hover": hover.close(),
        **drawings.tables(),
    }
    line = {"title": explorer.title, **write(folder, "index", compact(index)), "states": len(every)}
    for one in both.values():
        one.close()
    return line | {"bytes": sum(path.stat().st_size for path in folder.iterdir())}


def drawn(
    both: Mapping[Theme, Explorer[Any]], data: Any, drawings: Drawings, *, first: int, last: int | None = None
) -> list[int]:
    """Return the numbers of the parts that some of a picture's artists draw, those that draw nothing left out."""
    ops = []
    for theme, one in both.items():
        with one.drawn(data, theme) as canvas:
            ops.append([drawings.recorder.taken(artist) for artist in canvas.layers()[first:last]])
    numbers = [drawings.put(light, dark) for light, dark in zip(*ops, strict=True) if light or dark]
    drawings.recorder.images.clear()
    return numbers


def elsewhere(shown: Shown, explorer: Explorer[Any], values: Values) -> list[str]:
    """Say what only JupyterLab has of an explorer."""
    controls = explorer.controls()
    labels = {name: control.description for name, control in controls.items()}
    finer = [
        labels[name]
        for name, some in values.items()
        if hasattr(control := controls[name], "max") and len(some) <= (control.max - control.min) / control.step
    ]
    missing = [label for name, label in labels.items() if name not in values]
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
    wanted = OFFERED[shown.name]
    versions = [version(name) for name in _DRAWS]
    hashed = hashlib.sha256(repr((shown.name, sorted(shown.state.items()), wanted, versions)).encode())
    module = all_explorers()[shown.name].__module__
    code = [_file(name) for name in sorted({module, *_graph().find_upstream_modules(module)})]
    folders = sorted({path.parent for path in code} | ({ROOT / "fpnlib/results"} if _reads_results(module) else set()))
    data = [
        path for folder in folders for path in sorted(folder.rglob("*.*")) if path.suffix in (".json", ".safetensors")
    ]
    for path in [*code, *data, *_MAKERS]:
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
