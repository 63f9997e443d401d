"""Each rule lets a good notebook through and catches a planted fault."""

import nbformat
import pytest
from nbformat import v4

import notebook_rules as rules

STREAM = {"output_type": "stream", "name": "stdout", "text": "ok\n"}


def code(source, prompt=1, outputs=(), tags=()):
    metadata = {"tags": list(tags)} if tags else {}
    outputs = [nbformat.from_dict(output) for output in outputs]
    return v4.new_code_cell(source, execution_count=prompt, outputs=outputs, metadata=metadata)


def book(*cells, **metadata):
    return v4.new_notebook(cells=list(cells), metadata=metadata)


def text(*sources):
    return book(*map(v4.new_markdown_cell, sources))


def result(prompt=1, **data):
    return {"output_type": "execute_result", "execution_count": prompt, "metadata": {}, "data": data}


def test_equal_twins_pass():
    assert rules.twin_differences(book(code("x = 1", 7, [STREAM], ["a"])), book(code("x = 1", None, [], ["a"]))) == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (book(code("x = 1"), code("y = 1")), "1 cells in the notebook, 2 in its source"),
        (book(code("x = 2")), "“x = 1”, not “x = 2”"),
        (book(code("x = 1\n")), "cell 1 differs"),
        (book(code("x = 1", tags=["hide"])), "has tags"),
        (text("x = 1"), "is code in the notebook, markdown in its source"),
    ],
)
def test_twins_that_differ_are_caught(source, says):
    assert says in " ".join(rules.twin_differences(book(code("x = 1")), source))


def test_cells_run_in_order_pass():
    assert rules.not_executed(book(code("x"), v4.new_markdown_cell("…"), code("y", 2, [result(2)]))) == []


@pytest.mark.parametrize("cells", [[code("x", None)], [code("x", 2)], [code("x"), code("y", 3)], [code(" ")]])
def test_cells_not_run_or_out_of_order_are_caught(cells):
    assert len(rules.not_executed(book(*cells))) == 1


def test_an_output_of_another_run_is_caught():
    assert rules.not_executed(book(code("x", 1, [result(4)]))) == ["cell 1 has an output with prompt 4"]


def test_plain_outputs_leave_no_widget_traces():
    assert rules.widget_traces(book(code("x", 1, [STREAM, result(**{"text/plain": "3", "image/png": "iVBO"})]))) == []


def test_widget_ids_and_state_are_caught():
    view = result(**{"application/vnd.jupyter.widget-view+json": {"model_id": "a"}})
    assert rules.widget_traces(book(code("x", 1, [view]))) == [
        "cell 1 has an output of type application/vnd.jupyter.widget-view+json"
    ]
    assert rules.widget_traces(book(code("x"), widgets={})) == ["the notebook's metadata holds widget state"]


def test_good_outputs_pass():
    assert rules.bad_outputs(book(code("x", 1, [STREAM, result(**{"text/plain": "look at 0x"})]))) == []


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ({"output_type": "stream", "name": "stderr", "text": "careful"}, "wrote to stderr: careful"),
        ({"output_type": "error", "ename": "KeyError", "evalue": "'a'", "traceback": []}, "raised KeyError: 'a'"),
        (result(**{"text/plain": "<Line2D at 0x7f00aa11bb22>"}), "address: at 0x7f00aa11bb22"),
    ],
)
def test_bad_outputs_are_caught(output, says):
    (problem,) = rules.bad_outputs(book(code("x", 1, [output])))
    assert says in problem


@pytest.mark.parametrize(
    "source",
    [
        "print('interact, %matplotlib, plt.plot')  # tqdm, clear_output",
        "import fpnlib\nresult = 7 % 3\nfpnlib.explore",
        "interactions = 3\ninteractive_share = 2",
        "await something()",
        "len?\n?len\nx = 1",
        "x = (\n    7\n    % 4\n    != 3\n)",
    ],
)
def test_ordinary_code_passes(source):
    assert rules.forbidden_constructs(book(code(source))) == []


