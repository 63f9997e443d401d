"""The library's own code, shown in a note instead of pasted into it."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

WIDTH = 90
"""Columns of a code block that JupyterLab shows unbroken in a window of 1280 pixels."""


class Source:
    """The source of functions or classes: highlighted in a notebook, plain text elsewhere."""

    def __init__(self, *things: Callable[..., Any] | type) -> None:
        self._code = "\n\n\n".join(_short(textwrap.dedent(inspect.getsource(thing)).rstrip()) for thing in things)

    def __repr__(self) -> str:
        return self._code

    def _repr_markdown_(self) -> str:
        return f"```python\n{self._code}\n```"


def source(*things: Callable[..., Any] | type) -> Source:
    """Show the code of functions or classes of this library, one after another.

    Of a docstring only the first paragraph is shown; `help` shows all of it.

    Raises:
        TypeError: something that has no Python source.
    """
    return Source(*things)


def _short(code: str) -> str:
    """Return code whose docstrings are their first paragraphs, wrapped to `WIDTH`."""
    lines = code.splitlines()
    documented = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in sorted(documented, key=lambda node: node.lineno, reverse=True):
        words = ast.get_docstring(node)
        if words is None:
            continue
        place, indent = node.body[0], " " * node.body[0].col_offset
        summary, _, _ = words.partition("\n\n")
        wrapped = textwrap.wrap(f'"""{summary}"""', WIDTH, initial_indent=indent, subsequent_indent=indent)
        lines[place.lineno - 1 : place.end_lineno] = wrapped
    return "\n".join(lines)
