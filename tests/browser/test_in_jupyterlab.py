"""What a reader meets: each notebook in JupyterLab, in a real browser, with hands on the keyboard."""

import json
import os
import signal
import subprocess
import sys

import nbformat
import psutil
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from nbformat import v4
from support.lab import OpenNotebook, jupyter_lab

import notebooks
from repository import ROOT

pytestmark = pytest.mark.browser
# The front page has the ledger, and in note 01 the kernel is restarted; the other notes are `make test-lab`'s.
SOURCES = [
    pytest.param(source, marks=[] if source.stem[:2] in ("00", "01") else pytest.mark.lab, id=source.stem)
    for source in notebooks.find([])
]
OURS = [[".jp-OutputArea-output"], [".jp-RenderedMarkdown"]]
DEAF = """
from support.four_maps import FourMaps

class Deaf(FourMaps):
    def compute(self, **state): return super().compute(1.0, "sine", False)
    def describe(self, data): return "deaf"
"""
DIES = """
import json, os, sys, urllib.request
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright
from repository import ROOT
from support.lab import find_chromium, jupyter_lab, launch

home = Path(sys.argv[1])
with jupyter_lab([ROOT / "images"], home) as server, sync_playwright() as playwright:
    launch(playwright, find_chromium()).new_page()
    urllib.request.urlopen(f"{server.address}/api/kernels?token={server.token}", data=b"{}").close()
    started = {one.pid: " ".join(one.cmdline()) for one in psutil.Process().children(recursive=True)}
    (home / "started.json").write_text(json.dumps(started))
    os.abort()
"""


# A worker has one server and one browser for all notes that it is given.
@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folders = [notebooks.NOTEBOOKS, ROOT / "images"]
    with jupyter_lab(folders, tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="module", params=SOURCES)
def saved(request):
    """The path of a saved notebook."""
    return notebooks.notebook_of(request.param)


@pytest.fixture(scope="module")
def opened(saved, chromium, lab):
    """The notebook in the browser, with nothing run."""
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    cells = len(nbformat.read(saved, as_version=4).cells)
    yield OpenNotebook(page, lab.url(f"{saved.parent.name}/{saved.name}"), cells)
    page.close()


@pytest.fixture(scope="module")
def pictures_before(opened):
    """How many pictures the outputs showed before anything ran, and which of all pictures did not load."""
    return opened.page.locator(".jp-OutputArea img").count(), opened.broken_images()


@pytest.fixture(scope="module")
def ran(opened, pictures_before, saved):
    """The notebook after Run All Cells."""
    opened.run_all()
    if os.environ.get("FPNLIB_SCREENS"):
        opened.screenshots(ROOT / "out" / "screens", saved.stem)
    return opened


def saved_pictures(path):
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return sum(kind.startswith("image/") for output in outputs for kind in output.get("data", {}))


def test_pictures_are_there_before_anything_runs(pictures_before, saved):
    shown, broken = pictures_before
    assert broken == []
    assert shown == saved_pictures(saved)


def test_all_cells_run(ran, saved):
    assert ran.cell_errors() == []
    assert ran.broken_images() == []
    assert len(ran.explorers()) == saved_pictures(saved)


def assert_sliders_say_what_they_show(explorer):
    for control in explorer.root.locator(".fpnlib-slider").all():
        slider = control.locator("input")
        if slider.is_visible():  # and not under "more"
            assert slider.bounding_box()["width"] >= 120
        assert slider.get_attribute("aria-valuetext") == control.locator(".fpnlib-value").text_content()


def test_every_slider_moves_readout_and_picture_and_back(ran):
    for number, explorer in enumerate(ran.explorers(), 1):
        there, back = explorer.step()
        before = explorer.at_rest()
        moved = explorer.press(there)
        assert moved[0] != before[0], f"explorer {number}: the readout stays “{before[0]}”"
        assert moved[1] != before[1], f"explorer {number}: the picture stays the same"
        assert_sliders_say_what_they_show(explorer)
        assert explorer.press(back) == before, f"explorer {number} does not return"


def test_a_verdict_opens_and_closes_from_the_keyboard(ran, saved):
    lines = ran.page.locator(".fpnlib-verdicts details")
    assert bool(lines.count()) == ("verdicts(" in saved.read_text())
    if not lines.count():
        return
    table, opened = lines.first.locator("table"), lines.first.get_attribute("open") is not None
    for shown in (opened, not opened, opened):
        assert table.is_visible() == shown
        lines.first.locator("summary").focus()
        ran.page.keyboard.press("Enter")
    assert table.locator("th").first.text_content() == "verdict"


def test_axe_finds_nothing_in_what_we_wrote(ran):
    """Deque's accessibility rules, on prose and outputs; the rest of the page is JupyterLab's."""
    ran.page.evaluate(AXE_SCRIPT)
    found = ran.page.evaluate(f"axe.run({json.dumps({'include': OURS})}, {{resultTypes: ['violations']}})")
    faults = [(rule["id"], node["html"][:200]) for rule in found["violations"] for node in rule["nodes"]]
    assert faults == []


def test_the_kernel_restarts_in_the_middle(ran, saved):
    if saved.stem != "01-precision-recall":
        return
    ran.restart_and_run_all()
    assert ran.cell_errors() == []
    for explorer in ran.explorers():
        there, back = explorer.step()
        before = explorer.at_rest()
        assert explorer.press(there) != before
        assert explorer.press(back) == before


def test_the_console_is_quiet(ran):
    assert ran.errors == []


def test_each_fault_is_seen(chromium, lab):
    cells = [
        v4.new_markdown_cell("# Planted faults\n\n![missing](missing.png)"),
        v4.new_code_cell("from IPython.display import Javascript\nJavascript(\"console.error('planted')\")"),
        v4.new_code_cell(f"import sys\nsys.path.insert(0, {str(ROOT / 'tests')!r})\n{DEAF}\nDeaf()"),
        v4.new_code_cell("{}['planted']"),
    ]
    planted = notebooks.normalise(v4.new_notebook(cells=cells))
    (lab.book / "planted.ipynb").write_bytes(notebooks.to_bytes(planted))
    page = chromium.new_page()
    notebook = OpenNotebook(page, lab.url("planted.ipynb"), len(cells))
    assert [address.rsplit("/", 1)[-1][:11] for address in notebook.broken_images()] == ["missing.png"]
    notebook.run_all()
    (error,) = notebook.cell_errors()
    assert "KeyError: 'planted'" in error
    assert any(text.startswith("planted") for text in notebook.errors)
    (explorer,) = notebook.explorers()
    there, _ = explorer.step()
    assert explorer.press(there) == ("deaf", explorer.at_rest()[1])
    page.close()


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux ends a child with its parent; elsewhere conftest.py does"
)
def test_nothing_is_left_of_a_dead_process(chromium, tmp_path):
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("tests", "tools"))
    command = [sys.executable, "-c", DIES, tmp_path]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True)
    assert done.returncode == -signal.SIGABRT, done.stderr
    started = json.loads((tmp_path / "started.json").read_text())
    for name in ("jupyter-lab", "ipykernel", "playwright", "--type=renderer"):
        assert any(name in command for command in started.values()), name
    left = [one for one in psutil.process_iter() if str(one.pid) in started]
    assert psutil.wait_procs(left, timeout=30)[1] == []