@pytest.mark.parametrize(
    "source",
    [
        "interact(f, x=3)",
        "ipywidgets.interactive(f)",
        "ipywidgets.interactive_output(f, {})",
        "with ipywidgets.Output():\n    print(1)",
        "from ipywidgets import Output as Quiet",
        "clear_output(wait=True)",
        "display(x, display_id=True)",
        "handle.update_display(x)",
        "from tqdm.auto import *",
        "import matplotlib.pyplot as p",
        "from matplotlib import pyplot",
        "plt.plot([1])",
        "plt = 1  # why?",
        "%matplotlib inline",
        "  %timeit f()",
        "!ls",
        "# NBVAL_IGNORE_OUTPUT\nx",
        "#NBVAL_SKIP",
    ],
)
def test_forbidden_code_is_caught(source):
    assert rules.forbidden_constructs(book(code(source)))


@pytest.mark.parametrize("tag", ["nbval-skip", "nbval-ignore-output", "raises-exception", "NBVAL-SKIP"])
def test_tags_that_hide_from_nbval_are_caught(tag):
    assert rules.forbidden_constructs(book(code("x", tags=[tag]))) == [f"cell 1 opts out of nbval: tag {tag}"]


def test_size_is_held(tmp_path):
    file = tmp_path / "a.ipynb"
    file.write_bytes(b" " * rules.MAX_BYTES)
    assert rules.too_large(file) == []
    file.write_bytes(b" " * (rules.MAX_BYTES + 1000))
    assert rules.too_large(file) == ["601 kB, allowed: 600 kB"]


@pytest.fixture
def house(tmp_path):
    """A repository with one picture, and a notebook folder in it."""
    (tmp_path / "house/notebooks").mkdir(parents=True)
    (tmp_path / "house/one picture.png").touch()
    (tmp_path / "outside.md").touch()
    nbformat.write(text("# A title", "## Good part"), tmp_path / "house/notebooks/other.ipynb")
    return tmp_path / "house"


@pytest.mark.parametrize(
    "source",
    [
        "[a](../one%20picture.png) ![b](<../one picture.png>) [c](https://example.org/x) [d](#Good-words)",
        "<a href='../one%20picture.png'>a</a> `[no](link)` and $p[i](x)$ and [ref]\n\n[ref]: ../one%20picture.png",
        "```\n[no](link)\n```",
        "[a](other.ipynb) [b](other.ipynb#Good-part)",
    ],
)
def test_links_that_lead_somewhere_pass(house, source):
    assert rules.broken_links(text("# Good words", source), house / "notebooks", house) == []


@pytest.mark.parametrize(
    "source",
    [
        "[a](../missing.png)",
        "![a](missing.png)",
        "[a](../../outside.md)",
        "[a](#No-such-heading)",
        "[a](other.ipynb#Good-words)",
        "![a](https://example.org/a.png)",
        "![a](attachment:a.png)",
        "<a href='missing.md'>a</a>",
        "<img src='missing.png' alt='a'>",
        "[ref]\n\n[ref]: missing.md",
    ],
)
def test_links_that_lead_nowhere_are_caught(house, source):
    assert len(rules.broken_links(text("# Good words", source), house / "notebooks", house)) == 1


def test_pictures_with_alt_text_pass():
    assert rules.pictures_without_alt(text("![a cat](x.png) <img src='y.png' alt='a dog'> `![](no.png)`")) == []


@pytest.mark.parametrize("source", ["![](x.png)", "![ ](x.png)", "<img src='x.png'>", "<img src='x.png' alt=''>"])
def test_pictures_without_alt_text_are_caught(source):
    assert rules.pictures_without_alt(text(source)) == ["cell 1: no alt text: x.png"]


def test_headings_in_order_pass():
    assert rules.bad_headings(text("# One", "## Two\n### Three", "## Two again\n\n```\n# a comment\n```")) == []


@pytest.mark.parametrize(
    "sources",
    [["text"], ["# One", "# Another"], ["# One", "### Three"], ["## Two", "# One"], ["# One", "## Two", "#### Four"]],
)
def test_headings_out_of_order_are_caught(sources):
    assert len(rules.bad_headings(text(*sources))) == 1
