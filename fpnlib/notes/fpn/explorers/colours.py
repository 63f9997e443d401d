"""Feature maps as colours, in bytes and from look-up tables, since a slider waits for them."""

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import colormaps
from torch import Tensor

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
