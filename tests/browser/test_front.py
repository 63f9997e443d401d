"""The front end in a browser, without JupyterLab: touch, keyboard, density, themes, and states ahead of the reader."""

import io
import json
import time

import numpy as np
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from PIL import Image
from support.four_maps import FourMaps
from support.page import ExplorerPage

from fpnlib.explore import number, slider

pytestmark = pytest.mark.browser


class Wave(FourMaps):
    """One line; its phase is an upright line that can be grabbed, and its size a level one."""

    size = (500, 300)

    def make_controls(self):
        return super().make_controls() | {
            "height": slider("height", 1.0, 0.0, 2.0, 0.1),
            "beyond": slider("beyond", 1, 0, 3, 1),
        }

    def compute(self, phase, kind, flipped, height, beyond):
        if beyond == 3:
            raise ArithmeticError("over the cliff")
        data = super().compute(phase, kind, flipped)
        self.phase, self.height = phase, height
        return type(data)((), data.x, data.y * height + beyond / 9)

    def build(self, figure):
        panel = self.panel(figure.subplots(), xlim=(0, 6), ylim=(-2, 2), xlabel="time (s)", ylabel="height")
        panel.line(lambda data: (data.x, data.y), label="wave")
        panel.grab(phase=lambda value: (value, None))
        panel.grab(height=lambda value: (None, value))


class Dotted(Wave):
    """And a dot that lies on the line, so that where its handle is depends on the other controls."""

    def build(self, figure):
        super().build(figure)
        self._panels[0].dot(
            lambda data: (data.x[50], data.y[50]), grab={"beyond": lambda value, data: (data.x[50], data.y[50])}
        )


@pytest.fixture
def opened(chromium):
    pages = []

    def open_page(explorer=None, **context):
        pages.append(ExplorerPage(chromium, explorer or Wave(), **context))
        return pages[-1]

    yield open_page
    for page in pages:
        assert page.errors == []
        page.close()


def centre(grip):
    box = grip.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def point_at(page, number):
    """Move the pointer to a point of the wave; return its x on the page, and the top of the picture."""
    data = page.explorer.data
    with page.explorer.drawn(data, "light") as canvas:
        axes = page.explorer._panels[0].axes
        across, up = axes.transData.transform((data.x[number], data.y[number])) / canvas.figure.bbox.size
    box = page.page.locator(".fpnlib-stage").bounding_box()
    x = box["x"] + across * box["width"]
    page.page.mouse.move(x, box["y"] + (1 - up) * box["height"])
    return x, box["y"]


@pytest.mark.parametrize(("ratio", "pixels"), [(1, 1000), (1.5, 1500), (2, 2000), (3, 3000)])
def test_the_picture_has_the_screens_density(opened, ratio, pixels):
    page = opened(FourMaps(), device_scale_factor=ratio)
    page.page.set_viewport_size({"width": 1016, "height": 900})
    page.page.get_by_label("flipped").check()
    page.settle()
    assert page.shown()[2] == f"{pixels}×{pixels // 2}"


def test_the_picture_follows_the_theme_while_one_looks(opened):
    page = opened()

    def lightness():
        return np.asarray(Image.open(io.BytesIO(page.picture())).convert("L")).mean()

    light = page.picture()
    assert lightness() > 200
    for theme, dark in (("false", True), ("true", False)):
        page.page.evaluate(f"document.body.dataset.jpThemeLight = '{theme}'")
        page.settle()
        assert (lightness() < 60) == dark
    assert page.picture() == light


@pytest.mark.parametrize("name", ["phase", "height"])
def test_dragging_a_handle_moves_its_control_and_nothing_else(opened, name):
    page = opened()
    grip = page.page.locator(".fpnlib-grip").nth(["phase", "height"].index(name))
    before = page.explorer.state
    x, y = centre(grip)
    page.page.mouse.move(x, y)
    assert grip.evaluate("one => getComputedStyle(one).cursor") == "grab"
    page.page.mouse.down()
    for step in (30, 60, 90):
        page.page.mouse.move(x + step, y + step / 2)
        page.settle()
        assert page.agrees()
    page.page.mouse.up()
    assert page.explorer.state[name] != before[name]
    assert {key for key in before if page.explorer.state[key] != before[key]} == {name}
    # The handle lies where the pointer is, within a step of the control.
    after = centre(grip)
    assert after[0 if name == "phase" else 1] == pytest.approx((x + 90, y + 45)[0 if name == "phase" else 1], abs=12)
    assert page.page.evaluate("document.activeElement.dataset.control") == name


