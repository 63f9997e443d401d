"""Which level an object goes to, and the crop that each level would give it."""

import dataclasses
import itertools
import math

import numpy as np
from ipywidgets import Widget
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.handles import Place
from fpnlib.explore.style import BLUE, FAINT, MUTED, faded
from fpnlib.notes.fpn.experiments.assigned import BINS, RULES, Assigned, Box, Rule, assign, box_at, side_of
from fpnlib.notes.fpn.experiments.photo_pyramid import LONGEST, Library
from fpnlib.notes.fpn.explorers.colours import components

_SIDES = np.geomspace(2, LONGEST, 400)
_TICKS = (4, 8, 16, 32, 64, 128, 256, 512)


@dataclasses.dataclass(frozen=True)
class AssignmentData:
    """One box, as `wanted` by the controls: size, shape, x, y; and where it goes."""

    wanted: tuple[int, float, int, int]
    assigned: Assigned


class AssignmentExplorer(Explorer[AssignmentData]):
    """A box on the photo, the crop of each level, and the rule as a staircase."""

    title = "A box on a photo, the crop that each pyramid level gives it, and the rule that chooses the level"
    size = (1000, 400)
    groups = (("the box", ("size", "shape", "x", "y")),)

    def __init__(self, library: Library) -> None:
        self._pyramid = library.get(library.photos[0], library.backbones[0])
        self._pyramid.require_halves()
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

    def _box(self, size: int, shape: float, x: int, y: int) -> Box:
        height, width = self._pyramid.photo.shape[:2]
        return box_at(size, shape, x, y, (height, width))

    def compute(self, size: int, shape: float, x: int, y: int, rule: Rule) -> AssignmentData:
        """Choose the box's level, and pool it on every level."""
        wanted = size, shape, x, y
        return AssignmentData(wanted, assign(self._pyramid, self._box(*wanted), rule))

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
        photo.box(lambda data: data.assigned.box)
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
        rule.line(lambda data: (_SIDES, data.assigned.stairs(_SIDES)), color=BLUE, drawstyle="steps-post")
        sides = {"size": lambda value, data: (side_of(self._box(value, *data.wanted[1:])), None)}
        rule.dot(lambda data: (data.assigned.side, data.assigned.level), grab=sides)

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
        panel, whole = self.panel(axes, bare=True, title=name, xlim=(0, BINS), ylim=(BINS, 0)), (0, 0, BINS, BINS)
        panel.image(lambda data: components(data.assigned.crops[place]), whole)
        panel.box(lambda data: whole if f"P{data.assigned.level}" == name else None, lw=5, clip_on=False)
        panel.text(
            lambda data: "{}×{} cells".format(*(number(one) for one in data.assigned.cells[place])),
            *(1, 1.06),
            transform=axes.transAxes,
            ha="right",
            color=MUTED,
            fontsize=9,
        )

    def describe(self, data: AssignmentData) -> str:
        """Say the rule with its numbers, and what each level has for the box."""
        found = data.assigned
        x0, y0, x1, y1 = found.box
        cut = "" if found.raw == found.level else f", and of the levels there are P{found.level} is nearest"
        cells = ", ".join(
            f"P{level} {number(across)}×{number(down)}"
            for level, (across, down) in zip(found.levels, found.cells, strict=True)
        )
        return (
            f"The box of {x1 - x0}×{y1 - y0} pixels has the side {number(found.side)}. ⌊4 + log₂({number(found.side)} "
            f"/ {number(found.canonical)})⌋ = {number(found.raw)}{cut}: it goes to P{found.level}.\nCells that it "
            f"covers: {cells}. RoIAlign makes {BINS}×{BINS} of each; the colours are principal components."
        )

    def invariants(self, data: AssignmentData) -> dict[str, bool]:
        """Check the level against the rule, and the sizes."""
        found = data.assigned
        x0, y0, x1, y1 = found.box
        height, width = self._pyramid.photo.shape[:2]
        return {
            "the level is the rule's, cut off": found.level == min(max(found.raw, found.levels[0]), found.levels[-1]),
            "the box lies on the photo": 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height,
            "each level has half the cells": all(
                math.isclose(fine[0], 2 * coarse[0]) for fine, coarse in itertools.pairwise(found.cells)
            ),
        }
