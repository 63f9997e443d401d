"""A convolution with batch norm, the one convolution that replaces both, and their difference."""

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from ipywidgets import Widget
from jaxtyping import UInt8
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import nn

from fpnlib.explore import Explorer, Panel, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, MUTED, ORANGE, PAPER
from fpnlib.models import BatchNorm2d
from fpnlib.notes.batch_norm.experiments.folding import KERNELS
from fpnlib.ops import fold_batch_norm
from fpnlib.validation import require

EVAL, TRAINING = "eval", "training"
EQUAL = 1e-4  # differences up to here are rounding
_SIDE = 96  # pixels of the photo's longer side
_SHOWN = 3.0  # outputs from −3 to 3 are told apart by their colour


@dataclasses.dataclass(frozen=True)
class FoldedData:
    """Kernel and bias before and after, both outputs, and how far they are apart."""

    kernel: np.ndarray  # (3, 3)
    bias: float
    folded_kernel: np.ndarray
    folded_bias: float
    two: np.ndarray  # (h, w)
    one: np.ndarray
    largest: float  # difference anywhere
    factor: float  # γ / √(variance + ε)
    mode: str


class FoldedExplorer(Explorer[FoldedData]):
    """Two layers and one, each with its numbers and what it makes of a photo, and the difference of both."""

    title = "A convolution followed by batch norm, one convolution in place of both, and the difference of the outputs"
    size = (1000, 350)

    def __init__(self, photo: UInt8[np.ndarray, "h w 3"]) -> None:
        height, width = photo.shape[:2]
        require(min(height, width) >= 8, "photo", f"sides {height}×{width}", "sides of 8 or more")
        every = max(1, max(height, width) // _SIDE)
        rows, columns = height // every, width // every
        self._colours = photo[: rows * every : every, : columns * every : every]
        grey = photo[: rows * every, : columns * every].mean(2).reshape(rows, every, columns, every).mean((1, 3))
        self._photo = torch.tensor((grey - grey.mean()) / max(grey.std(), 1.0), dtype=torch.float32)[None, None]
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the convolution, the layer of batch norm, and its mode."""
        return {
            "kernel": choice("convolution", tuple(KERNELS)),
            "conv_bias": slider("its bias", 0.0, -2.0, 2.0, 0.1),
            "gamma": slider("γ", 1.0, -2.0, 2.0, 0.1),
            "beta": slider("β", 0.5, -2.0, 2.0, 0.1),
            "mean": slider("running mean", 0.5, -2.0, 2.0, 0.1),
            "variance": slider("running variance", 2.0, 0.1, 8.0, 0.1),
            "mode": choice("batch norm in mode", (EVAL, TRAINING)),
        }

    @torch.no_grad()
    def compute(
        self, kernel: str, conv_bias: float, gamma: float, beta: float, mean: float, variance: float, mode: str
    ) -> FoldedData:
        """Run both ways in single precision."""
        conv, bn = nn.Conv2d(1, 1, 3, padding=1), BatchNorm2d(1)
        conv.weight.copy_(torch.tensor(KERNELS[kernel]))
        conv.get_parameter("bias").fill_(conv_bias)
        state = {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": variance}
        bn.load_state_dict({name: torch.tensor([value]) for name, value in state.items()}, strict=False)
        folded = fold_batch_norm(conv, bn)
        two, one = bn.train(mode == TRAINING)(conv(self._photo)), folded(self._photo)
        return FoldedData(
            kernel=conv.weight[0, 0].numpy(),
            bias=conv_bias,
            folded_kernel=folded.weight[0, 0].numpy(),
            folded_bias=folded.get_parameter("bias").item(),
            two=two[0, 0].numpy(),
            one=one[0, 0].numpy(),
            largest=(one - two).abs().max().item(),
            factor=gamma / (variance + bn.eps) ** 0.5,
            mode=mode,
        )

    def build(self, figure: Figure) -> None:
        """Lay out the photo and three maps, and below them the numbers that make them."""
        signs = LinearSegmentedColormap.from_list("signs", [BLUE, PAPER, ORANGE])
        (photo, *maps), (rule, two, one, apart) = figure.subplots(2, 4, height_ratios=[1.1, 1])
        self.panel(photo, bare=True, title="The photo; its grey goes in").image(self._colours)
        shown = (
            ("Convolution, then batch norm", lambda data: data.two),
            ("One convolution", lambda data: data.one),
            ("Difference", lambda data: data.one - data.two),
        )
        for axes, (title, of) in zip(maps, shown, strict=True):
            self.panel(axes, bare=True, title=title).image(of, cmap=signs, vmin=-_SHOWN, vmax=_SHOWN)
            axes.spines[:].set(visible=True, color=FAINT)  # where all is 0 there is nothing else to see
        maps[0].set_xlabel("below 0 blue, above 0 orange", color=MUTED, fontsize=9)
        _layer(self.panel(two), "bias, then batch norm", lambda data: (*data.kernel.ravel(), data.bias))
        _layer(self.panel(one), "bias", lambda data: (*data.folded_kernel.ravel(), data.folded_bias))
        self.panel(rule).formulas([("each weight × γ / √(variance + ε)", lambda data: number(data.factor))])
        self.panel(apart).formulas(
            [
                ("largest difference", lambda data: _rounded(data.largest)),
                ("the two outputs are", lambda data: "✓ equal" if data.largest <= EQUAL else "✗ not equal"),
            ],
            fall=0.4,
        )

    def describe(self, data: FoldedData) -> str:
        """Say the factor, the new bias and the difference."""
        verdict = "equal up to rounding" if data.largest <= EQUAL else "not equal"
        return (
            f"Every weight is multiplied by γ / √(variance + ε) = {number(data.factor)}; the bias {number(data.bias)} "
            f"becomes {number(data.folded_bias)}. The weight right of the middle: {number(data.kernel[1, 2])} before, "
            f"{number(data.folded_kernel[1, 2])} after.\nBatch norm in {data.mode} mode: largest difference "
            f"{_rounded(data.largest)}, {verdict}."
        )

    def invariants(self, data: FoldedData) -> dict[str, bool]:
        """Check that folding is exact in eval mode."""
        one_factor = np.allclose(data.folded_kernel, data.factor * data.kernel, atol=1e-5)
        return {
            "in eval mode both are equal": data.mode == TRAINING or data.largest <= EQUAL,
            "the weights are multiplied by one factor": one_factor,
        }


def _layer(panel: Panel, words: str, numbers: Callable[[FoldedData], tuple[float, ...]]) -> None:
    """A layer's nine weights and, below a line, its bias."""
    panel.axes.set(xlim=(0, 1), ylim=(0, 1))
    panel.axes.set_axis_off()
    panel.text("weights", 0.04, 0.86, fontsize=9.5, color=MUTED)
    panel.table(lambda data: np.reshape([*map(number, numbers(data)[:9])], (3, 3)), (0.3, 0.6, 0.9), (0.7, 0.52, 0.34))
    panel.axes.axhline(0.24, 0.04, 0.92, color=FAINT, lw=1)
    panel.text(words, 0.04, 0.08, fontsize=9.5, color=MUTED)
    panel.table(lambda data: [[number(numbers(data)[9])]], (0.9,), (0.11,), weight="bold")


def _rounded(difference: float) -> str:
    return f"below {number(EQUAL)}" if difference <= EQUAL else number(difference)
