"""Receptive fields: which input pixels a unit of a feature map sees."""

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, fx, nn

from fpnlib.validation import require

T = TypeVar("T")


@dataclass(frozen=True)
class AxisField:
    """Receptive field along one axis, in input pixels: unit u sees pixels first(u) … first(u) + size − 1.

    `size`: from the first to the last pixel seen, holes of dilated kernels included. `stride`: between neighbouring
    units. `padding`, `padding_end`: pixels beyond the image that all layers together add before and after it.
    Source: Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks" (Distill, 2019).
    """

    size: int = 1
    stride: int = 1
    padding: int = 0
    padding_end: int = 0

    @property
    def start(self) -> float:
        """Centre of what unit 0 sees, as a pixel index: 0 is the centre of the first pixel, −½ its outer edge."""
        return (self.size - 1) / 2 - self.padding

    def first(self, unit: int) -> int:
        """Index of the first pixel that `unit` sees; negative, or beyond the image, where it sees padding."""
        return unit * self.stride - self.padding

    def center(self, unit: int | float) -> float:
        """Centre of what `unit` sees, as a pixel index."""
        return self.start + unit * self.stride

    def units(self, length: int) -> int:
        """Number of units on `length` input pixels, 0 if they are too few; `ceil_mode` layers may add one more."""
        require(length > 0, "length", length, "at least 1 pixel")
        return max(0, (length + self.padding + self.padding_end - self.size) // self.stride + 1)

    def then(self, layer: "AxisField") -> "AxisField":
        """This field followed by one more layer."""
        return AxisField(
            size=self.size + (layer.size - 1) * self.stride,
            stride=self.stride * layer.stride,
            padding=self.padding + layer.padding * self.stride,
            padding_end=self.padding_end + layer.padding_end * self.stride,
        )


@dataclass(frozen=True, repr=False)
class ReceptiveField:
    """Receptive field per axis. Where both axes agree a value is one number, else the pair (vertical, horizontal)."""

    vertical: AxisField = AxisField()
    horizontal: AxisField = AxisField()

    @property
    def size(self) -> int | tuple[int, int]:
        """Pixels from the first to the last one that a unit sees."""
        return self.per_axis(lambda axis: axis.size)

    @property
    def stride(self) -> int | tuple[int, int]:
        """Pixels between the fields of neighbouring units."""
        return self.per_axis(lambda axis: axis.stride)

    @property
    def padding(self) -> int | tuple[int, int]:
        """Pixels that unit 0 sees before the image begins."""
        return self.per_axis(lambda axis: axis.padding)

    @property
    def start(self) -> float | tuple[float, float]:
        """Centre of unit 0's field as a pixel index: (size − 1) / 2 − padding."""
        return self.per_axis(lambda axis: axis.start)

    def per_axis(self, value: Callable[[AxisField], T]) -> T | tuple[T, T]:
        """`value` of the axes: one where they agree, else (vertical, horizontal)."""
        vertical, horizontal = value(self.vertical), value(self.horizontal)
        return vertical if vertical == horizontal else (vertical, horizontal)

    def units(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the feature map of an image."""
        return self.vertical.units(height), self.horizontal.units(width)

    def then(self, layer: "ReceptiveField") -> "ReceptiveField":
        """This field followed by one more layer."""
        return ReceptiveField(self.vertical.then(layer.vertical), self.horizontal.then(layer.horizontal))

    def __repr__(self) -> str:
        return f"ReceptiveField(size={self.size}, stride={self.stride}, padding={self.padding}, start={self.start})"


class Add(nn.Module):
    """Sum of branches that all read the same input."""

    def __init__(self, *branches: nn.Module):
        super().__init__()
        require(len(branches) > 0, "branches", len(branches), "at least 1")
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_out h_out w_out"]:
        """Every branch's (N, C', H', W'), added."""
        total = self.branches[0](x)
        for branch in self.branches[1:]:
            total = total + branch(x)
        return total


class Concat(nn.Module):
    """Branches that all read the same input, concatenated along the channels."""

    def __init__(self, *branches: nn.Module):
        super().__init__()
        require(len(branches) > 0, "branches", len(branches), "at least 1")
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_out h_out w_out"]:
        """Every branch's channels, one after the other."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def receptive_field(layers: nn.Module | Iterable) -> ReceptiveField:
    """Size, stride, padding and start of the receptive field of a net's last layer, per axis.

    `layers`: a module, or modules one after the other, nested as deep as you like: convolutions, average and maximum
    pooling (`ceil_mode` changes no unit's field), paddings, layers that give each pixel from that pixel alone
    (activations, dropout, BatchNorm with fixed statistics, …), `Add`, `Concat`, and modules of your own whose forward
    calls such layers and adds, multiplies or concatenates what they give.
    Branches that meet must have equal stride and equal centres; the result then has the largest one's size.
    Units: input pixels; see `AxisField` for what each number means.
    Errors: ValueError that names the layer, if its type is unknown, its window depends on the image or has a size
    that is not positive, or if branches that meet do not align.
    Source: Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks" (Distill, 2019).
    """
    if isinstance(layers, Iterable) and not isinstance(layers, nn.Module):
        layers = list(layers)
    return _field_of(layers, "layers")


_WINDOWED = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d)
_PADDING = (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d)
# Layers that give each pixel from that pixel alone.
_POINTWISE = (
    nn.Identity,
    nn.BatchNorm2d,
    nn.SyncBatchNorm,
    nn.LocalResponseNorm,
    nn.Softmax2d,
    nn.Dropout,
    nn.Dropout2d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.RReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Sigmoid,
    nn.LogSigmoid,
    nn.Tanh,
    nn.Softplus,
    nn.Softsign,
    nn.Softshrink,
    nn.Hardshrink,
    nn.Tanhshrink,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Threshold,
)
# Layers whose units see the whole image, or windows that depend on its size.
_WHOLE_IMAGE = (
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.FractionalMaxPool2d,
    nn.GroupNorm,
    nn.InstanceNorm2d,
    nn.LayerNorm,
)


