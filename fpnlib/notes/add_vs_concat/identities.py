"""AC-1 and AC-3: when a concatenation is an addition, and that every net that adds lies in one that concatenates."""

from typing import Any, Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.claims import Claim, Criterion, Measurement, Said, Verdict
from fpnlib.models.fusion import Add, embed_add_in_concat, tie_concat
from fpnlib.models.unet import UNet

Net = TypeVar("Net", bound=nn.Module)
PADDINGS: tuple[Literal["zeros", "reflect", "replicate", "circular"], ...] = (
    "zeros",
    "reflect",
    "replicate",
    "circular",
)
_CONVOLUTIONS, _NETS = 300, 60
_TOLERANCE, _APART = 1e-12, 1e-3


def random_convolution(rng: np.random.Generator) -> nn.Conv2d:
    """A convolution of random kernel, stride, dilation, padding, groups and channels, in float64."""
    groups = int(rng.choice([1, 1, 2, 3]))
    conv = nn.Conv2d(
        groups * int(rng.integers(1, 5)),
        groups * int(rng.integers(1, 5)),
        _pair(rng, 1, 6),
        _pair(rng, 1, 4),
        _pair(rng, 0, 3),
        _pair(rng, 1, 4),
        groups,
        bias=bool(rng.random() < 0.5),
        padding_mode=PADDINGS[rng.choice(len(PADDINGS))],
    ).double()
    return _drawn(conv, rng)


def _pair(rng: np.random.Generator, low: int, high: int) -> tuple[int, int]:
    down, across = rng.integers(low, high, 2)
    return int(down), int(across)


def _drawn(net: Net, rng: np.random.Generator) -> Net:
    """Normal weights from `rng`, each convolution's scaled to keep the size of what it takes."""
    with torch.no_grad():
        for parameter in net.parameters():
            spread = np.prod(parameter.shape[1:]) ** -0.5 if parameter.ndim > 1 else 1.0
            parameter.copy_(torch.from_numpy(rng.normal(0, spread, tuple(parameter.shape))))
    return net


def _maps(rng: np.random.Generator, *shape: int) -> Float[Tensor, "*shape"]:
    return torch.from_numpy(rng.normal(size=shape))


@torch.no_grad()
def tied_kernels() -> Measurement:
    """Random convolutions after an add, then after a concat with tied kernels, loose ones, nudged ones."""
    rng = np.random.default_rng(0)
    tied_apart, loose_apart, nudged_apart = [], [], []
    for _ in range(_CONVOLUTIONS):
        conv, inputs = random_convolution(rng), int(rng.integers(2, 5))
        maps = _maps(rng, inputs, 2, conv.in_channels, 17, 16)
        joined = torch.cat(list(maps), 1)
        added = conv(maps.sum(0))
        tied, loose, nudged = (tie_concat(conv, inputs) for _ in range(3))
        tied_apart.append(abs(tied(joined) - added).max().item())
        _drawn(loose, rng)
        loose_apart.append(abs(loose(joined) - added).max().item())
        nudged.weight[0, 0, 0, 0] += 0.01  # in one input's half alone
        nudged_apart.append(abs(nudged(joined) - added).max().item())
    return Measurement.exact(
        max(tied_apart),
        n=_CONVOLUTIONS,
        least_untied=min(loose_apart),
        least_nudged=min(nudged_apart),
    )


def _judge_tied(measurement: Measurement) -> Verdict:
    apart = min(measurement.numbers["least_untied"], measurement.numbers["least_nudged"]) > _APART
    return "holds" if measurement.effect <= _TOLERANCE and apart else "fails"


