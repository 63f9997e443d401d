"""The gradient highway: what arrives at each of 60 blocks, for what goes past them."""

import dataclasses
from functools import partial

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.claims import Result
from fpnlib.explore import Explorer, choice, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, MUTED, ORANGE, PURPLE
from fpnlib.models.stacks import SKIPS, Skip
from fpnlib.notes.add_vs_concat.experiments.gradients import DEPTHS, gradient_per_block

START_NAMES = {
    "torch's initial weights": "torch",
    "He's initial weights": "he",
    "He's, each branch divided by √60": "branch",
    "torch's, with batch norm": "norm",
}
_BLOCKS = np.arange(1, DEPTHS[-1] + 1)
_SCALES = tuple(n / 20 for n in range(21))
_ROWS = ("plain, λ = 0", "your λ", "residual, λ = 1", "concat")
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


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


class HighwayExplorer(Explorer[HighwayData]):
    """What arrives at each of 60 blocks, and the ledger's curves against depth."""

    title = "The gradient that arrives at each of 60 blocks for four kinds of skip, and against depth over 16 seeds"
    size = (1000, 400)

    def __init__(self) -> None:
        self._stored = Result.load("AC-8")
        self._curves: dict[str, dict[Skip, np.ndarray]] = {
            start: {
                skip: np.array(
                    [[0.0] * 3, *(self._stored.with_interval(f"{start}_{skip}_{depth}") for depth in DEPTHS[1:])]
                )
                for skip in SKIPS
            }
            for start in START_NAMES.values()
        }
        for start in START_NAMES.values():
            _arrives(0.5, start)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return how much of the input goes past each block, the block to look at, and the start."""
        return {
            "scale": slider("λ, the share of its input that goes past each block", 0.5, 0.0, 1.0, 0.05),
            "depth": slider("blocks before the loss", 30, 1, DEPTHS[-1], 1),
            "start": choice("start", tuple(START_NAMES)),
        }

    def compute(self, scale: float, depth: int, start: str) -> HighwayData:
        """Run the loss back through the stack with this λ."""
        name = START_NAMES[start]
        return HighwayData(start, scale, depth, _arrives(round(scale, 2), name), self._curves[name])

    def build(self, figure: Figure) -> None:
        """Lay out one net's gradients beside those of nets of every depth."""
        left, right = figure.subplots(1, 2, sharey=True)
        limits = {"xlim": (0, 61), "ylim": (-27, 12)}
        one = self.panel(left, title="One net of 60 blocks: the gradient at each block", **limits)
        one.axes.set(xlabel="blocks before the loss", ylabel="decades against the last block")
        seeds = len(self._stored.seeds)
        every = self.panel(right, title=f"Nets of 1 to 60 blocks: the first kernel, {seeds} seeds", **limits)
        every.axes.set(xlabel="blocks", ylabel="decades against one block")
        for panel in (one, every):
            panel.level(0, color=FAINT, lw=1, zorder=0)
            panel.upright(lambda data: data.depth, color=ORANGE, lw=1.5, grab="depth")
        names, colours = ("plain", "your λ", "residual", "concat"), (MUTED, ORANGE, BLUE, PURPLE)
        for row, (name, colour, dashes) in enumerate(zip(names, colours, (":", "-", "-", "-."), strict=True)):
            of = partial(lambda row, data: (_BLOCKS, data.arrives[row]), row)
            one.line(of, color=colour, ls=dashes, label=name, zorder=3 if name == "your λ" else 2)
        one.names(lambda data: data.arrives[:, -1], names, colours)
        one.dot(
            lambda data: (data.depth, data.at_depth["your λ"]),
            grab={
                "depth": lambda value: (value, None),
                "scale": lambda value, data: (None, self.compute(value, data.depth, data.start).at_depth["your λ"]),
            },
        )
        names, colours = ("plain", "residual", "λ = ½", "concat"), (MUTED, BLUE, GREEN, PURPLE)
        for skip, name, colour, dashes in zip(SKIPS, names, colours, (":", "-", "--", "-."), strict=True):
            means = partial(lambda skip, data: (DEPTHS, data.curves[skip]), skip)
            every.means(means, color=colour, ls=dashes, label=name, ms=4)
        every.names(lambda data: [data.curves[skip][-1, 0] for skip in SKIPS], names, colours)

    def describe(self, data: HighwayData) -> str:
        """Say what is left at the chosen block."""
        left = "; ".join(f"{name} {_decades(value)}" for name, value in data.at_depth.items())
        deepest = "; ".join(
            f"{'λ = ½' if skip == 'scaled' else skip} {_decades(curve[-1, 0])}" for skip, curve in data.curves.items()
        )
        return (
            f"{data.start}, λ = {number(data.scale)}. The gradient {counted(data.depth, 'block')} before the loss "
            f"against the one at the last block: {left}.\nOver {len(self._stored.seeds)} seeds, at the first kernel of "
            f"60 blocks against that of one: {deepest}."
        )

    def invariants(self, data: HighwayData) -> dict[str, bool]:
        """Check that a λ at either end is the stack it is said to be, and that all begin at the last block."""
        plain, own, residual, _ = data.arrives
        return {
            "the last block is the measure": bool((data.arrives[:, 0] == 0).all()),
            "λ = 0 is plain": data.scale > 0 or bool(np.allclose(own, plain)),
            "λ = 1 is residual": data.scale < 1 or bool(np.allclose(own, residual)),
        }


def _arrives(scale: float, start: str) -> np.ndarray:
    """What `HighwayData.arrives` has, for λ at `scale`; that of every step of the slider is computed at once."""
    plain, residual, concat = (gradient_per_block(skip, start)[0] for skip in ("plain", "residual", "concat"))
    scales = _SCALES if scale in _SCALES else (scale,)
    own = gradient_per_block("scaled", start, scales)[scales.index(scale)]
    return np.stack([plain, own, residual, concat])


def _decades(value: float) -> str:
    """A factor given in decades, in words a reader can take in: ÷ 40, or ÷ 10¹²."""
    sign, size = "×" if value > 0 else "÷", abs(value)
    if size < 0.05:
        return "unchanged"
    if size < 4:
        return f"{sign} {number(10**size, 2)}"
    return f"{sign} 10{str(round(size)).translate(_SUPERSCRIPT)}"
