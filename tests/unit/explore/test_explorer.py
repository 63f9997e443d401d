import base64
import gc
import io
import threading
import time

import numpy as np
import psutil
import pytest
from matplotlib import pyplot
from PIL import Image
from support.four_maps import FourMaps, Waves

from fpnlib.explore import Explorer, explorer, slider
from fpnlib.explore.explorer import _REST_SECONDS


def pixels(encoded):
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")).astype(int)


def live_picture(shown):
    shown._repr_mimebundle_()
    return shown._live[1]


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
    canvas = full._drawn()
    canvas._background = None
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


def test_jpeg_while_moving_and_png_at_rest(four):
    picture = live_picture(four)
    assert picture.format == "png"
    four.controls()["phase"].value = 2.0
    assert picture.format == "jpeg"
    assert picture.readout == four.readout
    deadline = time.monotonic() + 10
    while picture.format != "png" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert picture.format == "png"
    assert picture.frame == four.frame()


def test_widgets_may_be_moved_from_several_threads(four):
    picture = live_picture(four)
    threads = [
        threading.Thread(target=lambda k=k: [four.set(phase=(k + i / 20) % 6) for i in range(20)]) for k in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert picture.frame == FourMaps().set(**four.state).frame()


class Fragile(FourMaps):
    def compute(self, phase, kind, flipped):
        if phase > 3:
            raise ArithmeticError("phase beyond the cliff")
        return super().compute(phase, kind, flipped)


def test_an_exception_is_shown_to_the_reader_and_goes_on_to_the_caller():
    fragile = Fragile()
    picture = live_picture(fragile)
    with pytest.raises(ArithmeticError, match="cliff"):
        fragile.controls()["phase"].value = 4.0
    assert "ArithmeticError: phase beyond the cliff" in picture.error
    fragile.controls()["phase"].value = 1.0
    assert picture.error == ""
    with pytest.raises(ArithmeticError, match="cliff"):
        fragile.controls()["phase"].value = 4.0  # before the picture of the move above has come to rest
    time.sleep(3 * _REST_SECONDS)
    assert "cliff" in picture.error
    fragile.controls()["phase"].value = 1.0
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
        panel = figure.subplots()
        panel.set(xlim=(0, 6), ylim=(-1, 1))
        (self.line,) = panel.plot([], [])
        return [self.line]

    def compute(self, phase, kind, flipped):
        x = np.linspace(0, 6, 50)
        return Waves((), x, np.sin(x + phase))

    def draw(self, data):
        self.line.set_data(data.x, data.y)


def test_memory_does_not_grow_over_ten_thousand_updates():
    tiny = Tiny()
    picture = live_picture(tiny)
    phases = iter(range(1, 100_000))

    def resident_after(updates):
        for _ in range(updates):
            tiny.controls()["phase"].value = next(phases)
        gc.collect()
        return psutil.Process().memory_info().rss

    before = resident_after(1_000)
    grown = resident_after(10_000) - before
    tiny.close()
    # One kept frame (2 kB) per update would be 20 MB, one kept canvas 500 MB.
    assert grown < 8e6, f"{grown / 1e6:.1f} MB in 10,000 updates"
    assert len(picture.frame) < 100_000
