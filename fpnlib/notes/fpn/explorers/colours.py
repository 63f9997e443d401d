"""Feature maps as colours, in bytes and from look-up tables, since a slider waits for them."""

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from matplotlib import colormaps
from torch import Tensor

from fpnlib.data.photos import image_batch

SPREAD = 2.0  # standard deviations either side of the mean that the colours span
_CIVIDIS = (colormaps["cividis"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


def heat(values: Float[Tensor, "h w"], middle: float, reach: float) -> UInt8[np.ndarray, "h w 3"]:
    """Blue at `middle` − `reach` or less, yellow at `middle` + `reach` or more."""
    scaled = (values - (middle - reach)) * (255 / (2 * reach) if reach > 0 else 0.0)
    return _CIVIDIS[scaled.clamp(0, 255).byte().numpy()]


def heat_range(values: Float[Tensor, "h w"]) -> tuple[float, float]:
    """Middle and reach of the colours of one map: its mean and SPREAD standard deviations."""
    return values.mean().item(), SPREAD * values.std(correction=0).item()


def components(values: Float[Tensor, "3 h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Three principal components of spread one as red, green and blue; 0 is mid-grey."""
    return ((values / (2 * SPREAD) + 0.5).clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()


def preview(photo: UInt8[np.ndarray, "h w 3"], longest: int) -> UInt8[np.ndarray, "rows columns 3"]:
    """A photo whose longer side is `longest` pixels at most."""
    batch = image_batch(photo)
    scale = min(1.0, longest / max(batch.shape[2:]))
    sides = [max(1, round(side * scale)) for side in batch.shape[2:]]
    small = F.interpolate(batch, sides, mode="bilinear", antialias=True)[0]
    return small.permute(1, 2, 0).round().clamp(0, 255).byte().numpy()