def test_a_click_beside_a_handle_brings_it_there(opened):
    page = opened()
    box = page.page.locator(".fpnlib-region").last.bounding_box()
    page.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    page.settle()
    assert page.agrees()
    assert page.explorer.state["height"] == pytest.approx(1.0)  # a quarter from the top, of −2 to 2


def test_a_finger_drags_a_handle_and_scrolls_beside_it(opened):
    page = opened(has_touch=True)
    grip = page.page.locator(".fpnlib-grip").first
    assert grip.evaluate("one => getComputedStyle(one).touchAction") == "none"
    region = page.page.locator(".fpnlib-region").first
    assert region.evaluate("one => getComputedStyle(one).touchAction") == "pan-y"
    hand = page.context.new_cdp_session(page.page)
    x, y = centre(grip)
    for kind, points in (
        ("touchStart", [{"x": x, "y": y}]),
        ("touchMove", [{"x": x + 40, "y": y}]),
        ("touchMove", [{"x": x + 80, "y": y}]),
        ("touchEnd", []),
    ):
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.settle()
    assert page.explorer.state["phase"] > 0
    assert page.agrees()


def test_what_the_reader_is_likely_to_want_is_there_before_it_is_asked(opened):
    page = opened()
    page.page.get_by_label("phase").focus()
    page.settle()
    for _ in range(5):  # on a busy machine a picture may take so long that none is asked ahead
        if any(asked["kind"] == "ahead" for asked in page.asked):
            break
        page.page.get_by_label("phase").press("ArrowRight")
        page.page.get_by_label("phase").press("ArrowLeft")
        page.settle()
    ahead = {asked["state"]["phase"] for asked in page.asked if asked["kind"] == "ahead"}
    assert {0.02, 0.03} <= ahead
    # On a busy machine the next place was shown on the way, and is not asked for again.
    assert 0.01 in ahead | {asked["state"]["phase"] for asked in page.asked if asked["kind"] == "rest"}
    page.asked.clear()
    page.page.keyboard.press("ArrowRight")
    page.page.wait_for_function("document.querySelector('img.fpnlib-picture').dataset.state.startsWith('[0.01')")
    shown = page.shown()
    assert page.asked == []  # the picture came from the page's own store
    page.settle()
    assert page.agrees()
    assert page.shown()[:2] == shown[:2]
    assert "show" not in {asked["kind"] for asked in page.asked}
    rest = next(asked for asked in page.asked if asked["kind"] == "rest")
    assert page.picture() == page.explorer.frame("png", rest["density"])


def test_a_slow_first_picture_is_not_taken_for_the_usual_one(opened):
    class SlowOnce(Wave):
        def compute(self, phase, kind, flipped, height, beyond):
            if phase == 2 and not hasattr(self, "slow"):
                self.slow = time.sleep(0.5)
            return super().compute(phase, kind, flipped, height, beyond)

    page = opened(SlowOnce(), device_scale_factor=2)
    page.page.get_by_label("phase").focus()
    page.settle()
    page.asked.clear()
    page.page.get_by_label("phase").fill("2")
    page.settle(1.0)
    assert {asked["density"] for asked in page.asked if asked["kind"] == "ahead"} == {3}
    page.asked.clear()
    page.page.get_by_label("phase").fill("4")
    page.settle()
    assert (page.asked[0]["kind"], page.explorer.slow) == ("show", None)
    assert page.agrees()


def test_a_jump_is_asked_for_and_comes(opened):
    page = opened()
    for _ in range(3):
        page.page.get_by_label("phase").fill("4.5")
        page.page.get_by_label("phase").fill("1.25")
    page.settle()
    assert page.explorer.state["phase"] == 1.25
    assert page.agrees()


