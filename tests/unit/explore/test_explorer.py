import base64
import gc
import io
import json
import threading

import numpy as np
import psutil
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb
from PIL import Image
from support.asking import Page
from support.four_maps import FourMaps, Waves

from fpnlib.explore import Explorer, explorer, slider, style


def pixels(encoded):
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")).astype(int)


@pytest.fixture
def four():
    made = FourMaps()
    yield made
    made.close()


def test_state_has_the_controls_names_and_values(four):
    assert four.state == {"phase": 0.0, "kind": "sine", "flipped": False}
    assert four.set(phase=1, kind="cosine").state == {"phase": 1.0, "kind": "cosine", "flipped": False}
    assert list(four.state) == list(four.controls())


def test_set_moves_data_readout_and_picture(four):
    before, readout = pixels(four.frame()), four.readout
    four.set(phase=1.5)
    assert four.data.y[0] == pytest.approx(np.sin(1.5))
    assert four.readout == "The line starts at 0.997." != readout
    assert (pixels(four.frame()) != before).any()


def test_a_widget_moves_the_same_way_as_set(four):
    four.controls()["phase"].value = 1.5
    by_widget = four.frame()
    assert by_widget == FourMaps().set(phase=1.5).frame()


def test_same_state_gives_the_same_picture_whatever_came_before(four):
    fresh = four.frame()
    four.set(phase=3, kind="cosine", flipped=True).frame()
    assert four.set(phase=0, kind="sine", flipped=False).frame() == fresh


def test_blitting_equals_a_full_draw(four):
    four.set(phase=2).frame()
    four.set(phase=4)
    blitted = pixels(four.frame())
    full = FourMaps().set(phase=4)
    with full.drawn(full.data, "light") as canvas:
        for artist in canvas._moving:
            artist.set_animated(False)
        canvas._agg.draw()
        drawn = np.asarray(canvas._agg.buffer_rgba())[..., :3].astype(int)
    # The same but for the axes' own lines, which a full draw puts over the pictures.
    assert (abs(blitted - drawn).max(-1) > 8).mean() < 0.01


def test_frames_decode_at_the_declared_size(four):
    for format in ("png", "jpeg", "webp"):
        assert pixels(four.frame(format)).shape == (500, 1000, 3)
    assert abs(pixels(four.frame("jpeg")) - pixels(four.frame("png"))).mean() < 3


@pytest.mark.parametrize("density", [1.5, 2, 3])
def test_a_dense_frame_is_the_same_picture_with_more_pixels(four, density):
    once, dense = four.frame(), pixels(four.frame(density=density))
    assert dense.shape == (500 * density, 1000 * density, 3)
    smaller = Image.fromarray(dense.astype(np.uint8)).resize((1000, 500), Image.Resampling.BOX)
    assert abs(np.asarray(smaller).astype(int) - pixels(once)).mean() < 3
    assert four.frame() == once


def test_the_dark_theme_is_dark_and_does_not_stay(four):
    light = four.frame()
    dark = pixels(four.frame(theme="dark"))
    assert tuple(dark[2, 2]) == tuple(round(255 * part) for part in to_rgb(style.THEMES["dark"]["paper"]))
    assert dark.mean() < 128 < pixels(light).mean()
    assert four.frame() == light


