"""The exercises of note 06."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

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


def predict(s: float) -> tuple[float, float, float]:
    """Return what weights that are s times as long, before batch norm without ε, do to three things, as factors.

    The output; the gradient with respect to these weights; the angle that a small step of gradient descent turns them.
    """
    return 1.0, 1 / s, 1 / s**2


def _as_without_norm(s: float) -> tuple[float, float, float]:
    return s, 1.0, 1 / s


def _same_gradient(s: float) -> tuple[float, float, float]:
    return 1.0, 1.0, 1 / s


def _step_alone(s: float) -> tuple[float, float, float]:
    return 1.0, 1 / s, 1 / s


def _larger_gradient(s: float) -> tuple[float, float, float]:
    return 1.0, s, 1.0


_PREDICT_FAULTS = {
    "That is a layer without batch norm. Here mean and deviation grow with the weights, and the division undoes it.": (
        _as_without_norm
    ),
    "The output stays, but the gradient does not: weights that are s times as long must move s times as far for the "
    "same change of the output.": _same_gradient,
    "Output and gradient are right. The angle is the step over the length, and both have changed: the step is the rate "
    "times the gradient.": _step_alone,
    "The gradient goes the other way: longer weights must move further for the same change of the output, so each "
    "little move of them changes it less.": _larger_gradient,
}


def _examine_predict(answer: Answer) -> str | None:
    return compare(answer, predict, [(s,) for s in (0.5, 2.0, 3.0, 10.0, 0.01)], _PREDICT_FAULTS)


def freeze(net: nn.Module) -> nn.Module:
    """Return the net ready for fine-tuning: batch norm frozen, all else in training mode."""
    net.train()  # first: it sets every module below it, batch norm too
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval().requires_grad_(False)
    return net


def _wakes(net: nn.Module) -> nn.Module:
    return freeze(net).train()


def _only_parameters(net: nn.Module) -> nn.Module:
    for module in freeze(net).modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train().momentum = 0.0
    return net


def _all_eval(net: nn.Module) -> nn.Module:
    return freeze(net).eval()


def _learns(net: nn.Module) -> nn.Module:
    for module in freeze(net).modules():
        if isinstance(module, nn.BatchNorm2d):
            module.requires_grad_(True)
    return net


def _all_frozen(net: nn.Module) -> nn.Module:
    return freeze(net).requires_grad_(False)


_FREEZE_FAULTS = {
    "The running statistics still move. The hints say how to see why.": (_wakes),
    "The running statistics stay, but batch norm is in training mode: it normalises by the batch all the same, so an "
    "image's output still hangs on its neighbours.": _only_parameters,
    "Batch norm is frozen, but so is dropout: the rest of the net is in eval mode too.": _all_eval,
    "The statistics are frozen, γ and β are not: they still ask for a gradient.": _learns,
    "The convolutions ask for no gradient any more, so nothing is left to train.": _all_frozen,
}


def _examine_freeze(answer: Answer) -> str | None:
    if not callable(answer):
        return compare(answer, freeze, (), {})
    with torch.random.fork_rng():
        inner = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), inner).eval()
    given = answer(copy.deepcopy(net))
    if given is None:
        return "Your function returns nothing. Is a `return` missing?"
    if not isinstance(given, nn.Module):
        return f"For (a net) you gave {given!r}; the net is asked for."
    seen = _seen(given)
    if seen == _seen(freeze(copy.deepcopy(net))):
        return None
    for fault, wrong in _FREEZE_FAULTS.items():
        if seen == _seen(wrong(copy.deepcopy(net))):
            return fault
    hang, moved, own, others, modes = seen
    return (
        f"Of two batch norms {hang} look at the batch and {moved} move their running statistics; {own} of their four "
        f"parameters ask for a gradient, and {others} of the convolutions' four. Of the other layers, two convolutions "
        f"and dropout, {modes} are in training mode."
    )


def _seen(net: nn.Module) -> list[int]:
    """Count batch norms that look at the batch, and that move; parameters that ask, theirs and others'; modes."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    others = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Dropout)]
    generator = torch.Generator().manual_seed(0)
    look, move = [], []
    for norm in norms:
        x = 3 + torch.randn(4, norm.num_features, 2, 2, generator=generator)
        before = norm.state_dict()["running_mean"].clone()
        look.append(not torch.equal(norm(x)[0], norm(x[:2])[0]))
        move.append(not torch.equal(norm.state_dict()["running_mean"], before))
    ask = [[p.requires_grad for module in modules for p in module.parameters()] for modules in (norms, others)]
    return [sum(one) for one in (look, move, *ask, [module.training for module in others])]


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
        (
            "Make centered, inverse_std and normalized again, as on the way forward, along dimension 0.",
            "The bias is in every output, the weight too, times normalized: two sums over dimension 0 are two answers.",
            "With g = grad * weight: from g take its mean, and normalized times the mean of g * normalized.",
        ),
    ),
    Exercise(
        "running variance",
        "Write f(running, values, momentum) that returns the running variance after one more batch of values, as torch "
        "stores it.",
        _examine_running,
        running_variance,
        ((_biased, "biased"), (_other_way, "share of the old"), (_deviations, "Variances are stored")),
        (
            "Two numbers are mixed, the old running variance and one of the new values. Which share has which?",
            "The momentum is the new one's share. And the new variance divides the sum of squares by n − 1.",
        ),
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
        (
            "Put w x + b in place of the input of batch norm, and multiply out.",
            "Every x is multiplied by w · gamma / √(variance + eps). What is left has no x in it: that is the bias.",
        ),
    ),
    Exercise(
        "longer weights",
        "All weights before batch norm with ε = 0 are multiplied by s. Write f(s) that predicts three factors: of the "
        "output, of the gradient with respect to these weights, and of the angle that a small step turns them by.",
        _examine_predict,
        predict,
        (
            (_as_without_norm, "without batch norm"),
            (_same_gradient, "s times as far"),
            (_step_alone, "step over the length"),
            (_larger_gradient, "other way"),
        ),
        (
            "What are mean and deviation of s·x, beside those of x? And (s·x − mean) / deviation?",
            "If the output does not depend on s, then a step of s·d from s·w changes the loss as d does from w.",
            "The angle is about the length of the step, rate times gradient, over the length of the weights.",
        ),
    ),
    Exercise(
        "freeze batch norm",
        "Mend freeze(net), so that it returns the net with every BatchNorm2d frozen (statistics, γ and β), and "
        "everything else ready to train.",
        _examine_freeze,
        freeze,
        (
            (_wakes, "still move"),
            (_only_parameters, "neighbours"),
            (_all_eval, "dropout"),
            (_learns, "γ and β are not"),
            (_all_frozen, "convolutions"),
        ),
        (
            "After the call, print [module.training for module in net.modules()]. Which of them surprise you?",
            "net.train() goes through all modules of the net. What you set before it, it sets again.",
            "So call it first, and put batch norm into eval mode after it.",
        ),
    ),
)
