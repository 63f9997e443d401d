"""nbval, called as `make test` calls it, passes an honest notebook and fails when a number changes."""

import re
import subprocess
import sys

import nbformat
import pytest

import notebooks
from repository import ROOT

CELLS = "# %%\n0.1234\n\n# %%\nprint('7 ok')\n\n# %%\nimport ipywidgets\n\nipywidgets.IntSlider(7)\n"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small notebook as `make notebooks` writes it."""
    source = tmp_path_factory.mktemp("book") / "source" / "01-tiny.py"
    source.parent.mkdir()
    source.write_text(CELLS)
    notebooks.build(source)
    return notebooks.notebook_of(source)


def nbval(notebook):
    makefile = (ROOT / "Makefile").read_text()
    options = re.search(r"^NBVAL := (.+)$", makefile, re.MULTILINE)[1].split()
    settings = ["-c", ROOT / "pyproject.toml", "--rootdir", notebook.parent, "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *settings, *options, notebook]
    done = subprocess.run(command, capture_output=True, text=True, cwd=notebook.parent)
    print(done.stdout, done.stderr)
    return done.stdout.splitlines()[-1]


def test_an_honest_notebook_passes(saved):
    assert "3 passed" in nbval(saved)


def test_every_changed_number_fails(saved):
    notebook = nbformat.read(saved, as_version=4)
    result, printed, widget = (cell.outputs[0] for cell in notebook.cells)
    result.data["text/plain"] = result.data["text/plain"].replace("0.1234", "0.1235")
    printed.text = printed.text.replace("7 ok", "8 ok")
    widget.data["text/plain"] = widget.data["text/plain"].replace("value=7", "value=8")
    planted = saved.with_name("planted.ipynb")
    nbformat.write(notebook, planted)
    assert "3 failed" in nbval(planted)
