"""How every picture of the book looks, in the light theme and in the dark one.

The colours are names that Matplotlib looks up when it draws, so that an explorer says INK in either theme.
"""

import threading
from typing import Any, Literal, TypeVar

import numpy as np
from jaxtyping import UInt8
from matplotlib.colors import get_named_colors_mapping, to_rgb

from fpnlib.validation import require_choice

Theme = Literal["light", "dark"]
Choice = TypeVar("Choice")

# Okabe and Ito's colours: told apart by colour-blind readers, and their greys differ where two meet in one picture. On
# dark paper those that would sink into it are lighter.
THEMES: dict[Theme, dict[str, str]] = {
    "light": {
        "blue": "#0072B2",
        "orange": "#E69F00",
        "green": "#009E73",
        "red": "#D55E00",
        "purple": "#CC79A7",
        "sky": "#56B4E9",
        "yellow": "#F0E442",
        "ink": "#222222",
        "muted": "#6B6B6B",
        "faint": "#D0D0D0",
        "paper": "#FFFFFF",
    },
    "dark": {
        "blue": "#2E8FD9",
        "orange": "#E69F00",
        "green": "#00B384",
        "red": "#E8702A",
        "purple": "#D78BB5",
        "sky": "#8CCBF2",
        "yellow": "#F0E442",
        "ink": "#E4E4E4",
        "muted": "#A6A6A6",
        "faint": "#474747",
        "paper": "#111111",
    },
}
_PREFIX = "fpnlib:"
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, INK, MUTED, FAINT, PAPER = (_PREFIX + name for name in THEMES["light"])

LOCK = threading.RLock()
"""Whoever draws holds it, since Matplotlib's table of names is one for all."""

_NAMED = get_named_colors_mapping()


def use(theme: Theme) -> None:
    """Let the names stand for a theme's colours from here on."""
    require_choice("theme", theme, THEMES)
    if _NAMED.get(PAPER) != THEMES[theme]["paper"]:
        for name, colour in THEMES[theme].items():  # `update` would leave Matplotlib's own cache as it is
            _NAMED[_PREFIX + name] = colour


use("light")


def pixel(colour: str, on: str = PAPER, share: float = 1.0) -> UInt8[np.ndarray, "3"]:
    """Return a colour as bytes, mixed with what it lies on: so much of it as `share` says."""
    return np.rint(255 * (share * np.array(to_rgb(colour)) + (1 - share) * np.array(to_rgb(on)))).astype(np.uint8)


def faded(photo: UInt8[np.ndarray, "*size"], keep: float = 0.6) -> UInt8[np.ndarray, "*size"]:
    """Return a photo gone part of the way to the page's grey, so that what is drawn on it stands out."""
    levels = keep * np.arange(256) + (1 - keep) * 255 * to_rgb(PAPER)[0]
    return np.rint(levels).astype(np.uint8)[photo]


def on_paper(light: Choice, dark: Choice) -> Choice:
    """Return what to show on light paper or on dark, such as a word for a colour that the theme turns."""
    return light if to_rgb(PAPER)[0] > 0.5 else dark


STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 2,
    "image.interpolation": "nearest",
}
