"""The digits as this note's experiments take them."""

import functools

from jaxtyping import Float, Int64
from torch import Tensor

from fpnlib import data


@functools.cache
def digits() -> tuple[Float[Tensor, "1797 64"], Int64[Tensor, " 1797"]]:
    """scikit-learn's digits, pixels with mean 0 and standard deviation 1 over all, and which digit each is."""
    images, labels = data.digits()
    grey = images.flatten(1)
    return (grey - grey.mean()) / grey.std(), labels
