"""The gradient highway: what arrives at each of 60 blocks, for what goes past them."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import Widget
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import nn

from fpnlib.claims import Result
from fpnlib.explore import Explorer, choice, counted, number, slider
from fpnlib.explore.style import BLUE, GREEN, INK, MUTED, ORANGE, PAPER, PURPLE, on_paper
from fpnlib.models.stacks import SKIPS, Skip, Stack
from fpnlib.notes.add_vs_concat.experiments.digits import digits
from fpnlib.notes.add_vs_concat.experiments.gradients import DEPTHS, make_stack

START_NAMES = {
    "torch's initial weights": "torch",
    "He's initial weights": "he",
    "He's, each branch divided by √60": "branch",
    "torch's, with batch norm": "norm",
}
_BLOCKS = DEPTHS[-1]
_ROWS = ("plain, λ = 0", "your λ", "residual, λ = 1", "concat")
_LOOKS = {"plain": (MUTED, ":"), "residual": (BLUE, "-"), "scaled": (PURPLE, "--"), "concat": (GREEN, "-.")}
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_DECADES = 12  # of the colour scale, both ways


@dataclasses.dataclass(frozen=True)
class HighwayData:
    """Decades of the gradient at each block's input against the last block's; and the ledger's curves."""

    start: str
    scale: float
    depth: int
    arrives: np.ndarray  # (4 rows, 60): what `_ROWS` names, first column the block beside the loss
    curves: dict[Skip, np.ndarray]  # (len(DEPTHS), 3): mean, low, high over seeds

    @property
    def at_depth(self) -> dict[str, float]:
        """What is left `depth` blocks before the loss, in decades, by row."""
        return dict(zip(_ROWS, self.arrives[:, self.depth - 1].tolist(), strict=True))


