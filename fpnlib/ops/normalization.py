"""The family of normalisations by one rule: batch, layer, instance and group norm."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from fpnlib.ops.batch_norm import check_eps
from fpnlib.validation import require


class Normalized(NamedTuple):
    """What comes out, and for each map the statistics that it was normalised by.

    y:        (N, C, H, W)
    mean:     (N, C)
    variance: (N, C), biased: the sum of squares over the number of values
    """

    y: Float[Tensor, "n c h w"]
    mean: Float[Tensor, "n c"]
    variance: Float[Tensor, "n c"]


def normalize(
    x: Float[Tensor, "n c h w"],
    *,
    groups: int,
    over_batch: bool = False,
    eps: float = 1e-5,
) -> Normalized:
    """Subtract a mean and divide by √(variance + eps), both taken over a group of channels of one image or of all.

    With C channels, `groups` = 1 is layer norm over (C, H, W), C is instance norm, and all between is group norm. With
    `over_batch`, C is batch norm as in training.
    Shapes: `x` and y (N, C, H, W). There is no weight and no bias: each layer's own are per channel, or per place.
    Errors: ValueError for another shape, an empty batch, numbers that are not floating point, groups that do not divide
    the channels, an `eps` that is negative or not finite.
    Source: Wu and He, "Group Normalization" (2018), equations 1 to 7.
    """
    _check(x, groups, eps)
    n, channels = x.shape[:2]
    blocks = x.unflatten(1, (groups, -1))  # (N, groups, C / groups, H, W)
    over = (0, 2, 3, 4) if over_batch else (2, 3, 4)
    variance, mean = torch.var_mean(blocks, over, correction=0, keepdim=True)
    y = (blocks - mean) / (variance + eps).sqrt()
    mean, variance = (s.expand(n, -1, channels // groups, 1, 1) for s in (mean, variance))
    return Normalized(y.flatten(1, 2), mean.reshape(n, -1), variance.reshape(n, -1))


def _check(x: Tensor, groups: int, eps: float) -> None:
    require(x.ndim == 4, "x", f"shape {tuple(x.shape)}", "(N, C, H, W)")
    require(x.numel() > 0, "x", f"shape {tuple(x.shape)}", "one value or more")
    require(x.is_floating_point(), "x", x.dtype, "floating point numbers")
    channels = x.shape[1]
    require(groups >= 1 and channels % groups == 0, "groups", groups, f"a divisor of {channels}, the channels")
    check_eps(eps)
