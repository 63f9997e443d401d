"""From a key press to the picture that follows it, in JupyterLab: every explorer, `interact` and ipympl in one run."""

import itertools
import statistics
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache

import pytest
from nbformat import v4
from playwright.sync_api import Locator, sync_playwright
from support.lab import OpenExplorer, OpenNotebook, find_chromium, jupyter_lab, launch
from support.side_by_side import amount, compare

import notebooks
from fpnlib.explore import all_explorers
from repository import ROOT

STEPS, JUMPS, WARM = 6, 5, 2
STEP_MS, JUMP_MS = 20, 50
OPEN_SECONDS = 120  # for a note's explorers, on a busy machine
NOTES = {
    note: [make.__name__ for make in makes]
    for note, makes in itertools.groupby(all_explorers().values(), lambda make: make.__module__.split(".")[2])
}
OURS = "from support.four_maps import FourMaps\nFourMaps()"
# What a person writes for the same figure and slider.
INTERACT = """
    import io
    import ipywidgets
    from IPython.display import Image, display
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from support.four_maps import lay_out, move, waves

    def show(phase):
        figure = Figure(figsize=(10, 5), dpi=100, layout="constrained")
        canvas, png = FigureCanvasAgg(figure), io.BytesIO()
        move(*lay_out(figure), waves(phase))
        canvas.print_png(png)
        display(Image(png.getvalue()))

    ipywidgets.interact(show, phase=ipywidgets.FloatSlider(min=0, max=6, step=0.01, readout=False));
"""
IPYMPL = """
    import ipywidgets
    from IPython.display import display
    from ipympl.backend_nbagg import Canvas, FigureManager
    from matplotlib.figure import Figure
    from support.four_maps import lay_out, move, waves

    figure = Figure(figsize=(10, 5), dpi=100, layout="constrained")
    canvas, artists = Canvas(figure), lay_out(figure)
    manager = FigureManager(canvas, 0)
    slider = ipywidgets.FloatSlider(min=0, max=6, step=0.01, readout=False)

    def show(change):
        move(*artists, waves(slider.value))
        canvas.draw_idle()

    slider.observe(show, "value")
    display(ipywidgets.VBox([slider, canvas]))
"""
# Time from the next input to the first frame in which what is watched looks otherwise; it is looked at in each frame.
LISTEN = """([place, looks]) => {
  const look = { picture: () => place.querySelector("img")?.getAttribute("src"),
                 canvas: () => place.querySelector("canvas")?.toDataURL("image/webp", 0.1) }[looks];
  window.took = new Promise((done, fail) => {
    const before = look();
    setTimeout(() => fail(new Error("nothing has changed for ten seconds")), 10000);
    const follow = begin => {
      const each = () => { if (look() !== before) done(performance.now() - begin); else requestAnimationFrame(each); };
      each();
    };
    for (const kind of ["keydown", "input"]) {
      document.addEventListener(kind, () => follow(performance.now()), { capture: true, once: true });
    }
  });
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium found")
    with (
        jupyter_lab([ROOT / "images"], tmp_path_factory.mktemp("lab")) as server,
        sync_playwright() as playwright,
    ):
        yield server, launch(playwright, chromium)


@contextmanager
def notebook_of(lab, name: str, cells: list[str]) -> Iterator[OpenNotebook]:
    """A notebook in JupyterLab whose cells have run."""
    server, browser = lab
    paths = [str(ROOT / "tests"), str(ROOT)]
    first = f"import sys\nsys.path[:0] = {paths!r}\nfrom fpnlib.explore import all_explorers\nE = all_explorers()"
    book = notebooks.normalise(v4.new_notebook(cells=[v4.new_code_cell(one) for one in [first, *cells]]))
    (server.book / f"{name}.ipynb").write_bytes(notebooks.to_bytes(book))
    with browser.new_page(viewport={"width": 1400, "height": 1000}) as page:
        notebook = OpenNotebook(page, server.url(f"{name}.ipynb"), len(book.cells))
        notebook.run_all(OPEN_SECONDS)
        assert notebook.cell_errors() == []
        yield notebook


@pytest.fixture(scope="module")
def explorer_of(lab):
    """Finds an explorer in a notebook that has all of its note, as readers have it. Asked note by note."""
    with ExitStack() as open_now:

        @lru_cache(1)
        def room(note: str) -> dict[str, OpenExplorer]:
            open_now.close()
            cells = [f"E[{name!r}]()" for name in NOTES[note]]
            notebook = open_now.enter_context(notebook_of(lab, note, cells))
            return dict(zip(NOTES[note], notebook.explorers(), strict=True))

        yield lambda note, name: room(note)[name]


def cell(opened: OpenNotebook, number: int) -> Locator:
    return opened.page.locator(".jp-Notebook .jp-Cell").nth(number).locator(".jp-Cell-outputArea")


def taken(place: Locator, looks: str, act) -> float:
    place.evaluate("(place, looks) => (" + LISTEN + ")([place, looks])", looks)
    act()
    return place.page.evaluate("window.took")


def steps(explorer: OpenExplorer) -> list[float]:
    """Milliseconds of single steps of the first slider, to and fro, each after a look at the picture at rest."""
    there, back = explorer.step()
    value, low, high = (float(explorer.slider.evaluate(f"one => one.{end}")) for end in ("value", "min", "max"))
    room = abs((high if there == "ArrowRight" else low) - value) / float(explorer.slider.get_attribute("step") or 1)
    explorer.slider.focus()
    found = []
    keys = (there, there, back, back) if room > 1.5 else (there, back)
    for key in itertools.islice(itertools.cycle(keys), WARM + STEPS):
        explorer.at_rest()
        explorer.page.wait_for_timeout(400)  # a person looks, and the page asks ahead
        found.append(taken(explorer.root, "picture", lambda key=key: explorer.page.keyboard.press(key)))
    return found[WARM:]


def jumps(explorer: OpenExplorer) -> list[float]:
    """Milliseconds of jumps of the first slider to places that are not near."""
    low, high = (float(explorer.slider.get_attribute(end) or 0) for end in ("min", "max"))
    step = float(explorer.slider.get_attribute("step") or 1)
    found = []
    for share in (0.93, 0.12, 0.71, 0.33, 0.85, 0.21, 0.6, 0.04, 0.5)[: WARM + JUMPS]:
        explorer.at_rest()
        value = low + round(share * (high - low) / step) * step
        if abs(float(explorer.slider.input_value()) - value) < step / 2:
            continue
        found.append(taken(explorer.root, "picture", lambda value=value: explorer.slider.fill(f"{value:.10g}")))
    return found[WARM:]


def test_beside_interact_and_ipympl(lab, benchmark):
    with notebook_of(lab, "beside", [OURS, *map(textwrap.dedent, (INTERACT, IPYMPL))]) as opened:
        beside(opened, benchmark)


def beside(opened: OpenNotebook, benchmark) -> None:
    (ours,) = opened.explorers()
    others = {}
    for number, (name, looks) in enumerate((("`interact`", "picture"), ("ipympl", "canvas")), 2):
        place = cell(opened, number)
        slider = place.get_by_role("slider").first
        slider.focus()
        each = []
        for key in itertools.islice(
            itertools.cycle(("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft")), WARM + STEPS
        ):
            opened.page.wait_for_timeout(400)
            each.append(taken(place, looks, lambda key=key: opened.page.keyboard.press(key)))
        others[name] = statistics.median(each[WARM:])
    mine = {"a step": statistics.median(steps(ours)), "a jump": statistics.median(jumps(ours))}
    benchmark.pedantic(lambda: None, rounds=1)
    for (what, milliseconds), (name, theirs) in itertools.product(mine.items(), others.items()):
        compare(benchmark, f"{what} in JupyterLab, four maps and a curve", name, theirs / milliseconds, 1)


@pytest.fixture(scope="module")
def found():
    """Median milliseconds by kind of move and explorer, as the tests of each find them."""
    return {"step": {}, "jump": {}}


# A test for each, since all of them together take longer than a test may.
@pytest.mark.parametrize(("note", "name"), [(note, name) for note, names in NOTES.items() for name in names])
def test_every_explorer_shows_what_is_asked(explorer_of, note, name, found):
    explorer = explorer_of(note, name)
    for kind, measure in (("step", steps), ("jump", jumps)):
        if each := measure(explorer):  # a slider of two or three places has no jumps
            found[kind][name] = statistics.median(each)
    assert name in found["step"]


@pytest.mark.parametrize(("kind", "most"), [("step", STEP_MS), ("jump", JUMP_MS)])
def test_key_press_to_picture_over_all_explorers(found, benchmark, kind, most):
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["milliseconds"] = found[kind]
    what = f"a {kind} in JupyterLab to its picture (median over all explorers)"
    amount(benchmark, what, statistics.median(found[kind].values()), "ms", most)
