"""Batch normalisation by hand: forward, backward, and folding into a convolution."""

import copy
import math
from typing import Any, NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.validation import require

Batch: TypeAlias = Float[Tensor, "n c"] | Float[Tensor, "n c h w"]


class BatchNormCache(NamedTuple):
    """What the backward pass needs of the forward pass, and the statistics of the batch.

    normalized:  the shape of x, each channel with mean 0 and variance near 1
    inverse_std: (C,), 1 / √(variance + eps)
    weight:      (C,)
    mean:        (C,)
    variance:    (C,), biased: the sum of squares over the number of values
    """

    normalized: Batch
    inverse_std: Float[Tensor, " c"]
    weight: Float[Tensor, " c"]
    mean: Float[Tensor, " c"]
    variance: Float[Tensor, " c"]


def batch_norm_forward(
    x: Batch, weight: Float[Tensor, " c"], bias: Float[Tensor, " c"], *, eps: float = 1e-5
) -> tuple[Batch, BatchNormCache]:
    """Normalise each channel over the batch, then scale by `weight` and shift by `bias`; return (y, cache).

    Shapes: `x` and y (N, C) or (N, C, H, W); `weight` and `bias` (C,).
    Errors: ValueError for other shapes, fewer than two values per channel, an `eps` that is negative or not finite.
    Source: Ioffe and Szegedy, "Batch Normalization" (2015), algorithm 1.
    """
    _check(x, weight, bias, eps)
    over = _all_but_channels(x)
    mean = x.mean(over)
    centered = x - per_channel(mean, x)
    rest = centered.mean(over)  # what rounding left of the mean: not little where the mean is large
    mean, centered = mean + rest, centered - per_channel(rest, x)
    variance = (centered * centered).mean(over)
    inverse_std = 1 / (variance + eps).sqrt()
    normalized = centered * per_channel(inverse_std, x)
    y = per_channel(weight, x) * normalized + per_channel(bias, x)
    return y, BatchNormCache(normalized, inverse_std, weight, mean, variance)


def batch_norm_backward(grad: Batch, cache: BatchNormCache) -> tuple[Batch, Float[Tensor, " c"], Float[Tensor, " c"]]:
    """Turn the gradient of the loss by y into those by x, weight and bias.

    Shapes: `grad` and the first result as x; the other two (C,).
    A value of x acts on the loss in three ways: on its own output, on the mean, and on the variance.
    Errors: ValueError for a gradient of another shape than x.
    Source: Ioffe and Szegedy, "Batch Normalization" (2015), section 3, in fewer terms.
    """
    shape = tuple(cache.normalized.shape)
    require(tuple(grad.shape) == shape, "grad", f"shape {tuple(grad.shape)}", f"the shape of x, {shape}")
    over = _all_but_channels(grad)
    dbias = grad.sum(over)
    dweight = (grad * cache.normalized).sum(over)
    dnormalized = grad * per_channel(cache.weight, grad)
    through_mean = per_channel(dnormalized.mean(over), grad)
    along = (dnormalized * cache.normalized).mean(over)
    through_variance = cache.normalized * per_channel(along, grad)
    dx = per_channel(cache.inverse_std, grad) * (dnormalized - through_mean - through_variance)
    return dx, dweight, dbias


def fold_batch_norm(conv: nn.Conv2d, bn: nn.Module) -> nn.Conv2d:
    """Make one convolution that does what `conv` and then `bn` in eval mode do.

    `bn`: `torch.nn.BatchNorm2d` or `fpnlib.models.BatchNorm2d`; its running statistics are used, whatever its mode.
    Both modules stay as they are.
    Errors: ValueError for anything but a Conv2d, unequal channels, a `bn` without running statistics.
    """
    require(isinstance(conv, nn.Conv2d), "conv", type(conv).__name__, "torch.nn.Conv2d")
    mean: Any = getattr(bn, "running_mean", None)
    variance: Any = getattr(bn, "running_var", None)
    gain: Any = getattr(bn, "weight", None)
    offset: Any = getattr(bn, "bias", None)
    require(mean is not None and variance is not None, "bn", type(bn).__name__, "batch norm with running statistics")
    channels = conv.out_channels
    require(len(mean) == channels, "bn", f"{len(mean)} channels", f"{channels}, the convolution's outputs")
    with torch.no_grad():
        scale = (1 if gain is None else gain) / (variance + bn.eps).sqrt()
        shift = (0 if offset is None else offset) - mean * scale
        bias = shift if conv.bias is None else conv.bias * scale + shift
        folded = copy.deepcopy(conv)
        folded.weight = nn.Parameter(conv.weight * scale[:, None, None, None])
        folded.bias = nn.Parameter(bias)
    return folded


def per_channel(values: Float[Tensor, " c"], like: Batch) -> Tensor:
    """View one value per channel so that it multiplies a batch: (1, C) or (1, C, 1, 1)."""
    return values.view(1, -1, *[1] * (like.ndim - 2))


def _all_but_channels(x: Tensor) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _check(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> None:
    require(x.ndim in (2, 4), "x", f"shape {tuple(x.shape)}", "(N, C) or (N, C, H, W)")
    require(x.is_floating_point(), "x", x.dtype, "floating point numbers")
    channels = x.shape[1]
    for name, values in (("weight", weight), ("bias", bias)):
        require(tuple(values.shape) == (channels,), name, f"shape {tuple(values.shape)}", f"({channels},), as x has")
    check_enough(x)
    check_eps(eps)


def check_enough(x: Tensor) -> None:
    """Raise a ValueError when a channel of x has fewer than two values: they would all become 0."""
    count = math.prod(x.shape[:1] + x.shape[2:])
    require(count >= 2, "x", f"shape {tuple(x.shape)}, {count} per channel", "at least 2 values per channel")


def check_eps(eps: float) -> None:
    """Raise a ValueError unless eps is finite and not negative."""
    require(0 <= eps < math.inf, "eps", eps, "a finite number, 0 or more")