@pytest.mark.parametrize("theme", style.THEMES)
def test_explorers_of_both_themes_may_be_drawn_in_turn(four, theme):
    other = FourMaps()
    wanted = four.frame(theme=theme)
    for _ in range(2):
        other.frame(theme="dark" if theme == "light" else "light")
        assert four.frame(theme=theme) == wanted
    other.close()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"phase": 7}, "phase: got 7, allowed: 0 to 6"),
        ({"phase": float("nan")}, "phase: got nan, allowed: 0 to 6"),
        ({"phase": "1"}, "phase: got '1', allowed: 0 to 6"),
        ({"phase": True}, "phase: got True, allowed: 0 to 6"),
        ({"kind": "tangent"}, "kind: got 'tangent', allowed: 'sine', 'cosine'"),
        ({"flipped": 1}, "flipped: got 1, allowed: True or False"),
        ({"fase": 1}, "control: got 'fase', allowed: phase, kind, flipped"),
    ],
)
def test_a_refused_value_names_what_is_allowed_and_changes_nothing(four, state, message):
    with pytest.raises(ValueError, match="^" + message.replace("(", r"\(")):
        four.set(kind="cosine", **state) if "kind" not in state else four.set(phase=1, **state)
    assert four.state == {"phase": 0.0, "kind": "sine", "flipped": False}


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
def test_numpys_numbers_are_taken_as_pythons(four, kind):
    assert type(four.set(phase=kind(3)).state["phase"]) is float
    assert four.state["phase"] == 3
    with pytest.raises(ValueError, match="allowed: 0 to 6"):
        four.set(phase=kind(7))


def test_a_frame_format_that_is_unknown_is_named(four):
    with pytest.raises(ValueError, match="format: got 'gif', allowed: 'png', 'jpeg', 'webp'"):
        four.frame("gif")


def test_repr_is_the_call_that_restores_the_state():
    @explorer
    def four_maps(scale=None):
        return FourMaps()

    made = four_maps(phase=1.25, flipped=True)
    call, readout = repr(made).split("\n", 1)
    assert call == "four_maps(phase=1.25, kind='sine', flipped=True)"
    assert readout == made.readout
    again = eval(call)
    assert again.state == made.state
    assert again.frame() == made.frame()
    scale = 3
    assert repr(four_maps(scale, phase=1)).startswith("four_maps(scale, phase=1, ")


def test_the_saved_bundle_holds_a_small_picture_and_the_numbers(four):
    bundle = four._repr_mimebundle_()
    assert bundle["text/plain"] == repr(four)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    small = base64.b64decode(bundle["image/png"])
    assert len(small) < len(four.frame()) / 2
    assert abs(pixels(small) - pixels(four.frame())).mean() < 6
    assert bundle["image/png"] == FourMaps()._repr_mimebundle_()["image/png"]


def test_a_chart_is_a_jpeg_while_it_moves_and_a_png_at_rest(four):
    page = Page(four)
    moved = page.ask(phase=2)
    assert four.state["phase"] == 2.0
    assert (moved["format"], moved["final"], moved["density"]) == ("jpeg", False, 1)
    assert moved["picture"] == four.frame("jpeg")
    rests = page.ask("rest", 2)
    assert (rests["format"], rests["final"], rests["density"]) == ("png", True, 2)
    assert rests["picture"] == four.frame(density=2)
    assert moved["readout"] == rests["readout"] == four.readout
    assert rests["code"] == repr(four).split("\n")[0]
    assert page.ask("rest", 1, "dark")["picture"] == four.frame(theme="dark")


def test_what_is_asked_ahead_is_the_true_state_and_moves_nothing(four):
    page = Page(four)
    before, frame = four.state, four.frame()
    ahead = page.ask("ahead", 2, phase=3.5, kind="cosine")
    assert four.state == before
    assert four.frame() == frame
    there = FourMaps().set(phase=3.5, kind="cosine")
    assert ahead["picture"] == there.frame("jpeg", 2)
    assert ahead["readout"] == there.readout


def test_what_python_moves_is_sent_as_the_screen_last_asked(four):
    page = Page(four)
    page.ask("rest", 2, "dark")
    for move in (lambda: four.set(phase=1.5), lambda: setattr(four.controls()["phase"], "value", 2.5)):
        move()
        assert page.last["kind"] == "moved"
        assert page.last["state"] == four.state
        assert page.last["readout"] == four.readout
        assert page.last["picture"] == four.frame(density=2, theme="dark")


