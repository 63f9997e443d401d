"""A segmentation decoder on a backbone's maps: a neck that joins them, and a head on the finest of what it gives."""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.models.fpn import FPN
from fpnlib.validation import require

Neck = Callable[[Sequence[int], int], nn.Module]
"""From the channels of the maps, finest first, and the channels wanted, to a module from a list of maps to a list."""

Head = Callable[[int, int], nn.Module]
"""From the channels that come and the number of classes to a module that gives logits."""


def standard_head(channels: int, num_classes: int) -> nn.Sequential:
    """3×3 with batch norm and ReLU, then a 1×1 classifier, as in most published segmentation nets."""
    between = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    return nn.Sequential(between, nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, num_classes, 1))


class Segmenter(nn.Module):
    """Logits at the stride of the finest map that it takes.

    Args:
        in_channels: of the maps, finest first. Maps that are finer than these are left aside.
        num_classes: background included.
        channels: of the neck.
        neck: makes the module that joins the maps; `FPN`, or `functools.partial(FPN, top_down=False)` and the like.
        head: makes the module that gives the logits.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        *,
        channels: int = 32,
        neck: Neck = FPN,
        head: Head = standard_head,
    ) -> None:
        super().__init__()
        require(len(in_channels) >= 1, "in_channels", in_channels, "one number or more")
        require(num_classes >= 1, "num_classes", num_classes, "1 or more")
        self.levels = len(in_channels)
        self.neck, self.head = neck(in_channels, channels), head(channels, num_classes)

    def forward(self, maps: Sequence[Float[Tensor, "n _ _ _"]]) -> Float[Tensor, "n classes h w"]:
        """Logits (N, classes, h, w) of the size of the finest map taken. ValueError for fewer maps than that."""
        require(len(maps) >= self.levels, "maps", f"{len(maps)} maps", f"{self.levels} or more")
        return self.head(self.neck(list(maps[-self.levels :]))[0])
