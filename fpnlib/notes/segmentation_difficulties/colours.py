"""Colours of classes and of instances."""

import numpy as np

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