def _field_of(layer: Any, name: str) -> ReceptiveField:
    # A Sequential with a forward of its own is no chain.
    if isinstance(layer, list | tuple | nn.ModuleList) or getattr(type(layer), "forward", 0) is nn.Sequential.forward:
        field = ReceptiveField()
        for number, inner in enumerate(layer):
            field = field.then(_field_of(inner, f"{name}[{number}]"))
        return field
    require(isinstance(layer, nn.Module), name, type(layer).__name__, "a torch.nn.Module or a list of them")
    described = f"{type(layer).__name__} {layer.extra_repr()}".strip()
    require(
        not isinstance(layer, _WHOLE_IMAGE), name, described, "layers whose window does not depend on the image's size"
    )
    if isinstance(layer, Add | Concat):
        return _meet([_field_of(branch, f"{name}.branches[{i}]") for i, branch in enumerate(layer.branches)], name)
    if _runs_as(layer, _WINDOWED):
        return _windowed(layer, name, described)
    if _runs_as(layer, _PADDING):
        left, right, top, bottom = layer.padding
        return ReceptiveField(AxisField(padding=top, padding_end=bottom), AxisField(padding=left, padding_end=right))
    over_channels = _runs_as(layer, (nn.Softmax, nn.LogSoftmax)) and layer.dim in (1, -3)
    if _runs_as(layer, _POINTWISE) or over_channels:
        return ReceptiveField()
    known = "Conv2d, pooling, padding and pointwise layers, Sequential, Add, Concat, or a module made of them"
    # torch's own layers are never taken apart, so one that is not listed above is unknown.
    require(not type(layer).__module__.startswith("torch.nn."), name, described, known)
    return _traced(layer, name, known)


