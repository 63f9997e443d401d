"""Colours of classes and of answers, and the words for them."""

import numpy as np
from jaxtyping import UInt8

from fpnlib.explore.style import BLUE, INK, ORANGE, on_paper, pixel
from fpnlib.notes.segmentation_difficulties.experiments.post_processing import CLASS_COLOURS

ANSWERS = ("neither", "missed", "false", "right")
"""What a pixel of a mask that was answered is, by number."""


def class_colours() -> UInt8[np.ndarray, "classes 3"]:
    """CLASS_COLOURS on the page's own paper, near to which the background stays."""
    colours = CLASS_COLOURS.copy()
    colours[0] = pixel(INK, share=0.08)
    return colours


def answer_colours() -> UInt8[np.ndarray, "4 3"]:
    """By ANSWERS: near the paper, far from it, orange, blue."""
    return np.stack([pixel(INK, share=0.05), pixel(INK), pixel(ORANGE), pixel(BLUE)])


def answer_key() -> str:
    """What the colours of an answer say."""
    return f"blue right, {on_paper('black', 'white')} missed, orange false"


def over_photo(blue: float, orange: float) -> UInt8[np.ndarray, "3 4"]:
    """What to lay over a photo: nothing, and blue and orange that hide so much of it."""
    return np.array([(0, 0, 0, 0), (*pixel(BLUE), 255 * blue), (*pixel(ORANGE), 255 * orange)]).astype(np.uint8)
