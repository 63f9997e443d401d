"""A convolution after an add and one after a concat: equal as long as the kernel's halves are."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from ipywidgets import Widget
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from torch import Tensor, nn

from fpnlib.explore import Explorer, choice, number, slider, toggle
from fpnlib.explore.style import INK, MUTED
from fpnlib.models.fusion import Concat, tie_concat
from fpnlib.validation import require

KERNELS = ("edges", "blur", "random")
_LARGEST = 5
_EQUAL = 1e-9
_GREYS = 10  # few, so that a saved picture stays small


@dataclasses.dataclass(frozen=True)
class IdentityData:
    """Kernels and outputs; all maps are (H, W)."""

    tie: bool
    relu: bool
    nudge: float
    kernel: np.ndarray  # after the add, (k, k)
    halves: np.ndarray  # after the concat, (2, k, k)
    added: np.ndarray
    joined: np.ndarray
    difference: np.ndarray
    largest: float


def named_kernel(name: str, size: int) -> Float[Tensor, "k k"]:
    """A kernel to look at: left minus right, a mean, or fixed random numbers."""
    if name == "blur":
        return torch.full((size, size), 1 / size**2, dtype=torch.float64)
    if name == "random":
        generator = torch.Generator().manual_seed(size)
        return torch.randn(size, size, generator=generator, dtype=torch.float64) / size
    ramp = torch.linspace(1, -1, size, dtype=torch.float64) if size > 1 else torch.ones(1, dtype=torch.float64)
    return ramp.expand(size, size) / size


class IdentityExplorer(Explorer[IdentityData]):
    """Both paths side by side: x + y through one kernel, x and y through two, and what is left between them."""

    title = "Two inputs added and convolved, and the same two concatenated and convolved, with the difference"
    size = (1000, 400)

    def __init__(self, x: Float[Tensor, "h w"], y: Float[Tensor, "h w"]) -> None:
        require(x.shape == y.shape, "y", f"shape {tuple(y.shape)}", f"{tuple(x.shape)}, that of x")
        least = 3 * (_LARGEST - 1) + 1
        require(min(x.shape) >= least, "x", f"sides {tuple(x.shape)}", f"sides of {least} or more")
        self._x, self._y = (one.double() - one.double().mean() for one in (x, y))
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the kernel, how it moves, and whether its halves are tied."""
        return {
            "tie": toggle("tie the two halves", True),
            "relu": toggle("a ReLU between, as in a DenseNet"),
            "nudge": slider("move the middle weight of y's half by", 0.3, -1.0, 1.0, 0.05),
            "kernel": choice("kernel", KERNELS),
            "kernel_size": slider("kernel size", 3, 1, _LARGEST, 1),
            "stride": slider("stride", 1, 1, 2, 1),
            "dilation": slider("dilation", 1, 1, 3, 1),
        }

    @torch.no_grad()
    def compute(
        self, tie: bool, relu: bool, nudge: float, kernel: str, kernel_size: int, stride: int, dilation: int
    ) -> IdentityData:
        """Run both convolutions in float64."""
        conv = nn.Conv2d(1, 1, kernel_size, stride, dilation=dilation, bias=False).double()
        middle = kernel_size // 2
        conv.weight[0, 0] = named_kernel(kernel, kernel_size)
        if tie:  # the halves are one, so what moves y's moves x's and the kernel after the add
            conv.weight[0, 0, middle, middle] += nudge
        after_concat = tie_concat(conv)
        if not tie:
            after_concat.weight[0, 1, middle, middle] += nudge
        x, y = self._x[None, None], self._y[None, None]
        total, both = x + y, Concat()(x, y)
        added, joined = (conv(total.relu()), after_concat(both.relu())) if relu else (conv(total), after_concat(both))
        difference = added - joined
        return IdentityData(
            tie=tie,
            relu=relu,
            nudge=nudge,
            kernel=conv.weight[0, 0].numpy(),
            halves=after_concat.weight[0].numpy(),
            added=added[0, 0].numpy(),
            joined=joined[0, 0].numpy(),
            difference=difference[0, 0].numpy(),
            largest=difference.abs().max().item(),
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out two rows, add above and concat below, and the difference to the right."""
        grid = figure.add_gridspec(2, 5, width_ratios=[1, 1, 1, 1, 1])
        span = 2 * max(self._x.abs().max().item(), self._y.abs().max().item())
        grey = colormaps["gray"].resampled(_GREYS)
        maps = {"cmap": grey, "vmin": -span / 2, "vmax": span / 2}
        fixed = (("x", self._x, 0, 0), ("y", self._y, 1, 0), ("x + y", self._x + self._y, 0, 1))
        for name, values, row, column in fixed:
            self._panel(figure, grid[row, column], name).imshow(values.numpy(), **maps)
        note = figure.add_subplot(grid[1, 1])
        note.set_axis_off()
        note.text(0.5, 0.5, "concat\nkeeps x and y\napart", ha="center", va="center", color=MUTED, linespacing=1.5)
        kernels = {"cmap": "PuOr_r", "vmin": -1, "vmax": 1}
        empty = np.zeros((1, 1))
        self._kernel = self._panel(figure, grid[0, 2], "one kernel").imshow(empty, **kernels)
        pair = grid[1, 2].subgridspec(1, 2)
        self._halves = [
            self._panel(figure, pair[0, side], name).imshow(empty, **kernels)
            for side, name in enumerate(("for x", "for y"))
        ]
        self._added = self._panel(figure, grid[0, 3], "add, then convolve").imshow(empty, **maps)
        self._joined = self._panel(figure, grid[1, 3], "concat, then convolve").imshow(empty, **maps)
        difference = self._panel(figure, grid[0, 4], "the difference")
        self._difference = difference.imshow(empty, cmap="PuOr_r", vmin=-span / 4, vmax=span / 4)
        told = figure.add_subplot(grid[1, 4])
        told.set_axis_off()
        told.text(0.5, 0.78, "largest difference", ha="center", color=INK)
        self._number = told.text(0.5, 0.52, "", ha="center", fontsize=18, weight="bold", color=INK)
        self._tied = told.text(0.5, 0.3, "", ha="center", color=MUTED)
        images = [self._kernel, *self._halves, self._added, self._joined, self._difference]
        for image in images:  # one place for every size of map
            image.set_extent((0, 1, 0, 1))
            image.axes.set(xlim=(0, 1), ylim=(0, 1))
        return [*images, self._number, self._tied]

    @staticmethod
    def _panel(figure: Figure, place: Any, title: str) -> Any:
        panel = figure.add_subplot(place)
        panel.set(xticks=[], yticks=[], title=title, aspect="equal")
        panel.spines[:].set_visible(True)
        return panel

    def draw(self, data: IdentityData) -> None:
        """Show kernels, outputs and what is left."""
        self._kernel.set_data(data.kernel)
        for image, half in zip(self._halves, data.halves, strict=True):
            image.set_data(half)
        self._added.set_data(data.added)
        self._joined.set_data(data.joined)
        self._difference.set_data(data.difference)
        self._number.set_text(_size(data.largest))
        self._tied.set_text("halves tied" if data.tie else "halves free")

    def describe(self, data: IdentityData) -> str:
        """Say whether the halves are one, and how far the outputs are apart."""
        if data.tie:
            halves = "The halves are tied: a weight that moves, moves in both."
        elif data.nudge:
            halves = f"The halves are free, and y's middle weight has moved by {number(data.nudge)} alone."
        else:
            halves = "The halves are free, but still equal."
        if data.relu:
            halves += " A ReLU stands before the convolution."
        same = "The outputs are equal" if data.largest <= _EQUAL else "The outputs differ"
        rows, columns = data.added.shape
        size, middle = len(data.kernel), data.kernel[len(data.kernel) // 2, len(data.kernel) // 2]
        return (
            f"{halves} Kernel {size}×{size}, its middle weight {number(middle)} after the add, "
            f"output {rows}×{columns}.\n{same}: {_size(data.largest)} apart at most, in grey values."
        )

    def invariants(self, data: IdentityData) -> dict[str, bool]:
        """Check that without a ReLU only halves that have parted make a difference."""
        parted = abs(data.halves[0] - data.halves[1]).max() > 0
        return {
            "tied halves give equal outputs": data.relu or not data.tie or data.largest <= _EQUAL,
            "outputs differ just where halves do": data.relu or parted == (data.largest > _EQUAL),
            "both outputs have one shape": data.added.shape == data.joined.shape,
        }


def _size(largest: float) -> str:
    # Rounding of the last bit differs between machines, so it is not told.
    return number(largest) if largest > _EQUAL else "below 10⁻⁹"