def _runs_as(layer: nn.Module, kinds: Sequence[type[nn.Module]]) -> bool:
    """Whether the layer is of one of these kinds, and no subclass that computes something else."""
    return any(isinstance(layer, kind) and type(layer).forward is kind.forward for kind in kinds)


def _windowed(layer: Any, name: str, described: str) -> ReceptiveField:
    kernel = _pair(layer.kernel_size)
    stride = _pair(kernel if layer.stride is None else layer.stride)
    dilation = _pair(getattr(layer, "dilation", 1))
    require(min(kernel + stride + dilation) > 0, name, described, "positive kernel size, stride and dilation")
    size = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    padding = getattr(layer, "padding", 0)
    if padding == "same":  # torch puts the odd pixel after the image
        before, after = tuple((s - 1) // 2 for s in size), tuple(s // 2 for s in size)
    else:
        before = after = _pair(0 if padding == "valid" else padding)
    require(min(before) >= 0, name, described, "padding of at least 0")
    return ReceptiveField(*(AxisField(*axis) for axis in zip(size, stride, before, after, strict=True)))


def _meet(fields: Sequence[ReceptiveField], name: str) -> ReceptiveField:
    """The field of branches that are added or concatenated."""

    def widest(axes: Sequence[AxisField], axis: str) -> AxisField:
        strides, starts = [a.stride for a in axes], [a.start for a in axes]
        require(len(set(strides)) == 1, name, f"branches with {axis} strides {strides}", "branches of equal stride")
        require(
            len(set(starts)) == 1, name, f"branches whose unit 0 is at {axis} {starts}", "branches with equal centres"
        )
        return max(axes, key=lambda a: a.size)

    return ReceptiveField(
        widest([f.vertical for f in fields], "vertical"), widest([f.horizontal for f in fields], "horizontal")
    )


_CONCATENATING = {torch.cat, torch.concat}
# Calls that give each pixel of the result from the same pixel of what they take.
_PIXEL_CALLS = {
    *(operator.add, operator.iadd, operator.sub, operator.mul, operator.truediv, torch.add, torch.sub, torch.mul),
    *(torch.relu, torch.sigmoid, torch.tanh, F.relu, F.leaky_relu, F.silu, F.gelu, F.dropout),
}
_PIXEL_METHODS = {"add", "add_", "sub", "sub_", "mul", "mul_", "relu", "relu_", "sigmoid", "tanh", "contiguous"}


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Add | Concat) or super().is_leaf_module(m, module_qualified_name)


def _traced(module: nn.Module, name: str, known: str) -> ReceptiveField:
    """The field of a module that is known only by its forward."""
    try:
        graph = _Tracer().trace(module)
    except Exception as error:
        raise ValueError(
            f"{name}: got {type(module).__name__}, whose forward cannot be followed, allowed: {known}"
        ) from error
    fields: dict[fx.Node, ReceptiveField] = {}
    for node in graph.nodes:
        at = f"{name}.{node.target if node.op == 'call_module' else node.name}"
        sources = [fields[source] for source in node.all_input_nodes if source in fields]
        if node.op == "placeholder":
            require(not fields, name, "a forward with several inputs", "one input")
            fields[node] = ReceptiveField()
        elif not sources or node.op == "output":
            continue  # what does not depend on the image has no field
        elif node.op == "call_module":
            inner = _field_of(module.get_submodule(node.target), at)
            fields[node] = _meet(sources, at).then(inner)
        elif node.target in _CONCATENATING:
            along = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
            require(along in (1, -3), at, f"{node.target.__name__} along dim={along}", "the channels, dim=1")
            fields[node] = _meet(sources, at)
        else:
            require(node.target in _PIXEL_CALLS | _PIXEL_METHODS, at, f"{node.op} {node.target}", known)
            fields[node] = _meet(sources, at)
    result = graph.output_node().args[0]
    if not isinstance(result, fx.Node) or result not in fields:
        raise ValueError(f"{name}: got output {result}, allowed: one tensor made from the input")
    return fields[result]


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])
