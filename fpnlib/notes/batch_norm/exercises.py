"""The exercises of note 06."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fpnlib.exercises import Exercise, compare
from fpnlib.ops import batch_norm_forward

Answer = Callable[..., Any]
Gradients = tuple[Tensor, Tensor, Tensor]
_LARGE = 1e6
_EPS = 0.01


def backward(grad: Tensor, x: Tensor, weight: Tensor, eps: float) -> Gradients:
    """Return the gradients with respect to x (N, C), weight (C,) and bias (C,), given that to y."""
    return _backward(grad, x, weight, eps)


def _backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    eps: float,
    *,
    through_mean: float = 1.0,
    through_variance: float = 1.0,
    by_weight: Callable[[Tensor, Tensor], Tensor] = lambda grad, normalized: (grad * normalized).sum(0),
) -> Gradients:
    centered = x - x.mean(0)
    inverse_std = 1 / ((centered**2).mean(0) + eps).sqrt()
    normalized = centered * inverse_std
    d_normalized = grad * weight
    mean_part = d_normalized.mean(0) * through_mean
    variance_part = normalized * (d_normalized * normalized).mean(0) * through_variance
    return inverse_std * (d_normalized - mean_part - variance_part), by_weight(grad, normalized), grad.sum(0)


def _constants(grad: Tensor, x: Tensor, weight: Tensor, eps: float) -> Gradients:
    return _backward(grad, x, weight, eps, through_mean=0, through_variance=0)


def _no_mean(grad: Tensor, x: Tensor, weight: Tensor, eps: float) -> Gradients:
    return _backward(grad, x, weight, eps, through_mean=0)


def _no_variance(grad: Tensor, x: Tensor, weight: Tensor, eps: float) -> Gradients:
    return _backward(grad, x, weight, eps, through_variance=0)


def _sums(grad: Tensor, x: Tensor, weight: Tensor, eps: float) -> Gradients:
    return _backward(grad, x, weight, eps, through_mean=len(x), through_variance=len(x))


def _no_weight(grad: Tensor, x: Tensor, weight: Tensor, eps: float) -> Gradients:
    return _backward(grad, x, torch.ones_like(weight), eps)


def _weight_by_x(grad: Tensor, x: Tensor, weight: Tensor, eps: float) -> Gradients:
    return _backward(grad, x, weight, eps, by_weight=lambda grad, normalized: (grad * x).sum(0))


def _no_eps(grad: Tensor, x: Tensor, weight: Tensor, eps: float) -> Gradients:
    return _backward(grad, x, weight, 0.0)


def _squares(grad: Tensor, x: Tensor, weight: Tensor, eps: float) -> Gradients:
    mean, variance = x.mean(0), (x**2).mean(0) - x.mean(0) ** 2
    normalized = (x - mean) / (variance + eps).sqrt()
    d_normalized = grad * weight
    inner = d_normalized - d_normalized.mean(0) - normalized * (d_normalized * normalized).mean(0)
    return inner / (variance + eps).sqrt(), (grad * normalized).sum(0), grad.sum(0)


def _few_channels(grad: Tensor, x: Tensor, weight: Tensor, eps: float) -> Gradients:
    return _backward(grad, x, weight, eps, through_mean=float(x.shape[1] <= 4))


_BACKWARD_FAULTS = {
    "Two terms are missing from your gradient with respect to x: you took mean and variance for constants. Both move "
    "when x moves.": _constants,
    "The term through the mean is missing. When one x grows, the mean grows by 1/n of it, and every output falls.": (
        _no_mean
    ),
    "The term through the variance is missing. When x moves away from the mean, the variance grows and all outputs "
    "shrink.": _no_variance,
    "Your sums want to be averages: mean and variance divide by n, and so do the terms that go through them.": _sums,
    "The weight γ is missing on the way back to x.": _no_weight,
    "Your gradient with respect to the weight multiplies with x. The weight multiplies x̂, the normalised value.": (
        _weight_by_x
    ),
    "ε is missing: the standard deviation is √(variance + ε), backward as forward.": _no_eps,
}


def _batches(seed: int, count: int, mean: float) -> list[tuple[Tensor, Tensor, Tensor, float]]:
    generator = torch.Generator().manual_seed(seed)
    cases = []
    for i in range(count):
        n, c = (2, 1) if i == 0 else torch.randint(2, 5, (2,), generator=generator).tolist()
        grad, x = torch.randn((2, n, c), generator=generator, dtype=torch.float64)
        weight = torch.randn(c, generator=generator, dtype=torch.float64)
        cases.append((grad, x + mean, weight, _EPS))
    return cases


def _examine_backward(answer: Answer) -> str | None:
    def flat(of: Answer) -> Answer:
        def call(*case: Any) -> Any:
            given = of(*case)
            several = isinstance(given, tuple | list) and len(given) == 3
            return np.concatenate([np.ravel(part) for part in given]) if several else given

        return call

    def on(cases: list[tuple[Tensor, Tensor, Tensor, float]]) -> str | None:
        faults = {fault: flat(formula) for fault, formula in _BACKWARD_FAULTS.items()}
        return compare(flat(answer) if callable(answer) else answer, flat(backward), cases, faults)

    if fault := on(_batches(0, 20, mean=3.0)):
        return fault
    if on(_batches(1, 5, mean=_LARGE)):
        return (
            f"Right while the mean is small, wrong at a mean of {_LARGE:,.0f}. Is your variance E[x²] − E[x]²? There "
            "two large numbers cancel. Subtract the mean first, then square."
        )
    leaves = [t.requires_grad_() for t in _fresh()]
    if not torch.autograd.gradcheck(_as_function(answer), leaves, raise_exception=False):
        return "gradcheck, which tries small steps in x, γ and β on a batch of six channels, does not agree."
    return None


def _fresh() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn((5, 6), generator=generator, dtype=torch.float64)
    weight, bias = torch.randn((2, 6), generator=generator, dtype=torch.float64)
    return x, weight, bias


def _as_function(answer: Answer) -> Callable[..., Tensor]:
    class Node(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
            ctx.save_for_backward(x, weight)
            return batch_norm_forward(x, weight, bias, eps=_EPS)[0]

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
            return tuple(answer(grad, *ctx.saved_tensors, _EPS))

    return Node.apply


def running_variance(running: float, values: list[float], momentum: float) -> float:
    """Return the running variance after one more batch of values, as torch stores it."""
    mean = sum(values) / len(values)
    unbiased = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return (1 - momentum) * running + momentum * unbiased


def _biased(running: float, values: list[float], momentum: float) -> float:
    return (1 - momentum) * running + momentum * float(np.var(values))


def _other_way(running: float, values: list[float], momentum: float) -> float:
    return running_variance(running, values, 1 - momentum)


def _deviations(running: float, values: list[float], momentum: float) -> float:
    return (1 - momentum) * running + momentum * float(np.std(values, ddof=1))


_RUNNING_FAULTS = {
    "You stored the biased variance. It divides by n; the running variance is made of the one that divides by n − 1.": (
        _biased
    ),
    "Your momentum is the share of the old. In torch it is the share of the new batch.": _other_way,
    "You averaged standard deviations. Variances are stored.": _deviations,
}


def _examine_running(answer: Answer) -> str | None:
    rng = np.random.default_rng(0)
    cases = []
    for i in range(30):
        values = rng.normal(rng.choice([0, 50]), 2, 2 + i % 5).round(1).tolist()
        cases.append((round(rng.uniform(0.5, 4), 2), values, float(rng.choice([0.01, 0.1, 0.3, 1.0]))))
    return compare(answer, running_variance, cases, _RUNNING_FAULTS)


def fold(
    w: float, b: float, gamma: float, beta: float, mean: float, variance: float, eps: float
) -> tuple[float, float]:
    """Return weight and bias of the one layer that replaces w x + b and the batch norm after it."""
    scale = gamma / math.sqrt(variance + eps)
    return w * scale, (b - mean) * scale + beta


def _bias_untouched(
    w: float, b: float, gamma: float, beta: float, mean: float, variance: float, eps: float
) -> tuple[float, float]:
    scale = gamma / math.sqrt(variance + eps)
    return w * scale, b - mean * scale + beta


def _forgets_mean(
    w: float, b: float, gamma: float, beta: float, mean: float, variance: float, eps: float
) -> tuple[float, float]:
    return fold(w, b, gamma, beta, 0.0, variance, eps)


def _by_variance(
    w: float, b: float, gamma: float, beta: float, mean: float, variance: float, eps: float
) -> tuple[float, float]:
    return fold(w, b, gamma, beta, mean, (variance + eps) ** 2, 0.0)


def _eps_outside(
    w: float, b: float, gamma: float, beta: float, mean: float, variance: float, eps: float
) -> tuple[float, float]:
    return fold(w, b, gamma, beta, mean, (math.sqrt(variance) + eps) ** 2, 0.0)


_FOLD_FAULTS = {
    "The old bias was not multiplied. It passes through batch norm as well.": _bias_untouched,
    "The running mean is missing: it is subtracted before the scaling.": _forgets_mean,
    "You divided by the variance. Batch norm divides by its root.": _by_variance,
    "ε belongs under the root, beside the variance.": _eps_outside,
}


def _examine_fold(answer: Answer) -> str | None:
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(30):
        w, b, gamma, beta, mean = rng.normal(size=5).round(2).tolist()
        cases.append((w, b, gamma, beta, mean, round(rng.uniform(0.1, 4), 2), float(rng.choice([0.001, 0.1]))))
    return compare(answer, fold, cases, _FOLD_FAULTS)


EXERCISES = (
    Exercise(
        "batch norm backward",
        "Write f(grad, x, weight, eps) that returns the gradients with respect to x, the weight and the bias; grad and "
        "x are tensors (N, C), weight is (C,).",
        _examine_backward,
        backward,
        (
            (_constants, "Two terms"),
            (_no_mean, "through the mean"),
            (_no_variance, "through the variance"),
            (_sums, "averages"),
            (_no_weight, "weight γ is missing"),
            (_weight_by_x, "multiplies with x"),
            (_no_eps, "ε is missing"),
            (_squares, "cancel"),
            (_few_channels, "gradcheck"),
        ),
    ),
    Exercise(
        "running variance",
        "Write f(running, values, momentum) that returns the running variance after one more batch of values, as torch "
        "stores it.",
        _examine_running,
        running_variance,
        ((_biased, "biased"), (_other_way, "share of the old"), (_deviations, "Variances are stored")),
    ),
    Exercise(
        "fold batch norm",
        "Write f(w, b, gamma, beta, mean, variance, eps) that returns weight and bias of the one layer that does what "
        "w x + b and batch norm in eval mode do.",
        _examine_fold,
        fold,
        (
            (_bias_untouched, "not multiplied"),
            (_forgets_mean, "running mean"),
            (_by_variance, "divided by the variance"),
            (_eps_outside, "under the root"),
        ),
    ),
)
