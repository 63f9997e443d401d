"""Principal components of feature maps: their colours, and a pyramid that nobody trained."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fpnlib.models import FPN

_PROJECTED = 32  # channels of a pyramid that nobody trained


def principal_components(maps: Sequence[Float[Tensor, "c _ _"]], number: int) -> tuple[Tensor, Tensor]:
    """Directions (number, c) with spread one along each, and the mean (c,); every map counts alike.

    Where the maps vary along fewer directions the rest are 0.
    """
    flat = [one.flatten(1).double() for one in maps]
    mean = torch.stack([one.mean(1) for one in flat]).mean(0)
    centred = [one - mean[:, None] for one in flat]
    covariance = torch.stack([one @ one.T / one.shape[1] for one in centred]).mean(0)
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0)[:number], vectors.flip(1)[:, :number].T
    # A direction and its opposite are equally right; the largest entry is made positive.
    vectors = vectors * vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()
    real = values > 1e-9 * values[0].clamp(min=1e-30)
    scale = torch.where(real, values.clamp(min=1e-30).rsqrt(), 0)
    missing = number - len(values)
    directions = F.pad(vectors * scale[:, None], (0, 0, 0, missing))
    return directions.float(), mean.float()


def projected_fpn(maps: Sequence[Float[Tensor, "_ _ _"]]) -> FPN:
    """A pyramid that nobody trained: laterals onto each map's principal components, a fixed binomial 3×3."""
    channels = min(_PROJECTED, *(len(one) for one in maps))
    pyramid = FPN([len(one) for one in maps], channels)
    binomial = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])) / 16
    with torch.no_grad():
        blocks: Any = zip(maps, pyramid.inner_blocks, pyramid.layer_blocks, strict=True)
        for one, lateral, smooth in blocks:
            directions, mean = principal_components([one], channels)
            lateral[0].weight.copy_(directions[:, :, None, None])
            lateral[0].bias.copy_(-directions @ mean)
            smooth[0].weight.copy_(torch.eye(channels)[:, :, None, None] * binomial)
    return pyramid.eval().requires_grad_(False)
