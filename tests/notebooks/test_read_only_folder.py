"""A note may lie where nobody can write: it writes nothing to its folder, nor anywhere but to where caches belong."""

import sys
import tempfile
from pathlib import Path

import matplotlib
import pytest

import notebooks
from fpnlib.assets import cache_folder

# Run first in the note's kernel: notes every file that is opened for writing, made, moved or removed.
WATCH = """
import os, sys

_touched = []


def _watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        mode, flags = arguments[1] or "", arguments[2] or 0
        if set(mode) & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            _touched.append(os.path.abspath(os.fsdecode(arguments[0])))
    elif event in ("os.mkdir", "os.remove", "os.rename", "os.rmdir"):
        _touched.append(os.path.abspath(os.fsdecode(arguments[0])))


sys.addaudithook(_watch)
"""
REPORT = "print(*_touched, sep='\\n')"


def touched_by(code: str, folder: Path) -> list[Path]:
    """Return what a note of one cell touches outside of temporary folders, caches and devices."""
    source = folder / "source" / "note.py"
    source.parent.mkdir(parents=True)
    source.write_text("".join(f"# %%\n{cell}\n\n" for cell in (WATCH, code, REPORT)))
    folder.chmod(0o555)
    try:
        said = notebooks.execute(source).cells[-1].outputs
    finally:
        folder.chmod(0o755)
    paths = [Path(line) for line in "".join(output.text for output in said).split("\n") if line]
    caches = (cache_folder(), Path.home() / ".cache", Path(matplotlib.get_configdir()))
    allowed = (Path(tempfile.gettempdir()), Path("/dev"), Path("/proc"), *caches)
    elsewhere = [path for path in paths if not any(path.is_relative_to(place) for place in allowed)]
    inside = [path for path in paths if path.is_relative_to(folder) and path.suffix != ".py"]
    return [path for path in elsewhere if "__pycache__" not in path.parts] + inside


def code_of(source: Path) -> str:
    cells = [cell.source for cell in notebooks.read_source(source).cells if cell.cell_type == "code"]
    return "\n\n".join(cells)


@pytest.mark.parametrize("note", ["01", "06"])
def test_a_note_writes_nothing(note, tmp_path):
    (source,) = notebooks.find([note])
    assert touched_by(code_of(source), tmp_path / "book") == []


def test_a_note_that_writes_is_caught(tmp_path):
    book = tmp_path / "book"
    if sys.platform == "linux":
        code = f"import pathlib\ntry: pathlib.Path({str(book / 'planted.txt')!r}).write_text('x')\nexcept OSError: pass"
        assert touched_by(code, book) == [book / "planted.txt"]