@functools.lru_cache(maxsize=128)
def gradient_per_block(skip: Skip, start: str, scale: float) -> np.ndarray:
    """Decades of the loss's gradient at the input of each block, from the last to the first; 0 for the last."""
    pixels, labels = digits()
    stem, stack = _stack(skip, start)
    stack.scale = scale
    x = stem(pixels[:2].view(-1, 1, 8, 8)).detach().requires_grad_()
    states = [x, *stack.states(x)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = nn.Linear(states[-1].shape[1], 10).double()
    loss = F.cross_entropy(head(states[-1].mean((2, 3))), labels[:2])
    norms = torch.stack([gradient.norm() for gradient in torch.autograd.grad(loss, states[:-1])])
    decades = norms.log10().flip(0)
    return (decades - decades[0]).numpy()


@functools.cache
def _stack(skip: Skip, start: str) -> tuple[nn.Module, Stack]:
    return make_stack(0, skip, start, _BLOCKS)


class HighwayExplorer(Explorer[HighwayData]):
    """A strip of 60 blocks coloured by the gradient that arrives, and the ledger's curves against depth."""

    title = "The gradient that arrives at each of 60 blocks for four kinds of skip, and against depth over 16 seeds"
    size = (1000, 400)

    def __init__(self) -> None:
        stored = Result.load("AC-8")
        self._curves: dict[str, dict[Skip, np.ndarray]] = {}
        for start in START_NAMES.values():
            self._curves[start] = {
                skip: np.array(
                    [[0.0] * 3]
                    + [[stored.number(f"{start}_{skip}_{d}{end}") for end in ("", "_low", "_high")] for d in DEPTHS[1:]]
                )
                for skip in SKIPS
            }
        for start in START_NAMES.values():
            self._references(start)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return how much of the input goes past each block, the block to look at, and the start."""
        return {
            "scale": slider("λ, the share of its input that goes past each block", 0.5, 0.0, 1.0, 0.05),
            "depth": slider("blocks before the loss", 30, 1, _BLOCKS, 1),
            "start": choice("start", tuple(START_NAMES)),
        }

    @staticmethod
    def _references(start: str) -> list[np.ndarray]:
        return [gradient_per_block(skip, start, 0.5) for skip in ("plain", "residual", "concat")]

    def compute(self, scale: float, depth: int, start: str) -> HighwayData:
        """Run the loss back through the stack with this λ."""
        plain, residual, concat = self._references(START_NAMES[start])
        own = gradient_per_block("scaled", START_NAMES[start], round(scale, 2))
        return HighwayData(
            start=start,
            scale=scale,
            depth=depth,
            arrives=np.stack([plain, own, residual, concat]),
            curves=self._curves[START_NAMES[start]],
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the strip above the curves' own panel."""
        strip, curves = figure.subplots(1, 2, width_ratios=[1.25, 1])
        strip.set(title="One net of 60 blocks: what arrives at each block", xlabel="blocks before the loss", yticks=[])
        shades = colormaps["RdBu"]
        dark = LinearSegmentedColormap.from_list("less to more", [shades(0.2), PAPER, shades(0.8)])
        self._strip = strip.imshow(
            np.zeros((4, _BLOCKS)),
            cmap=on_paper(shades, dark),
            vmin=-_DECADES,
            vmax=_DECADES,
            aspect="auto",
            extent=(0.5, 60.5, 4, 0),
        )
        strip.set_yticks(np.arange(4) + 0.5, _ROWS)
        strip.tick_params(axis="y", length=0)
        strip.set_xticks([1, *range(10, 61, 10)])
        strip.invert_xaxis()
        bar = figure.colorbar(self._strip, ax=strip, orientation="horizontal", shrink=0.8, pad=0.02)
        bar.set_label("decades more (blue) or less (red) than at the last block")
        self._line = strip.axvline(1, color=INK, lw=1.5)
        curves.set(title="Nets of 1 to 60 blocks: the first kernel, 16 seeds", xlabel="blocks", ylabel="decades")
        curves.set(xlim=(0, 61), ylim=(-27, 10))
        self._lines = {}
        for skip in SKIPS:
            label = "λ = ½" if skip == "scaled" else skip
            colour, dashes = _LOOKS[skip]
            (self._lines[skip],) = curves.plot([], [], color=colour, ls=dashes, marker="o", ms=4, label=label)
        self._intervals = curves.add_collection(LineCollection([], colors=INK, lw=1.5, zorder=5))
        curves.axhline(0, color=MUTED, lw=0.8, zorder=0)
        curves.legend(loc="lower left")
        self._mark = curves.axvline(1, color=ORANGE, lw=1.5)
        for axes in (strip, curves):
            self.grab(axes, depth=lambda value: (value, None))
        return [self._strip, self._line, *self._lines.values(), self._intervals, self._mark]

    def draw(self, data: HighwayData) -> None:
        """Colour the strip, move the curves and the two marks."""
        self._strip.set_data(data.arrives)
        self._line.set_xdata([data.depth, data.depth])
        self._mark.set_xdata([data.depth, data.depth])
        for skip, line in self._lines.items():
            line.set_data(DEPTHS, data.curves[skip][:, 0])
        self._intervals.set_segments(
            [
                [(depth, low), (depth, high)]
                for curve in data.curves.values()
                for depth, (_, low, high) in zip(DEPTHS, curve, strict=True)
            ]
        )

    def describe(self, data: HighwayData) -> str:
        """Say what is left at the chosen block."""
        left = "; ".join(f"{name} {_decades(value)}" for name, value in data.at_depth.items())
        deepest = "; ".join(
            f"{'λ = ½' if skip == 'scaled' else skip} {_decades(curve[-1, 0])}" for skip, curve in data.curves.items()
        )
        return (
            f"{data.start}, λ = {number(data.scale)}. The gradient {counted(data.depth, 'block')} before the loss "
            f"against the one at the last block: {left}.\nOver 16 seeds, at the first kernel of 60 blocks against that "
            f"of one: {deepest}."
        )

    def invariants(self, data: HighwayData) -> dict[str, bool]:
        """Check that a λ at either end is the stack it is said to be, and that all begin at the last block."""
        plain, own, residual, _ = data.arrives
        return {
            "the last block is the measure": bool((data.arrives[:, 0] == 0).all()),
            "λ = 0 is plain": data.scale > 0 or bool(np.allclose(own, plain)),
            "λ = 1 is residual": data.scale < 1 or bool(np.allclose(own, residual)),
        }


def _decades(value: float) -> str:
    """A factor given in decades, in words a reader can take in: ÷ 40, or ÷ 10¹²."""
    sign, size = "×" if value > 0 else "÷", abs(value)
    if size < 0.05:
        return "unchanged"
    if size < 4:
        return f"{sign} {number(10**size, 2)}"
    return f"{sign} 10{str(round(size)).translate(_SUPERSCRIPT)}"
