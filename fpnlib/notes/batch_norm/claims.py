"""What note 06 says, and the test of each saying."""

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from fpnlib.claims import Claim, Criterion, Measurement, Said, Verdict, exceeds
from fpnlib.models import BatchNorm2d
from fpnlib.notes.batch_norm import digits
from fpnlib.ops import batch_norm_backward, batch_norm_forward, fold_batch_norm

EXACT = 1e-10
WRONG = 1e-3  # a wrong derivation must be off by more
SCALES = (0.01, 0.1, 10.0, 100.0)
_INSTANCES = 40
_LARGE = 5000
_TRAINING = 3  # batches before eval mode
_EPS = 1e-5


def _off(ours: Tensor, truth: Tensor) -> float:
    """Largest difference, in units of the largest value where that is above 1."""
    return ((ours - truth).abs().max() / truth.abs().max().clamp(min=1)).item()


def _batches() -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, int]]:
    """Random (x, weight, bias, upstream gradient, mean) in double precision: vectors and maps, n = 2 and more."""
    generator = torch.Generator().manual_seed(0)
    for i in range(_INSTANCES):
        n, c, h, w = torch.randint(2, 5, (4,), generator=generator).tolist()
        shape = ((2, c), (n, c), (2, c, 1, 1), (n, c, h, w))[i % 4]
        x, grad = torch.randn((2, *shape), generator=generator, dtype=torch.float64)
        weight, bias = torch.randn((2, c), generator=generator, dtype=torch.float64)
        yield x, weight, bias, grad, _LARGE if i // 4 % 2 else 0


def _autograd(x: Tensor, weight: Tensor, bias: Tensor, grad: Tensor, statistics_move: bool = True) -> list[Tensor]:
    """The gradients by x, weight and bias, found by autograd in the definition."""
    leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
    over, shape = [d for d in range(x.ndim) if d != 1], (1, -1, *[1] * (x.ndim - 2))
    source = leaves[0] if statistics_move else x
    variance, mean = torch.var_mean(source, over, correction=0)
    normalized = (leaves[0] - mean.view(shape)) / (variance.view(shape) + _EPS).sqrt()
    y = leaves[1].view(shape) * normalized + leaves[2].view(shape)
    return list(torch.autograd.grad(y, leaves, grad))


