"""Pyramids on one backbone's maps that differ in how levels meet: FPN adds, these concatenate or add without a cut."""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.models import FPN
from fpnlib.models.cpn import GlobalNet
from fpnlib.models.fusion import Add, Concat

RESNET50 = (256, 512, 1024, 2048)
CHANNELS, KEYPOINTS = 256, 17
Map = Float[Tensor, "n _ _ _"]


def map_shapes(height: int, width: int, channels: Sequence[int] = RESNET50) -> list[tuple[int, int, int, int]]:
    """Shapes of the backbone's maps at strides 4, 8, 16, …, finest first."""
    sides = [(-(-height // (4 << level)), -(-width // (4 << level))) for level in range(len(channels))]
    return [(1, cin, *side) for cin, side in zip(channels, sides, strict=True)]


class ConcatPyramid(nn.Module):
    """FPN with concatenation where it adds: each level carries all coarser ones, and its 3×3 brings them down.

    `lateral`: cut each backbone map to `out_channels` by a 1×1 first, as FPN does; without, maps come as they are.
    `cut`: bring what is concatenated down to `out_channels` at once, by another 1×1, so that nothing piles up.
    """

    def __init__(
        self, in_channels_list: Sequence[int], out_channels: int, *, lateral: bool = True, cut: bool = False
    ) -> None:
        super().__init__()
        widths = [out_channels if lateral else cin for cin in in_channels_list]
        self.inner_blocks = nn.ModuleList(
            nn.Conv2d(cin, out_channels, 1) if lateral else nn.Identity() for cin in in_channels_list
        )
        self.concat = Concat()
        carried = [out_channels if cut else sum(widths[level:]) for level in range(len(widths))]
        self.cuts = nn.ModuleList(
            nn.Conv2d(width + out_channels, out_channels, 1) if cut else nn.Identity() for width in widths[:-1]
        )
        self.layer_blocks = nn.ModuleList(nn.Conv2d(width, out_channels, 3, padding=1) for width in carried)
        for name, parameter in self.named_parameters():  # as in our FPN
            if name.endswith("weight"):
                nn.init.kaiming_uniform_(parameter, a=1)
            else:
                nn.init.zeros_(parameter)

    def forward(self, features: Sequence[Map]) -> list[Map]:
        """Levels (N, out_channels, H, W) of the maps' sizes, finest first."""
        laterals = [block(one) for block, one in zip(self.inner_blocks, features, strict=True)]
        merged = laterals[-1:]
        for one, cut in zip(laterals[-2::-1], list(self.cuts)[::-1], strict=True):
            merged.insert(0, cut(self.concat(one, F.interpolate(merged[0], one.shape[2:], mode="nearest"))))
        return [block(level) for block, level in zip(self.layer_blocks, merged, strict=True)]


class AddMerge(nn.Module):
    """Only what brings the levels together by addition.

    - "cut": a 1×1 of each map to `channels`, as in FPN.
    - "cut twice": and one more on the coarser map, once enlarged, before each add, as in CPN.
    - "lift": every map lifted to the channels of the coarsest, so that an add is possible without cutting any.
    """

    def __init__(self, in_channels_list: Sequence[int], channels: int, how: str) -> None:
        super().__init__()
        width = max(in_channels_list) if how == "lift" else channels
        bare = how == "lift"
        self.laterals = nn.ModuleList(
            nn.Identity() if bare and cin == width else nn.Conv2d(cin, width, 1, bias=False) for cin in in_channels_list
        )
        self.before_add = nn.ModuleList(
            nn.Conv2d(width, width, 1, bias=False) if how == "cut twice" else nn.Identity()
            for _ in in_channels_list[1:]
        )
        self.add = Add()

    def forward(self, features: Sequence[Map]) -> list[Map]:
        """Levels of the maps' sizes, finest first."""
        laterals = [lateral(one) for lateral, one in zip(self.laterals, features, strict=True)]
        levels = laterals[-1:]
        for one, conv in zip(laterals[-2::-1], list(self.before_add)[::-1], strict=True):
            levels.insert(0, self.add(one, conv(F.interpolate(levels[0], one.shape[2:], mode="nearest"))))
        return levels


def whole_pyramids(channels: int = CHANNELS, maps: Sequence[int] = RESNET50) -> dict[str, nn.Module]:
    """FPN, CPN's GlobalNet for COCO's 17 keypoints, and three that concatenate, by name."""
    return {
        "fpn": FPN(maps, channels),
        "global_net": GlobalNet(maps, channels, KEYPOINTS),
        "concat_cut": ConcatPyramid(maps, channels, cut=True),
        "concat": ConcatPyramid(maps, channels),
        "concat_uncut": ConcatPyramid(maps, channels, lateral=False),
    }
