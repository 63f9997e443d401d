"""How much a pyramid's maps hold that the coarser level could not, and how far a shifted photo shifts them."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from fpnlib.data import photo
from fpnlib.models import FPN
from fpnlib.training.examples import Backbone

PHOTOS = ("rocket", "flower", "bin", "astronaut")  # on which no pyramid of `levels` was trained
SIDE = 320  # of the square that the nets see
MARGIN = 96  # pixels at each border that the zero padding may reach most
LEVELS = (2, 3, 4)  # those that something is added to


@dataclass(frozen=True, eq=False)
class PyramidMaps:
    """The maps of one level, (1, C, H, W): its lateral, the sum M, the smoothed P, and M after a binomial filter."""

    lateral: Tensor
    merged: Tensor
    smoothed: Tensor
    blurred: Tensor


def high_frequency_share(level: Float[Tensor, "1 c h w"]) -> float:
    """The share of a map's energy at frequencies that the level above cannot hold: above a quarter cycle per place.

    Energy is summed over channels, each less its mean, under a Hann window.
    """
    window = torch.hann_window(level.shape[2])[:, None] * torch.hann_window(level.shape[3])
    centred = level[0] - level[0].mean((1, 2), keepdim=True)
    energy = torch.fft.fft2(centred * window).abs().square().sum(0)
    rows, columns = torch.fft.fftfreq(level.shape[2]).abs(), torch.fft.fftfreq(level.shape[3]).abs()
    above = torch.maximum(rows[:, None], columns) > 0.25
    return (energy[above].sum() / energy.sum()).item()


def shift_error(
    still: Float[Tensor, "1 c h w"], moved: Float[Tensor, "1 c h w"], rows: int, columns: int, margin: int
) -> float:
    """How far `moved` is from `still` shifted by whole places: root mean square, in units of still's deviation.

    A net that commutes with the shift gives 0. Places nearer than `margin` to the border do not count.
    """
    height, width = still.shape[2:]
    inner = moved[:, :, margin : height - margin, margin : width - margin]
    shifted = still[:, :, margin + rows : height - margin + rows, margin + columns : width - margin + columns]
    spread = shifted - shifted.mean((2, 3), keepdim=True)
    return ((inner - shifted).square().mean() / spread.square().mean()).sqrt().item()


def photo_square(name: str, rows: int = 0, columns: int = 0) -> Float[Tensor, "1 3 h w"]:
    """A square of the photo `name`, its values 0…255, so many pixels further down and further right."""
    image = Image.fromarray(photo(name))
    scale = (SIDE + 16) / min(image.size)
    size = [max(SIDE + 16, round(side * scale)) for side in image.size]
    pixels = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    cut = pixels[rows : rows + SIDE, columns : columns + SIDE]
    return torch.from_numpy(cut.copy()).permute(2, 0, 1)[None].float()


@torch.no_grad()
def pyramid_maps(fpn: FPN, features: list[Tensor]) -> list[PyramidMaps]:
    """The maps inside a pyramid, finest level first."""
    merged, smoothed = fpn.merged(features), fpn(features)
    laterals = [block(feature) for block, feature in zip(fpn.inner_blocks, features, strict=True)]
    binomial = torch.tensor([1.0, 2, 1])
    kernel = (torch.outer(binomial, binomial) / 16).expand(fpn.out_channels, 1, 3, 3)
    blurred = [F.conv2d(level, kernel, padding=1, groups=fpn.out_channels) for level in merged]
    return [PyramidMaps(*maps) for maps in zip(laterals, merged, smoothed, blurred, strict=True)]


@lru_cache(maxsize=len(PHOTOS) * (1 + 2 * len(LEVELS)))
def _features(name: str, rows: int, columns: int) -> list[Tensor]:
    """C2…C5 that EfficientNet-Lite0 makes of a square of the photo, so many pixels further down and right."""
    with torch.no_grad():
        return _backbone()(photo_square(name, rows, columns))


@lru_cache(maxsize=1)
def _backbone() -> Backbone:
    return Backbone().eval().requires_grad_(False)


def aliasing(fpn: FPN) -> dict[str, float]:
    """Means over PHOTOS and LEVELS of `high_frequency_share` and, for one place down and one right, `shift_error`.

    `share_<map>` and `error_<map>` for lateral, merged, smoothed, and for blurred: M after a binomial 3×3, whatever the
    pyramid has learnt.
    """
    found: dict[str, list[float]] = {}
    for name, level in product(PHOTOS, LEVELS):
        stride = 2**level
        still, *moved = (
            pyramid_maps(fpn, _features(name, *by))[level - 2] for by in ((0, 0), (stride, 0), (0, stride))
        )
        for kind in ("lateral", "merged", "smoothed", "blurred"):
            first = getattr(still, kind)
            errors = [
                shift_error(first, getattr(other, kind), rows, columns, MARGIN // stride)
                for other, rows, columns in zip(moved, (1, 0), (0, 1), strict=True)
            ]
            found.setdefault(f"share_{kind}", []).append(high_frequency_share(first))
            found.setdefault(f"error_{kind}", []).append(sum(errors) / 2)
    return {name: float(np.mean(values)) for name, values in found.items()}
