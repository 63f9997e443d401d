"""Claim BN-1: the three gradients of batch norm by hand, and the wrong derivation."""

from collections.abc import Iterator

import torch
from torch import Tensor

from fpnlib.claims import Claim, Measurement, Said, all_of, exceeds, within
from fpnlib.notes.batch_norm.experiments.exactness import EPS, EXACT, INSTANCES, LARGE, SEEN, WRONG, off
from fpnlib.ops import batch_norm_backward, batch_norm_forward

_COUNTS = (2, 3, 4, 8, 32)  # values per channel


def _batches() -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, int]]:
    """Random (x, weight, bias, upstream gradient, mean) in double precision: vectors and maps, n = 2 and more."""
    generator = torch.Generator().manual_seed(0)
    for i in range(INSTANCES):
        n, c, h, w = torch.randint(2, 5, (4,), generator=generator).tolist()
        shape = ((2, c), (n, c), (2, c, 1, 1), (n, c, h, w))[i % 4]
        x, grad = torch.randn((2, *shape), generator=generator, dtype=torch.float64)
        weight, bias = torch.randn((2, c), generator=generator, dtype=torch.float64)
        yield x, weight, bias, grad, LARGE if i // 4 % 2 else 0


def _autograd(x: Tensor, weight: Tensor, bias: Tensor, grad: Tensor, statistics_move: bool = True) -> list[Tensor]:
    """The gradients with respect to x, weight and bias, found by autograd in the definition."""
    leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
    over, shape = [d for d in range(x.ndim) if d != 1], (1, -1, *[1] * (x.ndim - 2))
    source = leaves[0] if statistics_move else x
    variance, mean = torch.var_mean(source, over, correction=0)
    normalized = (leaves[0] - mean.view(shape)) / (variance.view(shape) + EPS).sqrt()
    y = leaves[1].view(shape) * normalized + leaves[2].view(shape)
    return list(torch.autograd.grad(y, leaves, grad))


class _Wrong(torch.autograd.Function):
    """The derivation that takes mean and variance for constants."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        y, ctx.cache = batch_norm_forward(x, weight, bias, eps=EPS)
        return y

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, ...]:  # type: ignore[no-untyped-def]
        return constant_statistics(grad, ctx.cache), *batch_norm_backward(grad, ctx.cache)[1:]


class _Right(_Wrong):
    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, ...]:  # type: ignore[no-untyped-def]
        return batch_norm_backward(grad, ctx.cache)


def constant_statistics(grad: Tensor, cache: tuple[Tensor, ...]) -> Tensor:
    """The gradient with respect to x as it would be if mean and variance did not depend on x. It is wrong."""
    _, inverse_std, weight, *_ = cache
    return grad * (weight * inverse_std).view(1, -1, *[1] * (grad.ndim - 2))


def gradients() -> Measurement:
    """The three gradients by hand against autograd, and the wrong derivation against the same."""
    worst = {"x": 0.0, "weight": 0.0, "bias": 0.0, "large_mean": 0.0, "two_values": 0.0}
    least_wrong, right_refused, wrong_accepted = float("inf"), 0, 0
    for around_0, weight, bias, grad, mean in _batches():
        x = around_0 + mean
        # The difference of two neighbours is exact, and free of the rounding that a large mean brings into autograd.
        truth = _autograd(x - mean, weight, bias, grad)
        _, cache = batch_norm_forward(x, weight, bias, eps=EPS)
        apart = [off(o, t) for o, t in zip(batch_norm_backward(grad, cache), truth, strict=True)]
        for name, value in zip(worst, apart, strict=False):
            worst[name] = max(worst[name], value)
        if mean:
            worst["large_mean"] = max(worst["large_mean"], *apart)
        if x.numel() == 2 * x.shape[1]:
            worst["two_values"] = max(worst["two_values"], *apart)
        wrong = constant_statistics(grad, cache)
        by_autograd = _autograd(x - mean, weight, bias, grad, statistics_move=False)[0]
        least_wrong = min(least_wrong, off(wrong, truth[0]))
        worst["constants"] = max(worst.get("constants", 0.0), off(wrong, by_autograd))
        leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
        right_refused += not torch.autograd.gradcheck(_Right.apply, leaves, raise_exception=False)
        wrong_accepted += torch.autograd.gradcheck(_Wrong.apply, leaves, raise_exception=False)
    return Measurement.exact(
        max(worst["x"], worst["weight"], worst["bias"]),
        n=INSTANCES,
        **{f"off_{name}": value for name, value in worst.items()},
        wrong_least_off=least_wrong,
        gradcheck_refuses_right=right_refused,
        gradcheck_accepts_wrong=wrong_accepted,
        values=list(_COUNTS),
        share_that_survives=[surviving_share(n) for n in _COUNTS],
        off_share=max(abs(surviving_share(n) - (n - 2) / n) for n in _COUNTS),
    )


def surviving_share(n: int) -> float:
    """The share of a gradient at n outputs that reaches x, mean square over all directions; without ε.

    Times the standard deviation, batch norm's Jacobian is a projection, so this is its trace over n.
    """
    x = torch.randn((n, 1), generator=torch.Generator().manual_seed(n), dtype=torch.float64).expand(n, n)
    one, none = torch.ones(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
    _, cache = batch_norm_forward(x, one, none, eps=0.0)
    jacobian = batch_norm_backward(torch.eye(n, dtype=torch.float64), cache)[0] / cache.inverse_std
    return (jacobian.square().sum() / n).item()


CLAIMS = (
    Claim(
        "BN-1",
        "The three gradients of batch norm, derived by hand, are right.",
        Said("field", "Ioffe and Szegedy, Batch Normalization, ICML 2015, section 3"),
        {
            "beside autograd": within(EXACT, "any of the three gradients, on 40 random batches of mean 0 and 5000,"),
            "by gradcheck": within(0, "batches on which gradcheck refuses them", of="gradcheck_refuses_right"),
            "in that two of n directions are lost": within(
                EXACT, "the share of a gradient that reaches x, and (n − 2) / n,", of="off_share"
            ),
        },
        gradients,
        control=all_of(
            exceeds(WRONG, f"{SEEN}: statistics as constants", of="wrong_least_off"),
            within(0, "batches on which gradcheck accepts it", of="gradcheck_accepts_wrong"),
        ),
        told={
            "holds": "Batch norm's gradient goes three ways, and it throws away every change that the layer would "
            "undo: with two values in a batch, all of it."
        },
    ),
)
