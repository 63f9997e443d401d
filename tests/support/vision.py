"""torchvision beside the CPU build of torch: its binary wants CUDA, its Python part only the names of two operators."""

import importlib.util
import warnings
from types import ModuleType

import pytest
import torch

_SCHEMAS = ("nms(Tensor a, Tensor b, float c) -> Tensor", "qnms(Tensor a, Tensor b, float c) -> Tensor")
_kept: list[torch.library.Library] = []  # the names are gone once their library is


def torchvision_or_skip() -> ModuleType:
    """Return torchvision, or skip the test where it is not installed."""
    if importlib.util.find_spec("torchvision") and not _kept:
        _kept.append(torch.library.Library("torchvision", "FRAGMENT"))
        for schema in _SCHEMAS:
            if not hasattr(torch.ops.torchvision, schema.partition("(")[0]):
                _kept[0].define(schema)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit
        return pytest.importorskip(
            "torchvision", reason="torchvision is not among the pinned packages; see `make bench`"
        )
