import nbformat
import pytest

import prose_numbers
from fpnlib.claims import Measurement, Result
from notebooks import NOTEBOOKS


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_number_in_prose_has_a_source(path):
    assert list(prose_numbers.faults(nbformat.read(path, as_version=4))) == []


@pytest.fixture
def stored(monkeypatch):
    measurement = Measurement(0.4567, (0.4, 0.5), 32, {"drop": 0.123})
    result = Result("ZZ-1", {"": "c"}, measurement, "holds", {"": "holds"}, None, (0, 1), {}, {}, {}, "", "")
    monkeypatch.setattr(Result, "load", classmethod(lambda cls, id: result))


def note(prose, output="7 boxes, AP 0.25, 12,345 pixels, off by 3.1e-09 or 8.88e-15"):
    cell = nbformat.v4.new_code_cell("f()", outputs=[nbformat.v4.new_output("execute_result", {"text/plain": output})])
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(prose), cell])


@pytest.mark.parametrize(
    "prose",
    [
        "It falls by <span title='x'>some</span>.",
        'It is <span title="ZZ-1 effect">0.46</span> or <span title="ZZ-1 effect">46 %</span>.',
        'About <span title="ZZ-1 drop">0.12</span>.',
        "The 7 boxes give 0.25, that is 25 %, of 12,345.",
        "Names such as 3×3, P2, ResNet-50, 11-point and `x = 4` are no numbers; neither is $2 x$ or [a link](f/3.png).",
        "The arrow runs from 01 to 04.",
        "It costs 3e-9 and 8.9e-15.",
        "# 01 · Heading",
        "<!-- begin: tally -->\n31 claims\n<!-- end: tally -->",
        "## References\nSmith 2017, pages 3 and 4.",
    ],
)
def test_sourced_prose_passes(stored, prose):
    assert list(prose_numbers.faults(note(prose))) == []


@pytest.mark.parametrize(
    ("prose", "fault"),
    [
        ('It is <span title="ZZ-1 effect">0.47</span>.', "0.47 is said of ZZ-1 effect, which is 0.4567"),
        ('It is <span title="ZZ-1 nothing">0.47</span>.', "allowed: effect, low"),
        ("It falls by 0.31.", "0.31 has no source"),
        ("It falls by .31 in 9 steps.", ".31 has no source"),
        ("It costs 15 or 9.", "15 has no source"),
        ("It costs 4e-9.", "4e-9 has no source"),
        ("It costs 777.\n\n## References\nSmith 2017.", "777 has no source"),
        ("It falls by 31 %.", "31 % has no source"),
        ("It falls by 12,346.", "12,346 has no source"),
        ("<!-- begin: tally -->\n4 claims\n<!-- end: tally -->\nIt falls by 31.", "31 has no source"),
        ("<!-- begin: of no generator -->\n31 claims\n<!-- end: of no generator -->", "31 has no source"),
    ],
)
def test_unsourced_or_wrong_numbers_are_found(stored, prose, fault):
    assert any(fault in line for line in prose_numbers.faults(note(prose)))
