"""Which level an object goes to, and the crop that each level would give it."""

import dataclasses
import itertools
import math
from typing import Literal

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.handles import Place
from fpnlib.explore.style import BLUE, FAINT, MUTED, faded
from fpnlib.models.assignment import pyramid_level
from fpnlib.models.detector import CANONICAL_SIZE
from fpnlib.notes.fpn.experiments.photo_pyramid import LONGEST, Library
from fpnlib.notes.fpn.explorers.colours import components
from fpnlib.ops import roi_align

Rule = Literal["FPN paper: 224 px to P4", "small detector: 32 px to P4"]
RULES: dict[Rule, float] = {
    "FPN paper: 224 px to P4": 224.0,
    f"small detector: {CANONICAL_SIZE:g} px to P4": CANONICAL_SIZE,  # type: ignore[dict-item]
}
_CANONICAL_LEVEL = 4
BINS = 7
_SIDES = np.geomspace(2, LONGEST, 400)
_TICKS = (4, 8, 16, 32, 64, 128, 256, 512)


@dataclasses.dataclass(frozen=True)
class AssignmentData:
    """One box, the level it goes to, and the crop (BINS, BINS, 3) that every level would give it.

    wanted: size, shape, x, y, as the controls have them
    box:    x0, y0, x1, y1, cut at the photo's border
    raw:    ⌊k₀ + log₂(side / canonical)⌋ before the cut to the levels there are
    cells:  width and height of the box in cells of each level
    """

    wanted: tuple[int, float, int, int]
    canonical: float
    box: tuple[int, int, int, int]
    side: float
    raw: int
    level: int
    levels: tuple[int, ...]
    cells: tuple[tuple[float, float], ...]
    crops: tuple[np.ndarray, ...]


