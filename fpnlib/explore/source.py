"""The library's own code, shown in a note instead of pasted into it."""

import inspect
from collections.abc import Callable
from typing import Any


class Source:
    """The source of functions or classes: highlighted in a notebook, plain text elsewhere."""

    def __init__(self, *things: Callable[..., Any] | type) -> None:
        self._code = "\n\n\n".join(inspect.getsource(thing).rstrip() for thing in things)

    def __repr__(self) -> str:
        return self._code

    def _repr_markdown_(self) -> str:
        return f"```python\n{self._code}\n```"


def source(*things: Callable[..., Any] | type) -> Source:
    """Show the code of functions or classes of this library, one after another.

    Raises:
        TypeError: something that has no Python source.
    """
    return Source(*things)
