"""EfficientNet-Lite0 with its real ImageNet weights: a small backbone with maps at strides 2, 4, 8, 16 and 32.

Tan & Le, "EfficientNet", ICML 2019, table 1 gives the stages; the Lite variant has no squeeze-and-excitation, ReLU6 for
every activation, and a stem and head that do not scale.
"""

from collections import OrderedDict
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from fpnlib import assets
from fpnlib.data import image_batch
from fpnlib.validation import require

# Per stage: expansion, kernel size, stride, channels out, blocks.
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
# The last stage before each change of stride, and the very last.
_FEATURE_STAGES = (0, 1, 2, 4, 6)


class SameConv2d(nn.Conv2d):
    """Convolution padded as in TensorFlow's "SAME": ⌈n / stride⌉ places out, the odd zero below and to the right."""

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        """(N, C, H, W) to (N, D, ⌈H / stride⌉, ⌈W / stride⌉)."""
        pads = []
        axes = zip(input.shape[:1:-1], self.kernel_size[::-1], self.dilation[::-1], self.stride[::-1], strict=True)
        for size, kernel, dilation, stride in axes:
            total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(input, pads) if any(pads) else input)


def _conv(cin: int, cout: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> SameConv2d:
    return SameConv2d(cin, cout, kernel, stride, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    # TensorFlow's constants, with which the weights were trained.
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """Expand by 1×1, filter each channel alone, project by 1×1; add the input where the shapes allow."""

    def __init__(self, cin: int, cout: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = cin * expansion
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion > 1:
            layers |= {"expand": _conv(cin, wide), "expand_norm": _norm(wide), "expand_act": nn.ReLU6()}
        layers |= {"filter": _conv(wide, wide, kernel, stride, groups=wide), "filter_norm": _norm(wide)}
        layers |= {"filter_act": nn.ReLU6(), "project": _conv(wide, cout), "project_norm": _norm(cout)}
        self.layers = nn.Sequential(layers)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        """(N, C, H, W) to (N, D, ⌈H / stride⌉, ⌈W / stride⌉)."""
        return x + self.layers(x) if self.residual else self.layers(x)


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 for RGB input (x − 127) / 128, which `preprocess` makes from a photo."""

    strides = (2, 4, 8, 16, 32)
    channels = tuple(_STAGES[stage][3] for stage in _FEATURE_STAGES)

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, 32, 3, 2), _norm(32), nn.ReLU6())
        stages, cin = [], 32
        for expansion, kernel, stride, cout, blocks in _STAGES:
            stage = [InvertedResidual(cin, cout, expansion, kernel, stride)]
            stage += [InvertedResidual(cout, cout, expansion, kernel, 1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*stage))
            cin = cout
        self.stages = nn.ModuleList(stages)
        self.head = nn.Sequential(_conv(cin, 1280), _norm(1280), nn.ReLU6())
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(1280, num_classes)

    @classmethod
    def pretrained(cls) -> "EfficientNetLite0":
        """With the weights trained on ImageNet, in eval mode; see `fpnlib.assets.fetch` for what it may raise."""
        model = cls()
        model.load_in_order(torch.load(assets.fetch("efficientnet_lite0"), weights_only=True, map_location="cpu"))
        return model.eval()

    @staticmethod
    def preprocess(
        photo: UInt8[np.ndarray, "h w 3"], size: int | None = 224, *, crop: float = 0.875
    ) -> Float[Tensor, "1 3 h2 w2"]:
        """A photo as the network saw photos when it was trained: (1, 3, size, size), (x − 127) / 128.

        The middle square, `crop` of the shorter side, is resized to `size`. With `size` None the photo is only scaled
        to the network's range, neither cropped nor resized.
        """
        batch = image_batch(photo)
        if size is not None:
            require(size >= 1, "size", size, "at least 1, or None")
            require(0 < crop <= 1, "crop", crop, "above 0, at most 1")
            height, width = batch.shape[2:]
            side = max(1, round(crop * min(height, width)))
            top, left = (height - side) // 2, (width - side) // 2
            square = batch[:, :, top : top + side, left : left + side]
            # Bicubic overshoots; a photo's values do not.
            batch = F.interpolate(square, (size, size), mode="bicubic", antialias=True).clamp(0, 255)
        return (batch - 127) / 128

    def features(self, x: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _ _ _"]]:
        """Maps at strides 2, 4, 8, 16, 32 with 16, 24, 40, 112, 320 channels, each ⌈H / stride⌉ × ⌈W / stride⌉."""
        maps = []
        x = self.stem(x)
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in _FEATURE_STAGES:
                maps.append(x)
        return maps

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes"]:
        """Logits (N, classes) of a batch (N, 3, H, W)."""
        return self.classifier(self.dropout(self.head(self.features(x)[-1]).mean((2, 3))))

    def load_in_order(self, state_dict: Mapping[str, Tensor]) -> None:
        """Load weights that are in the same order under other names, as in the package's file and in timm's.

        ValueError, with nothing changed, when the number of tensors, a shape or a role (weight, bias, …) differs.
        """
        own = self.state_dict()
        require(len(state_dict) == len(own), "state_dict", f"{len(state_dict)} tensors", f"{len(own)} tensors")
        for (name, mine), (key, theirs) in zip(own.items(), state_dict.items(), strict=True):
            role = name.rpartition(".")[2]
            same = key.rpartition(".")[2] == role and theirs.shape == mine.shape
            require(same, "state_dict", f"{key} {tuple(theirs.shape)}", f"a {role} {tuple(mine.shape)} for {name}")
        self.load_state_dict(dict(zip(own, state_dict.values(), strict=True)))
