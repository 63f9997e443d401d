"""The state sweep: every explorer of the book, at the ends of its controls and at states drawn at random."""

import dataclasses
import hashlib
import itertools
import re

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ipywidgets import Checkbox, Dropdown, FloatSlider, IntSlider

from fpnlib.explore import all_explorers
from fpnlib.explore.controls import ends

NAMES = sorted(all_explorers())
# Every other explorer has a part that can be grabbed. Who gives one of these a part takes it off the list.
NOTHING_TO_GRAB = {
    "architecture": "sizes and channels, which are words in a fixed diagram",
    "folding": "the numbers of two layers, which are words",
    "three_tasks": "a choice and pixels of error: the picture shows what comes of them",
    "top_down_step": "mix, level and channel: maps and spectra show what comes of them",
}


SEEN = {}  # by name and state: the readout and a digest of the picture, of states that are right


@pytest.fixture(scope="module")
def explorers():
    made = {}
    yield lambda name: made.setdefault(name, all_explorers()[name]())
    SEEN.clear()
    for explorer in made.values():
        explorer.close()


def numbers_in(value):
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from numbers_in(item)
    elif isinstance(value, torch.Tensor | np.ndarray | float | int):
        yield torch.as_tensor(value.copy() if isinstance(value, np.ndarray) else value)


def check_state(name, explorer, state):
    """What the explorer shows in a state: readout and picture."""
    key = name, *state.items()
    if key not in SEEN:
        SEEN[key] = checked(explorer, state)
    return SEEN[key]


def checked(explorer, state):
    explorer.set(**state)
    assert explorer.state == state
    for numbers in numbers_in(explorer.data):
        assert numbers.isfinite().all() if numbers.is_floating_point() else True, state
    for name, holds in explorer.invariants(explorer.data).items():
        assert holds, (name, state)
    assert len(explorer.readout) > 20
    assert "nan" not in explorer.readout
    for digits in re.findall(r"\d+\.\d+", explorer.readout):
        assert len(digits.replace(".", "").lstrip("0")) <= 4, f"too many digits: {digits}"
    with explorer.drawn(explorer.data, "light") as canvas:
        picture = np.array(canvas.render())[..., :3]
    assert picture.shape[1::-1] == explorer.size
    assert picture[::4, ::4].std() > 5
    return explorer.readout, hashlib.sha256(picture.tobytes()).digest()


def random_value(control):
    if isinstance(control, Dropdown | Checkbox):
        return st.sampled_from(ends(control))
    if isinstance(control, IntSlider):
        return st.integers(control.min, control.max)
    stops = round((control.max - control.min) / control.step)
    return st.integers(0, stops).map(lambda k: min(control.max, control.min + k * control.step))


@pytest.mark.parametrize("name", NAMES)
def test_all_ends_of_all_controls_pairwise(name, explorers):
    explorer = explorers(name)
    default = all_explorers()[name]().state
    pairs = list(itertools.combinations(default, 2)) or [(key,) for key in default]
    for keys in pairs:
        for values in itertools.product(*(ends(explorer.controls()[key]) for key in keys)):
            check_state(name, explorer, default | dict(zip(keys, values, strict=True)))


@pytest.mark.parametrize("name", NAMES)
def test_states_drawn_at_random(name, explorers):
    explorer = explorers(name)

    @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.fixed_dictionaries({key: random_value(control) for key, control in explorer.controls().items()}))
    def sweep(state):
        check_state(name, explorer, state)

    sweep()


# Explorers that start before anything has happened, so that a reader may guess; and what makes it happen.
BEGUN = {
    "thin_or_region": {"pixels": 2},
    "dataset_or_image": {"share": 100},
    "crf": {"iterations": 5, "smooth": 0.5},
    "drawn_labels": {"draw": 1},
}


@pytest.mark.parametrize("name", NAMES)
def test_every_control_moves_picture_and_readout(name, explorers):
    explorer = explorers(name)
    default = all_explorers()[name]().state | BEGUN.get(name, {})
    for key in default:
        middle = [v for v in (explorer.controls()[key],) if not isinstance(v, Dropdown | Checkbox)]
        values = [*ends(explorer.controls()[key]), *((v.min + (v.max - v.min) // 2) for v in middle)]
        states = [default | {key: type(default[key])(value)} for value in values]
        readouts, pictures = zip(*(check_state(name, explorer, state) for state in (default, *states)), strict=True)
        assert len(set(pictures)) > 1, f"{key} does nothing to the picture"
        assert len(set(readouts)) > 1, f"{key} does nothing to the readout"


@pytest.mark.parametrize("name", NAMES)
def test_same_state_same_data_and_picture(name, explorers):
    fresh = all_explorers()[name]()
    again = explorers(name).set(**fresh.state)
    assert repr(fresh) == repr(again)
    assert fresh.frame() == again.frame()
    for ours, theirs in zip(numbers_in(fresh.data), numbers_in(again.data), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_repr_begins_with_the_call_that_restores_the_state(name, explorers):
    explorer = explorers(name)
    call = repr(explorer).split("\n")[0]
    restored = eval(call, {name: all_explorers()[name]})
    assert restored.state == pytest.approx(explorer.state)
    assert restored.readout == explorer.readout


@pytest.mark.parametrize("name", NAMES)
def test_controls_have_labels_and_the_factory_says_what_it_shows(name, explorers):
    explorer = explorers(name)
    assert all(control.description for control in explorer.controls().values())
    assert len(explorer.title) > 20
    grouped = [control for _, controls in explorer.groups for control in controls]
    assert len(set(grouped)) == len(grouped)
    assert set(grouped) <= set(explorer.controls())
    assert all_explorers()[name].__doc__


@pytest.mark.parametrize("name", NAMES)
def test_each_explorer_has_a_slider(name, explorers):
    assert any(isinstance(control, IntSlider | FloatSlider) for control in explorers(name).controls().values())


@pytest.mark.parametrize("name", NAMES)
def test_what_can_be_grabbed_lies_in_the_picture_and_moves(name, explorers):
    explorer = explorers(name)
    explorer._repr_mimebundle_()
    handles = explorer._widget.spec["handles"]
    assert bool(handles) != (name in NOTHING_TO_GRAB)
    for handle in handles:
        for control, table in handle["tables"].items():
            assert control in explorer.controls()
            places = {(x, y) for _, x, y in table}
            assert len(places) > 1, f"{control} is dragged but stays where it is"
            for place in places:
                known = [share for share in place if share is not None]
                assert known
                assert all(-0.05 <= share <= 1.05 for share in known), (control, place)


@pytest.mark.parametrize("name", NAMES)
def test_no_handle_hides_another_at_the_start(name, explorers):
    explorer = explorers(name).set(**all_explorers()[name]().state)
    places = []
    for handle in explorer.spec()["handles"]:
        left, top, right, bottom = handle["region"]
        x, y = None, None
        for control, table in handle["tables"].items():
            _, across, down = next((row for row in table if row[0] == pytest.approx(explorer.state[control])), table[0])
            x, y = x if across is None else across, y if down is None else down
        # Of two lines in one panel that cross, each can be grabbed elsewhere.
        kind = (x is None, y is None)
        places.append((kind, (left + right) / 2 if x is None else x, (top + bottom) / 2 if y is None else y))
    for (kind, x, y), (other, x2, y2) in itertools.combinations(places, 2):
        apart = np.hypot(*np.multiply((x - x2, y - y2), explorer.size))
        assert kind != other or apart > 12, f"two handles lie at {x:.2f}, {y:.2f}"
