"""Which level an object goes to, and the crop that each level would give it."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, faded
from fpnlib.models.assignment import pyramid_level
from fpnlib.models.detector import CANONICAL_SIZE
from fpnlib.notes.fpn.colours import components, preview
from fpnlib.notes.fpn.photo_pyramid import LONGEST, Library
from fpnlib.notes.fpn.pixels import Pixels
from fpnlib.ops import roi_align

Rule = Literal["FPN paper: 224 px to P4", "small detector: 32 px to P4"]
RULES: dict[Rule, float] = {
    "FPN paper: 224 px to P4": 224.0,
    f"small detector: {CANONICAL_SIZE:g} px to P4": CANONICAL_SIZE,  # type: ignore[dict-item]
}
_CANONICAL_LEVEL = 4
BINS = 7
_PREVIEW = 300


@dataclasses.dataclass(frozen=True)
class AssignmentData:
    """One box, the level it goes to, and the crop (BINS, BINS, 3) that every level would give it.

    raw:   ⌊k₀ + log₂(side / canonical)⌋ before the cut to the levels there are
    cells: width and height of the box in cells of each level
    """

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

    @torch.inference_mode()
    def compute(self, size: int, shape: float, x: int, y: int, rule: Rule) -> AssignmentData:
        """Cut the box at the photo's border, choose its level, pool it on every level."""
        height, width = self._pyramid.photo.shape[:2]
        across, down = size * 2 ** (shape / 2), size * 2 ** (-shape / 2)
        middle = (x / 100 * width, y / 100 * height)
        # At least a pixel stays, wherever the centre is.
        x0 = min(max(0, round(middle[0] - across / 2)), width - 1)
        y0 = min(max(0, round(middle[1] - down / 2)), height - 1)
        box = (x0, y0, max(x0 + 1, min(width, round(middle[0] + across / 2))), 0)
        box = (*box[:3], max(y0 + 1, min(height, round(middle[1] + down / 2))))
        as_tensor = torch.tensor([box], dtype=torch.float32)
        levels, canonical = self._pyramid.levels, RULES[rule]
        side = math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
        strides = self._pyramid.strides
        crops = tuple(
            components(
                roi_align(one[None], [as_tensor / torch.tensor([wide, high] * 2)], BINS, 1.0, 2, aligned=True)[0]
            )
            for one, (high, wide) in zip(self._colours, strides, strict=True)
        )
        return AssignmentData(
            canonical=canonical,
            box=box,
            side=side,
            raw=math.floor(_CANONICAL_LEVEL + math.log2(side / canonical)),
            level=int(pyramid_level(as_tensor, canonical_size=canonical, levels=(levels[0], levels[-1]))[0]),
            levels=levels,
            cells=tuple(((box[2] - box[0]) / wide, (box[3] - box[1]) / high) for high, wide in strides),
            crops=crops,
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out photo, staircase and one crop a level."""
        levels = self._pyramid.levels
        crops = [f"P{level}" for level in levels]
        panels = figure.subplot_mosaic(
            [["photo", *crops], ["photo", *["rule"] * len(crops)]],
            width_ratios=[0.55 * len(crops), *[1] * len(crops)],
            height_ratios=[1, 1.1],
        )
        height, width = self._pyramid.photo.shape[:2]
        photo = panels["photo"]
        photo.set(title="The box", xticks=[], yticks=[], xlim=(-4, width + 4), ylim=(height + 4, -4), aspect="equal")
        photo.spines[:].set_visible(False)
        photo.imshow(faded(preview(self._pyramid.photo, _PREVIEW), 0.8), extent=(0, width, height, 0))
        photo.set(xlim=(-4, width + 4), ylim=(height + 4, -4))
        self._box = photo.add_patch(Rectangle((0, 0), 1, 1, fill=False, ec=ORANGE, lw=2.5))
        self.grab(photo, x=lambda value: (value / 100 * width, None), y=lambda value: (None, value / 100 * height))
        self._crops, self._frames, self._sizes = [], [], []
        for name in crops:
            panel = panels[name]
            panel.set(title=f"{name}, cells", xticks=[], yticks=[], xlim=(0, BINS), ylim=(BINS, 0), aspect="equal")
            panel.spines[:].set_visible(False)
            self._crops.append(Pixels(panel))
            frame = Rectangle((0, 0), BINS, BINS, fill=False, ec=ORANGE, lw=5, clip_on=False)
            self._frames.append(panel.add_patch(frame))
            beside = {"transform": panel.transAxes, "ha": "right", "va": "bottom", "color": MUTED, "fontsize": 9}
            self._sizes.append(panel.text(1, 1.06, "", **beside))
            # What a text says must not move the panels.
            self._sizes[-1].set_in_layout(False)
        rule = panels["rule"]
        self._sides = np.geomspace(2, LONGEST, 400)
        rule.set(
            title="Level against the side, √(width · height)",
            xlabel="pixels",
            xscale="log",
            xlim=(2, LONGEST * 1.1),
            ylim=(levels[0] - 0.6, levels[-1] + 0.6),
        )
        rule.set_yticks(levels, crops)
        ticks = (4, 8, 16, 32, 64, 128, 256, 512)
        rule.set_xticks(ticks, [str(tick) for tick in ticks])
        rule.minorticks_off()
        for level in levels:
            rule.axhline(level, color=FAINT, lw=0.8, zorder=0)
        (self._stairs,) = rule.plot([], [], color=BLUE, drawstyle="steps-post")
        (self._point,) = rule.plot([], [], "o", ms=10, color=ORANGE, mec=INK)
        return [self._box, *self._crops, *self._frames, *self._sizes, self._stairs, self._point]

    def draw(self, data: AssignmentData) -> None:
        """Move the box, show the crops, mark the level."""
        x0, y0, x1, y1 = data.box
        self._box.set_bounds(x0, y0, x1 - x0, y1 - y0)
        for level, image, crop, frame, text, (across, down) in zip(
            data.levels, self._crops, data.crops, self._frames, self._sizes, data.cells, strict=True
        ):
            image.show(crop, 0, 0, BINS, BINS)
            frame.set_visible(level == data.level)
            text.set_text(f"{number(across, 2)}×{number(down, 2)}")
        levels = np.floor(_CANONICAL_LEVEL + np.log2(self._sides / data.canonical))
        self._stairs.set_data(self._sides, levels.clip(data.levels[0], data.levels[-1]))
        self._point.set_data([data.side], [data.level])

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
