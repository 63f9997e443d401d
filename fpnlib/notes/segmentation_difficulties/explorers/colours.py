"""Colours of classes and of answers."""

import numpy as np
from jaxtyping import UInt8

from fpnlib.explore.style import BLUE, INK, ORANGE, on_paper, pixel

# Background nearly white, then colours that the colour-blind can tell apart (Okabe and Ito), and mixtures of them.
CLASS_COLOURS = np.array(
    [
        [236, 236, 236],
        [0, 114, 178],
        [230, 159, 0],
        [0, 158, 115],
        [204, 121, 167],
        [86, 180, 233],
        [213, 94, 0],
        [240, 228, 66],
        [102, 102, 102],
    ],
    np.uint8,
)


def class_colours() -> UInt8[np.ndarray, "classes 3"]:
    """CLASS_COLOURS on the page's own paper, near to which the background stays."""
    colours = CLASS_COLOURS.copy()
    colours[0] = pixel(INK, share=0.08)
    return colours


def answer_colours() -> UInt8[np.ndarray, "4 3"]:
    """A pixel of a mask that was answered: neither, near the paper, missed, far from it, false, right."""
    return np.stack([pixel(INK, share=0.05), pixel(INK), pixel(ORANGE), pixel(BLUE)])


def answer_key() -> str:
    """What the colours of an answer say."""
    return f"blue right, {on_paper('black', 'white')} missed, orange false"