class _Wrong(torch.autograd.Function):
    """The derivation that takes mean and variance for constants."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        y, ctx.cache = batch_norm_forward(x, weight, bias, eps=_EPS)
        return y

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, ...]:  # type: ignore[no-untyped-def]
        return constant_statistics(grad, ctx.cache), *batch_norm_backward(grad, ctx.cache)[1:]


class _Right(_Wrong):
    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, ...]:  # type: ignore[no-untyped-def]
        return batch_norm_backward(grad, ctx.cache)


def constant_statistics(grad: Tensor, cache: tuple[Tensor, ...]) -> Tensor:
    """The gradient by x as it would be if mean and variance did not depend on x. It is wrong."""
    _, inverse_std, weight, *_ = cache
    return grad * (weight * inverse_std).view(1, -1, *[1] * (grad.ndim - 2))


def gradients() -> Measurement:
    """The three gradients by hand against autograd, and the wrong derivation against the same."""
    worst = {"x": 0.0, "weight": 0.0, "bias": 0.0, "large_mean": 0.0, "two_values": 0.0}
    least_wrong, accepted, refused = float("inf"), 0, 0
    for around_0, weight, bias, grad, mean in _batches():
        x = around_0 + mean
        # The difference of two neighbours is exact, and free of the rounding that a large mean brings into autograd.
        truth = _autograd(x - mean, weight, bias, grad)
        _, cache = batch_norm_forward(x, weight, bias, eps=_EPS)
        off = [_off(o, t) for o, t in zip(batch_norm_backward(grad, cache), truth, strict=True)]
        for name, value in zip(worst, off, strict=False):
            worst[name] = max(worst[name], value)
        if mean:
            worst["large_mean"] = max(worst["large_mean"], *off)
        if x.numel() == 2 * x.shape[1]:
            worst["two_values"] = max(worst["two_values"], *off)
        wrong = constant_statistics(grad, cache)
        by_autograd = _autograd(x - mean, weight, bias, grad, statistics_move=False)[0]
        least_wrong = min(least_wrong, _off(wrong, truth[0]))
        worst["constants"] = max(worst.get("constants", 0.0), _off(wrong, by_autograd))
        leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
        accepted += torch.autograd.gradcheck(_Right.apply, leaves, raise_exception=False)
        refused += not torch.autograd.gradcheck(_Wrong.apply, leaves, raise_exception=False)
    return Measurement.exact(
        max(worst["x"], worst["weight"], worst["bias"]),
        n=_INSTANCES,
        **{f"off_{name}": value for name, value in worst.items()},
        wrong_least_off=least_wrong,
        gradcheck_accepts_right=accepted,
        gradcheck_refuses_wrong=refused,
    )


def _judge_gradients(measurement: Measurement) -> Verdict:
    numbers, n = measurement.numbers, measurement.n
    checks = numbers["gradcheck_accepts_right"] == n == numbers["gradcheck_refuses_wrong"]
    seen = numbers["wrong_least_off"] > WRONG and numbers["off_constants"] <= EXACT
    return "holds" if measurement.effect <= EXACT and checks and seen else "fails"


def bookkeeping() -> Measurement:
    """Our layer beside `torch.nn.BatchNorm2d` through three batches of training and one in eval mode."""
    generator = torch.Generator().manual_seed(1)
    worst: dict[str, float] = {}
    biased = float("inf")
    cases = list(itertools.product((0.1, 0.7, None), (True, False), (True, False), ((2, 1, 1), (4, 2, 3)), (0, 5000)))
    for momentum, affine, tracking, (n, *sides), mean in cases:
        theirs, ours = (
            kind(3, momentum=momentum, affine=affine, track_running_stats=tracking).double()
            for kind in (nn.BatchNorm2d, BatchNorm2d)
        )
        for parameter in theirs.parameters():
            nn.init.normal_(parameter, generator=generator)
        ours.load_state_dict(theirs.state_dict())
        # torch's layer sees all with the mean taken off, which is exact: at a large mean its own rounding would count.
        if tracking:
            theirs.get_buffer("running_mean").sub_(mean)
        biased_running = torch.ones(3, dtype=torch.float64)
        for step in range(_TRAINING + 1):
            x, grad = torch.randn((2, n, 3, *sides), generator=generator, dtype=torch.float64)
            x = x + mean
            for layer in (ours, theirs):
                layer.train(step < _TRAINING)
            outcomes = _outcome(ours, x, grad), _outcome(theirs, x - mean, grad)
            for name, a, b in zip(("output", "gradient"), *outcomes, strict=True):
                worst[name] = max(worst.get(name, 0.0), _off(a, b))
            if step < _TRAINING:
                weight = 1 / (step + 1) if momentum is None else momentum
                biased_running += weight * (x.var((0, 2, 3), correction=0) - biased_running)
        if tracking:
            theirs.get_buffer("running_mean").add_(mean)
        for name, buffer in theirs.named_buffers():
            worst[name] = max(worst.get(name, 0.0), _off(ours.get_buffer(name).double(), buffer.double()))
        if tracking:
            biased = min(biased, _off(biased_running, theirs.get_buffer("running_var")))
    squares, two_pass = _single_precision_variances(generator)
    return Measurement.exact(
        max(worst.values()),
        n=len(cases),
        **{f"off_{name}": value for name, value in worst.items()},
        biased_least_off=biased,
        squares_negative=int((squares < 0).sum()),
        squares_mean_error=(squares - 1).abs().mean().item(),
        two_pass_mean_error=(two_pass - 1).abs().mean().item(),
    )


def _single_precision_variances(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Over the true variance, of 1000 channels of 64 values around 5000: E[x²] − E[x]², and the mean taken off first.

    Added up one after another, so that every processor rounds alike.
    """
    x = _LARGE + torch.randn((64, 1000), generator=generator)
    total, of_squares = torch.zeros(1000), torch.zeros(1000)
    for row in x:
        total, of_squares = total + row, of_squares + row * row
    mean, of_deviations = total / 64, torch.zeros(1000)
    for row in x:
        of_deviations = of_deviations + (row - mean) * (row - mean)
    truth = x.double().var(0, correction=0)
    return (of_squares / 64 - mean * mean) / truth, of_deviations / 64 / truth


