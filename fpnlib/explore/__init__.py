"""The explorer engine: a figure, its controls, and its text alternative."""

from fpnlib.explore.controls import choice, slider, toggle
from fpnlib.explore.explorer import Explorer, all_explorers, explorer
from fpnlib.explore.panels import Panel
from fpnlib.explore.source import source
from fpnlib.explore.text import counted, number

__all__ = [
    "Explorer",
    "Panel",
    "all_explorers",
    "choice",
    "counted",
    "explorer",
    "number",
    "slider",
    "source",
    "toggle",
]
