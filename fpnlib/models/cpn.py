"""The cascaded pyramid network for keypoints: a pyramid that adds (GlobalNet), then one that concatenates (RefineNet).

Chen et al., "Cascaded Pyramid Network for Multi-Person Pose Estimation", CVPR 2018, section 3.2 and figure 2.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.models.fusion import Add, Concat
from fpnlib.models.resnet import Bottleneck, ResNet
from fpnlib.validation import require

Map = Float[Tensor, "n _ _ _"]


class CPNOutput(NamedTuple):
    """Heatmaps (N, keypoints, H, W) at the finest level's size: one per level from GlobalNet, one from RefineNet."""

    coarse: list[Float[Tensor, "n k h w"]]
    refined: Float[Tensor, "n k h w"]


def _conv(cin: int, cout: int, kernel: int = 1, *, relu: bool = True) -> nn.Sequential:
    conv = nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(cout), *([nn.ReLU()] if relu else []))


def _enlarged(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear")


class GlobalNet(nn.Module):
    """A feature pyramid with one more 1×1 on the coarser map, before it is added to the finer one.

    `in_channels_list`: channels of each backbone map, finest first. `out_channels`: of each level.
    """

    def __init__(self, in_channels_list: Sequence[int], out_channels: int, num_keypoints: int) -> None:
        super().__init__()
        positive = bool(in_channels_list) and min(*in_channels_list, out_channels, num_keypoints) >= 1
        got = (list(in_channels_list), out_channels, num_keypoints)
        require(positive, "in_channels_list, out_channels, num_keypoints", got, "positive numbers")
        self.laterals = nn.ModuleList(_conv(cin, out_channels) for cin in in_channels_list)
        self.before_add = nn.ModuleList(_conv(out_channels, out_channels, relu=False) for _ in in_channels_list[1:])
        self.add = Add()
        self.predict = nn.ModuleList(
            nn.Sequential(_conv(out_channels, out_channels), *_conv(out_channels, num_keypoints, 3, relu=False))
            for _ in in_channels_list
        )

    def merged(self, features: Sequence[Map]) -> list[Map]:
        """The levels, finest first, from the backbone's maps, finest first."""
        require(len(features) == len(self.laterals), "features", f"{len(features)} maps", f"{len(self.laterals)}")
        laterals = [lateral(one) for lateral, one in zip(self.laterals, features, strict=True)]
        levels = laterals[-1:]
        for finer, conv in zip(laterals[-2::-1], list(self.before_add)[::-1], strict=True):
            levels.insert(0, self.add(finer, conv(_enlarged(levels[0], finer.shape[2:]))))
        return levels

    def forward(self, features: Sequence[Map]) -> tuple[list[Map], list[Map]]:
        """The levels, and each level's heatmaps at the finest size; both finest level first."""
        levels = self.merged(features)
        size = levels[0].shape[2:]
        return levels, [_enlarged(head(level), size) for head, level in zip(self.predict, levels, strict=True)]


class _RefineBlock(Bottleneck):
    expansion = 2

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__(cin, cout // 2, downsample=_conv(cin, cout, relu=False))


class RefineNet(nn.Module):
    """More bottlenecks for coarser levels, all enlarged to the finest size and concatenated."""

    def __init__(self, levels: int, channels: int, num_keypoints: int) -> None:
        super().__init__()
        require(levels >= 1, "levels", levels, "at least 1")
        require(channels >= 2 and channels % 2 == 0, "channels", channels, "an even number")
        self.blocks = nn.ModuleList(
            nn.Sequential(*(_RefineBlock(channels, channels) for _ in range(level))) for level in range(levels)
        )
        self.concat = Concat()
        self.predict = nn.Sequential(
            _RefineBlock(levels * channels, channels), *_conv(channels, num_keypoints, 3, relu=False)
        )

    def forward(self, levels: Sequence[Map]) -> Map:
        """Heatmaps (N, keypoints, H, W) from GlobalNet's levels, finest first."""
        require(len(levels) == len(self.blocks), "levels", f"{len(levels)} maps", f"{len(self.blocks)}")
        size = levels[0].shape[2:]
        refined = [_enlarged(block(level), size) for block, level in zip(self.blocks, levels, strict=True)]
        return self.predict(self.concat(*refined))


class CPN(nn.Module):
    """Backbone, GlobalNet and RefineNet; `channels` of each pyramid level, 256 in the paper.

    `backbone`: a `ResNet`, such as resnet50(num_classes=None); heatmaps come at its finest stride, 4.
    """

    def __init__(self, backbone: ResNet, num_keypoints: int = 17, channels: int = 256) -> None:
        super().__init__()
        self.backbone = backbone
        self.global_net = GlobalNet(backbone.channels, channels, num_keypoints)
        self.refine_net = RefineNet(len(backbone.channels), channels, num_keypoints)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> CPNOutput:
        """Heatmap logits of a batch (N, 3, H, W), at ⌈H / 4⌉ × ⌈W / 4⌉."""
        levels, coarse = self.global_net(self.backbone.stages(x))
        return CPNOutput(coarse, self.refine_net(levels))
