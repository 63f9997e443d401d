"""Ways to join feature maps: add, weighted add, concatenate; and the convolution that makes concatenation an add.

These modules take the maps themselves. `fpnlib.ops.Add` and `Concat` hold branches that all read one input.
"""

import copy
import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn

from fpnlib.validation import require, require_choice

Merge = Literal["concat", "add"]
MERGES: tuple[Merge, ...] = ("concat", "add")


def check_maps(maps: Sequence[Tensor], *, same_channels: bool) -> None:
    """Refuse maps that cannot be joined: other sizes, or, for an add, other channels."""
    require(len(maps) >= 1, "maps", "none", "at least 1 map")
    first = maps[0]
    for one in maps:
        require(one.ndim == 4, "maps", f"shape {tuple(one.shape)}", "(N, C, H, W)")
        require(one.shape[0] == first.shape[0], "maps", f"batches of {first.shape[0]} and {one.shape[0]}", "equal ones")
        sizes = " and ".join("×".join(map(str, m.shape[2:])) for m in (first, one))
        require(one.shape[2:] == first.shape[2:], "maps", f"sizes {sizes}", "equal sizes: resize one first")
        require(
            not same_channels or one.shape[1] == first.shape[1],
            "maps",
            f"{first.shape[1]} and {one.shape[1]} channels",
            "equal channels for an add; Concat would take these, or a 1×1 convolution makes them equal",
        )


