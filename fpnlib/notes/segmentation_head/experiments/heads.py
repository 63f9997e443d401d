"""Five heads of a segmentation decoder on a frozen backbone, each with and without batch norm before its last layer."""

from collections.abc import Callable, Sequence

from torch import nn

from fpnlib.models.fpn import FPN
from fpnlib.training.examples import CHANNELS, STRIDES
from fpnlib.training.segmenter import CLASSES
from fpnlib.validation import require_choice

STRIDE, WIDTH = 8, 32  # the output stride, and the channels of the neck
HEADS = ("3×3", "3×3→1×1", "1×1", "wide 3×3", "3×3→3×3")
"""The last two have the parameters of 3×3→1×1: a wider neck below a 3×3, and two 3×3."""

_MAPS = CHANNELS[STRIDES.index(STRIDE) :]


def neck(in_channels: Sequence[int], channels: int) -> FPN:
    """FPN's sum of 1×1 convolutions, without its 3×3, so that the head has the only ones."""
    return FPN(in_channels, channels, smooth=False)


def head(name: str, norm: bool) -> Callable[[int, int], nn.Sequential]:
    """What makes a head from channels and classes; ReLU, and with `norm` batch norm, come before its last layer.

    Errors: ValueError for a name that is not one of `HEADS`.
    """
    require_choice("name", name, HEADS)

    def make(channels: int, classes: int) -> nn.Sequential:
        before: list[nn.Module] = []
        if "→" in name:
            between = narrow_middle() if name == "3×3→3×3" else channels
            before = [nn.ReLU(), nn.Conv2d(channels, between, 3, padding=1)]
            channels = between
        if norm:
            before.append(nn.BatchNorm2d(channels))
        side = 1 if name.endswith("1×1") else 3
        return nn.Sequential(*before, nn.ReLU(), nn.Conv2d(channels, classes, side, padding=side // 2))

    return make


def width(name: str) -> int:
    """The channels of the neck below a head."""
    return wide_neck() if name == "wide 3×3" else WIDTH


def wide_neck() -> int:
    """The channels with which a net that ends in one 3×3 has about the parameters of 3×3→1×1."""
    in_neck = sum(_MAPS) + len(_MAPS)  # weights and biases for each channel
    return round((in_neck * WIDTH + _two_layers() - CLASSES) / (in_neck + 9 * CLASSES))


def narrow_middle() -> int:
    """The channels between two 3×3 with which a head has about the parameters of 3×3→1×1."""
    return round((_two_layers() - CLASSES) / (9 * WIDTH + 1 + 9 * CLASSES))


def _two_layers() -> int:
    return (9 * WIDTH + 1) * WIDTH + (WIDTH + 1) * CLASSES
