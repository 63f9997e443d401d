"""What came after the feature pyramid: a path back up, and levels that are added with weights, both ways.

Liu et al., "Path Aggregation Network for Instance Segmentation" (PANet), CVPR 2018, section 3.1; Tan, Pang and Le,
"EfficientDet: Scalable and Efficient Object Detection", CVPR 2020, section 3.
"""

import itertools
from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.models.fusion import FastNormalizedFusion
from fpnlib.validation import require

Map = Float[Tensor, "n _ _ _"]


class PathAggregation(nn.Module):
    """PANet's path back up: N is P at the finest level; above, 3×3 of stride 2 on the N below, plus P, 3×3.

    A ReLU follows each convolution, as in the paper.

    Args:
        channels: of every level, in and out.
        levels: how many there are.
    """

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        require(channels >= 1, "channels", channels, "at least 1")
        require(levels >= 2, "levels", levels, "at least 2")
        self.down = nn.ModuleList(nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(levels - 1))
        self.smooth = nn.ModuleList(nn.Conv2d(channels, channels, 3, 1, 1) for _ in range(levels - 1))

    def forward(self, levels: Sequence[Map]) -> list[Map]:
        """N: as many levels as P, of their sizes; finest first, each half of the one before, rounded up.

        ValueError for another number of levels or another size.
        """
        expected = len(self.down) + 1
        require(len(levels) == expected, "levels", f"{len(levels)} of them", f"{expected}")
        _check_halves("levels", levels)
        path = [levels[0]]
        for down, smooth, level in zip(self.down, self.smooth, levels[1:], strict=True):
            path.append(F.relu(smooth(level + F.relu(down(path[-1])))))
        return path


class BiFPN(nn.Module):
    """One layer of EfficientDet's pyramid: down and up again, each node a weighted add, then a separable 3×3.

    As the paper's formulas have it, each map has one 1×1; the authors' code makes another one for the way up.

    The weights are those of `FastNormalizedFusion`. A node in between adds its own map, what the way down made of it,
    and the level below; the two at the ends have one input less. Sizes change by nearest up and by max pooling down.

    Args:
        in_channels_list: channels of each backbone map, finest first; a 1×1 with batch norm makes them equal.
        out_channels: channels of every level.
        extra_levels: so many more are max-pooled from the coarsest: EfficientDet has C3, C4, C5 and two more.
    """

    def __init__(self, in_channels_list: Sequence[int], out_channels: int, *, extra_levels: int = 0) -> None:
        super().__init__()
        self.in_channels = tuple(in_channels_list)
        positive = len(self.in_channels) > 0 and all(c >= 1 for c in self.in_channels)
        require(positive, "in_channels_list", list(in_channels_list), "one positive number for each map")
        require(out_channels >= 1, "out_channels", out_channels, "at least 1")
        require(extra_levels >= 0, "extra_levels", extra_levels, "at least 0")
        levels = len(self.in_channels) + extra_levels
        require(levels >= 2, "in_channels_list and extra_levels", f"{levels} level in all", "at least 2")
        # The map that is pooled has a 1×1 of its own, as in the authors' code.
        entering = [*self.in_channels, *self.in_channels[-1:]] if extra_levels else self.in_channels
        self.inner_blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(cin, out_channels, 1), nn.BatchNorm2d(out_channels)) for cin in entering
        )
        self.top_down = nn.ModuleList(_Node(2, out_channels) for _ in range(levels - 1))
        self.bottom_up = nn.ModuleList(
            _Node(3 if level < levels - 1 else 2, out_channels) for level in range(1, levels)
        )

    def forward(self, features: Sequence[Map]) -> list[Map]:
        """The levels (N, out_channels, H, W), finest first, from backbone maps that are halves of each other.

        ValueError for another number of maps, other channels or another size.
        """
        shapes = [tuple(one.shape) for one in features]
        fits = [shape[1] for shape in shapes] == list(self.in_channels)
        require(fits, "features", f"maps of shapes {shapes}", f"maps of {self.in_channels} channels")
        _check_halves("features", features)
        maps = [block(one) for block, one in zip(self.inner_blocks, features, strict=False)]
        if len(self.inner_blocks) > len(features):
            maps.append(_half(self.inner_blocks[-1](features[-1])))
        while len(maps) <= len(self.top_down):
            maps.append(_half(maps[-1]))
        down = [maps[-1]]
        for node, level in zip(reversed(self.top_down), maps[-2::-1], strict=True):
            down.append(node(level, F.interpolate(down[-1], level.shape[2:])))
        down.reverse()
        up = [down[0]]
        for place, node in enumerate(self.bottom_up, 1):
            inputs = [maps[place], down[place]] if place < len(self.bottom_up) else [maps[place]]
            up.append(node(*inputs, _half(up[-1])))
        return up


class _Node(nn.Module):
    """A weighted add, then depthwise 3×3, 1×1, batch norm and the activation x · σ(x)."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.fusion = FastNormalizedFusion(inputs)
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.SiLU(),
        )

    def forward(self, *maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return self.conv(self.fusion(*maps))


def _half(one: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
    return F.max_pool2d(one, 3, 2, 1)


def _check_halves(argument: str, maps: Sequence[Tensor]) -> None:
    for number, (fine, coarse) in enumerate(itertools.pairwise(maps), 1):
        half = tuple(-(-side // 2) for side in fine.shape[2:])
        got = f"map {number} of size {tuple(coarse.shape[2:])} after {tuple(fine.shape[2:])}"
        require(tuple(coarse.shape[2:]) == half, argument, got, f"half of it, rounded up: {half}")
