"""Claim BN-2: which variance is divided by, and which is stored."""

import itertools

import numpy as np
import torch
from torch import Tensor, nn

from fpnlib.claims import Claim, Measurement, Said, all_of, exceeds, within
from fpnlib.models import BatchNorm2d
from fpnlib.notes.batch_norm.experiments.exactness import EXACT, LARGE, SEEN, WRONG, off

_TRAINING = 3  # batches before eval mode


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
        # torch's layer sees all with the mean subtracted, which is exact: at a large mean its own rounding would count.
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
                worst[name] = max(worst.get(name, 0.0), off(a, b))
            if step < _TRAINING:
                weight = 1 / (step + 1) if momentum is None else momentum
                biased_running += weight * (x.var((0, 2, 3), correction=0) - biased_running)
        if tracking:
            theirs.get_buffer("running_mean").add_(mean)
        for name, buffer in theirs.named_buffers():
            worst[name] = max(worst.get(name, 0.0), off(ours.get_buffer(name).double(), buffer.double()))
        if tracking:
            biased = min(biased, off(biased_running, theirs.get_buffer("running_var")))
    squares, two_pass = _single_precision_variances()
    return Measurement.exact(
        max(worst.values()),
        n=len(cases),
        **{f"off_{name}": value for name, value in worst.items()},
        biased_least_off=biased,
        squares_negative=int((squares < 0).sum()),
        squares_mean_error=(squares - 1).abs().mean().item(),
        two_pass_mean_error=(two_pass - 1).abs().mean().item(),
    )


def _single_precision_variances() -> tuple[Tensor, Tensor]:
    """Over the true variance, of 1000 channels of 64 values around 5000: E[x²] − E[x]², and the mean subtracted first.

    NumPy's random numbers, added up one after another, so that every processor has the same and rounds alike.
    """
    x = LARGE + torch.from_numpy(np.random.default_rng(0).standard_normal((64, 1000), np.float32))
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


CLAIMS = (
    Claim(
        "BN-2",
        "The bookkeeping: normalise with the biased variance, store the unbiased one.",
        Said("field", "Ioffe and Szegedy, Batch Normalization, ICML 2015, section 3.1"),
        {
            "for outputs and gradients": all_of(
                within(EXACT, "an output and torch's", of="off_output"),
                within(EXACT, "a gradient and torch's", of="off_gradient"),
            ),
            "for the stored statistics": all_of(
                within(EXACT, "a running mean and torch's", of="off_running_mean"),
                within(EXACT, "a running variance and torch's", of="off_running_var"),
            ),
        },
        bookkeeping,
        control=exceeds(WRONG, f"{SEEN}: a running variance made of biased ones", of="biased_least_off"),
        told={"holds": "Batch norm divides by one variance and stores another: n in the batch, n − 1 in the memory."},
    ),
)
