"""What a saved notebook must be. Each rule takes what it needs and returns a list of problems, in words."""

import ast
import functools
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode

MAX_BYTES = 600_000

# Each of these either fails under nbval, hides from it, or draws outside the explorer.
_FORBIDDEN_NAMES = {
    "interact": "use an explorer",
    "interact_manual": "use an explorer",
    "interactive": "use an explorer",
    "interactive_output": "use an explorer",
    "Output": "an output context changes other cells' outputs",
    "clear_output": "it changes outputs after the fact",
    "update_display": "it changes outputs after the fact",
    "display_id": "it changes outputs after the fact",
    "tqdm": "its timings differ from run to run",
    "trange": "its timings differ from run to run",
    "plt": "figures belong to explorers, outside pyplot",
    "pyplot": "figures belong to explorers, outside pyplot",
    "pylab": "figures belong to explorers, outside pyplot",
}
_OPT_OUTS = ("NBVAL_", "PYTEST_VALIDATE_IGNORE_OUTPUT")
_OPT_OUT_TAGS = ("nbval-", "raises-exception", "pytest_validate_ignore_output")
WIDGET_TYPES = ("application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json")
# IPython's own lines: magics, the shell, help.
_IPYTHON = re.compile(r"\s*([%!?]|[\w.]+\?{1,2}\s*$)")
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")

_markdown = MarkdownIt("commonmark").use(dollarmath_plugin)


def twin_differences(notebook: NotebookNode, source: NotebookNode) -> list[str]:
    """Compare type, source and tags of every cell of a notebook with its py:percent twin."""
    mine, theirs = notebook.cells, source.cells
    problems = []
    if len(mine) != len(theirs):
        problems.append(f"{len(mine)} cells in the notebook, {len(theirs)} in its source")
    for number, (a, b) in enumerate(zip(mine, theirs, strict=False), 1):
        if a.cell_type != b.cell_type:
            problems.append(f"cell {number} is {a.cell_type} in the notebook, {b.cell_type} in its source")
        elif a.source != b.source:
            problems.append(f"cell {number} differs from its source: {_first_difference(a.source, b.source)}")
        if a.metadata.get("tags", []) != b.metadata.get("tags", []):
            problems.append(
                f"cell {number} has tags {a.metadata.get('tags', [])}, its source {b.metadata.get('tags', [])}"
            )
    return problems


def not_executed(notebook: NotebookNode) -> list[str]:
    """Find code cells that were not run in order from a fresh kernel, and empty ones."""
    problems = []
    for expected, (number, cell) in enumerate(_code_cells(notebook), 1):
        if not cell.source.strip():
            problems.append(f"cell {number} is empty")
        if cell.execution_count != expected:
            problems.append(f"cell {number} has prompt {cell.execution_count}, not {expected}")
        problems += [
            f"cell {number} has an output with prompt {output.execution_count}"
            for output in cell.outputs
            if output.output_type == "execute_result" and output.execution_count != cell.execution_count
        ]
    return problems


def widget_traces(notebook: NotebookNode) -> list[str]:
    """Find widget ids and widget state: a stale id shows "model not found", even beside a picture."""
    problems = ["the notebook's metadata holds widget state"] if "widgets" in notebook.metadata else []
    for number, output in _outputs(notebook):
        problems += [
            f"cell {number} has an output of type {kind}" for kind in WIDGET_TYPES if kind in output.get("data", {})
        ]
    return problems


def bad_outputs(notebook: NotebookNode) -> list[str]:
    """Find errors, text on stderr, and objects' addresses, which differ from run to run."""
    problems = []
    for number, output in _outputs(notebook):
        if output.output_type == "error":
            problems.append(f"cell {number} raised {output.ename}: {output.evalue}")
        if output.get("name") == "stderr":
            problems.append(f"cell {number} wrote to stderr: {_short(output.text)}")
        text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
        if address := _ADDRESS.search(text):
            problems.append(f"cell {number} shows an object's address: {address[0]}")
    return problems


def forbidden_constructs(notebook: NotebookNode) -> list[str]:
    """Find what fails under nbval or hides from it: pyplot, interact, magics, nbval's own opt-outs."""
    problems = []
    for number, cell in _code_cells(notebook):
        tree = _parsed(cell.source)
        for line in cell.source.splitlines():
            if tree is None and line.lstrip().startswith(("%", "!")):  # in Python a line may begin so within brackets
                problems.append(f"cell {number} has a magic or a shell command: {line.strip()}")
            if line.lstrip().startswith("#") and any(word in line for word in _OPT_OUTS):
                problems.append(f"cell {number} opts out of nbval: {line.strip()}")
        for tag in cell.metadata.get("tags", []):
            if tag.lower().startswith(_OPT_OUT_TAGS):
                problems.append(f"cell {number} opts out of nbval: tag {tag}")
        problems += [
            f"cell {number} uses {name}: {_FORBIDDEN_NAMES[name]}"
            for name in dict.fromkeys(_names(cell.source))
            if name in _FORBIDDEN_NAMES
        ]
    return problems


def too_large(path: Path) -> list[str]:
    """Hold a notebook to 600 kB, so that it opens at once and its differences can be read."""
    size = path.stat().st_size
    return [f"{size / 1000:.0f} kB, allowed: {MAX_BYTES // 1000} kB"] if size > MAX_BYTES else []


