"""Levels above a pyramid's coarsest, with torchvision's names of the layers and its results."""

from collections.abc import Sequence
from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.validation import require

Map = Float[Tensor, "n _ _ _"]


class ExtraLevels(nn.Module):
    """Makes further levels from a pyramid's and the backbone's maps; `names` says what a dict calls them."""

    names: ClassVar[tuple[str, ...]]

    def forward(self, levels: Sequence[Map], maps: Sequence[Map]) -> list[Map]:
        """The further levels, finest first, from the pyramid's levels and the backbone's maps, finest first."""
        raise NotImplementedError


class LastLevelMaxPool(ExtraLevels):
    """Every other cell of the coarsest level, for the proposals of Faster R-CNN with FPN.

    Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, section 4.1, footnote 2.
    """

    names = ("pool",)

    def forward(self, levels: Sequence[Map], maps: Sequence[Map]) -> list[Map]:
        """One level (N, C, ⌈H / 2⌉, ⌈W / 2⌉) of the last one's (N, C, H, W)."""
        return [levels[-1][:, :, ::2, ::2]]


class LastLevelP6P7(ExtraLevels):
    """RetinaNet's P6 and P7: 3×3 of stride 2, and after a ReLU once more.

    P6 is made from the backbone's last map, as in the paper, or, as torchvision has it, from P5 where `in_channels` and
    `out_channels` are equal. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, section 4, footnote 2.
    """

    names = ("p6", "p7")

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        require(in_channels >= 1, "in_channels", in_channels, "at least 1")
        require(out_channels >= 1, "out_channels", out_channels, "at least 1")
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for layer in (self.p6, self.p7):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, levels: Sequence[Map], maps: Sequence[Map]) -> list[Map]:
        """P6 (N, out_channels, ⌈H / 2⌉, ⌈W / 2⌉) of a last map (N, in_channels, H, W), and P7, half of that."""
        last = levels[-1] if self.p6.in_channels == self.p6.out_channels else maps[-1]
        channels = self.p6.in_channels
        require(last.shape[1] == channels, "levels and maps", f"{last.shape[1]} channels last", f"{channels}")
        p6 = self.p6(last)
        return [p6, self.p7(F.relu(p6))]
