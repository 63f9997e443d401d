"""What superpixels are good for: pooling over them, and how well they could label an image."""

from jaxtyping import Float, Int
from torch import Tensor

from fpnlib.validation import require


def pool_segments(maps: Float[Tensor, "c h w"], segments: Int[Tensor, "h w"]) -> Float[Tensor, "c h w"]:
    """Replace each pixel of `maps` (C, H, W) by the mean over its segment; `segments` (H, W) holds ids from 0 up.

    Raises:
        ValueError: sizes that differ, negative ids.
    """
    ids = _ids("segments", segments, tuple(maps.shape[1:]))
    sums = maps.new_zeros(len(maps), int(ids.max()) + 1).index_add_(1, ids, maps.flatten(1))
    means = sums / ids.bincount().clamp(min=1)
    return means[:, ids].view_as(maps)


def achievable_accuracy(segments: Int[Tensor, "h w"], target: Int[Tensor, "h w"]) -> float:
    """Share of pixels that are right when every segment takes its most frequent label: the best it can do.

    `segments` and `target` (H, W), ids and labels from 0 up. Source: Liu et al., "Entropy Rate Superpixel
    Segmentation" (2011), the achievable segmentation accuracy.

    Raises:
        ValueError: sizes that differ, negative ids or labels.
    """
    ids, labels = _ids("segments", segments, tuple(target.shape)), _ids("target", target, tuple(target.shape))
    kinds = int(labels.max()) + 1
    counts = (ids * kinds + labels).bincount(minlength=(int(ids.max()) + 1) * kinds).view(-1, kinds)
    return (counts.max(1).values.sum() / ids.numel()).item()


def _ids(argument: str, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    got = tuple(values.shape)
    require(got == shape and values.numel() > 0, argument, f"shape {got}", f"{shape}, not empty")
    ids = values.flatten().long()
    require(bool((ids >= 0).all()), argument, f"numbers down to {int(ids.min())}", "numbers from 0 up")
    return ids
