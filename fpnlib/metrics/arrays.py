"""What the metrics accept as numbers: tensors, NumPy arrays, plain sequences."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fpnlib.validation import require

ArrayLike = Tensor | np.ndarray | Sequence[Any]


def as_array(argument: str, values: ArrayLike) -> np.ndarray:
    """Return `values` as an array of real numbers on the CPU, or raise a ValueError. It may share their memory."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        if values.is_floating_point() and values.dtype not in (torch.float32, torch.float64):
            values = values.double()  # NumPy knows no bfloat16
        array = values.numpy()
    else:
        try:
            array = np.asarray(values)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{argument}: got a {type(values).__name__}, allowed: an array of numbers") from error
    require(array.dtype.kind in "biuf", argument, f"dtype {array.dtype}", "real numbers")
    return array


def as_floats(argument: str, values: ArrayLike) -> np.ndarray:
    """Return `values` as a float32 or float64 array without NaN. Infinities pass: a logit may be one."""
    array = as_array(argument, values)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    require(not np.isnan(array).any(), argument, "NaN", "numbers")
    return array


def as_mask(argument: str, values: ArrayLike) -> np.ndarray:
    """Return `values`, which are 0 or 1, as a boolean array."""
    array = as_array(argument, values)
    if array.dtype == np.bool_:
        return array
    mask = array == 1
    other = array[~mask & (array != 0)]
    got = f"{other.size} other values, such as {other.flat[0]:g}" if other.size else "none"
    require(other.size == 0, argument, got, "0 and 1, or booleans")
    return mask