@pytest.mark.parametrize("changes", [{"phase": 7}, {"phase": None}, {"kind": "tangent"}, {"flipped": 1}])
def test_a_page_that_asks_for_what_is_not_allowed_is_told_so(four, changes):
    page = Page(four)
    answer = page.ask(**changes)
    (name,) = changes
    assert answer["error"].startswith(f"ValueError: {name}: got {changes[name]!r}, allowed: ")
    assert "picture" not in answer
    assert four.state == FourMaps().state


def test_the_page_knows_controls_start_and_alternative_text(four):
    four.set(phase=2)
    spec = Page(four).widget.spec
    assert json.loads(json.dumps(spec)) == spec | {"size": [1000, 500]}
    assert (spec["alt"], spec["start"]) == (four.title, {"phase": 0.0, "kind": "sine", "flipped": False})
    phase = {"kind": "slider", "label": "phase", "min": 0.0, "max": 6.0, "step": 0.01, "decimals": 2}
    kind = {"kind": "choice", "label": "kind", "options": ["sine", "cosine"]}
    assert spec["controls"] == {"phase": phase, "kind": kind, "flipped": {"kind": "toggle", "label": "flipped"}}


def test_words_may_stand_in_while_something_takes_its_time(four):
    four.say("nobody looks yet")
    page = Page(four)
    four.say("10 of 200 steps")
    assert page.last == {"kind": "says", "readout": "10 of 200 steps"}


def test_widgets_may_be_moved_from_several_threads(four):
    page = Page(four)
    threads = [
        threading.Thread(target=lambda k=k: [four.set(phase=(k + i / 20) % 6) for i in range(20)]) for k in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert page.last["picture"] == FourMaps().set(**four.state).frame()


class Fragile(FourMaps):
    def compute(self, phase, kind, flipped):
        if phase > 3:
            raise ArithmeticError("phase beyond the cliff")
        return super().compute(phase, kind, flipped)


def test_an_exception_is_shown_to_the_reader_and_goes_on_to_the_caller():
    fragile = Fragile()
    page = Page(fragile)
    with pytest.raises(ArithmeticError, match="cliff"):
        fragile.controls()["phase"].value = 4.0
    assert page.last["error"].startswith("ArithmeticError: phase beyond the cliff\nat {'phase': 4.0")
    fragile.controls()["phase"].value = 1.0
    assert "error" not in page.last
    for kind in ("show", "rest", "ahead"):
        assert "cliff" in page.ask(kind, phase=5)["error"]
        assert "error" not in page.ask(kind, phase=1)
    with pytest.raises(ArithmeticError, match="cliff"):
        fragile.set(phase=5)
    assert fragile.state["phase"] == 1.0
    fragile.close()


def test_parts_a_subclass_forgets_are_errors():
    with pytest.raises(NotImplementedError):
        Explorer()


def test_no_figure_is_left_in_pyplot(four):
    four.frame()
    assert pyplot.get_fignums() == []


class Tiny(FourMaps):
    size = (160, 80)

    def make_controls(self):
        return super().make_controls() | {"phase": slider("phase", 0, 0, 100_000, 1)}

    def build(self, figure):
        self.panel(figure.subplots(), xlim=(0, 6), ylim=(-1, 1)).line(lambda data: (data.x, data.y))

    def compute(self, phase, kind, flipped):
        x = np.linspace(0, 6, 50)
        return Waves((), x, np.sin(x + phase))


def test_memory_does_not_grow_over_ten_thousand_updates():
    tiny = Tiny()
    page = Page(tiny)
    phases = iter(range(1, 100_000))

    def resident_after(updates):
        for _ in range(updates):
            page.ask(phase=next(phases))
            page.answers.clear()
        gc.collect()
        return psutil.Process().memory_info().rss

    before = resident_after(1_000)
    grown = resident_after(10_000) - before
    tiny.close()
    # One kept frame (2 kB) per update would be 20 MB, one kept canvas 500 MB.
    assert grown < 8e6, f"{grown / 1e6:.1f} MB in 10,000 updates"
