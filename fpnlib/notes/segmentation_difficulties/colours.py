"""Colours of classes, and photos as pale backgrounds."""

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

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


# A pixel of a mask that was answered: neither, missed, false, right.
ANSWER_COLOURS = np.array([[244, 244, 244], [30, 30, 30], [230, 159, 0], [0, 114, 178]], np.uint8)


def pale(photo: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """A photo in a few light greys without its finest grain, which keeps a saved picture small."""
    return (ndimage.gaussian_filter(photo.mean(2), 1.5) * 0.4 + 150) // 32 * 32
