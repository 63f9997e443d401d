"""Every page in a browser: explorers by keyboard and by drag, both themes and widths, no other host, no JavaScript."""

import pytest
from support.site import SitePage

from pages import book

pytestmark = pytest.mark.browser
PAGES = ["index" if path.stem.startswith("00") else path.stem for path in book.notes()]


@pytest.fixture(params=PAGES)
def opened(request, chromium, address):
    pages = []

    def open_page(**context):
        pages.append(SitePage(chromium, f"{address}{request.param}.html", **context))
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()


def test_every_control_works_from_the_keyboard_and_every_handle_by_drag(opened):
    page = opened()
    for name, one in page.explorers().items():
        one.wake()
        for control in one.controls().values():
            before = one.shown()
            control.focus()
            kind = control.evaluate("one => one.type")
            keys = {"range": ["Home", "End"], "checkbox": ["Space"]}.get(kind, ["ArrowDown", "ArrowUp"])
            for key in keys:
                page.page.keyboard.press(key)
                page.page.wait_for_timeout(200)
                moved = one.shown()
                assert one.error.all_inner_texts() in ([], [""]), name
                if moved != before:
                    break
            assert moved != before, name
        one.root.get_by_role("button", name="back to start").click()
        for grip in one.root.locator(".fpnlib-grip").all():
            box = grip.bounding_box()
            if box is None:
                continue
            before = one.shown()
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            page.page.mouse.move(x, y)
            page.page.mouse.down()
            for far in (40, -40, 120, -120):
                page.page.mouse.move(x + far, y + far)
                page.page.wait_for_timeout(100)
                if one.shown() != before:
                    break
            page.page.mouse.up()
            assert one.shown() != before, name
    assert page.errors == []
    assert {asked.split("/")[2] for asked in page.asked if asked.startswith("http")} == {page.address.split("/")[2]}


@pytest.mark.parametrize(("width", "theme"), [(800, "light"), (1280, "dark")])
def test_axe_finds_nothing_and_nothing_sticks_out(opened, width, theme):
    page = opened(width=width, color_scheme=theme)
    for one in page.explorers().values():
        one.wake()
    assert page.faults() == []
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_javascript_the_saved_pictures_and_words_stay(opened):
    page = opened(java_script_enabled=False)
    for place in page.page.locator("[data-explorer]").all():
        assert place.locator("img").is_visible()
        assert place.inner_text()
