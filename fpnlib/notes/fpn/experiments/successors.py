"""What came after FPN, on ResNet-50's maps: each net as a module and as a graph, its cost, and one cell's way."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn

from fpnlib.models import FPN, BiFPN, Bottleneck, LastLevelP6P7, PathAggregation, ResNet, cost
from fpnlib.validation import require_choice

FPN_ALONE, RETINA, PANET, BIFPN = "FPN", "FPN, P6 and P7 (RetinaNet)", "FPN, a path back up (PANet)", "BiFPN"
STRIDE_16, STRIDE_8 = "no pyramid: C5 at stride 16", "no pyramid: C4, C5 at stride 8"
NECKS = (FPN_ALONE, RETINA, PANET, BIFPN, STRIDE_16, STRIDE_8)
LEVELS = (2, 3, 4, 5)
ROWS = range(2, 8)  # log₂ of the strides of all maps
SIDE = 128  # of the image in pixels: with a multiple of it all levels up to P7 have whole sizes
_DILATED = {STRIDE_16: (False, False, True), STRIDE_8: (False, True, True)}
_BLOCKS = (3, 4, 6, 3)  # ResNet-50's
_FINE = (FPN_ALONE, PANET)  # those that begin at C2; the others at C3


def backbone(neck: str, width: int = 64) -> ResNet:
    """ResNet-50 without a classifier, dilated where the neck's name says so; `width` as `ResNet` has it."""
    require_choice("neck", neck, NECKS)
    dilated = _DILATED.get(neck, (False, False, False))
    net = ResNet(Bottleneck, _BLOCKS, width=width, num_classes=None, replace_stride_with_dilation=dilated)
    return net.eval()