def test_a_late_answer_does_not_cover_what_came_from_the_store(opened):
    page = opened()
    start = page.page.locator(".fpnlib-explorer").get_attribute("data-state")
    page.page.evaluate(
        """() => {
            const shown = () => document.querySelector("img.fpnlib-picture").dataset.state;
            window.pictures = [shown()];
            new MutationObserver(() => pictures.push(shown())).observe(
                document.querySelector(".fpnlib-stage"), { childList: true });
        }"""
    )
    page.page.evaluate(
        """() => {
            const phase = [...document.querySelectorAll("input")].find(input => input.dataset.control === "phase");
            for (const value of ["2", "0"]) {
                phase.value = value;
                phase.dispatchEvent(new Event("input", { bubbles: true }));
            }
        }"""
    )
    page.settle()
    assert 2 in [asked["state"]["phase"] for asked in page.asked]
    assert set(page.page.evaluate("pictures")) == {start}
    assert page.agrees()


def test_lists_and_boxes_work_from_the_keyboard(opened):
    page = opened()
    page.page.get_by_label("kind").focus()
    page.page.keyboard.press("ArrowDown")
    page.page.get_by_label("flipped").focus()
    page.page.keyboard.press("Space")
    page.settle()
    assert (page.explorer.state["kind"], page.explorer.state["flipped"]) == ("cosine", True)
    assert page.agrees()


def test_what_python_moves_moves_the_page(opened):
    page = opened()
    page.explorer.set(phase=2.5, kind="cosine")
    page.settle()
    assert page.agrees()
    assert page.page.get_by_label("kind").input_value() == "cosine"


def test_back_to_start_and_the_state_as_code(opened):
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    page.page.get_by_label("phase").fill("3")
    page.settle()
    page.page.get_by_role("button", name="copy this state as code").click()
    assert page.page.evaluate("navigator.clipboard.readText()") == repr(page.explorer).split("\n")[0]
    page.page.get_by_role("button", name="back to start").click()
    page.settle()
    assert page.explorer.state == Wave().state
    assert page.agrees()


def test_four_controls_at_once_and_the_rest_under_more(opened):
    page = opened()
    more = page.page.locator("details.fpnlib-more")
    assert [one.get_attribute("data-control") for one in more.locator("[data-control]").all()] == ["beyond"]
    assert not page.page.get_by_label("beyond").is_visible()
    more.locator("summary").click()
    assert page.page.get_by_label("beyond").is_visible()
    assert page.page.get_by_role("slider").count() == 3


class Grouped(Wave):
    groups = (("the wave", ("phase", "height")), ("the rest", ("kind", "beyond", "flipped")))


def test_a_group_has_a_name_and_stands_as_a_whole(opened):
    page = opened(Grouped())
    first, second = (page.page.get_by_role("group", name=name, exact=True) for name, _ in Grouped.groups)
    page.page.locator("details.fpnlib-more summary").click()
    for group, names in ((first, ["phase", "height"]), (second, ["kind", "beyond", "flipped"])):
        assert [one.get_attribute("data-control") for one in group.locator("[data-control]").all()] == names
    more = page.page.locator("details.fpnlib-more [data-control]").all()
    assert [one.get_attribute("data-control") for one in more] == ["kind", "beyond", "flipped"]
    first.get_by_label("height").fill("2")
    page.settle()
    assert page.agrees()


def test_an_error_is_shown_and_goes_with_the_next_state(opened):
    page = opened()
    page.page.locator("summary").click()
    page.page.get_by_label("beyond").fill("3")
    page.settle()
    alert = page.page.get_by_role("alert")
    assert alert.inner_text().startswith("ArithmeticError: over the cliff\nat {")
    page.page.get_by_label("beyond").fill("2")
    page.settle()
    assert not alert.is_visible()
    assert page.agrees()


def test_who_goes_on_at_once_does_not_wait_behind_what_is_asked_ahead(opened):
    page = opened()
    # The pause before others are asked for is held until it is let go.
    page.page.evaluate(
        """() => {
            const later = window.setTimeout;
            window.held = [];
            window.setTimeout = (act, delay) => delay === 100 ? held.push(act) : later(act, delay);
        }"""
    )
    page.page.get_by_label("phase").focus()
    page.page.keyboard.press("ArrowRight")
    page.settle()
    assert {asked["kind"] for asked in page.asked} <= {"show", "rest"}
    for _ in range(5):  # on a busy machine a picture may take so long that none is asked ahead
        page.page.evaluate("held.splice(0).forEach(act => act())")
        page.settle()
        if any(asked["kind"] == "ahead" for asked in page.asked):
            break
        page.page.keyboard.press("ArrowRight")
        page.settle()
    assert "ahead" in {asked["kind"] for asked in page.asked}
    assert page.agrees()


