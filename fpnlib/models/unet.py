"""U-Net: down to coarse maps and up again, with a skip from each level to its twin, concatenated or added."""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.models.fusion import Merge, merge_module
from fpnlib.validation import require


def _double_conv(cin: int, cout: int, norm: Callable[[int], nn.Module]) -> nn.Sequential:
    steps = [[nn.Conv2d(c, cout, 3, padding=1), norm(cout), nn.ReLU()] for c in (cin, cout)]
    return nn.Sequential(*steps[0], *steps[1])


class UNet(nn.Module):
    """Encoder and decoder with skips between equal sizes.

    Each level has two 3×3 convolutions; 2×2 maxima lead down, 2×2 transposed convolutions up. The convolutions are
    padded, so the answer is as large as the image, which the paper's is not.

    `widths`: channels of each level, finest first; the paper's by default. `merge`: "concat" as in the paper, or "add",
    which halves the input of the convolution that follows. `norm` makes a normalisation for a number of channels; the
    paper has none. Source: Ronneberger et al., "U-Net", MICCAI 2015, figure 1.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        *,
        merge: Merge = "concat",
        norm: Callable[[int], nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        positive = len(widths) >= 2 and all(width >= 1 for width in widths)
        require(positive, "widths", list(widths), "two or more positive numbers, finest level first")
        require(in_channels >= 1, "in_channels", in_channels, "1 or more")
        require(num_classes >= 1, "num_classes", num_classes, "1 or more")
        self.in_channels, self.widths = in_channels, tuple(widths)
        befores = (in_channels, *self.widths[:-1])
        self.pool = nn.MaxPool2d(2)
        self.encoder = nn.ModuleList(_double_conv(cin, c, norm) for cin, c in zip(befores, self.widths, strict=True))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2)
            for fine, coarse in zip(self.widths, self.widths[1:], strict=False)
        )
        self.merge = merge_module(merge)
        inputs = 1 if merge == "add" else 2
        self.decoder = nn.ModuleList(_double_conv(inputs * c, c, norm) for c in self.widths[:-1])
        self.head = nn.Conv2d(self.widths[0], num_classes, 1)

    def encode(self, x: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n _ _ _"]]:
        """What the skips carry, finest first, and last the coarsest map: `widths[i]` channels, ⌊H / 2ⁱ⌋ × ⌊W / 2ⁱ⌋.

        ValueError for other channels, and for an image too small for the levels.
        """
        require(x.shape[1] == self.in_channels, "x", f"{x.shape[1]} channels", f"{self.in_channels}")
        least = 2 ** (len(self.widths) - 1)
        require(min(x.shape[2:]) >= least, "x", f"sides {tuple(x.shape[2:])}", f"sides of {least} or more")
        maps = []
        for level, convs in enumerate(self.encoder):
            x = convs(self.pool(x) if level else x)
            maps.append(x)
        return maps

    def decode(self, maps: Sequence[Float[Tensor, "n _ _ _"]]) -> Float[Tensor, "n classes h w"]:
        """Logits from what `encode` returns, or from a changed copy of it."""
        require(len(maps) == len(self.widths), "maps", f"{len(maps)} maps", f"{len(self.widths)}, one for each level")
        x = maps[-1]
        for up, skip, convs in zip(self.up[::-1], maps[-2::-1], self.decoder[::-1], strict=True):
            # Half of an odd size was rounded down, so the size to come back to must be told.
            x = convs(self.merge(skip, up(x, output_size=skip.shape[2:])))
        return self.head(x)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes h w"]:
        """Logits (N, num_classes, H, W) of a batch (N, in_channels, H, W)."""
        return self.decode(self.encode(x))
