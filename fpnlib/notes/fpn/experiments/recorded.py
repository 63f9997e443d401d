"""What torchvision's own feature pyramid answered to weights and maps that can be made anew anywhere."""

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

CHANNELS, OUT = (3, 4, 5, 6), 4
SIZES = ((8, 12), (9, 11), (17, 5))  # of the finest map, each other half of the last
# Of all four maps, where they are no halves: dilated, all equal, a third, odd leaps, one side alone.
OTHER_SIZES = (
    ((16, 12), (8, 6), (8, 6), (8, 6)),
    ((5, 7), (5, 7), (5, 7), (5, 7)),
    ((27, 19), (9, 7), (3, 3), (1, 1)),
    ((17, 13), (11, 12), (7, 5), (2, 3)),
    ((9, 8), (9, 4), (4, 4), (4, 1)),
)
# Written by tests/support/record_fpn_results.py.
FILE = Path(__file__).parent / "torchvision_fpn.json"


@dataclass(frozen=True)
class Recorded:
    """Torchvision's names of the weights, and its levels P2…P5 for each of SIZES and of OTHER_SIZES."""

    keys: tuple[str, ...]
    answers: tuple[tuple[Tensor, ...], ...]
    other_answers: tuple[tuple[Tensor, ...], ...]


@lru_cache(maxsize=1)
def recorded() -> Recorded:
    """Read the file."""
    content = json.loads(FILE.read_text())
    answers, other_answers = (
        tuple(
            tuple(torch.tensor(level["values"], dtype=torch.float64).view(level["shape"]) for level in levels)
            for levels in content[name]
        )
        for name in ("answers", "other_answers")
    )
    return Recorded(tuple(content["keys"]), answers, other_answers)


@torch.no_grad()
def fill(model: nn.Module, seed: int = 0) -> None:
    """Give every tensor of a model values that do not depend on how the model is initialised."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.randn(tensor.shape, generator=generator, dtype=torch.float64) / tensor[0].numel() ** 0.5
            tensor.copy_(drawn.abs() + 0.5 if name.endswith("running_var") else drawn)


def pyramid_input(size: Sequence[int]) -> "OrderedDict[str, Tensor]":
    """Maps C2…C5 of the sizes that a ResNet would give, each half of the last rounded up; float64."""
    return pyramid_maps([[-(-side // 2**level) for side in size] for level in range(len(CHANNELS))])


def pyramid_maps(sizes: Sequence[Sequence[int]]) -> "OrderedDict[str, Tensor]":
    """Maps C2…C5 of these sizes; float64."""
    generator = torch.Generator().manual_seed(1)
    return OrderedDict(
        (f"C{level}", torch.randn(2, channels, *size, generator=generator, dtype=torch.float64))
        for level, (channels, size) in enumerate(zip(CHANNELS, sizes, strict=True), 2)
    )
