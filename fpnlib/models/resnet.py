"""ResNets with torchvision's layer names, and the four maps C2…C5 that a pyramid is built on.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1. As in torchvision the stride of a
bottleneck lies in its 3×3 convolution.
"""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.models.checkpoint import load_checked, read_checkpoint
from fpnlib.validation import require

Norm = Callable[[int], nn.Module]


# oneDNN's 1×1 with a stride, in channels-last layout and with fewer input channels than a register holds numbers (8 on
# AVX2, 16 on AVX-512), writes past its workspace in the backward pass by the weights: a crash, an endless loop, or
# wrong gradients without a word. Seen with oneDNN 3.12 in torch 2.13; open as oneDNN issue 6035. So a narrow one never
# reaches it, whatever the processor and the layout. A wide one does: by another kernel, which sums in another order,
# ordinary nets would no longer give torchvision's results to the last bits.
_NARROW = 16


class Subsampling1x1(nn.Conv2d):
    """A 1×1 convolution that drops the places between its strides first; its numbers are `torch.nn.Conv2d`'s."""

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        """(N, C, H, W) to (N, D, ⌈H / stride⌉, ⌈W / stride⌉)."""
        down, across = self.stride
        return F.conv2d(input[:, :, ::down, ::across], self.weight, self.bias)


def _conv(cin: int, cout: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    made = Subsampling1x1 if kernel == 1 and stride > 1 and cin < _NARROW else nn.Conv2d
    return made(cin, cout, kernel, stride, kernel // 2 * dilation, dilation, bias=False)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions; add the input, then ReLU."""

    expansion = 1

    def __init__(
        self, cin: int, width: int, stride: int = 1, downsample: nn.Module | None = None, norm: Norm = nn.BatchNorm2d
    ) -> None:
        super().__init__()
        self.conv1 = _conv(cin, width, 3, stride)
        self.bn1 = norm(width)
        self.conv2 = _conv(width, width, 3)
        self.bn2 = norm(width)
        self.downsample = downsample

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        """(N, C, H, W) to (N, width, ⌈H / stride⌉, ⌈W / stride⌉)."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)), inplace=True)


class Bottleneck(nn.Module):
    """1×1 to `width` channels, 3×3, 1×1 to four times as many; add the input, then ReLU."""

    expansion = 4

    def __init__(
        self,
        cin: int,
        width: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        norm: Norm = nn.BatchNorm2d,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.conv1 = _conv(cin, width, 1)
        self.bn1 = norm(width)
        self.conv2 = _conv(width, width, 3, stride, dilation)
        self.bn2 = norm(width)
        self.conv3 = _conv(width, width * self.expansion, 1)
        self.bn3 = norm(width * self.expansion)
        self.downsample = downsample

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        """(N, C, H, W) to (N, 4 · width, ⌈H / stride⌉, ⌈W / stride⌉)."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)), inplace=True)


class ResNet(nn.Module):
    """A stem at stride 4, then four stages of residual blocks at strides 4, 8, 16, 32.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        layers: how many blocks each of the four stages has.
        width: channels of the stem; stage i works with width · 2ⁱ. ImageNet's nets have 64.
        num_classes: outputs of the classifier; None for a net without one.
        norm: makes the normalisation for a number of channels.
        replace_stride_with_dilation: of stages 2, 3 and 4, whether its stride becomes a dilation: the map stays as
            large, and the taps of the 3×3 that follow lie as far apart as they would. As in torchvision only with
            `Bottleneck`. Chen et al., "DeepLab", TPAMI 2018, section 3.1.
    """

    strides = (4, 8, 16, 32)

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        *,
        width: int = 64,
        num_classes: int | None = 1000,
        norm: Norm = nn.BatchNorm2d,
        replace_stride_with_dilation: Sequence[bool] = (False, False, False),
    ) -> None:
        super().__init__()
        four = len(layers) == 4 and all(isinstance(n, int) and n >= 1 for n in layers)
        require(four, "layers", list(layers), "four whole numbers of at least 1, the blocks of each stage")
        require(width >= 1, "width", width, "at least 1")
        require(num_classes is None or num_classes >= 1, "num_classes", num_classes, "at least 1, or None")
        dilated = (False, *replace_stride_with_dilation)
        allowed = "three of True and False, for stages 2, 3 and 4"
        require(len(dilated) == 4, "replace_stride_with_dilation", replace_stride_with_dilation, allowed)
        refused = any(dilated) and block is not Bottleneck
        require(not refused, "replace_stride_with_dilation", f"{block.__name__} with a dilation", "only Bottleneck")
        self.strides = tuple(2 ** (2 + stage - sum(dilated[: stage + 1])) for stage in range(4))
        self.channels = tuple(width * 2**stage * block.expansion for stage in range(4))
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = norm(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        cin, dilation = width, 1
        stages = []
        for stage, blocks in enumerate(layers):
            made = []
            for number in range(blocks):
                stride = 2 if stage and not number and not dilated[stage] else 1
                cout = self.channels[stage]
                changes = stride != 1 or cin != cout
                shortcut = nn.Sequential(_conv(cin, cout, 1, stride), norm(cout)) if changes else None
                options: dict[str, Any] = {"dilation": dilation} if dilation > 1 else {}
                made.append(block(cin, width * 2**stage, stride, shortcut, norm, **options))
                cin = cout
                if dilated[stage] and not number:  # a stage's first block still has the taps of the stage before
                    dilation *= 2
            stages.append(nn.Sequential(*made))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Identity() if num_classes is None else nn.Linear(cin, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stages(self, x: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _ _ _"]]:
        """C2…C5, each after its last block's add and ReLU: (N, `channels[i]`, ⌈H / strides[i]⌉, ⌈W / strides[i]⌉).

        ValueError for anything but RGB.
        """
        require(x.ndim == 4 and x.shape[1] == 3, "x", f"shape {tuple(x.shape)}", "(N, 3, H, W)")
        x = self.maxpool(F.relu(self.bn1(self.conv1(x)), inplace=True))
        maps = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes"]:
        """Logits (N, num_classes); without a classifier the mean of C5, (N, channels[3])."""
        return self.fc(self.stages(x)[-1].mean((2, 3)))

    def load_checkpoint(self, path: str | PathLike[str], *, prefix: str | None = None) -> None:
        """Load torchvision's official file, or this net's part of a detector's (such as "backbone.body.").

        A detector's backbone has no classifier: load it with `num_classes=None`. ValueError, with nothing changed, that
        names missing and foreign keys.
        """
        load_checked(self, read_checkpoint(path), prefix)


def resnet18(**options: object) -> ResNet:
    """ResNet-18; `options` as `ResNet` takes them."""
    return ResNet(BasicBlock, (2, 2, 2, 2), **options)  # type: ignore[arg-type]


def resnet34(**options: object) -> ResNet:
    """ResNet-34; `options` as `ResNet` takes them."""
    return ResNet(BasicBlock, (3, 4, 6, 3), **options)  # type: ignore[arg-type]


def resnet50(**options: object) -> ResNet:
    """ResNet-50; `options` as `ResNet` takes them."""
    return ResNet(Bottleneck, (3, 4, 6, 3), **options)  # type: ignore[arg-type]