class AssignmentExplorer(Explorer[AssignmentData]):
    """A box on the photo, the crop of each level, and the rule as a staircase."""

    title = "A box on a photo, the crop that each pyramid level gives it, and the rule that chooses the level"
    size = (1000, 400)

    def __init__(self, library: Library) -> None:
        self._pyramid = library.get(library.photos[0], library.backbones[0])
        self._pyramid.require_halves()
        self._colours = self._pyramid.colours("P")
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the box, by size and centre, and the rule."""
        return {
            "size": slider("side of the box (pixels)", 200, 4, LONGEST, 4),
            "shape": slider("width : height, log₂", 0.0, -2.0, 2.0, 0.25),
            "x": slider("centre across (%)", 45, 0, 100, 1),
            "y": slider("centre down (%)", 33, 0, 100, 1),
            "rule": choice("rule", tuple(RULES)),
        }

    def _box(self, size: int, shape: float, x: int, y: int) -> tuple[int, int, int, int]:
        """Cut the box at the photo's border; at least a pixel stays, wherever the centre is."""
        height, width = self._pyramid.photo.shape[:2]
        half = size / 2 * 2 ** (shape / 2), size / 2 * 2 ** (-shape / 2)
        middle = (x / 100 * width, y / 100 * height)
        x0 = min(max(0, round(middle[0] - half[0])), width - 1)
        y0 = min(max(0, round(middle[1] - half[1])), height - 1)
        x1 = max(x0 + 1, min(width, round(middle[0] + half[0])))
        return x0, y0, x1, max(y0 + 1, min(height, round(middle[1] + half[1])))

    @torch.inference_mode()
    def compute(self, size: int, shape: float, x: int, y: int, rule: Rule) -> AssignmentData:
        """Choose the box's level, and pool it on every level."""
        box = self._box(size, shape, x, y)
        as_tensor = torch.tensor([box], dtype=torch.float32)
        levels, canonical = self._pyramid.levels, RULES[rule]
        side = _side(box)
        strides = self._pyramid.strides
        crops = tuple(
            components(
                roi_align(one[None], [as_tensor / torch.tensor([wide, high] * 2)], BINS, 1.0, 2, aligned=True)[0]
            )
            for one, (high, wide) in zip(self._colours, strides, strict=True)
        )
        return AssignmentData(
            wanted=(size, shape, x, y),
            canonical=canonical,
            box=box,
            side=side,
            raw=math.floor(_CANONICAL_LEVEL + math.log2(side / canonical)),
            level=int(pyramid_level(as_tensor, canonical_size=canonical, levels=(levels[0], levels[-1]))[0]),
            levels=levels,
            cells=tuple(((box[2] - box[0]) / wide, (box[3] - box[1]) / high) for high, wide in strides),
            crops=crops,
        )

    def build(self, figure: Figure) -> None:
        """Lay out photo, staircase and one crop a level."""
        levels = self._pyramid.levels
        crops = [f"P{level}" for level in levels]
        axes = figure.subplot_mosaic(
            [["photo", *crops], ["photo", *["rule"] * len(crops)]],
            width_ratios=[0.75 * len(crops), *[1] * len(crops)],
            height_ratios=[1, 1.3],
        )
        height, width = self._pyramid.photo.shape[:2]
        photo = self.panel(axes["photo"], bare=True, title="The box: drag its middle or a corner", anchor="N")
        photo.image(faded(self._pyramid.photo, 0.8), (0, 0, width, height), interpolation="bilinear")
        photo.axes.set(xlim=(-4, width + 4), ylim=(height + 4, -4))
        photo.box(lambda data: data.box)
        for across, down in itertools.product((0, 2), (1, 3)):
            photo.grab(**self._corner(across, down))
        photo.grab(x=lambda value: (value / 100 * width, None), y=lambda value: (None, value / 100 * height))
        for place, name in enumerate(crops):
            self._crop(axes[name], place, name)
        rule = self.panel(axes["rule"], title="Level against the side", xlabel="side, √(width · height) (pixels)")
        rule.axes.set(xscale="log", xlim=(2, LONGEST * 1.1), ylim=(levels[0] - 0.6, levels[-1] + 0.6))
        rule.axes.set_yticks(levels, crops)
        rule.axes.set_xticks(_TICKS, [str(tick) for tick in _TICKS])
        rule.axes.minorticks_off()
        for level in levels:
            rule.level(level, color=FAINT, lw=0.8, zorder=0)
        rule.line(lambda data: (_SIDES, _stairs(data)), color=BLUE, drawstyle="steps-post")
        rule.dot(
            lambda data: (data.side, data.level),
            grab={"size": lambda value, data: (_side(self._box(value, *data.wanted[1:])), None)},
        )

    def _corner(self, across: int, down: int) -> dict[str, Place]:
        """Where a corner of the box lies for every size and shape."""

        def of_size(value: int, data: AssignmentData) -> tuple[float, float]:
            box = self._box(value, *data.wanted[1:])
            return box[across], box[down]

        def of_shape(value: float, data: AssignmentData) -> tuple[float, float]:
            box = self._box(data.wanted[0], value, *data.wanted[2:])
            return box[across], box[down]

        return {"size": of_size, "shape": of_shape}

    def _crop(self, axes: Axes, place: int, name: str) -> None:
        """The crop of one level, in a frame if it is the chosen one."""
        panel = self.panel(axes, bare=True, title=name, xlim=(0, BINS), ylim=(BINS, 0))
        panel.image(lambda data: data.crops[place], (0, 0, BINS, BINS))
        panel.box(lambda data: (0, 0, BINS, BINS) if data.level == data.levels[place] else None, lw=5, clip_on=False)
        panel.text(
            lambda data: "{}×{} cells".format(*(number(one, 2) for one in data.cells[place])),
            1,
            1.06,
            transform=axes.transAxes,
            ha="right",
            color=MUTED,
            fontsize=9,
        )

    def describe(self, data: AssignmentData) -> str:
        """Say the rule with its numbers, and what each level has for the box."""
        x0, y0, x1, y1 = data.box
        cut = "" if data.raw == data.level else f", and of the levels there are P{data.level} is nearest"
        cells = ", ".join(
            f"P{level} {number(across)}×{number(down)}"
            for level, (across, down) in zip(data.levels, data.cells, strict=True)
        )
        return (
            f"The box of {x1 - x0}×{y1 - y0} pixels has the side {number(data.side)}. ⌊4 + log₂({number(data.side)} / "
            f"{number(data.canonical)})⌋ = {str(data.raw).replace('-', '−')}{cut}: it goes to P{data.level}.\nCells "
            f"that it covers: {cells}. RoIAlign makes {BINS}×{BINS} of each; the colours are principal components."
        )

    def invariants(self, data: AssignmentData) -> dict[str, bool]:
        """Check the level against the rule, and the sizes."""
        x0, y0, x1, y1 = data.box
        height, width = self._pyramid.photo.shape[:2]
        return {
            "the level is the rule's, cut off": data.level == min(max(data.raw, data.levels[0]), data.levels[-1]),
            "the box lies on the photo": 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height,
            "each level has half the cells": all(
                math.isclose(fine[0], 2 * coarse[0]) for fine, coarse in zip(data.cells, data.cells[1:], strict=False)
            ),
        }


def _side(box: tuple[int, int, int, int]) -> float:
    return math.sqrt((box[2] - box[0]) * (box[3] - box[1]))


def _stairs(data: AssignmentData) -> np.ndarray:
    """The level of each of _SIDES."""
    levels = np.floor(_CANONICAL_LEVEL + np.log2(_SIDES / data.canonical))
    return levels.clip(data.levels[0], data.levels[-1])
