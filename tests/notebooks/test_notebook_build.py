"""The notebook tool, on small notebooks in a temporary folder."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

import notebooks
from repository import ROOT

GOOD = """\
# %% [markdown]
# # Tiny
# A note of *few* words.

# %% tags=["first"]
import ipywidgets
from IPython.display import display

# %%
for word in ("one", "two"):
    print(word, flush=True)
display(ipywidgets.IntSlider(3))
ipywidgets.FloatSlider(0.5)

# %%
import os

os.environ["OMP_NUM_THREADS"], os.path.basename(os.getcwd())
"""


@pytest.fixture
def write(tmp_path):
    """Write a source into a book of its own, and return its path."""
    folder = tmp_path / "book" / "source"
    folder.mkdir(parents=True)

    def write(text: str) -> Path:
        source = folder / "01-tiny.py"
        source.write_text(text)
        return source

    return write


def test_two_builds_are_byte_identical_and_in_order(write, tmp_path):
    source = write(GOOD)
    saved = notebooks.notebook_of(source)
    assert notebooks.build(source)
    first, written = saved.read_bytes(), saved.stat().st_mtime_ns
    assert notebooks.check(saved, root=tmp_path) == []
    assert not notebooks.build(source)
    assert saved.stat().st_mtime_ns == written
    saved.unlink()
    assert notebooks.build(source)
    assert saved.read_bytes() == first
    assert not notebooks.pull(saved)
    assert sorted(os.listdir(saved.parent)) == [saved.name, "source"]

    outputs = nbformat.read(saved, as_version=4).cells[2].outputs
    assert [output.output_type for output in outputs] == ["stream", "display_data", "execute_result"]
    assert outputs[0].text == "one\ntwo\n"
    assert outputs[1].data == {"text/plain": "IntSlider(value=3)"}
    assert nbformat.read(saved, as_version=4).cells[3].outputs[0].data["text/plain"] == "('1', 'book')"


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("import sys\nprint('careful', file=sys.stderr)", "cell 2 wrote to stderr"),
        ("import warnings\nwarnings.warn('careful')", "careful"),
        ("def f():\n    return {}['planted']\nf()", "KeyError: 'planted'"),
    ],
)
def test_a_cell_that_raises_or_warns_stops_the_build(write, cell, says):
    source = write(f"# %% [markdown]\n# # Title\n\n# %%\n{cell}\n\n# %%\n1\n")
    with pytest.raises(notebooks.BuildError, match=r"^01-tiny\.py, cell 2") as error:
        notebooks.build(source)
    assert says in str(error.value)
    assert not notebooks.notebook_of(source).exists()


def test_a_cell_edited_in_the_notebook_comes_back_to_the_source(write):
    source = write("# %% [markdown]\n# # Title\n\n# %%\nx = 1\n")
    cells = [v4.new_markdown_cell("# Title\n\n- new"), v4.new_code_cell("x = 2", metadata={"tags": ["a"], "other": 1})]
    nbformat.write(v4.new_notebook(cells=cells, metadata={"widgets": {}}), notebooks.notebook_of(source))
    assert notebooks.pull(notebooks.notebook_of(source))
    assert source.read_text() == '# %% [markdown]\n# # Title\n#\n# - new\n\n# %% tags=["a"]\nx = 2\n'


def test_what_differs_from_run_to_run_is_dropped():
    cell = v4.new_code_cell(
        "1", execution_count=1, metadata={"execution": {"iopub.status.busy": "2026"}, "tags": ["a"]}
    )
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "a1"}, "text/plain": "Box()"}
    cell.outputs = [
        v4.new_output("display_data", view, metadata={"application/vnd.jupyter.widget-view+json": {}}),
        v4.new_output("stream", name="stdout", text="a"),
        v4.new_output("stream", name="stdout", text="b"),
        v4.new_output("stream", name="stderr", text="c"),
    ]
    dirty = v4.new_notebook(cells=[cell, v4.new_code_cell("1", execution_count=2)], metadata={"widgets": {"state": {}}})
    clean = notebooks.normalise(dirty)
    assert clean.cells[0].metadata == {"tags": ["a"]}
    assert clean.cells[0].outputs[0].data == {"text/plain": "Box()"}
    assert clean.cells[0].outputs[0].metadata == {}
    assert [output.get("text") for output in clean.cells[0].outputs] == [None, "ab", "c"]
    assert clean.cells[1].id == f"{clean.cells[0].id}-1"
    assert "widgets" not in clean.metadata
    assert notebooks.to_bytes(notebooks.normalise(clean)) == notebooks.to_bytes(clean)
    assert "widgets" in dirty.metadata
    assert len(dirty.cells[0].outputs) == 4


def test_a_notebook_saved_in_another_way_is_told(write, tmp_path):
    source = write("# %% [markdown]\n# # Title\n")
    saved = notebooks.notebook_of(source)
    assert notebooks.check(saved) == ["not built yet: make notebooks"]
    nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell("# Title")]), saved)
    assert notebooks.check(saved, root=tmp_path) == ["not as `make notebooks` writes it"]
    source.unlink()
    assert notebooks.check(saved, root=tmp_path) == [f"no source at {source}"]


def test_notes_are_found_by_the_start_of_their_names(write):
    source = write("")
    other = source.with_name("02-other.py")
    other.touch()
    book = source.parents[1]
    assert notebooks.find([], book) == [source, other]
    assert notebooks.find(["02"], book) == [other]
    with pytest.raises(ValueError, match="name: got '3', allowed: the start of 01-tiny, 02-other"):
        notebooks.find(["3"], book)


def test_the_command_line_says_what_is_wrong():
    tool = [sys.executable, ROOT / "tools" / "notebooks.py"]
    done = subprocess.run([*tool, "check", "no-such-note"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "name: got 'no-such-note'" in done.stderr
