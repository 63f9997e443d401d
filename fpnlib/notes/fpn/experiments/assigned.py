"""A box on a photo, the level that a rule sends it to, and the crop that every level would give it."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fpnlib.models.assignment import pyramid_level
from fpnlib.models.detector import CANONICAL_SIZE
from fpnlib.notes.fpn.experiments.photo_pyramid import Pyramid
from fpnlib.ops import roi_align

Rule = Literal["FPN paper: 224 px to P4", "small detector: 32 px to P4"]
RULES: dict[Rule, float] = {
    "FPN paper: 224 px to P4": 224.0,
    f"small detector: {CANONICAL_SIZE:g} px to P4": CANONICAL_SIZE,  # type: ignore[dict-item]
}
BINS = 7
_CANONICAL_LEVEL = 4
Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Assigned:
    """Where a box goes.

    raw:   ⌊k₀ + log₂(side / canonical)⌋ before the cut to the levels there are
    cells: width and height of the box in cells of each level
    crops: what RoIAlign makes of each level's colours
    """

    canonical: float
    box: Box
    side: float
    raw: int
    level: int
    levels: tuple[int, ...]
    cells: tuple[tuple[float, float], ...]
    crops: tuple[Float[Tensor, "3 7 7"], ...]

    def stairs(self, sides: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The level of boxes with these sides."""
        levels = np.floor(_CANONICAL_LEVEL + np.log2(sides / self.canonical))
        return levels.clip(self.levels[0], self.levels[-1])


@torch.inference_mode()
def assign(pyramid: Pyramid, box: Box, rule: Rule) -> Assigned:
    """Choose the box's level, and pool it on every level."""
    as_tensor = torch.tensor([box], dtype=torch.float32)
    levels, strides, canonical = pyramid.levels, pyramid.strides, RULES[rule]
    crops = (
        roi_align(one[None], [as_tensor / torch.tensor([wide, high] * 2)], BINS, 1.0, 2, aligned=True)[0]
        for one, (high, wide) in zip(pyramid.colours("P"), strides, strict=True)
    )
    return Assigned(
        canonical=canonical,
        box=box,
        side=side_of(box),
        raw=math.floor(_CANONICAL_LEVEL + math.log2(side_of(box) / canonical)),
        level=int(pyramid_level(as_tensor, canonical_size=canonical, levels=(levels[0], levels[-1]))[0]),
        levels=levels,
        cells=tuple(((box[2] - box[0]) / wide, (box[3] - box[1]) / high) for high, wide in strides),
        crops=tuple(crops),
    )


@lru_cache(maxsize=4096)  # a page asks for those of every size at each move
def box_at(size: float, shape: float, x: float, y: float, photo: tuple[int, int]) -> Box:
    """A box cut at the border of a photo of so many rows and columns; at least a pixel stays, wherever its centre is.

    Args:
        size: √(width · height).
        shape: log₂(width / height).
        x: the centre, in percent of the photo's width.
        y: in percent of its height.
        photo: height and width.
    """
    height, width = photo
    half = size / 2 * 2 ** (shape / 2), size / 2 * 2 ** (-shape / 2)
    middle = (x / 100 * width, y / 100 * height)
    x0 = min(max(0, round(middle[0] - half[0])), width - 1)
    y0 = min(max(0, round(middle[1] - half[1])), height - 1)
    x1 = max(x0 + 1, min(width, round(middle[0] + half[0])))
    return x0, y0, x1, max(y0 + 1, min(height, round(middle[1] + half[1])))


def side_of(box: Box) -> float:
    """√(width · height)."""
    return math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
