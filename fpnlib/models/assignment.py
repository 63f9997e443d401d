"""Which pyramid level an object goes to, by its size."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from fpnlib.validation import require, require_finite


def pyramid_level(
    boxes: Float[Tensor, "n 4"],
    *,
    canonical_size: float = 224.0,
    canonical_level: int = 4,
    levels: tuple[int, int] = (2, 5),
) -> Int64[Tensor, " n"]:
    """The level of each box: ⌊canonical_level + log₂(√(width · height) / canonical_size)⌋, cut off at both ends.

    `boxes` (n, 4), x0 y0 x1 y1 in pixels; `levels` are the finest and the coarsest there are, (2, 5) for P2…P5. A box
    of `canonical_size` goes to `canonical_level`, one of half the side to the level below. A box without area goes
    to the finest level. ValueError for a canonical size that is not positive, levels in falling order, NaN boxes.
    Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, section 4.2, equation 1.
    """
    require(canonical_size > 0, "canonical_size", canonical_size, "above 0")
    require(levels[0] <= levels[1], "levels", levels, "the finest first")
    require_finite("boxes", boxes)
    side = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1).sqrt()
    # A little is added, as torchvision does, so that rounding lets no exact power of two fall below itself.
    level = torch.floor(canonical_level + torch.log2(side / canonical_size) + 1e-6)
    return level.clamp(*levels).long()
