"""Finds what the notes declare, so that the engines below them need not import them by name."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator
from typing import Any


def declared(room: str, attribute: str) -> Iterator[Any]:
    """Yield every item of the tuple `attribute` in `fpnlib.notes.<note>.<room>`, note by note in name order."""
    notes = importlib.import_module("fpnlib.notes")
    for note in pkgutil.iter_modules(notes.__path__):
        name = f"fpnlib.notes.{note.name}.{room}"
        if note.ispkg and importlib.util.find_spec(name):
            yield from getattr(importlib.import_module(name), attribute)


def by_name(room: str, attribute: str, key: str) -> dict[str, Any]:
    """Map each declared item's `key` to it. A name used twice is an error."""
    found: dict[str, Any] = {}
    for item in declared(room, attribute):
        name = getattr(item, key)
        if name in found:
            raise ValueError(f"{room}: the name {name!r} is declared twice")
        found[name] = item
    return found
