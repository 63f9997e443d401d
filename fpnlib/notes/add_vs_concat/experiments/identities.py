"""AC-1 and AC-3: when a concatenation is an addition, and that every net that adds lies in one that concatenates."""

from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.claims import Claim, Measurement, Said, all_of, exceeds, within
from fpnlib.models.fusion import Add, Concat, embed_add_in_concat, tie_concat
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
    tied_apart, loose_apart, nudged_apart, relu_apart = [], [], [], []
    for _ in range(_CONVOLUTIONS):
        conv, inputs = random_convolution(rng), int(rng.integers(2, 5))
        maps = _maps(rng, inputs, 2, conv.in_channels, 17, 16)
        joined = torch.cat(list(maps), 1)
        added = conv(maps.sum(0))
        tied, loose, nudged = (tie_concat(conv, inputs) for _ in range(3))
        tied_apart.append(abs(tied(joined) - added).max().item())
        relu_apart.append(abs(tied(joined.relu()) - conv(maps.sum(0).relu())).max().item())
        _drawn(loose, rng)
        loose_apart.append(abs(loose(joined) - added).max().item())
        nudged.weight[0, 0, 0, 0] += 0.01  # in one input's half alone
        nudged_apart.append(abs(nudged(joined) - added).max().item())
    return Measurement.exact(
        max(tied_apart),
        n=_CONVOLUTIONS,
        least_untied=min(loose_apart),
        least_nudged=min(nudged_apart),
        least_relu=min(relu_apart),
    )


def named_kernel(name: str, size: int) -> Float[Tensor, "k k"]:
    """A kernel to look at: "edges", left minus right; "blur", a mean; or fixed "random" numbers."""
    if name == "blur":
        return torch.full((size, size), 1 / size**2, dtype=torch.float64)
    if name == "random":
        generator = torch.Generator().manual_seed(size)
        return torch.randn(size, size, generator=generator, dtype=torch.float64) / size
    ramp = torch.linspace(1, -1, size, dtype=torch.float64) if size > 1 else torch.ones(1, dtype=torch.float64)
    return ramp.expand(size, size) / size


class BothWays(NamedTuple):
    """The kernel after an add, its halves after a concat, and both outputs."""

    kernel: Float[Tensor, "k k"]
    halves: Float[Tensor, "2 k k"]
    added: Float[Tensor, "h w"]
    joined: Float[Tensor, "h w"]


@torch.no_grad()
def both_ways(
    x: Float[Tensor, "h w"],
    y: Float[Tensor, "h w"],
    kernel: Float[Tensor, "k k"],
    nudge: float,
    *,
    tie: bool,
    relu: bool,
    stride: int,
    dilation: int,
) -> BothWays:
    """Add and convolve, and concatenate and convolve; `nudge` moves the middle weight of y's half.

    With `tie` the halves are one, so what moves y's moves x's and the kernel after the add. `relu` puts a ReLU before
    the convolution.
    """
    middle = len(kernel) // 2
    conv = nn.Conv2d(1, 1, len(kernel), stride, dilation=dilation, bias=False).double()
    conv.weight[0, 0] = kernel
    if tie:
        conv.weight[0, 0, middle, middle] += nudge
    after_concat = tie_concat(conv)
    if not tie:
        after_concat.weight[0, 1, middle, middle] += nudge
    total, both = x[None, None] + y[None, None], Concat()(x[None, None], y[None, None])
    if relu:
        total, both = total.relu(), both.relu()
    kernels = conv.weight.detach()[0, 0], after_concat.weight.detach()[0]
    return BothWays(*kernels, conv(total)[0, 0], after_concat(both)[0, 0])


def largest_differences(
    x: Float[Tensor, "h w"], y: Float[Tensor, "h w"], nudges: Float[np.ndarray, " n"], name: str, size: int, **how: Any
) -> Float[np.ndarray, " n"]:
    """How far the outputs of `both_ways` are apart at most, with a kernel that has a name, for many nudges at once."""
    still, moved = (both_ways(x, y, named_kernel(name, size), nudge, **how) for nudge in (0.0, 1.0))
    first, last = ((one.added - one.joined).numpy() for one in (still, moved))
    # A convolution is linear in its weights, so the difference is linear in the move.
    return abs(first + nudges[:, None, None] * (last - first)).max((1, 2))


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
    apart, exchanged, deeper = [], [], 0
    for number in range(_NETS):
        if number % 4:
            net: nn.Module = _drawn(RandomAddNet(rng).double(), rng).eval()
            other: nn.Module = embed_add_in_concat(net)
        else:
            widths = [int(rng.integers(2, 6)) for _ in range(3)]
            adding = _drawn(UNet(3, 2, widths, merge="add").double(), rng)
            net, other = adding, concat_u_net(adding)
        deeper += _convolutions(other) > _convolutions(net)
        x = _maps(rng, 2, 3, 18, 17)
        apart.append(abs(net(x) - other(x)).max().item())
        conv = _drawn(nn.Conv2d(6, 3, 3).double(), rng)
        one, two = _maps(rng, 2, 1, 3, 8, 8)
        exchanged.append(abs(conv(torch.cat([one, two], 1)) - conv(torch.cat([two, one], 1))).max().item())
    return Measurement.exact(max(apart), n=_NETS, least_exchanged=min(exchanged), deeper=deeper)


def _convolutions(net: nn.Module) -> int:
    return sum(isinstance(module, nn.Conv2d) for module in net.modules())


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
            "": within(
                _TOLERANCE,
                "what 300 random convolutions (kernel, stride, dilation, padding, groups, 2–4 inputs) give either way",
            )
        },
        tied_kernels,
        control=all_of(
            *(
                exceeds(_APART, f"the least difference {words}", of=f"least_{name}")
                for name, words in (
                    ("untied", "with halves drawn apart"),
                    ("nudged", "with one weight moved by 0.01"),
                    ("relu", "with a ReLU before the convolution"),
                )
            )
        ),
        told={
            "holds": "Adding two maps is concatenating them with one kernel for both, as long as the convolution "
            "follows at once."
        },
    ),
    Claim(
        "AC-3",
        "Concat contains add.",
        Said(
            "source",
            "这两个本身就是包含关系",
            "one of the two contains the other",
        ),
        {"": within(_TOLERANCE, "what 60 random nets that add, U-Nets among them, and nets that concatenate answer")},
        embedded_nets,
        control=exceeds(
            _APART, "the least change when a concat's inputs are exchanged, which no add notices", of="least_exchanged"
        ),
        told={"holds": "Whatever a net that adds can do, one that concatenates can do too; the reverse is not true."},
    ),
)
