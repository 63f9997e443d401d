"""The executed notebooks as Sphinx reads them, with a place for each explorer, and Sphinx's pages of them."""

import ast
import base64
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
import nbformat
from nbformat import NotebookNode
from PIL import Image

from fpnlib.explore import all_explorers
from fpnlib.validation import require
from notebooks import NOTEBOOKS
from pages.live import Shown
from pages.offered import DEFAULT_DATA
from repository import ROOT

_HERE = Path(__file__).parent
_FRONT = ROOT / "fpnlib" / "explore"
_INDEX = "00-index"
_SCRIPTS = (_FRONT / "front.js", *(_HERE / f"{name}.js" for name in ("live", "draw", "offline")))
_STYLES = (_FRONT / "front.css", _HERE / "site.css")


# What notebooks ask of a reader, and what pages ask, where nothing is run.
_ASKED = {
    "Run every cell first (menu Run → Run All Cells), then move the sliders.": "Nothing has to be run here: move the "
    "sliders.",
    "choose Run → Run All Cells, and move the sliders": "move the sliders",
}


def notes() -> list[Path]:
    """Return the saved notebooks, the front page first."""
    return sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))


def shown_by(output: NotebookNode) -> tuple[Shown, str] | None:
    """Return the explorer of an output and its readout, or None for others and for a reader's own data."""
    data = output.get("data", {})
    call, _, readout = data.get("text/plain", "").partition("\n")
    if not any(kind.startswith("image/") for kind in data) or "(" not in call:
        return None
    name = call.partition("(")[0]
    if name not in all_explorers():
        return None
    made = ast.parse(call, mode="eval").body
    assert isinstance(made, ast.Call)
    state = {one.arg: ast.literal_eval(one.value) for one in made.keywords if one.arg}
    return None if made.args and name not in DEFAULT_DATA else (Shown(name, state), readout)


def explorers(notebooks: Iterable[Path]) -> list[Shown]:
    """Return the explorers of some notes, each once, in the order in which they are first shown.

    Raises:
        ValueError: two notes show one in different states, of which only one could be its start.
    """
    shown: dict[str, Shown] = {}
    found = [shown_by(output) for path in notebooks for output in _outputs(nbformat.read(path, as_version=4))]
    for one in found:
        if one:
            known = shown.setdefault(one[0].name, one[0])
            require(known == one[0], one[0].name, one[0].state, f"the same state wherever it is shown: {known.state}")
    return list(shown.values())


def write_source(notebooks: list[Path], folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write what Sphinx reads; the manifest knows the explorers' titles."""
    shutil.rmtree(folder, ignore_errors=True)
    static = folder / "_static"
    static.mkdir(parents=True)
    shutil.copytree(ROOT / "images", folder / "images")
    shutil.copy(_HERE / "conf.py", folder)
    for file in _STYLES:
        shutil.copy(file, static)
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        for output in _outputs(notebook):
            if one := shown_by(output):
                output.data = {"text/html": _place(*one, output.data, static, manifest)}
                output.metadata = {}
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = cell.source.replace("](../images/", "](images/").replace(f"]({_INDEX}", "](index")
                for asked, here in _ASKED.items():
                    cell.source = re.sub(r"\s+".join(map(re.escape, asked.split())), here, cell.source)
        if path.stem == _INDEX:
            notebook.cells.append(nbformat.v4.new_markdown_cell(_contents(notebooks)))
        name = "index" if path.stem == _INDEX else path.stem
        nbformat.write(notebook, folder / f"{name}.ipynb")


def build(scratch: Path, site: Path, *, whole: bool) -> None:
    """Let Sphinx make pages of `scratch/source`, and put beside them what keeps the explorers alive.

    Of a part of the book, links may lead to pages that are not there.

    Raises:
        subprocess.CalledProcessError: Sphinx found a mistake; it has said which.
    """
    pages = scratch / "pages"
    command: list[str | Path] = [sys.executable, "-m", "sphinx", "-q", "--fail-on-warning", "-d", scratch / "doctrees"]
    command += [] if whole else ["-D", "suppress_warnings=myst.xref_missing"]
    environment = os.environ | {"PYTHONPATH": str(_HERE.parent)}
    subprocess.run([*command, scratch / "source", pages], check=True, env=environment)
    shutil.rmtree(pages / "_sources", ignore_errors=True)
    shutil.copytree(pages, site, dirs_exist_ok=True)
    for file in _SCRIPTS:
        shutil.copy(file, site)
    # The pictures' letters are outlines of the fonts that Matplotlib brings.
    shutil.copy(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "LICENSE_DEJAVU", site)
    (site / ".nojekyll").touch()  # or GitHub would leave out folders that begin with an underscore


def _outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def _place(shown: Shown, readout: str, data: NotebookNode, static: Path, manifest: Mapping[str, Any]) -> str:
    """The saved picture and its words, which the live explorer will replace."""
    kind = next(kind for kind in data if kind.startswith("image/"))
    file = static / f"{shown.name}.{kind.removeprefix('image/')}"
    picture = base64.b64decode(data[kind])
    file.write_bytes(picture)
    width, height = Image.open(io.BytesIO(picture)).size
    title = escape(manifest.get(shown.name, {}).get("title", shown.name), quote=True)
    return (
        f'<div class="fpnlib-live" data-explorer="{shown.name}">'
        f'<img src="_static/{file.name}" alt="{title}" width="{width}" height="{height}" loading="lazy">'
        f'<div class="fpnlib-readout">{escape(readout)}</div></div>'
    )


def _contents(notebooks: list[Path]) -> str:
    listed = "\n".join(path.stem for path in notebooks if path.stem != _INDEX)
    return f"```{{toctree}}\n:hidden:\n\n{listed}\n```"
