"""Print how far the gradients of ResNet's strided 1×1 by oneDNN are from torch's own, relative to the largest.

python tests/support/strided_gradients.py

For a test to run apart: without the guard it dies, or does not end.
"""

import itertools
import json

import torch
from torch import Tensor, nn

from fpnlib.models.resnet import _conv

WIDTHS, STRIDES = range(1, 17), (2, 3)
LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
SIZES = ((8, 16), (8, 32), (16, 64), (3, 17))  # images, and their side
REPEATS = 2  # what lies beyond the workspace differs from call to call


def gradients(conv: nn.Conv2d, x: Tensor, *, onednn: bool) -> tuple[Tensor, ...]:
    """Of half the sum of the output's squares, by the input and by the weight."""
    with torch.backends.mkldnn.flags(enabled=onednn, allow_tf32=None):
        return torch.autograd.grad(conv(x).square().sum() / 2, (x, conv.weight))


def difference(width: int, stride: int, layout: torch.memory_format) -> float:
    """The largest of all sizes; NaN where one is NaN."""
    conv = _conv(width, 2 * width, 1, stride).to(memory_format=layout)
    apart = []
    for images, side in SIZES * REPEATS:
        x = torch.randn(images, width, side, side).to(memory_format=layout).requires_grad_()
        pairs = zip(gradients(conv, x, onednn=True), gradients(conv, x, onednn=False), strict=True)
        apart += [(mine - other).abs().max() / other.abs().max() for mine, other in pairs]
    return torch.stack(apart).max().item()


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    cases = itertools.product(LAYOUTS, WIDTHS, STRIDES)
    print(json.dumps({f"{name}, {w} channels, stride {s}": difference(w, s, LAYOUTS[name]) for name, w, s in cases}))