def broken_links(notebook: NotebookNode, folder: Path, root: Path) -> list[str]:
    """Find links and pictures that lead nowhere inside the repository, and pictures from outside it."""
    anchors = _anchors(notebook)
    problems = []
    for number, kind, target in _targets(notebook):
        address = urlsplit(target)
        if address.scheme in ("http", "https", "mailto") and kind == "link":
            continue
        if address.scheme or address.netloc:
            problems.append(f"cell {number} has a {kind} outside the repository: {target[:80]}")
        elif address.path:
            path = (folder / unquote(address.path)).resolve()
            if not path.exists() or not path.is_relative_to(root.resolve()):
                problems.append(f"cell {number} has a {kind} to nothing in the repository: {target}")
            elif address.fragment and path.suffix == ".ipynb" and unquote(address.fragment) not in _anchors_of(path):
                problems.append(f"cell {number} has a {kind} to no heading there: {target}")
        elif unquote(address.fragment) not in anchors:
            problems.append(f"cell {number} has a {kind} to no heading: {target}")
    return problems


def _anchors(notebook: NotebookNode) -> set[str]:
    return {re.sub(r"\s", "-", heading) for _, _, heading in _headings(notebook)}


@functools.cache
def _anchors_of(path: Path) -> set[str]:
    return _anchors(nbformat.read(path, as_version=4))


def missing_alt_text(text: str) -> list[str]:
    """Find pictures in markdown text that a reader who cannot see them is told nothing about."""
    return [f"no alt text: {target}" for target, alt in _pictures(text) if not (alt or "").strip()]


def pictures_without_alt(notebook: NotebookNode) -> list[str]:
    """Find pictures without alt text in the markdown cells."""
    return [
        f"cell {number}: {problem}"
        for number, cell in _markdown_cells(notebook)
        for problem in missing_alt_text(cell.source)
    ]


def bad_headings(notebook: NotebookNode) -> list[str]:
    """Ask for exactly one title, first, and no level left out on the way down."""
    headings = list(_headings(notebook))
    titles = [heading for _, level, heading in headings if level == 1]
    problems = [] if len(titles) == 1 else [f"{len(titles)} headings of level 1, not one: {titles}"]
    before = 0
    for number, level, heading in headings:
        if level > before + 1:
            problems.append(f"cell {number}: “{heading}” is of level {level} after level {before}")
        before = level
    return problems


def _code_cells(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    return ((n, cell) for n, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code")


def _markdown_cells(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    return ((n, cell) for n, cell in enumerate(notebook.cells, 1) if cell.cell_type == "markdown")


def _outputs(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    return ((number, output) for number, cell in _code_cells(notebook) for output in cell.outputs)


def _parsed(source: str) -> ast.AST | None:
    """The syntax tree of a cell, or None when it is not plain Python."""
    try:
        return _compiled(source)
    except SyntaxError:
        return None


def _compiled(source: str) -> ast.AST:
    tree: ast.AST = compile(source, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return tree


def _names(source: str) -> Iterator[str]:
    """Every name that code uses, imports or passes as a keyword; words in strings and comments do not count."""
    lines = ("" if _IPYTHON.match(line) else line for line in source.splitlines())
    for node in ast.walk(_parsed(source) or _compiled("\n".join(lines))):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                yield name
            case ast.alias(name=name):
                yield from name.split(".")
            case ast.ImportFrom(module=str(module)):
                yield from module.split(".")


class _Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _tokens(text: str) -> Iterator[Token]:
    for token in _markdown.parse(text):
        yield token
        yield from token.children or []


def _pictures(text: str) -> Iterator[tuple[str, str | None]]:
    for token in _tokens(text):
        if token.type == "image":
            yield str(token.attrs["src"]), token.content
        elif token.type in ("html_block", "html_inline"):
            for tag, attributes in _Tags(token.content).found:
                if tag == "img":
                    yield attributes.get("src") or "", attributes.get("alt")


def _targets(notebook: NotebookNode) -> Iterator[tuple[int, str, str]]:
    for number, cell in _markdown_cells(notebook):
        for target, _ in _pictures(cell.source):
            yield number, "picture", target
        for token in _tokens(cell.source):
            if token.type == "link_open":
                yield number, "link", str(token.attrs["href"])
            elif token.type in ("html_block", "html_inline"):
                for tag, attributes in _Tags(token.content).found:
                    if tag == "a" and attributes.get("href"):
                        yield number, "link", attributes["href"] or ""


def _headings(notebook: NotebookNode) -> Iterator[tuple[int, int, str]]:
    for number, cell in _markdown_cells(notebook):
        tokens = _markdown.parse(cell.source)
        for opening, inline in pairwise(tokens):
            if opening.type == "heading_open":
                yield number, int(opening.tag[1]), "".join(t.content for t in inline.children or [])


def _first_difference(mine_text: str, their_text: str) -> str:
    mine, theirs = mine_text.splitlines(), their_text.splitlines()
    for x, y in zip(mine, theirs, strict=False):
        if x != y:
            same = next((n for n, (a, b) in enumerate(zip(x, y, strict=False)) if a != b), 0)
            start = max(0, same - 20)
            return f"“{_short(x[start:])}”, not “{_short(y[start:])}”"
    return f"{len(mine)} lines, not {len(theirs)}"


def _short(text: str) -> str:
    return text.strip()[:100]