def test_the_store_keeps_within_its_bytes(opened):
    page = opened()
    kept = page.page.evaluate(
        """() => {
          const store = new front.Store();
          for (let key = 0; key < 100; key += 1) store.set(String(key), { address: "x".repeat(2 ** 20) });
          store.get("61");
          for (let key = 100; key < 139; key += 1) store.set(String(key), { address: "x".repeat(2 ** 20) });
          return { bytes: store.bytes, keys: [...store.answers.keys()] };
        }"""
    )
    assert kept["bytes"] == len(kept["keys"]) * 2**20 == 40 * 2**20
    assert kept["keys"] == ["61", *map(str, range(100, 139))]


@pytest.mark.parametrize("width", [640, 800, 1280, 1900])
def test_nothing_overlaps_at_any_width(opened, width):
    page = opened()
    page.page.set_viewport_size({"width": width, "height": 900})
    boxes = [one.bounding_box() for one in page.page.locator(".fpnlib-control, .fpnlib-buttons, .fpnlib-stage").all()]
    boxes = [box for box in boxes if box]
    for count, box in enumerate(boxes):
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width + 1
        for other in boxes[:count]:
            across = min(box["x"] + box["width"], other["x"] + other["width"]) - max(box["x"], other["x"])
            down = min(box["y"] + box["height"], other["y"] + other["height"]) - max(box["y"], other["y"])
            assert min(across, down) <= 1


@pytest.mark.parametrize("light", ["true", "false"])
def test_axe_finds_nothing(opened, light):
    page = opened()
    page.page.evaluate(f"document.body.dataset.jpThemeLight = '{light}'")
    page.settle()
    page.page.evaluate(AXE_SCRIPT)
    found = page.page.evaluate(f"axe.run({json.dumps({'include': [['#explorer']]})}, {{resultTypes: ['violations']}})")
    assert [(rule["id"], node["html"][:200]) for rule in found["violations"] for node in rule["nodes"]] == []


def test_the_number_under_the_pointer_is_the_datas(opened):
    page = opened()
    data, hint = page.explorer.data, page.page.locator(".fpnlib-hint")
    x, top = point_at(page, 200)
    page.settle()
    assert hint.inner_text() == f"wave: time {number(data.x[200])}, height {number(data.y[200])}"
    page.page.mouse.move(x, top + 5)
    page.settle()
    assert not hint.is_visible()
    assert page.errors == []


def test_a_handle_that_the_data_move_goes_along(opened):
    page = opened(Dotted())
    grip = page.page.locator(".fpnlib-grip").last
    before = centre(grip)
    page.page.get_by_label("height").fill("2")
    page.settle()
    with page.explorer.drawn(page.explorer.data, "light") as canvas:
        dot = page.explorer._panels[0].artists[-1]
        _, up = dot.axes.transData.transform(dot.get_xydata()[0]) / canvas.figure.bbox.size
    box = page.page.locator(".fpnlib-stage").bounding_box()
    after = centre(grip)
    assert after[1] == pytest.approx(box["y"] + (1 - up) * box["height"], abs=1)
    assert abs(after[1] - before[1]) > 10


def test_the_browsers_own_theme_counts_outside_jupyterlab(opened):
    page = opened()
    page.page.evaluate("delete document.body.dataset.jpThemeLight")
    page.page.emulate_media(color_scheme="dark")
    page.settle()
    assert np.asarray(Image.open(io.BytesIO(page.picture())).convert("L")).mean() < 60


def test_the_state_can_be_copied_without_a_clipboard(opened):
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    page.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })")
    page.page.get_by_role("button", name="copy this state as code").click()
    page.page.evaluate("delete navigator.clipboard")
    assert page.page.evaluate("navigator.clipboard.readText()") == repr(page.explorer).split("\n")[0]


def test_a_hint_goes_with_a_move_and_stays_away_while_the_page_asks_ahead(opened):
    page = opened()
    hint = page.page.locator(".fpnlib-hint")
    point_at(page, 200)
    page.settle()
    assert hint.is_visible()
    page.page.get_by_label("phase").focus()
    page.page.keyboard.press("ArrowRight")
    assert not hint.is_visible()
    page.settle()  # among what it asks are the states ahead
    assert not hint.is_visible()
    assert page.agrees()
