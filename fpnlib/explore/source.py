"""The library's own code, shown in a note instead of pasted into it."""

import inspect
from collections.abc import Callable
from typing import Any


class Source:
    """The source of a function or class: highlighted in a notebook, plain text elsewhere."""

    def __init__(self, thing: Callable[..., Any] | type) -> None:
        self._code = inspect.getsource(thing).rstrip()

    def __repr__(self) -> str:
        return self._code

    def _repr_markdown_(self) -> str:
        return f"```python\n{self._code}\n```"


def source(thing: Callable[..., Any] | type) -> Source:
    """Show the code of a function or class of this library.

    Raises:
        TypeError: something that has no Python source.
    """
    return Source(thing)
