"""DenseNet: each layer sees all before it, by concatenation; the same net with addition is a residual one."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.models.fusion import Merge, merge_module
from fpnlib.validation import require, require_choice

Stem = Literal["imagenet", "small"]


class DenseLayer(nn.Module):
    """BN, ReLU, 1×1 to `wide` channels, BN, ReLU, 3×3 to `cout`; then joined with the input."""

    def __init__(self, cin: int, wide: int, cout: int, merge: Merge) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(cin)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(cin, wide, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(wide)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(wide, cout, 3, padding=1, bias=False)
        self.merge = merge_module(merge)

    def new(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        """What the layer itself makes of its input, before it is joined."""
        return self.conv2(self.relu2(self.norm2(self.conv1(self.relu1(self.norm1(x))))))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        """(N, C, H, W) to (N, C + cout, H, W), or to (N, C, H, W) when added."""
        return self.merge(x, self.new(x))


class DenseNet(nn.Module):
    """Dense blocks with halving between them; torchvision's arguments and state-dict keys.

    Args:
        growth_rate: channels that each layer adds.
        block_config: how many layers each block has.
        num_init_features: channels before the first block.
        bn_size: the 1×1 of a layer gives bn_size · growth_rate channels.
        num_classes: outputs of the classifier.
        in_channels: channels of the image.
        stem: "imagenet" for 7×7 at stride 2 and 3×3 maxima at stride 2, or "small" for one 3×3 at stride 1, as the
            paper has it for small images.
        merge: "concat" as in the paper, or "add": then all layers of a block work at the width that the concatenating
            block reaches at its end, and each adds to it.

    DenseNet-121 is the default. Source: Huang et al., "Densely Connected Convolutional Networks", CVPR 2017, table 1.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        stem: Stem = "imagenet",
        merge: Merge = "concat",
    ) -> None:
        super().__init__()
        sizes = {
            "growth_rate": growth_rate,
            "num_init_features": num_init_features,
            "bn_size": bn_size,
            "num_classes": num_classes,
            "in_channels": in_channels,
        }
        for name, size in sizes.items():
            require(size >= 1, name, size, "1 or more")
        positive = len(block_config) >= 1 and all(layers >= 1 for layers in block_config)
        require(positive, "block_config", list(block_config), "one or more positive numbers")
        require_choice("stem", stem, ("imagenet", "small"))
        wide = bn_size * growth_rate
        channels, width = num_init_features, 0  # before a block, and at the end of the one before
        steps: OrderedDict[str, nn.Module] = OrderedDict()
        for number, layers in enumerate(block_config, 1):
            reached = channels + layers * growth_rate
            start = reached if merge == "add" else channels
            if number == 1:
                steps |= _stem(in_channels, start, stem)
            else:
                steps[f"transition{number - 1}"] = _transition(width, start)
            block: OrderedDict[str, nn.Module] = OrderedDict()
            for layer in range(layers):
                cin = reached if merge == "add" else channels + layer * growth_rate
                block[f"denselayer{layer + 1}"] = DenseLayer(
                    cin, wide, reached if merge == "add" else growth_rate, merge
                )
            steps[f"denseblock{number}"] = nn.Sequential(block)
            width, channels = reached, reached // 2
        steps["norm5"] = nn.BatchNorm2d(width)
        self.features = nn.Sequential(steps)
        self.classifier = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Logits (N, num_classes) of a batch (N, in_channels, H, W)."""
        return self.classifier(torch.relu(self.features(x)).mean((2, 3)))


def _stem(in_channels: int, channels: int, stem: Stem) -> OrderedDict[str, nn.Module]:
    if stem == "small":
        return OrderedDict(conv0=nn.Conv2d(in_channels, channels, 3, padding=1, bias=False))
    return OrderedDict(
        conv0=nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False),
        norm0=nn.BatchNorm2d(channels),
        relu0=nn.ReLU(),
        pool0=nn.MaxPool2d(3, stride=2, padding=1),
    )


def _transition(cin: int, cout: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(cin),
            relu=nn.ReLU(),
            conv=nn.Conv2d(cin, cout, 1, bias=False),
            pool=nn.AvgPool2d(2, stride=2),
        )
    )
