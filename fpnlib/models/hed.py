"""Holistically-nested edge detection: five side outputs of VGG-16, each an edge map, and their weighted add."""

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from fpnlib import assets
from fpnlib.data import image_batch
from fpnlib.models.fusion import WeightedAdd
from fpnlib.validation import require

# VGG-16's five stages: channels, and how many 3×3 convolutions.
_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
_MEAN_BGR = (104.00699, 116.66877, 122.67892)


class HEDOutput(NamedTuple):
    """Edge logits at the image's size: `sides` five of (N, 1, H, W), finest first, and `fused` (N, 1, H, W)."""

    sides: tuple[Float[Tensor, "n 1 h w"], ...]
    fused: Float[Tensor, "n 1 h w"]


class HED(nn.Module):
    """VGG-16 without its classifier; a 1×1 to one channel after each stage, enlarged to the image, then fused.

    Takes raw RGB, 0…255. As in the network whose weights `pretrained` loads, every convolution is padded by 1, a pool
    rounds odd sizes up, and side outputs are enlarged bilinearly.
    Source: Xie and Tu, "Holistically-Nested Edge Detection", ICCV 2015, sections 2.2 and 3.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.blocks, self.sides = nn.ModuleList(), nn.ModuleList()
        cin = 3
        for channels, convolutions in _STAGES:
            layers: list[nn.Module] = [nn.MaxPool2d(2, ceil_mode=True)] if len(self.blocks) else []
            for _ in range(convolutions):
                layers += [nn.Conv2d(cin, channels, 3, padding=1), nn.ReLU()]
                cin = channels
            self.blocks.append(nn.Sequential(*layers))
            self.sides.append(nn.Conv2d(channels, 1, 1))
        self.fuse = WeightedAdd(len(_STAGES), bias=True)
        self.register_buffer("mean", torch.tensor(_MEAN_BGR).view(3, 1, 1), persistent=False)

    @classmethod
    def pretrained(cls) -> "HED":
        """With weights trained on BSDS500, in eval mode; see `fpnlib.assets.fetch` for what it may raise."""
        import h5py

        model = cls()
        with h5py.File(assets.fetch("hed")) as file:
            for number, (block, side) in enumerate(zip(model.blocks, model.sides, strict=True), 1):
                convs = [layer for layer in block.children() if isinstance(layer, nn.Conv2d)]
                for i, conv in enumerate(convs):
                    _fill(conv, file[f"block{number}/layers/conv2d{f'_{i}' if i else ''}/vars"])
                _fill(side, file[f"dsn{number}/vars"])
            _fill(model.fuse, file["fuse/vars"])
        return model.eval()

    @staticmethod
    def preprocess(photo: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "1 3 h w"]:
        """A photo (H, W, 3) as the batch of one that the network takes: raw RGB."""
        return image_batch(photo)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> HEDOutput:
        """Side and fused logits (N, 1, H, W) of a batch (N, 3, H, W), raw RGB 0…255. ValueError for other channels."""
        require(x.ndim == 4 and x.shape[1] == 3, "x", f"shape {tuple(x.shape)}", "(N, 3, H, W)")
        size = x.shape[2:]
        x = x.flip(1) - self.mean
        sides = []
        for block, side in zip(self.blocks, self.sides, strict=True):
            x = block(x)
            sides.append(F.interpolate(side(x), size, mode="bilinear"))
        return HEDOutput(tuple(sides), self.fuse(*sides))


@torch.no_grad()
def _fill(layer: Any, group: Any) -> None:
    """Copy Keras's kernel (h, w, in, out) and bias; the fusion's kernel (1, 1, 5, 1) becomes five numbers."""
    kernel = torch.from_numpy(group["0"][()]).permute(3, 2, 0, 1)
    layer.weight.copy_(kernel.reshape(layer.weight.shape))
    layer.bias.copy_(torch.from_numpy(group["1"][()]).reshape(layer.bias.shape))
