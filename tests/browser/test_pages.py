"""One note as a page without a kernel: built with few states, then read, moved, damaged, and taken off the network."""

import json
import shutil

import nbformat
import pytest
from support.site import SitePage, Stored, apart, served, unhinted

from pages import book, live
from pages.__main__ import build
from pages.offered import OFFERED

pytestmark = pytest.mark.browser
NOTE, NAME = "09-research", "research_planner"
FEW = {"method": (2, 3.5, 6), "start": ("January", "September"), "deadline": ("May", "November")}
FAR = 64  # of 255; nearer than that the stored pictures are to the kernel's


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(OFFERED, NAME, FEW)
        assert build(["09"], folder, 1, folder.with_name("scratch")) == 0
    return folder


@pytest.fixture(scope="module")
def stored(site):
    return Stored(site, NAME)


@pytest.fixture(scope="module")
def explorer():
    made = live.Shown(NAME, {}).made()
    yield made
    made.close()


@pytest.fixture(scope="module")
def address(site):
    with served(site) as found:
        yield found


@pytest.fixture
def opened(chromium, address):
    pages = []

    def open_page(path=f"{NOTE}.html", base=address, **context):
        pages.append(SitePage(chromium, base + path, **context))
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_and_pictures_are_the_kernels(stored, explorer, theme):
    for number, state in enumerate(live.states(explorer, stored.offered)):
        explorer.set(**state)
        words = stored.states[number]
        assert (words["code"], words["readout"]) == (repr(explorer).split("\n")[0], explorer.readout)
        assert apart(stored.picture(theme, number, 2), unhinted(explorer, theme, 2), 2) < FAR
    explorer.set(**explorer._start)


def test_what_is_missing_or_moved_is_seen(stored, explorer):
    explorer.set(start="September")  # in January's row the frame's edge lies on the axis, where it is hardly seen
    number = stored.number(explorer.state)
    wanted = unhinted(explorer, "light", 2)
    parts = stored.states[number]["parts"]
    for part in parts:
        stored.states[number]["parts"] = [one for one in parts if one != part]
        assert apart(stored.picture("light", number, 2), wanted, 2) > FAR
    stored.states[number]["parts"] = parts
    for part in parts:
        step = stored.parts[part][0]
        place = {"p": 3, "m": 4, "t": 2, "i": 2}[step[0]]
        before = step[place]
        if step[0] in "pm":
            step[place] = [before[0] + 3 * stored.index["units"][0], *before[1:]]
        else:
            step[place] += 3 * stored.index["units"][0]
        assert apart(stored.picture("light", number, 2), wanted, 2) > FAR
        step[place] = before
    explorer.set(**explorer._start)


@pytest.mark.parametrize(("width", "theme", "sharp"), [(800, "light", 2), (1280, "dark", 2)])
def test_a_page_draws_what_is_stored_and_axe_finds_nothing(stored, explorer, opened, width, theme, sharp):
    page = opened(width=width, color_scheme=theme, device_scale_factor=sharp)
    (one,) = page.explorers().values()
    one.wake()
    pixels = one.pixels()
    density = pixels.shape[1] / stored.index["spec"]["size"][0]
    drawn = stored.picture(theme, stored.number(explorer.state), density)
    assert abs(len(drawn) - len(pixels)) <= 1
    assert apart(pixels[: len(drawn)], drawn[: len(pixels)], density) < FAR
    assert page.faults() == []
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_step_works_from_the_keyboard(stored, opened):
    page = opened()
    (one,) = page.explorers().values()
    one.wake()
    assert "Run All Cells" not in page.page.inner_text("article")
    control = one.controls()["method"]
    control.focus()
    page.page.keyboard.press("Home")
    for value in stored.offered["method"]:
        one.wait_for("method", value)
        code = one.root.locator("code").inner_text()
        assert one.readout.inner_text() == next(one["readout"] for one in stored.states if one["code"] == code)
        page.page.keyboard.press("ArrowRight")
    one.root.get_by_role("button", name="back to start").click()
    for name, value in stored.index["spec"]["start"].items():
        one.wait_for(name, value)
    assert page.errors == []
    assert {asked.split("/")[2] for asked in page.asked} == {page.address.split("/")[2]}


def test_without_javascript_the_saved_picture_and_its_words_stay(opened):
    page = opened(java_script_enabled=False)
    place = page.page.locator("[data-explorer]")
    picture = place.locator("img")
    assert picture.is_visible()
    assert picture.get_attribute("alt")
    assert len(place.inner_text()) > 20


def test_what_was_read_can_be_read_again_without_a_network(opened):
    page = opened()
    page.page.evaluate("navigator.serviceWorker.ready")
    page.page.reload()
    (one,) = page.explorers().values()
    one.wake()
    page.page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    page.page.reload()
    (one,) = page.explorers().values()
    one.wake()
    control = one.controls()["method"]
    control.focus()
    page.page.keyboard.press("End")
    one.wait_for("method", json.loads(control.get_attribute("aria-valuetext")))


@pytest.mark.parametrize("damage", ["index", "states-0", "parts-0", "manifest.json"])
def test_damage_is_told_in_its_place_and_the_rest_works(site, opened, tmp_path, damage):
    copy = tmp_path / "site"
    shutil.copytree(site, copy)
    live_files = [copy / "live" / "manifest.json", *(copy / "live" / NAME).iterdir()]
    (path,) = (path for path in live_files if path.name.startswith(damage))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with served(copy) as base:
        page = opened(base=base, service_workers="block")
        (one,) = page.explorers().values()
        one.root.scroll_into_view_if_needed()
        one.root.get_by_text("missing or damaged").first.wait_for()
        assert page.page.get_by_role("heading").first.is_visible()
        assert one.root.locator("img, canvas").first.is_visible()


def test_every_call_in_the_book_is_found_and_has_its_states():
    shown = [one.name for one in book.explorers(book.notes())]
    assert len(shown) == len(set(shown))
    assert set(shown) == set(OFFERED)


def notebook_that_shows(folder, name, *calls):
    data = [{"image/png": "", "text/plain": f"{call}\nwords"} for call in calls]
    cells = [nbformat.v4.new_code_cell("", outputs=[nbformat.v4.new_output("display_data", one)]) for one in data]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / name)
    return folder / name


def test_what_two_pages_show_is_stored_once(tmp_path):
    one = notebook_that_shows(tmp_path, "one.ipynb", "prevalence(ratio=1)", "calibration()", "detection([1])")
    two = notebook_that_shows(tmp_path, "two.ipynb", "box_error()", "prevalence(ratio=1)")
    assert [shown.name for shown in book.explorers([one, two])] == ["prevalence", "calibration", "box_error"]


@pytest.mark.bad_input
def test_what_two_pages_show_starts_in_one_state(tmp_path):
    calls = ("prevalence(ratio=1)", "prevalence()")
    paths = [notebook_that_shows(tmp_path, f"{place}.ipynb", call) for place, call in enumerate(calls)]
    with pytest.raises(ValueError, match=r"prevalence: got \{\}, allowed: the same state wherever it is shown"):
        book.explorers(paths)
