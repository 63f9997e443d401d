"""A convolution after an add and one after a concat: equal as long as the kernel's halves are."""

import dataclasses
from functools import lru_cache, partial
from typing import Any

import numpy as np
from ipywidgets import Widget
from jaxtyping import Float
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

from fpnlib.explore import Explorer, choice, number, slider, toggle
from fpnlib.explore.style import BLUE, FAINT, MUTED, PAPER, PURPLE
from fpnlib.notes.add_vs_concat.experiments.identities import both_ways, largest_differences, named_kernel
from fpnlib.validation import require

_LARGEST = 5
_EQUAL = 1e-9
_MOVES = np.linspace(-1, 1, 41)


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
    largest_for: np.ndarray  # (41,), by how far the weight is moved, −1 to 1

    @property
    def middle(self) -> tuple[float, float, float, float]:
        """The middle weight's cell in a kernel that is drawn with sides of 1."""
        low, high = len(self.kernel) // 2 / len(self.kernel), (len(self.kernel) // 2 + 1) / len(self.kernel)
        return low, low, high, high


class IdentityExplorer(Explorer[IdentityData]):
    """Both paths side by side: x + y through one kernel, x and y through two, and what is left between them."""

    title = "Two inputs added and convolved, and the same two concatenated and convolved, with the difference"
    size = (1000, 420)
    groups = (("the convolution", ("kernel", "kernel_size", "stride", "dilation")),)

    def __init__(self, x: Float[Tensor, "h w"], y: Float[Tensor, "h w"]) -> None:
        require(x.shape == y.shape, "y", f"shape {tuple(y.shape)}", f"{tuple(x.shape)}, that of x")
        least = 3 * (_LARGEST - 1) + 1
        require(min(x.shape) >= least, "x", f"sides {tuple(x.shape)}", f"sides of {least} or more")
        self._x, self._y = (one.double() - one.double().mean() for one in (x, y))
        self._largest_for = lru_cache(maxsize=64)(partial(largest_differences, self._x, self._y, _MOVES))
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the kernel, how it moves, and whether its halves are tied."""
        return {
            "tie": toggle("tie the two halves", True),
            "relu": toggle("a ReLU between"),
            "nudge": slider("move the middle weight of y's half by", 0.3, -1.0, 1.0, 0.05),
            "kernel": choice("kernel", ("edges", "blur", "random")),
            "kernel_size": slider("kernel size", 3, 1, _LARGEST, 1),
            "stride": slider("stride", 1, 1, 2, 1),
            "dilation": slider("dilation", 1, 1, 3, 1),
        }

    def compute(self, nudge: float, kernel: str, kernel_size: int, **how: Any) -> IdentityData:
        """Run both convolutions in float64."""
        found = both_ways(self._x, self._y, named_kernel(kernel, kernel_size), nudge, **how)
        difference = (found.added - found.joined).numpy()
        return IdentityData(
            **{name: how[name] for name in ("tie", "relu")},
            nudge=nudge,
            **{name: of.numpy().round(12) for name, of in found._asdict().items()},  # no noise where all is one grey
            difference=difference,
            largest=float(abs(difference).max()),
            largest_for=self._largest_for(kernel, kernel_size, **how),
        )

    def build(self, figure: Figure) -> None:
        """Lay out two rows, add above and concat below, and the difference to the right."""
        grid = figure.add_gridspec(2, 5)
        span = 2 * max(self._x.abs().max().item(), self._y.abs().max().item())
        shades = LinearSegmentedColormap.from_list("less to more", [PURPLE, PAPER, BLUE])
        maps = {"cmap": "gray", "vmin": -span / 2, "vmax": span / 2}
        kernels = {"cmap": shades, "vmin": -0.7, "vmax": 0.7}
        differences = kernels | {"vmin": -span / 4, "vmax": span / 4}
        inside = {"xlim": (-0.01, 1.01), "ylim": (1.01, -0.01)}
        apart, halves = (grid[1, column].subgridspec(1, 2) for column in (1, 2))
        x, y = self._x.numpy(), self._y.numpy()
        for place, title, of, look in (
            (grid[0, 0], "x", x, maps),
            (grid[1, 0], "y", y, maps),
            (grid[0, 1], "x + y", (x + y).round(12), maps),
            (apart[0], "x, y", x, maps),
            (apart[1], "kept apart", y, maps),
            (grid[0, 2], "one kernel", lambda data: data.kernel, kernels),
            (halves[0], "for x", lambda data: data.halves[0], kernels),
            (halves[1], "for y", lambda data: data.halves[1], kernels),
            (grid[0, 3], "add, then convolve", lambda data: data.added, maps),
            (grid[1, 3], "concat, then convolve", lambda data: data.joined, maps),
            (grid[0, 4], "the difference", lambda data: data.difference, differences),
        ):
            panel = self.panel(figure.add_subplot(place), title=title, xticks=[], yticks=[], **inside)
            panel.axes.spines[:].set(visible=True, color=FAINT)
            panel.image(of, (0, 0, 1, 1), **look)  # one place for every size of map
            if title == "for y":
                panel.box(lambda data: data.middle)
            elif title in ("one kernel", "for x"):
                panel.box(lambda data: data.middle if data.tie else None)
        chart = self.panel(figure.add_subplot(grid[1, 4]), xlim=(-1, 1), ylim=(-0.02 * span, span / 2))
        chart.axes.set(title="largest difference", xlabel="the weight's move", xticks=(-1, 0, 1))
        chart.line(lambda data: (_MOVES, data.largest_for), color=MUTED)
        chart.text(lambda data: _size(data.largest), 0, 0.44 * span, ha="center", va="top", fontsize=13, weight="bold")
        chart.dot(lambda data: (data.nudge, data.largest), grab={"nudge": lambda value: (value, None)})

    def describe(self, data: IdentityData) -> str:
        """Say whether the halves are one, and how far the outputs are apart."""
        if data.tie:
            halves = "The halves are tied: a weight that moves, moves in both."
        elif data.nudge:
            halves = f"The halves are free, and y's middle weight has moved by {number(data.nudge)} alone."
        else:
            halves = "The halves are free, but still equal."
        relu = " A ReLU stands before the convolution." if data.relu else ""
        same = "The outputs are equal" if data.largest <= _EQUAL else "The outputs differ"
        size, middle = len(data.kernel), data.kernel[len(data.kernel) // 2, len(data.kernel) // 2]
        return (
            f"{halves}{relu} Kernel {size}×{size}, its middle weight {number(middle)} after the add, output "
            f"{'×'.join(map(str, data.added.shape))}.\n{same}: {_size(data.largest)} apart at most, in grey values."
        )

    def invariants(self, data: IdentityData) -> dict[str, bool]:
        """Check that without a ReLU only halves that have parted make a difference."""
        return {
            "tied halves give equal outputs": data.relu or not data.tie or data.largest <= _EQUAL,
            "outputs differ just where halves do": data.relu or np.ptp(data.halves, 0).any() == (data.largest > _EQUAL),
            "both outputs have one shape": data.added.shape == data.joined.shape,
        }


def _size(largest: float) -> str:
    # Rounding of the last bit differs between machines, so it is not told.
    return number(largest) if largest > _EQUAL else "below 10⁻⁹"
