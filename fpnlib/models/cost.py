"""What a net costs: exact counts of its parameters and of its multiply-adds."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fpnlib.validation import require


@dataclass(frozen=True)
class Cost:
    """`parameters`, biases included; `macs`, the products in convolutions and linear layers for one input.

    Sums of maps, biases, normalisations and activations multiply nothing and are not in `macs`.
    """

    parameters: int
    macs: int


_COUNTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def _macs(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, taken: Tensor, given: Tensor) -> int:
    if isinstance(layer, nn.Linear):
        return given.numel() * layer.in_features
    # Each output of a convolution takes kernel × channels products; a transposed one spreads each of its inputs so.
    per_place = math.prod(layer.kernel_size)
    if isinstance(layer, nn.ConvTranspose2d):
        return taken.numel() * per_place * (layer.out_channels // layer.groups)
    return given.numel() * per_place * (layer.in_channels // layer.groups)


def count_parameters(net: nn.Module) -> int:
    """Numbers that training may change, shared ones once."""
    return sum(parameter.numel() for parameter in net.parameters())


def cost(net: nn.Module, *inputs: Sequence[int] | Sequence[Sequence[int]]) -> Cost:
    """Parameters, and multiply-adds of one call on inputs of these shapes; nothing is computed.

    `inputs`: a shape such as (1, 3, 224, 224) for each argument of the net, or a list of shapes for an argument that
    is a list of maps. What `Conv2d`, `ConvTranspose2d` and `Linear` multiply is counted, with the same number as
    torch's own `FlopCounterMode`, which says two FLOPs per multiply-add; other products, such as an LSTM's, are not.
    """
    require(len(inputs) > 0, "inputs", "none", "a shape for each argument of the net")
    total = 0

    def add(layer: Any, taken: tuple[Tensor, ...], given: Tensor) -> None:
        nonlocal total
        total += _macs(layer, taken[0], given)

    tensors = itertools.chain(net.named_parameters(), net.named_buffers())
    hooks = [m.register_forward_hook(add) for m in net.modules() if isinstance(m, _COUNTED)]
    try:
        # On the meta device tensors have shapes and no values.
        state = {name: tensor.to("meta") for name, tensor in tensors}
        with torch.no_grad():
            functional_call(net, state, tuple(_meta(shape) for shape in inputs))
    finally:
        for hook in hooks:
            hook.remove()
    return Cost(count_parameters(net), total)


def _meta(shape: Sequence[Any]) -> Any:
    if shape and isinstance(shape[0], Sequence):
        return [_meta(inner) for inner in shape]
    return torch.empty(tuple(shape), device="meta")
