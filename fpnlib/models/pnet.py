"""MTCNN's first network, a face detector that slides over the photo without any padding."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from fpnlib import assets
from fpnlib.data import image_batch
from fpnlib.validation import require


class PNetOutput(NamedTuple):
    """What P-Net says at each place; place (i, j) looks at the 12×12 window whose first pixel is (2i, 2j).

    scores:  (N, h, w), probability of a face
    offsets: (N, 4, h, w), how far the face's x0, y0, x1, y1 lie from the window's, in units of the window's side
    """

    scores: Float[Tensor, "n h w"]
    offsets: Float[Tensor, "n 4 h w"]


class PNet(nn.Module):
    """Proposal network: convolutions without padding, stride 2, receptive field 12, for RGB input (x − 127.5) / 128.

    Layers carry the names of facenet-pytorch's weights. Source: Zhang et al., "Joint Face Detection and Alignment Using
    Multi-task Cascaded Convolutional Networks", IEEE Signal Processing Letters 2016, figure 2.
    """

    stride = 2
    receptive_field = 12

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 10, 3)
        self.prelu1 = nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, ceil_mode=True)
        self.conv2 = nn.Conv2d(10, 16, 3)
        self.prelu2 = nn.PReLU(16)
        self.conv3 = nn.Conv2d(16, 32, 3)
        self.prelu3 = nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    @classmethod
    def pretrained(cls) -> "PNet":
        """With MTCNN's weights, in eval mode; see `fpnlib.assets.fetch` for what it may raise."""
        model = cls()
        model.load_state_dict(torch.load(assets.fetch("pnet"), weights_only=True, map_location="cpu"))
        return model.eval()

    @staticmethod
    def preprocess(photo: UInt8[np.ndarray, "h w 3"], scale: float = 1.0) -> Float[Tensor, "1 3 h2 w2"]:
        """A photo resized by `scale` and in the network's range: (1, 3, round(H · scale), round(W · scale)).

        A face is found when its side is about 12 pixels after the resizing.
        """
        require(scale > 0, "scale", scale, "above 0")
        batch = image_batch(photo)
        size = [max(1, round(side * scale)) for side in batch.shape[2:]]
        if size != list(batch.shape[2:]):
            batch = F.interpolate(batch, size, mode="bilinear", antialias=True)
        return (batch - 127.5) / 128

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> PNetOutput:
        """Scores and offsets of a batch (N, 3, H, W), at (⌈(H − 2) / 2⌉ − 4) × (⌈(W − 2) / 2⌉ − 4) places.

        Where H or W is odd the last window reaches one pixel past the image, as the pooling rounds up. ValueError for
        sides below 12.
        """
        sides = tuple(x.shape[-2:])
        require(min(sides) >= self.receptive_field, "x", f"sides {sides}", f"sides of {self.receptive_field} or more")
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return PNetOutput(scores=self.conv4_1(x).softmax(1)[:, 1], offsets=self.conv4_2(x))
