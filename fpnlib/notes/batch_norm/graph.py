"""Batch norm of one channel as a computation graph: every node forward and backward, also in ways that are wrong."""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from fpnlib.validation import require_choice

RIGHT = "as derived"
CONSTANT_STATISTICS = "statistics as constants"
CONSTANT_MEAN = "mean as a constant"
CONSTANT_VARIANCE = "variance as a constant"
BIASED_RUNNING = "running variance biased"
SQUARES = "variance as E[x²] − E[x]²"
VARIANTS = (RIGHT, CONSTANT_STATISTICS, CONSTANT_MEAN, CONSTANT_VARIANCE, BIASED_RUNNING, SQUARES)

Values = Float[Tensor, " n"]
Scalar = Float[Tensor, ""]


@dataclasses.dataclass(frozen=True)
class Node:
    """A node's value and the gradient of the loss with respect to it."""

    value: Tensor
    grad: Tensor


@dataclasses.dataclass(frozen=True)
class Graph:
    """The nodes, from the values x to the outputs y, the parameters, and what is stored for eval mode."""

    x: Node
    mean: Node
    centered: Node
    variance: Node
    inverse_std: Node
    normalized: Node
    weight: Node
    bias: Node
    y: Node
    running_variance: Tensor


def forward_backward(
    x: Values, weight: Scalar, bias: Scalar, grad: Values, *, eps: float = 1e-5, variant: str = RIGHT
) -> Graph:
    """Go through the graph forward and back again, one line per node.

    Shapes: `x` and `grad`, the gradient with respect to y, (n,); `weight` and `bias` ().
    Errors: ValueError for an unknown variant.
    """
    require_choice("variant", variant, VARIANTS)
    n = len(x)
    mean_moves = variant not in (CONSTANT_STATISTICS, CONSTANT_MEAN)
    variance_moves = variant not in (CONSTANT_STATISTICS, CONSTANT_VARIANCE)

    mean = x.mean(dtype=torch.float64).to(x.dtype)
    centered = x - mean
    variance = (x * x).mean() - mean * mean if variant == SQUARES else (centered * centered).mean()
    inverse_std = 1 / (variance + eps).sqrt()
    normalized = centered * inverse_std
    y = weight * normalized + bias

    d_bias = grad.sum()
    d_weight = (grad * normalized).sum()
    d_normalized = weight * grad
    d_inverse_std = (d_normalized * centered).sum()
    d_variance = -0.5 * inverse_std**3 * d_inverse_std * variance_moves
    d_centered = inverse_std * d_normalized + 2 / n * centered * d_variance
    d_mean = -d_centered.sum() * mean_moves
    d_x = d_centered + d_mean / n

    return Graph(
        x=Node(x, d_x),
        mean=Node(mean, d_mean),
        centered=Node(centered, d_centered),
        variance=Node(variance, d_variance),
        inverse_std=Node(inverse_std, d_inverse_std),
        normalized=Node(normalized, d_normalized),
        weight=Node(weight, d_weight),
        bias=Node(bias, d_bias),
        y=Node(y, grad),
        running_variance=variance if variant == BIASED_RUNNING else variance * n / (n - 1),
    )
