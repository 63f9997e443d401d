"""The built pages: how soon the first picture is there, and how soon a move is seen."""

import statistics

import pytest
from playwright.sync_api import sync_playwright
from support.lab import find_chromium, launch
from support.side_by_side import amount
from support.site import SitePage, served

from pages import book
from pages.__main__ import SITE

MOVE_MS, FIRST_MS = 16, 1000
PAGES = [path.stem for path in book.notes() if not path.stem.startswith("00")]


@pytest.fixture(scope="module")
def browser():
    chromium = find_chromium()
    if chromium is None or not (SITE / "live" / "manifest.json").exists():
        pytest.skip("no Chromium, or no site: make site")
    with sync_playwright() as playwright:
        yield launch(playwright, chromium)


@pytest.fixture(scope="module")
def address():
    with served(SITE) as found:
        yield found


@pytest.fixture(scope="module")
def found():
    """Milliseconds: the age of each page at its first picture, and the median move of each explorer."""
    return {"first": {}, "move": {}}


# A test for each, since all of them together take longer than a test may.
@pytest.mark.parametrize("name", PAGES)
def test_every_page_shows_what_is_asked(browser, address, found, name):
    page = SitePage(browser, f"{address}{name}.html", device_scale_factor=2)
    for place, (explorer, one) in enumerate(page.explorers().items()):
        if place:
            one.wake()
        else:
            _, found["first"][name] = one.first_picture()
        page.page.wait_for_load_state("networkidle")
        if moves := one.moves():
            found["move"][explorer] = statistics.median(moves)
    assert page.errors == []
    page.context.close()


@pytest.mark.parametrize(
    ("kind", "what", "most"),
    [
        ("move", "a move to its picture on a built page, median over all explorers", MOVE_MS),
        ("first", "a built page to its first picture, from the loopback, median over all pages", FIRST_MS),
    ],
)
def test_pages_follow_at_once(found, benchmark, kind, what, most):
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["milliseconds"] = found[kind]
    amount(benchmark, what, statistics.median(found[kind].values()), "ms", most)
