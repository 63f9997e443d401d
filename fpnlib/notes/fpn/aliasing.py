"""How much a pyramid's maps hold that the coarser level could not, and how far a shifted photo shifts them."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from fpnlib.data import photo, photo_names
from fpnlib.models import FPN
from fpnlib.models.detector import Detector

SIDE = 320  # of the square that the nets see
MARGIN = 96  # pixels at each border that the zero padding may reach most
LEVELS = (2, 3, 4)  # those that something is added to


@dataclass(frozen=True, eq=False)
class PyramidMaps:
    """The maps of one level: its lateral, the level above enlarged, their sum M and the smoothed P; (1, C, H, W)."""

    lateral: Tensor
    enlarged: Tensor
    merged: Tensor
    smoothed: Tensor


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


def photo_squares(name: str, stride: int) -> tuple[Tensor, Tensor, Tensor]:
    """A square of the photo `name`, that one place of `stride` further down, and that one place further right."""
    image = Image.fromarray(photo(name))
    scale = (SIDE + 16) / min(image.size)
    size = [max(SIDE + 16, round(side * scale)) for side in image.size]
    pixels = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    whole = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    still, down, right = (
        whole[:, :, y : y + SIDE, x : x + SIDE].clone() for y, x in ((0, 0), (stride, 0), (0, stride))
    )
    return still, down, right


@torch.no_grad()
def pyramid_maps(fpn: FPN, features: list[Tensor]) -> list[PyramidMaps]:
    """The maps inside a pyramid, finest level first; where no level lies above, `enlarged` is 0."""
    merged, smoothed = fpn.merged(features), fpn(features)
    found = []
    for level, feature in enumerate(features):
        above = merged[level + 1] if level + 1 < len(features) else None
        enlarged = torch.zeros_like(merged[level]) if above is None else fpn.enlarge(above, feature.shape[2:])
        found.append(PyramidMaps(fpn.inner_blocks[level](feature), enlarged, merged[level], smoothed[level]))
    return found


def aliasing(detector: Detector, levels: tuple[int, ...] = LEVELS) -> dict[str, float]:
    """Means over all photos and `levels`: `share_<map>` and `error_<map>` for lateral, enlarged, merged, smoothed.

    Shares and errors are those of `high_frequency_share` and, for one place down and one right, `shift_error`.
    """
    found: dict[str, list[float]] = {}
    for name in photo_names():
        for level in levels:
            place, stride = detector.levels.index(level), 2**level
            still, down, right = (
                pyramid_maps(detector.fpn, detector.maps(square))[place] for square in photo_squares(name, stride)
            )
            for kind in ("lateral", "enlarged", "merged", "smoothed"):
                first = getattr(still, kind)
                if not first.any():
                    continue
                errors = [
                    shift_error(first, getattr(moved, kind), rows, columns, MARGIN // stride)
                    for moved, rows, columns in ((down, 1, 0), (right, 0, 1))
                ]
                found.setdefault(f"share_{kind}", []).append(high_frequency_share(first))
                found.setdefault(f"error_{kind}", []).append(sum(errors) / 2)
    return {name: float(np.mean(values)) for name, values in found.items()}
