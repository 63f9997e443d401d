"""One note as a page without a kernel: built with few states, then read, moved, damaged, and taken off the network."""

import json
import shutil

import numpy as np
import pytest
from support.site import SitePage, Stored, served

from pages import book, live
from pages.__main__ import build

pytestmark = pytest.mark.browser
NOTE, NAME = "09-research", "research_planner"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(live, "STATES", 12)
        assert build(["09"], folder, 1, folder.with_name("scratch")) == 0
    return folder


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


def test_words_and_pictures_are_the_kernels(site, opened):
    stored = Stored(site / "live" / NAME)
    explorer = live.Shown(NAME, {}).made()
    offered = {name: one.get("values") or one.get("options") for name, one in stored.index["spec"]["controls"].items()}
    for number, state in enumerate(live.states(explorer, offered)):
        explorer.set(**state)
        assert stored.index["words"][number]["readout"] == explorer.readout
        assert stored.index["words"][number]["code"] == repr(explorer).split("\n")[0]
        for theme in ("light", "dark"):
            pixels, _ = explorer.still(explorer.data, state, live.DENSITY, theme, offered)
            assert np.array_equal(stored.picture(theme, number), pixels[..., :3])
    explorer.close()
    page = opened()
    (one,) = page.explorers().values()
    one.wake()
    start = [list(state.values()) for state in live.states(explorer, offered)].index(list(explorer._start.values()))
    assert np.array_equal(one.pixels(), stored.picture("light", start))


def test_every_step_works_from_the_keyboard(site, opened):
    index = Stored(site / "live" / NAME).index
    page = opened()
    (one,) = page.explorers().values()
    one.wake()
    for name, control in one.controls().items():
        values = index["spec"]["controls"][name]["values"]
        control.focus()
        page.page.keyboard.press("Home")
        for value in values:
            one.wait_for(name, value)
            number = [words["code"] for words in index["words"]].index(one.root.locator("code").inner_text())
            assert one.readout.inner_text() == index["words"][number]["readout"]
            page.page.keyboard.press("ArrowRight")
    one.root.get_by_role("button", name="back to start").click()
    for name, value in index["spec"]["start"].items():
        one.wait_for(name, value)
    assert page.errors == []
    assert {asked.split("/")[2] for asked in page.asked} == {page.address.split("/")[2]}


@pytest.mark.parametrize("width", [800, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_sticks_out(opened, width, theme):
    page = opened(width=width, color_scheme=theme)
    (one,) = page.explorers().values()
    one.wake()
    assert page.faults() == []
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    assert (one.pixels()[:8, :8].mean() > 200) == (theme == "light")


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
    name, control = next(iter(one.controls().items()))
    control.focus()
    page.page.keyboard.press("End")
    one.wait_for(name, json.loads(control.get_attribute("aria-valuetext")))


@pytest.mark.parametrize("damage", ["index.json", "light-0", "light-plate", "manifest.json"])
def test_damage_is_told_in_its_place_and_the_rest_works(site, opened, tmp_path, damage):
    copy = tmp_path / "site"
    shutil.copytree(site, copy)
    found = [path for path in (copy / "live").rglob("*.*") if path.name.startswith(damage)]
    for path in found:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert found
    with served(copy) as base:
        page = opened(base=base, service_workers="block")
        (one,) = page.explorers().values()
        one.root.scroll_into_view_if_needed()
        alert = one.root.get_by_text("missing or damaged").first
        alert.wait_for()
        assert page.page.get_by_role("heading").first.is_visible()
        assert one.root.locator("img, canvas").first.is_visible()


def test_every_call_in_the_book_is_found():
    shown = [one.name for one in book.explorers(book.notes())]
    assert len(shown) == len(set(shown)) > 40