class RandomAddNet(nn.Module):
    """A stem, then blocks that add two or three branches, with or without a layer after the add."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        channels = 2 * int(rng.integers(1, 4))
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.branches, self.adds, self.after = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        self.skip = []
        for _ in range(int(rng.integers(1, 4))):
            groups = int(rng.choice([1, 2]))
            wide = nn.Conv2d(channels, channels, 3, padding=1, groups=groups)
            self.branches.append(nn.ModuleList([wide, nn.Conv2d(channels, channels, 1)]))
            self.adds.append(Add())
            layers = (nn.Identity(), nn.ReLU(), nn.BatchNorm2d(channels), nn.MaxPool2d(3, 1, 1))
            self.after.append(layers[int(rng.integers(len(layers)))])
            self.skip.append(bool(rng.random() < 0.5))
        self.head = nn.Conv2d(channels, 2, 3)

    def forward(self, x: Any) -> Any:  # a tensor, or what torch.fx puts in its place while it traces
        """(N, 3, H, W) to (N, 2, H − 2, W − 2)."""
        x = self.stem(x)
        for branches, add, after, skip in zip(self.branches, self.adds, self.after, self.skip, strict=True):
            parts = [branch(x) for branch in branches.children()]
            x = after(add(*parts, x) if skip else add(*parts))
        return self.head(x)


def concat_u_net(adding: UNet) -> UNet:
    """The U-Net that concatenates and answers as `adding` does: only the first convolution of each decoder differs."""
    joining = UNet(adding.in_channels, adding.head.out_channels, adding.widths).to(adding.head.weight)
    state = adding.state_dict()
    for number in range(len(adding.decoder)):
        name = f"decoder.{number}.0"
        conv = adding.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        state[f"{name}.weight"] = tie_concat(conv).weight.detach()
    joining.load_state_dict(state)
    return joining


@torch.no_grad()
def embedded_nets() -> Measurement:
    """Random nets that add, a U-Net that adds, and the nets that concatenate with their answers; and the way back.

    The way back fails where a net tells its inputs apart: after an add, exchanging the two inputs changes nothing.
    """
    rng = np.random.default_rng(1)
    apart, exchanged = [], []
    for number in range(_NETS):
        if number % 4:
            net: nn.Module = _drawn(RandomAddNet(rng).double(), rng).eval()
            other: nn.Module = embed_add_in_concat(net)
        else:
            widths = [int(rng.integers(2, 6)) for _ in range(3)]
            adding = _drawn(UNet(3, 2, widths, merge="add").double(), rng)
            net, other = adding, concat_u_net(adding)
        x = _maps(rng, 2, 3, 18, 17)
        apart.append(abs(net(x) - other(x)).max().item())
        conv = _drawn(nn.Conv2d(6, 3, 3).double(), rng)
        one, two = _maps(rng, 2, 1, 3, 8, 8)
        exchanged.append(abs(conv(torch.cat([one, two], 1)) - conv(torch.cat([two, one], 1))).max().item())
    return Measurement.exact(max(apart), n=_NETS, least_exchanged=min(exchanged))


def _judge_embedded(measurement: Measurement) -> Verdict:
    return "holds" if measurement.effect <= _TOLERANCE and measurement.numbers["least_exchanged"] > _APART else "fails"


CLAIMS = (
    Claim(
        "AC-1",
        "Two inputs of equal channels and then a convolution: add equals concat whose kernel halves are shared.",
        Said(
            "source",
            "通道数相同且后面带卷积的话,add等价于concat之后对应通道共享同一个卷积核",
            "with equal channels and a convolution after it, add equals concat whose corresponding channels share one "
            "kernel",
        ),
        {
            "": Criterion(
                "over 300 random convolutions (kernel, stride, dilation, padding, groups, 2 to 4 inputs) both differ "
                "by at most 1e-12 in float64, and by more than 1e-3 with halves drawn apart, or with one weight moved "
                "by .01",
                _judge_tied,
            )
        },
        tied_kernels,
    ),
    Claim(
        "AC-3",
        "Concat contains add.",
        Said(
            "source",
            "这两个本身就是包含关系",
            "one of the two contains the other",
        ),
        {
            "": Criterion(
                "60 random nets that add, U-Nets among them, each have a concatenating net whose outputs differ by at "
                "most 1e-12 in float64; and exchanging the inputs of a random concat changes its output by more than "
                "1e-3, which no add can do",
                _judge_embedded,
            )
        },
        embedded_nets,
    ),
)