class Add(nn.Module):
    """Sum of maps: channel c meets channel c."""

    def forward(self, *maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Maps of one shape (N, C, H, W), added. ValueError for other channels or sizes."""
        check_maps(maps, same_channels=True)
        total = maps[0]
        for one in maps[1:]:
            total = total + one
        return total


class Concat(nn.Module):
    """Maps one after the other along the channels: the next layer tells them apart."""

    def forward(self, *maps: Float[Tensor, "n _ h w"]) -> Float[Tensor, "n _ h w"]:
        """Maps (N, Cᵢ, H, W) to (N, ΣCᵢ, H, W). ValueError for other sizes."""
        check_maps(maps, same_channels=False)
        return torch.cat(maps, 1)


def merge_module(merge: Merge) -> Add | Concat:
    """The module that joins a skip with what it meets."""
    require_choice("merge", merge, MERGES)
    return Add() if merge == "add" else Concat()


class WeightedAdd(nn.Module):
    """Σ weightᵢ · mapᵢ + bias with one learned number for each of `count` maps, at first 1 / count.

    On maps of one channel it is the 1×1 convolution of their concatenation. Source: Xie and Tu, "Holistically-Nested
    Edge Detection", ICCV 2015, section 3, the weighted-fusion layer.
    """

    def __init__(self, count: int, *, bias: bool = False) -> None:
        super().__init__()
        require(count >= 1, "count", count, "at least 1")
        self.weight = nn.Parameter(torch.full((count,), 1 / count))
        self.register_parameter("bias", nn.Parameter(torch.zeros(())) if bias else None)

    def forward(self, *maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """`count` maps of one shape (N, C, H, W). ValueError for another number, other channels or sizes."""
        require(len(maps) == len(self.weight), "maps", f"{len(maps)} maps", f"{len(self.weight)}, one for each weight")
        check_maps(maps, same_channels=True)
        total = sum(weight * one for weight, one in zip(self.weight, maps, strict=True))
        return total if self.bias is None else total + self.bias


class FastNormalizedFusion(nn.Module):
    """Σ wᵢ mapᵢ / (Σ wᵢ + ε), wᵢ = ReLU of one learned number for each of `count` maps, at first 1: nearly the mean.

    Source: Tan, Pang and Le, "EfficientDet", CVPR 2020, section 3.3; its ε is 0.0001.
    """

    def __init__(self, count: int, *, eps: float = 1e-4) -> None:
        super().__init__()
        require(count >= 1, "count", count, "at least 1")
        require(eps > 0, "eps", eps, "more than 0")
        self.weight = nn.Parameter(torch.ones(count))
        self.eps = eps

    def forward(self, *maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """`count` maps of one shape (N, C, H, W). ValueError for another number, other channels or sizes."""
        require(len(maps) == len(self.weight), "maps", f"{len(maps)} maps", f"{len(self.weight)}, one for each weight")
        check_maps(maps, same_channels=True)
        weights = self.weight.relu()
        weights = weights / (weights.sum() + self.eps)
        return torch.stack([weight * one for weight, one in zip(weights, maps, strict=True)]).sum(0)


def tie_concat(conv: nn.Conv2d, inputs: int = 2) -> nn.Conv2d:
    """The convolution with tie_concat(conv)(cat(x₁ … xₙ)) = conv(x₁ + … + xₙ): the kernel is repeated per input.

    Kernel size, stride, dilation, padding and its mode stay. With groups, a group's channels no longer lie side by side
    after the concatenation, so the result has one group, and zeros where a group did not look.
    The weights are copies: trained on, the repeated kernels may part.
    """
    require(isinstance(conv, nn.Conv2d), "conv", type(conv).__name__, "a Conv2d")
    require(inputs >= 1, "inputs", inputs, "at least 1")
    out, per_group = conv.weight.shape[:2]
    kernel = conv.weight.new_zeros(out, conv.in_channels, *conv.kernel_size)
    for group, rows in enumerate(torch.arange(out).chunk(conv.groups)):
        kernel[rows, group * per_group : (group + 1) * per_group] = conv.weight.detach()[rows]
    tied = copy.deepcopy(conv)
    tied.in_channels, tied.groups = inputs * conv.in_channels, 1
    tied.weight = nn.Parameter(kernel.repeat(1, inputs, 1, 1))
    return tied


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Add | Concat | WeightedAdd) or super().is_leaf_module(m, module_qualified_name)


def embed_add_in_concat(net: nn.Module) -> fx.GraphModule:
    """A net of equal outputs that concatenates where `net` has an `Add` module: concat contains add.

    Convolutions right after an add become `tie_concat` of themselves. Any other layer after it still gets the sum, from
    a 1×1 convolution with the kernel [1 1 … 1] for each channel. `net` stays as it is.
    ValueError for a net whose forward cannot be traced, that has no `Add`, or whose channels before such a 1×1 no
    layer tells.
    """
    try:
        graph = _Tracer().trace(net)
    except Exception as error:
        raise ValueError(
            f"net: got {type(net).__name__}, whose forward cannot be traced, allowed: {_ALLOWED}"
        ) from error
    embedded = fx.GraphModule(copy.deepcopy(net), graph)
    adds = [node for node in graph.nodes if isinstance(_layer(embedded, node), Add)]
    require(bool(adds), "net", f"{type(net).__name__} without an Add", _ALLOWED)
    names = (f"embedded_{number}" for number in itertools.count())

    def added(module: nn.Module) -> str:
        # Under a new name each time: the old layer may be called elsewhere too.
        name = next(names)
        embedded.add_submodule(name, module)
        return name

    for node in adds:
        inputs, channels = len(node.args), _channels(embedded, node)
        node.target = added(Concat())
        followers = list(node.users)
        summed = None
        for user in followers:
            layer = _layer(embedded, user)
            if isinstance(layer, nn.Conv2d):
                user.target = added(tie_concat(layer, inputs))
                continue
            if summed is None:
                if channels is None:
                    raise ValueError(f"net: got {user} after an add of unknown channels, allowed: {_ALLOWED}")
                identity = nn.Conv2d(channels, channels, 1, bias=False)
                nn.init.dirac_(identity.weight)
                identity.to(next(iter(net.parameters()), None))
                with graph.inserting_after(node):
                    summed = graph.call_module(added(tie_concat(identity, inputs)), (node,))
            user.replace_input_with(node, summed)
    graph.lint()
    embedded.recompile()
    embedded.delete_all_unused_submodules()
    return embedded


_ALLOWED = "a net with fusion.Add modules whose forward torch.fx can follow, with a layer that tells its channels"


def _layer(module: nn.Module, node: fx.Node) -> nn.Module | None:
    return module.get_submodule(str(node.target)) if node.op == "call_module" else None


def _channels(module: nn.Module, node: fx.Node) -> int | None:
    """Channels that a node gives, as the nearest layer before it tells."""
    layer = _layer(module, node)
    for name in ("out_channels", "num_features"):
        if hasattr(layer, name):
            return int(getattr(layer, name))
    known = [count for source in node.all_input_nodes if (count := _channels(module, source)) is not None]
    if isinstance(layer, Concat):
        return sum(known) if len(known) == len(node.args) else None
    return known[0] if known else None