class Neck(nn.Module):
    """What makes the output levels of C2…C5; see `outputs` for which these are."""

    def __init__(self, neck: str, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        require_choice("neck", neck, NECKS)
        self._first = 0 if neck in _FINE else 1
        into = tuple(in_channels)[self._first :]
        self.neck: nn.Module | None = None
        self.path: PathAggregation | None = None
        if neck == BIFPN:
            self.neck = BiFPN(into, channels, extra_levels=2)
        elif neck not in _DILATED:
            self.neck = FPN(into, channels, extra_blocks=LastLevelP6P7(into[-1], channels) if neck == RETINA else None)
        if neck == PANET:
            self.path = PathAggregation(channels, len(into))
        self.eval()

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The output levels, finest first; without a pyramid C5 alone."""
        if self.neck is None:
            return maps[-1:]
        levels = self.neck(maps[self._first :])
        return levels if self.path is None else self.path(levels)


@dataclasses.dataclass(frozen=True)
class Edge:
    """A way from node to node, with its convolutions: the fewest, and the most where a shortcut may be taken."""

    start: str
    end: str
    fewest: int
    most: int


@dataclasses.dataclass(frozen=True)
class Graph:
    """Nodes by name, each with its column from the left and its row, log₂ of its stride.

    Edges stand in the order in which they are computed.
    """

    nodes: Mapping[str, tuple[int, int]]
    edges: tuple[Edge, ...]
    outputs: tuple[str, ...]
    headings: tuple[str, ...]

    def ways(self, start: str, *, through_backbone: bool) -> dict[str, tuple[int, int]]:
        """For each node that `start` reaches: convolutions on the shortest way there and on the longest."""
        found = {start: (0, 0)}
        for edge in self.edges:
            if edge.start not in found or (edge.end.startswith("C") and not through_backbone):
                continue
            low, high = (count + more for count, more in zip(found[edge.start], (edge.fewest, edge.most), strict=True))
            before = found.get(edge.end, (low, high))
            found[edge.end] = min(before[0], low), max(before[1], high)
        return found


@lru_cache(maxsize=len(NECKS))
def graph(neck: str) -> Graph:
    """The graph of a neck on its backbone."""
    require_choice("neck", neck, NECKS)
    # In a stage the projection of the first block and the later blocks' shortcuts lead past all other convolutions.
    edges = [(f"C{k}", f"C{k + 1}", 1, 3 * _BLOCKS[k - 1]) for k in LEVELS[:-1]]
    columns: list[tuple[str, range, str]] = []
    out = "C"
    if neck == BIFPN:
        out = "P"
        columns += [("I", range(3, 8), "1×1"), ("T", range(3, 7), "down, 3×3"), ("P", range(3, 8), "up, 3×3")]
        edges += [*((f"C{k}", f"I{k}", 1, 1) for k in (3, 4, 5)), ("C5", "I6", 1, 1), ("I6", "I7", 0, 0)]
        for k in (6, 5, 4, 3):  # the separable 3×3 is two convolutions
            edges += [(f"I{k}", f"T{k}", 2, 2), (f"T{k + 1}" if k < 6 else "I7", f"T{k}", 2, 2)]
        edges.append(("T3", "P3", 0, 0))
        for k in (4, 5, 6, 7):
            edges += [(start, f"P{k}", 2, 2) for start in (f"I{k}", f"T{k}", f"P{k - 1}") if start != "T7"]
    elif neck not in _DILATED:
        levels = LEVELS if neck in _FINE else LEVELS[1:]
        out = "P"
        columns.append(("M", range(levels[0], 6), "1×1, add above"))
        columns.append(("P", range(levels[0], 8 if neck == RETINA else 6), "3×3"))
        for k in reversed(levels):
            edges.append((f"C{k}", f"M{k}", 1, 1))
            edges += [(f"M{k + 1}", f"M{k}", 0, 0)] if k < 5 else []
        edges += [(f"M{k}", f"P{k}", 1, 1) for k in levels]
        if neck == RETINA:
            edges += [("C5", "P6", 1, 1), ("P6", "P7", 1, 1)]
        if neck == PANET:
            out = "N"
            columns.append(("N", range(2, 6), "add below, 3×3"))
            edges.append(("P2", "N2", 0, 0))
            for k in (3, 4, 5):
                edges += [(f"N{k - 1}", f"N{k}", 2, 2), (f"P{k}", f"N{k}", 1, 1)]
    nodes: dict[str, tuple[int, int]] = {}
    for k, stride in zip(LEVELS, _on_meta(neck).strides, strict=True):
        row = stride.bit_length() - 1
        nodes[f"C{k}"] = (sum(place[1] == row for place in nodes.values()), row)
    nodes |= {f"{name}{k}": (place, k) for place, (name, levels, _) in enumerate(columns, 1) for k in levels}
    outputs = tuple(name for name in nodes if name[0] == out) if out != "C" else ("C5",)
    headings = "backbone", *(heading for *_, heading in columns)
    return Graph(MappingProxyType(nodes), tuple(Edge(*edge) for edge in edges), outputs, headings)


def shapes(neck: str, side: int, channels: int) -> dict[str, tuple[int, int]]:
    """Of every node: channels, and cells a side for an image of so many pixels a side."""
    into = _on_meta(neck).channels
    return {
        name: (into[int(name[1]) - 2] if name.startswith("C") else channels, -(-side // 2**row))
        for name, (_, row) in graph(neck).nodes.items()
    }


@lru_cache(maxsize=32)
def added_cost(neck: str, channels: int, side: int) -> tuple[int, int]:
    """Parameters and multiply-adds beyond ResNet-50's own, for an image of `side` pixels, a multiple of SIDE."""
    if side != SIDE:  # all levels have whole sizes, so the products grow with the area
        parameters, macs = added_cost(neck, channels, SIDE)
        return parameters, macs * side**2 // SIDE**2
    net = _on_meta(neck)
    shapes = [(1, c, side // s, side // s) for c, s in zip(net.channels, net.strides, strict=True)]
    with torch.device("meta"):
        neck_cost = cost(Neck(neck, net.channels, channels), shapes)
    return neck_cost.parameters, neck_cost.macs + backbone_macs(neck, side) - backbone_macs(FPN_ALONE, side)


@lru_cache(maxsize=32)
def backbone_macs(neck: str, side: int) -> int:
    """Multiply-adds of the backbone alone."""
    if side != SIDE:
        return backbone_macs(neck, SIDE) * side**2 // SIDE**2
    return cost(_on_meta(neck), (1, 3, side, side)).macs


@lru_cache(maxsize=len(NECKS))
def _on_meta(neck: str) -> ResNet:
    with torch.device("meta"):
        return backbone(neck)


@torch.no_grad()
def level_weights(net: nn.Module, scale: float = 1.0) -> None:
    """Let every convolution take the mean of what it sees, times `scale`: no weight counts more than another."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.fill_(scale / module.weight[0].numel())
            if module.bias is not None:
                module.bias.zero_()


@lru_cache(maxsize=2 * len(NECKS))
def _level_nets(neck: str, scale: float) -> tuple[ResNet, Neck]:
    net = backbone(neck, 1).double()
    made = Neck(neck, net.channels, 1).double()
    level_weights(net, scale)
    level_weights(made, scale)
    return net, made


@lru_cache(maxsize=32)
@torch.no_grad()
def flow(neck: str, level: int, side: int, *, through_backbone: bool, scale: float = 1.0) -> list[np.ndarray]:
    """What becomes of one cell in the middle of C`level`, on each output level, (cells, cells), mean over channels.

    The real layers, few channels wide, with `level_weights`: what is not zero has been reached, and what is larger has
    been reached in more ways.
    """
    net, made = _level_nets(neck, scale)
    maps = [
        torch.zeros(1, channels, -(-side // stride), -(-side // stride), dtype=torch.float64)
        for channels, stride in zip(net.channels, net.strides, strict=True)
    ]
    place = level - LEVELS[0]
    middle = maps[place].shape[2] // 2
    maps[place][:, :, middle, middle] = 1
    if through_backbone:
        stages = (net.layer1, net.layer2, net.layer3, net.layer4)
        for further in range(place + 1, len(LEVELS)):
            maps[further] = stages[further](maps[further - 1])
    return [one[0].mean(0).numpy() for one in made(maps)]
