"""Batch normalisation as a layer, by hand: the bookkeeping around `fpnlib.ops.batch_norm_forward` and its backward."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.ops.batch_norm import (
    BatchNormCache,
    batch_norm_backward,
    batch_norm_forward,
    check_enough,
    check_eps,
    per_channel,
)
from fpnlib.validation import require


class BatchNorm2d(nn.Module):
    """Normalise each channel, over the batch while training and by running statistics in eval mode.

    Arguments, parameters, buffers and state-dict keys are those of `torch.nn.BatchNorm2d`. The output is normalised
    with the biased variance; the running variance is made of the unbiased one. With `momentum=None` the running
    statistics are the plain averages over all batches so far.
    Errors: ValueError for no channels, a negative eps, a momentum outside 0 to 1, an input that is not (N, C, H, W)
    with C as declared, one value per channel where the batch's own statistics are used.
    Source: Ioffe and Szegedy, "Batch Normalization" (2015), algorithms 1 and 2.
    """

    _version = 2  # torch's own: older state dicts have no num_batches_tracked

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        require(num_features >= 1, "num_features", num_features, "1 or more")
        check_eps(eps)
        require(momentum is None or 0 <= momentum <= 1, "momentum", momentum, "0 to 1, or None")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats

        def ones() -> Tensor:
            return torch.ones(num_features, device=device, dtype=dtype)

        def zeros() -> Tensor:
            return torch.zeros(num_features, device=device, dtype=dtype)

        self.weight = nn.Parameter(ones()) if affine else None
        self.bias = nn.Parameter(zeros()) if affine and bias else None
        # Tensors, or None without tracking.
        self.running_mean: Any
        self.running_var: Any
        self.num_batches_tracked: Any
        self.register_buffer("running_mean", zeros() if track_running_stats else None)
        self.register_buffer("running_var", ones() if track_running_stats else None)
        count = torch.zeros((), dtype=torch.long, device=device) if track_running_stats else None
        self.register_buffer("num_batches_tracked", count)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Normalise a batch (N, C, H, W); while training, the running statistics move towards it."""
        require(x.ndim == 4, "x", f"shape {tuple(x.shape)}", "(N, C, H, W)")
        require(x.shape[1] == self.num_features, "x", f"{x.shape[1]} channels", f"{self.num_features} channels")
        weight = x.new_ones(self.num_features) if self.weight is None else self.weight
        bias = x.new_zeros(self.num_features) if self.bias is None else self.bias
        if not self.training and self.running_mean is not None:
            # Constants: y is a straight line in x, and autograd needs no help.
            scale = weight / (self.running_var + self.eps).sqrt()
            return (x - per_channel(self.running_mean, x)) * per_channel(scale, x) + per_channel(bias, x)
        check_enough(x)
        y, _, _, mean, variance = _Normalize.apply(x, weight, bias, self.eps)
        if self.training and self.track_running_stats:
            self._track(mean, variance, x.numel() // self.num_features)
        return y

    @torch.no_grad()
    def _track(self, mean: Float[Tensor, " c"], variance: Float[Tensor, " c"], count: int) -> None:
        self.num_batches_tracked += 1
        # The n-th value has weight 1/n in a plain average.
        momentum = 1 / self.num_batches_tracked.to(mean.dtype) if self.momentum is None else self.momentum
        unbiased = variance * (count / (count - 1))
        self.running_mean += momentum * (mean - self.running_mean)
        self.running_var += momentum * (unbiased - self.running_var)

    def reset_running_stats(self) -> None:
        """Forget all batches."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Forget all batches; weight 1 and bias 0."""
        self.reset_running_stats()
        if self.weight is not None:
            nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def extra_repr(self) -> str:
        """Return the arguments, for `repr`."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *args: Any
    ) -> None:
        key = f"{prefix}num_batches_tracked"
        if local_metadata.get("version", 1) < 2 and self.num_batches_tracked is not None and key not in state_dict:
            state_dict[key] = self.num_batches_tracked
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class _Normalize(torch.autograd.Function):
    """The hand-written passes as one node of autograd's graph. Also under vmap, and for second derivatives."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, ...]:
        y, cache = batch_norm_forward(x, weight, bias, eps=eps)
        return y, cache.normalized, cache.inverse_std, cache.mean, cache.variance

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, weight, bias, ctx.eps = inputs
        _, *kept = output
        ctx.mark_non_differentiable(*kept)
        ctx.save_for_backward(x, weight, bias, *kept)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, normalized, inverse_std, mean, variance = ctx.saved_tensors
        cache = BatchNormCache(normalized, inverse_std, weight, mean, variance)
        if torch.is_grad_enabled():
            # Someone wants the gradient's gradient, so the cache must know where it comes from.
            cache = batch_norm_forward(x, weight, bias, eps=ctx.eps)[1]
        return *batch_norm_backward(grad, cache), None
