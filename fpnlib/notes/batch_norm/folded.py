"""Explorer (e): a convolution with batch norm, the one convolution that replaces both, and their difference."""

import dataclasses
from collections.abc import Iterable

import numpy as np
import torch
from ipywidgets import Widget
from jaxtyping import UInt8
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from torch import nn

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import FAINT, INK, MUTED
from fpnlib.models import BatchNorm2d
from fpnlib.ops import fold_batch_norm
from fpnlib.validation import require

EVAL, TRAINING = "eval", "training"
KERNELS = {
    "edges": ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0)),
    "blur": ((0.0625, 0.125, 0.0625), (0.125, 0.25, 0.125), (0.0625, 0.125, 0.0625)),
    "sharpen": ((0.0, -1.0, 0.0), (-1.0, 5.0, -1.0), (0.0, -1.0, 0.0)),
}
EQUAL = 1e-4  # differences up to here are rounding
_SIDE = 96  # pixels of the photo's longer side
_SHOWN = 3.0  # outputs from −3 to 3 are told apart by their grey


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
        blocks = photo[: rows * every, : columns * every].mean(2).reshape(rows, every, columns, every)
        grey = blocks.mean((1, 3))
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

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out three pictures, and the numbers below the two that have some."""
        rows = figure.subplots(2, 3, height_ratios=[1.1, 1])
        empty, maps = np.zeros(self._photo.shape[2:]), []
        for axes, title in zip(
            rows[0], ("Convolution, then batch norm", "One convolution", "Difference (grey is 0)"), strict=True
        ):
            axes.set(title=title, xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            maps.append(axes.imshow(_grey(empty)))
        self._two, self._one, self._difference = maps
        for axes in rows[1]:
            axes.set_axis_off()
            axes.set(xlim=(0, 1), ylim=(0, 1))
        place = {"ha": "right", "va": "center", "color": INK}
        self._cells = []
        for axes, words in ((rows[1][0], "bias, then batch norm"), (rows[1][1], "bias")):
            axes.text(0.14, 0.86, "weights", fontsize=9.5, color=MUTED)
            axes.axhline(0.24, 0.1, 0.9, color=FAINT, lw=1)
            axes.text(0.14, 0.08, words, fontsize=9.5, color=MUTED)
            cells = [
                axes.text(0.36 + 0.25 * column, 0.7 - 0.18 * row, "", fontsize=10, **place)
                for row in range(3)
                for column in range(3)
            ]
            self._cells.append([*cells, axes.text(0.86, 0.11, "", fontsize=10, weight="bold", **place)])
        rows[1][2].text(0.05, 0.72, "largest difference", fontsize=9.5, color=MUTED)
        self._largest = rows[1][2].text(0.05, 0.5, "", fontsize=13, weight="bold", color=INK)
        self._verdict = rows[1][2].text(0.05, 0.22, "", fontsize=11, color=INK)
        texts = [text for cells in self._cells for text in cells]
        return [self._two, self._one, self._difference, *texts, self._largest, self._verdict]

    def draw(self, data: FoldedData) -> None:
        """Show both outputs and all numbers."""
        self._two.set_data(_grey(data.two))
        self._one.set_data(_grey(data.one))
        self._difference.set_data(_grey(data.one - data.two))
        pairs = ((data.kernel, data.bias), (data.folded_kernel, data.folded_bias))
        for cells, (kernel, bias) in zip(self._cells, pairs, strict=True):
            for cell, value in zip(cells, [*kernel.ravel(), bias], strict=True):
                cell.set_text(number(value))
        self._largest.set_text(_rounded(data.largest))
        self._verdict.set_text("✓ equal" if data.largest <= EQUAL else "✗ not equal")

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
        return {
            "in eval mode both are equal": data.mode == TRAINING or data.largest <= EQUAL,
            "the weights are multiplied by one factor": bool(
                np.allclose(data.folded_kernel, data.factor * data.kernel, atol=1e-5)
            ),
        }


def _grey(values: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    """Grey levels: black −3 or less, white 3 or more. Bytes are drawn faster than numbers with a colour map."""
    levels = np.clip((values / _SHOWN + 1) * 127.5, 0, 255).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=2)


def _rounded(difference: float) -> str:
    return f"below {number(EQUAL)}" if difference <= EQUAL else number(difference)
