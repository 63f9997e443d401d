"""The pictures in `fusion_kin`."""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.colors import to_rgb
from torch import Tensor

from fpnlib.explore import number
from fpnlib.explore.style import BLUE, GREEN, ORANGE
from fpnlib.notes.add_vs_concat.experiments.kin import MAPS, mean_of_maps

if TYPE_CHECKING:
    from fpnlib.notes.add_vs_concat.explorers.fusion_kin import KinData

COLOURS = (BLUE, GREEN, ORANGE)
"""Of the three maps."""


@lru_cache(maxsize=1)
def _components() -> tuple[Tensor, Tensor]:
    mean = mean_of_maps().flatten(1)
    middle = mean.mean(1, keepdim=True)
    directions, spreads, _ = torch.linalg.svd(mean - middle, full_matrices=False)
    return directions.T[:3] / spreads[:3, None] * mean.shape[1] ** 0.5, middle


def colours(values: Tensor) -> np.ndarray:
    """The first three principal components of the maps' mean as red, green and blue, (C, H, W) to (H, W, 3)."""
    directions, middle = _components()
    seen = directions @ (values.flatten(1) - middle)
    return (seen / 4 + 0.5).clamp(0, 1).mul(255).byte().T.reshape(*values.shape[1:], 3).numpy()


def marked(data: "KinData") -> np.ndarray:
    """Orange over the places that are looked at, the stronger the more they count."""
    over = np.empty((*data.sources.shape, 4), np.uint8)
    over[..., :3] = np.rint(255 * np.array(to_rgb(ORANGE)))
    over[..., 3] = np.rint(230 * data.sources)
    return over


def mixed(data: "KinData") -> np.ndarray:
    """The maps' colours, mixed as they share the weight at each place."""
    palette = np.array([to_rgb(colour) for colour in COLOURS])
    return np.rint(255 * np.einsum("mhw,mc->hwc", data.shares, palette)).clip(0, 255).astype(np.uint8)


def whose_words(data: "KinData", row: int, column: int) -> str:
    """The shares at a place."""
    return ", ".join(f"{name} {number(one, 2)}" for name, one in zip(MAPS, data.shares[:, row, column], strict=True))
