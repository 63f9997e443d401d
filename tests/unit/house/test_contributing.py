"""The explorer that CONTRIBUTING shows is short, and whole."""

import itertools
import re

import numpy as np
import pytest

from fpnlib.explore.controls import ends
from repository import ROOT

CODE = re.search(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def decay():
    assert CODE
    names = {"__name__": "decay"}
    exec(compile(CODE[1], "CONTRIBUTING.md", "exec"), names)
    return names["decay"]


def test_it_has_at_most_forty_lines():
    assert CODE
    assert 20 < len(CODE[1].splitlines()) <= 40


def test_every_end_of_its_controls_works(decay):
    shown = decay()
    start = shown.frame(), shown.readout
    for values in itertools.product(*map(ends, shown.controls().values())):
        shown.set(**dict(zip(shown.controls(), values, strict=True)))
        assert (shown.frame(), shown.readout) != start
        assert np.diff(shown.data.losses).max() <= 0
    shown.close()


def test_its_dot_is_grabbed_where_it_lies(decay):
    shown = decay(rate=0.5, step=1)
    shown._repr_mimebundle_()
    (handle,) = shown._widget.spec["handles"]
    (_, first, high), (_, second, low) = handle["tables"]["step"][:2]
    assert first < second
    assert (low - high) / (handle["region"][3] - handle["region"][1]) == pytest.approx(0.75, abs=1e-3)
    assert repr(shown).startswith("decay(rate=0.5, step=1)\nAfter 1 steps the loss is 0.25")
    shown.close()
