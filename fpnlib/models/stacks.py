"""Deep stacks of one and the same block, which differ only in what goes past it."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.validation import require, require_choice

Skip = Literal["plain", "residual", "scaled", "concat"]
SKIPS: tuple[Skip, ...] = ("plain", "residual", "scaled", "concat")
Init = Literal["torch", "he"]
INITS: tuple[Init, ...] = ("torch", "he")


class Stack(nn.Module):
    """`depth` blocks, each f(x) = conv3×3(ReLU(norm(x))), on maps of `width` channels.

    - plain: x becomes f(x); nothing goes past the block.
    - residual: x + f(x), as in a ResNet.
    - scaled: scale · x + f(x).
    - concat: [x, f(x)], as in a DenseNet; each block adds `width` channels.

    `norm` puts a batch norm, always with the batch's own statistics, before each ReLU. `init` is torch's own start or
    He's normal one, which keeps the size of what a plain stack carries. Source: He et al., "Identity Mappings in Deep
    Residual Networks", ECCV 2016, figure 2 and equation 7; He et al., "Delving Deep into Rectifiers", ICCV 2015.
    """

    def __init__(
        self,
        depth: int,
        width: int,
        skip: Skip = "residual",
        *,
        scale: float = 0.5,
        norm: bool = False,
        init: Init = "torch",
    ) -> None:
        super().__init__()
        require(depth >= 1, "depth", depth, "1 or more")
        require(width >= 1, "width", width, "1 or more")
        require_choice("skip", skip, SKIPS)
        require_choice("init", init, INITS)
        self.skip, self.scale = skip, scale
        blocks = []
        for index in range(depth):
            channels = width * (1 + index) if skip == "concat" else width
            before = nn.BatchNorm2d(channels, track_running_stats=False) if norm else nn.Identity()
            conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            if init == "he":
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            blocks.append(nn.Sequential(before, nn.ReLU(), conv))
        self.blocks = nn.ModuleList(blocks)

    def states(self, x: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n _ h w"]]:
        """The maps after each block, for input (N, width, H, W); the input itself is not among them."""
        maps = []
        for block in self.blocks:
            fresh = block(x)
            if self.skip == "concat":
                x = torch.cat([x, fresh], 1)
            elif self.skip == "plain":
                x = fresh
            else:
                x = (x if self.skip == "residual" else self.scale * x) + fresh
            maps.append(x)
        return maps

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        """(N, width, H, W) to the same, or for concat to (N, width · (depth + 1), H, W)."""
        return self.states(x)[-1]
