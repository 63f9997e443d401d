"""Small random nets whose units react to exactly the pixels they see."""

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from fpnlib.ops import Add, Concat

CHANNELS = 2
SMALL = st.integers(1, 3)


def pairs(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[int, int]]:
    """(vertical, horizontal)."""
    return st.tuples(numbers, numbers)


@st.composite
def conv(draw, channels_in=CHANNELS):
    kernel, dilation = draw(pairs(st.integers(1, 4))), draw(pairs(st.integers(1, 2)))
    stride = draw(pairs(st.integers(1, 2)))
    if stride == (1, 1) and draw(st.booleans()):
        return nn.Conv2d(channels_in, CHANNELS, kernel, dilation=dilation, padding="same", bias=False)
    return nn.Conv2d(
        channels_in, CHANNELS, kernel, stride, draw(pairs(st.integers(0, 2))), dilation=dilation, bias=False
    )


@st.composite
def pool(draw):
    kernel = draw(pairs(SMALL))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    stride = draw(st.none() | pairs(st.integers(1, 2)))
    if draw(st.booleans()):
        return nn.AvgPool2d(kernel, stride, padding)
    return nn.MaxPool2d(kernel, stride, padding, dilation=draw(pairs(st.integers(1, 2))))


@st.composite
def branches(draw):
    """Branches of different sizes that share their stride and centres."""
    stride, shift = draw(pairs(st.integers(1, 2))), draw(st.integers(0, 1))

    def branch(half):
        # 2·half + 1 taps, padded by `half` less the common shift.
        padding = half - shift
        if draw(st.booleans()):
            return nn.Conv2d(CHANNELS, CHANNELS, 2 * half + 1, stride, padding, bias=False)
        first = nn.Conv2d(CHANNELS, CHANNELS, half + 1, bias=False)
        return nn.Sequential(first, nn.ReLU(), nn.Conv2d(CHANNELS, CHANNELS, half + 1, stride, padding, bias=False))

    halves = draw(st.lists(st.integers(shift, 2), min_size=1, max_size=3))
    if draw(st.booleans()):
        return Add(*map(branch, halves))
    joined = Concat(*map(branch, halves))
    return nn.Sequential(joined, nn.Conv2d(CHANNELS * len(halves), CHANNELS, 1, bias=False))


POINTWISE = st.sampled_from([nn.ReLU(), nn.Dropout(), nn.BatchNorm2d(CHANNELS), nn.Identity()])
PADDING = st.builds(nn.ZeroPad2d, st.tuples(*[st.integers(0, 2)] * 4))


@st.composite
def nets(draw, layer=None):
    """One to four layers, positive, in float64 and evaluation mode."""
    layer = conv() | pool() | branches() | POINTWISE | PADDING if layer is None else layer
    net = nn.Sequential(*draw(st.lists(layer, min_size=1, max_size=4))).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.uniform_(0.5, 1.5)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.bias.zero_()
    return net


def seen(net: nn.Module, height: int, width: int, axis: int) -> Tensor:
    """(units, pixels): whether a unit's gradient reaches a row (axis 0) or column (axis 1) of pixels.

    Each image of the batch has one bright row and black elsewhere, so that a maximum has one way to go.
    """
    length = (height, width)[axis]
    bright = torch.eye(length, dtype=torch.float64)[:, None, :, None]
    images = bright.expand(-1, CHANNELS, -1, width) if axis == 0 else bright.mT.expand(-1, CHANNELS, height, -1)
    images = images.clone().requires_grad_()
    per_unit = net(images).sum((0, 1, 3 - axis))
    diagonal = torch.arange(length)
    rows = []
    for unit in per_unit:
        (gradient,) = torch.autograd.grad(unit, images, retain_graph=True)
        rows.append(gradient.sum((1, 3 - axis))[diagonal, diagonal] > 0)
    return torch.stack(rows)
