"""Batch norm of one channel as a graph: each node forward and backward, also in ways that are wrong, beside torch's."""

import dataclasses

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fpnlib.ops import batch_norm_backward, batch_norm_forward
from fpnlib.validation import require_choice

RIGHT = "as derived"
CONSTANT_STATISTICS = "statistics as constants"
CONSTANT_MEAN = "mean as a constant"
CONSTANT_VARIANCE = "variance as a constant"
BIASED_RUNNING = "running variance biased"
SQUARES = "variance as E[x²] − E[x]²"
VARIANTS = (RIGHT, CONSTANT_STATISTICS, CONSTANT_MEAN, CONSTANT_VARIANCE, BIASED_RUNNING, SQUARES)
CHECKS = (
    "outputs",
    "gradient w.r.t. x",
    "gradient w.r.t. γ",
    "gradient w.r.t. β",
    "running variance",
    "gradients w.r.t. x sum to 0",
)

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


def checked(graph: Graph, *, eps: float = 1e-5) -> tuple[list[bool], list[float]]:
    """Compare with torch's own layer in double precision: the outcomes of `CHECKS`, and its gradient at x."""
    x, weight, bias, grad = graph.x.value, graph.weight.value, graph.bias.value, graph.y.grad
    truth, allowed = _truth(x, weight, bias, grad, eps), _rounding(x, weight, grad, eps)
    ours = (graph.y.value, graph.x.grad, graph.weight.grad, graph.bias.grad, graph.running_variance)
    passed = [_close(a, b, most) for a, b, most in zip(ours, truth, allowed, strict=True)]
    return [*passed, _close(graph.x.grad.double().sum(), torch.zeros(()), len(x) * allowed[1])], truth[1].tolist()


def is_the_librarys(x: Values, grad: Values, weight: Float[Tensor, "1"], *, eps: float = 1e-5) -> bool:
    """Return whether the graph as derived gives what `batch_norm_forward` and `batch_norm_backward` give."""
    x, grad, weight, bias = x.double(), grad.double(), weight.double(), torch.zeros(1, dtype=torch.float64)
    graph = forward_backward(x, weight[0], bias[0], grad, eps=eps)
    y, cache = batch_norm_forward(x[:, None], weight, bias, eps=eps)
    theirs = (y, *batch_norm_backward(grad[:, None], cache))
    ours = (graph.y.value, graph.x.grad, graph.weight.grad, graph.bias.grad)
    return all(
        torch.allclose(a.flatten(), b.reshape(-1), rtol=1e-6, atol=1e-6) for a, b in zip(theirs, ours, strict=True)
    )


def _truth(x: Tensor, weight: Tensor, bias: Tensor, grad: Tensor, eps: float) -> tuple[Tensor, ...]:
    """Output, the gradients with respect to x, γ and β, and the stored variance, by torch in double precision."""
    values, gamma, beta = leaves = [t.double().requires_grad_() for t in (x[:, None], weight[None], bias[None])]
    mean, variance = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    y = F.batch_norm(values, mean, variance, gamma, beta, training=True, momentum=1.0, eps=eps)
    dx, dweight, dbias = torch.autograd.grad(y, leaves, grad.double()[:, None])
    return y.detach()[:, 0], dx[:, 0], dweight[0], dbias[0], variance[0]


def _rounding(x: Tensor, weight: Tensor, grad: Tensor, eps: float) -> tuple[float, ...]:
    """How far each result may be off because single precision has so few digits, in the order of `_truth`."""
    step = float(x.abs().max()) * torch.finfo(x.dtype).eps + 1e-6
    centered = (x.double() - x.double().mean()).abs().max().item()
    slope = float((x.double().var(correction=0) + eps) ** -0.5)
    gain, upstream = abs(float(weight)), grad.abs().sum().item()
    y = 8 * step * slope + 1e-5
    dx = gain * upstream * slope * y
    return gain * y + 1e-5, 4 * dx + 1e-5, upstream * y + 1e-5, 1e-5, 8 * step * (centered + step) + 1e-5


def _close(ours: Tensor, truth: Tensor, most: float) -> bool:
    return bool(((ours.double() - truth.double()).abs() <= most).all())  # not a number is not close