def _outcome(layer: nn.Module, x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    y = layer(leaf)
    return y.detach(), torch.autograd.grad(y, leaf, grad)[0]


def _judge_bookkeeping(measurement: Measurement) -> Verdict:
    right = measurement.effect <= EXACT and measurement.numbers["biased_least_off"] > WRONG
    return "holds" if right else "fails"


def scale_and_bias() -> Measurement:
    """Multiply a convolution's weights before batch norm, and add a bias: what changes of the output and gradients."""
    generator = torch.Generator().manual_seed(2)
    worst = {"output": 0.0, "gradient": 0.0, "bias_output": 0.0, "bias_gradient": 0.0}
    usual_eps, without_norm = [0.0] * len(SCALES), float("inf")
    for _ in range(_INSTANCES // len(SCALES)):
        x = torch.randn((3, 2, 6, 6), generator=generator, dtype=torch.float64)
        weight = torch.randn((4, 2, 3, 3), generator=generator, dtype=torch.float64) / 4
        bias = torch.randn(4, generator=generator, dtype=torch.float64)
        upstream = torch.randn((3, 4, 4, 4), generator=generator, dtype=torch.float64)
        none = torch.zeros_like(bias)
        y, by_weight, _ = _conv_norm(x, weight, none, upstream, 0.0)
        y_usual, *_ = _conv_norm(x, weight, none, upstream, _EPS)
        for i, scale in enumerate(SCALES):
            scaled_y, scaled_gradient, _ = _conv_norm(x, scale * weight, none, upstream, 0.0)
            worst["output"] = max(worst["output"], _off(scaled_y, y))
            worst["gradient"] = max(worst["gradient"], _off(scale * scaled_gradient, by_weight))
            usual_eps[i] = max(usual_eps[i], _off(_conv_norm(x, scale * weight, none, upstream, _EPS)[0], y_usual))
        shifted_y, _, by_bias = _conv_norm(x, weight, bias, upstream, 0.0)
        worst["bias_output"] = max(worst["bias_output"], _off(shifted_y, y))
        worst["bias_gradient"] = max(worst["bias_gradient"], by_bias.abs().max().item())
        plain = nn.functional.conv2d(x, weight)
        plain_gradient = conv2d_weight(x, weight.shape, upstream)  # the same at every scale
        plain_changes = (
            *(_off(scale * plain, plain) for scale in SCALES),
            *(_off(scale * plain_gradient, plain_gradient) for scale in SCALES),
            _off(plain + bias[:, None, None], plain),
            upstream.sum((0, 2, 3)).abs().max().item(),  # the gradient by the bias
        )
        without_norm = min(without_norm, *plain_changes)
    return Measurement.exact(
        max(worst.values()),
        n=_INSTANCES,
        scales=list(SCALES),
        **{f"off_{name}": value for name, value in worst.items()},
        usual_eps_output=usual_eps,
        without_norm_least=without_norm,
    )


def _conv_norm(x: Tensor, weight: Tensor, bias: Tensor, upstream: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Convolution and batch norm: the output, and the gradients by the convolution's weights and bias."""
    by = weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    # Ours, as torch's refuses an eps of 0.
    y = BatchNorm2d(len(bias), eps=eps, affine=False, track_running_stats=False)(nn.functional.conv2d(x, weight, bias))
    by_weight, by_bias = torch.autograd.grad(y, by, upstream)
    return y.detach(), by_weight, by_bias


def _judge_scale(measurement: Measurement) -> Verdict:
    right = measurement.effect <= EXACT and measurement.numbers["without_norm_least"] > WRONG
    return "holds" if right else "fails"


def small_batches(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train digit nets at five batch sizes on the same number of images; errors and how far the two modes differ."""
    outcomes = digits.batch_sizes(seeds)
    small, large = digits.BATCH_SIZES[0], digits.REFERENCE_SIZE

    def cost(kind: str) -> list[float]:
        pairs = zip(outcomes[f"{kind}_error_{small}"], outcomes[f"{kind}_error_{large}"], strict=True)
        return [a - b for a, b in pairs]

    norm, plain = cost("norm"), cost("plain")
    modes = zip(outcomes[f"norm_modes_differ_{small}"], outcomes[f"norm_modes_differ_{large}"], strict=True)
    return outcomes | {
        "effect": norm,
        "cost_plain": plain,
        "cost_more_than_plain": [a - b for a, b in zip(norm, plain, strict=True)],
        "modes_differ_more": [a - b for a, b in modes],
    }


def _judge_small_batches(measurement: Measurement) -> Verdict:
    numbers = measurement.numbers
    verdict = exceeds(0.01, "").judge(measurement)
    controls = numbers["cost_more_than_plain_low"] > 0 and numbers["modes_differ_more_low"] > 0
    return "depends" if verdict == "holds" and not controls else verdict


def folding() -> Measurement:
    """One convolution in place of convolution and batch norm, random nets in double and in single precision."""
    generator = torch.Generator().manual_seed(3)
    worst = {torch.float64: 0.0, torch.float32: 0.0}
    still_training = float("inf")
    for i in range(_INSTANCES):
        groups, stride, padding = 1 + i % 2, 1 + i // 2 % 2, i // 4 % 3
        layer = (nn.BatchNorm2d, BatchNorm2d)[i // 8 % 2]
        conv = nn.Conv2d(4, 6, 3, stride, padding, groups=groups, bias=i % 3 > 0).double()
        bn = layer(6, affine=i % 5 > 0).double()
        with torch.no_grad():
            for values in [*conv.parameters(), *bn.parameters(), bn.get_buffer("running_mean")]:
                values.normal_(generator=generator)
            bn.get_buffer("running_var").uniform_(0.1, 4, generator=generator)
        x = torch.randn((3, 4, 9, 9), generator=generator, dtype=torch.float64)
        for dtype in worst:
            conv, bn = conv.to(dtype), bn.to(dtype).eval()
            with torch.no_grad():
                two, one = bn(conv(x.to(dtype))), fold_batch_norm(conv, bn)(x.to(dtype))
                worst[dtype] = max(worst[dtype], _off(one, two))
        with torch.no_grad():
            still_training = min(still_training, _off(one, bn.train()(conv(x.to(dtype)))))
    return Measurement.exact(
        worst[torch.float64],
        n=_INSTANCES,
        off_single=worst[torch.float32],
        training_mode_least_off=still_training,
    )


def _judge_folding(measurement: Measurement) -> Verdict:
    right = measurement.effect <= EXACT and measurement.numbers["training_mode_least_off"] > WRONG
    return "holds" if right else "fails"


def larger_rates(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train digit nets at many learning rates from the same weights; the largest rate that still learns."""
    outcomes = digits.learning_rates(seeds)
    pairs = zip(outcomes["norm_largest"], outcomes["plain_largest"], strict=True)
    return outcomes | {"effect": [a - b for a, b in pairs]}


CLAIMS = (
    Claim(
        "BN-1",
        "The three gradients of batch norm, derived by hand, are right.",
        Said("field", "Ioffe and Szegedy, Batch Normalization, ICML 2015, section 3"),
        {
            "": Criterion(
                "on 40 random batches (mean 0 and 5000, two values per channel and more) the three gradients and "
                "autograd's, found with the 5000 taken off, differ by at most 1e-10 and gradcheck accepts all; with "
                "the statistics as constants the gradient by x is off by more than 0.001 and gradcheck refuses it, "
                "every time",
                _judge_gradients,
            )
        },
        gradients,
    ),
    Claim(
        "BN-2",
        "The bookkeeping: normalise with the biased variance, store the unbiased one.",
        Said("field", "Ioffe and Szegedy, Batch Normalization, ICML 2015, section 3.1"),
        {
            "": Criterion(
                "outputs, gradients, running mean and running variance through training and eval mode, at means 0 and "
                "5000, differ from those of torch's layer, which gets the 5000 taken off, by at most 1e-10; a biased "
                "running variance is off by more than 0.001 in every case",
                _judge_bookkeeping,
            )
        },
        bookkeeping,
    ),
    Claim(
        "BN-3",
        "The scale of the weights before batch norm does not matter, and a bias there is useless.",
        Said("field", "Ioffe and Szegedy, Batch Normalization, ICML 2015, sections 3.2 and 3.3"),
        {
            "": Criterion(
                "with eps 0 and weights scaled by 0.01 to 100 the output and gradient × scale change by at most "
                "1e-10, as the output does with a bias, whose gradient is at most 1e-10; without batch norm each "
                "changes by more than 0.001",
                _judge_scale,
            )
        },
        scale_and_bias,
    ),
    Claim(
        "BN-4",
        "Small batches hurt.",
        Said("field", "Wu and He, Group Normalization, ECCV 2018"),
        {
            "": Criterion(
                "after 1024 digits seen, at the best of four learning rates that are proportional to the batch size, "
                "the test error at batches of 2 is above that at 32 by more than 0.01 (whole interval over seeds); it "
                "depends unless that is more than without batch norm, and unless training mode and eval mode differ "
                "on more test digits (whole intervals above 0)",
                _judge_small_batches,
            )
        },
        small_batches,
        seeds=24,
    ),
    Claim(
        "BN-5",
        "Batch norm folds into the convolution before it.",
        Said("field", "Jacob et al., Quantization and Training of Neural Networks, CVPR 2018, section 3.2"),
        {
            "": Criterion(
                "over 40 random pairs of layers in eval mode one convolution's output differs from the two layers' by "
                "at most 1e-10; with batch norm in training mode it differs by more than 0.001, every time",
                _judge_folding,
            )
        },
        folding,
    ),
    Claim(
        "BN-6",
        "Batch norm allows larger learning rates.",
        Said("field", "Ioffe and Szegedy, Batch Normalization, ICML 2015, section 3.3"),
        {
            "": exceeds(
                0.5,
                "powers of ten between the largest learning rate that learns (test error at most 0.2) with batch norm "
                "and without, same initial weights",
            )
        },
        larger_rates,
        seeds=24,
    ),
)
