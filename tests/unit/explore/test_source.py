"""`source` shows code as it is, with docstrings short enough to be read beside it."""

import ast
import inspect

import pytest

from fpnlib.explore import source
from fpnlib.explore.source import WIDTH
from fpnlib.metrics import mean_iou
from fpnlib.notes.research.experiments.calendar import Plan
from fpnlib.ops import AxisField


def without_docstrings(code):
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


@pytest.mark.parametrize("thing", [mean_iou, Plan])
def test_the_code_stays_and_docstrings_are_their_first_paragraphs(thing):
    shown = repr(source(thing))
    assert without_docstrings(shown) == without_docstrings(inspect.getsource(thing))
    words = ast.get_docstring(ast.parse(shown).body[0])
    assert words.split() == inspect.getdoc(thing).partition("\n\n")[0].split()
    docstring = shown.split('"""')[1]
    assert max(map(len, docstring.splitlines())) <= WIDTH


def test_a_method_begins_at_the_left_and_several_follow_each_other():
    shown = source(AxisField.then, mean_iou)
    assert repr(shown).startswith("def then(")
    assert repr(shown).count("\n\n\ndef mean_iou(") == 1
    assert shown._repr_markdown_() == f"```python\n{shown!r}\n```"


def test_what_has_no_source_is_refused():
    with pytest.raises(TypeError):
        source(len)
