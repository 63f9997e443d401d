"""Claim BN-3: what the scale of the weights before batch norm and a bias there change."""

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from fpnlib.claims import Claim, Measurement, Said, all_of, exceeds, within
from fpnlib.models import BatchNorm2d
from fpnlib.notes.batch_norm.experiments.exactness import EPS, EXACT, INSTANCES, WRONG, off

SCALES = (0.01, 0.1, 10.0, 100.0)


def scale_and_bias() -> Measurement:
    """Multiply a convolution's weights before batch norm, and add a bias: what changes of the output and gradients."""
    generator = torch.Generator().manual_seed(2)
    worst = {"output": 0.0, "gradient": 0.0, "bias_output": 0.0, "bias_gradient": 0.0}
    usual_eps, without_norm, along = [0.0] * len(SCALES), float("inf"), 0.0
    for _ in range(INSTANCES // len(SCALES)):
        x = torch.randn((3, 2, 6, 6), generator=generator, dtype=torch.float64)
        weight = torch.randn((4, 2, 3, 3), generator=generator, dtype=torch.float64) / 4
        bias = torch.randn(4, generator=generator, dtype=torch.float64)
        upstream = torch.randn((3, 4, 4, 4), generator=generator, dtype=torch.float64)
        none = torch.zeros_like(bias)
        y, by_weight, _ = _conv_norm(x, weight, none, upstream, 0.0)
        along = max(along, _cosines(weight, by_weight).abs().max().item())
        y_usual, *_ = _conv_norm(x, weight, none, upstream, EPS)
        for i, scale in enumerate(SCALES):
            scaled_y, scaled_gradient, _ = _conv_norm(x, scale * weight, none, upstream, 0.0)
            worst["output"] = max(worst["output"], off(scaled_y, y))
            worst["gradient"] = max(worst["gradient"], off(scale * scaled_gradient, by_weight))
            usual_eps[i] = max(usual_eps[i], off(_conv_norm(x, scale * weight, none, upstream, EPS)[0], y_usual))
        shifted_y, _, by_bias = _conv_norm(x, weight, bias, upstream, 0.0)
        worst["bias_output"] = max(worst["bias_output"], off(shifted_y, y))
        worst["bias_gradient"] = max(worst["bias_gradient"], by_bias.abs().max().item())
        plain = nn.functional.conv2d(x, weight)
        plain_gradient = conv2d_weight(x, weight.shape, upstream)  # the same at every scale
        plain_changes = (
            *(off(scale * plain, plain) for scale in SCALES),
            *(off(scale * plain_gradient, plain_gradient) for scale in SCALES),
            off(plain + bias[:, None, None], plain),
            upstream.sum((0, 2, 3)).abs().max().item(),  # the gradient with respect to the bias
            _cosines(weight, plain_gradient).abs().max().item(),
        )
        without_norm = min(without_norm, *plain_changes)
    return Measurement.exact(
        max(worst.values()),
        n=INSTANCES,
        scales=list(SCALES),
        **{f"off_{name}": value for name, value in worst.items()},
        along_weights=along,
        usual_eps_output=usual_eps,
        without_norm_least=without_norm,
    )


def _cosines(weight: Tensor, gradient: Tensor) -> Tensor:
    """Cosine of the angle between each filter and its gradient."""
    return nn.functional.cosine_similarity(weight.flatten(1), gradient.flatten(1))


def _conv_norm(x: Tensor, weight: Tensor, bias: Tensor, upstream: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Convolution and batch norm: the output, and the gradients of the convolution's weights and bias."""
    by = weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    # Ours, as torch's refuses an eps of 0.
    y = BatchNorm2d(len(bias), eps=eps, affine=False, track_running_stats=False)(nn.functional.conv2d(x, weight, bias))
    by_weight, by_bias = torch.autograd.grad(y, by, upstream)
    return y.detach(), by_weight, by_bias


CLAIMS = (
    Claim(
        "BN-3",
        "The scale of the weights before batch norm does not matter, and a bias there is useless.",
        Said("field", "Ioffe and Szegedy, Batch Normalization, ICML 2015, sections 3.2 and 3.3"),
        {
            "for the output": within(EXACT, "the output with weights × 0.01 to 100, without ε,", of="off_output"),
            "for the gradient, which shrinks as the weights grow": within(
                EXACT, "gradient × scale, without ε,", of="off_gradient"
            ),
            "in that the gradient stands at right angles to the weights": within(
                EXACT, "w · ∂L/∂w over both lengths, and 0,", of="along_weights"
            ),
            "for a bias": all_of(
                within(EXACT, "the output with a bias", of="off_bias_output"),
                within(EXACT, "its gradient and 0", of="off_bias_gradient"),
            ),
        },
        scale_and_bias,
        control=exceeds(WRONG, "any of these changes without batch norm, at least", of="without_norm_least"),
        told={
            "holds": "Before batch norm only the direction of the weights counts; their length just sets how large the "
            "next step is."
        },
    ),
)
