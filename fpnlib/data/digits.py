"""scikit-learn's handwritten digits, from the installed package's file: importing scikit-learn takes a second."""

from functools import lru_cache
from importlib.metadata import distribution

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor


def digits() -> tuple[Float64[Tensor, "1797 8 8"], Int64[Tensor, " 1797"]]:
    """Images with grey values 0 to 16, and which digit each shows; fresh tensors, free to change.

    Equal to `sklearn.datasets.load_digits`: the test set of Alpaydin and Kaynak, "Optical Recognition of Handwritten
    Digits", UCI 1998, CC BY 4.0. PackageNotFoundError without scikit-learn.
    """
    table = torch.from_numpy(_table().copy())
    return table[:, :-1].reshape(-1, 8, 8), table[:, -1].long()


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    file = distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    return np.loadtxt(str(file), delimiter=",")
