"""RoIAlign on a 256×50×50 map, 1000 boxes, 7×7 bins, 2×2 samples: ours beside gathering every sample's four cells."""

import importlib

import pytest
import torch
from support.side_by_side import compare, least_seconds
from torch import Tensor

from fpnlib.ops import roi_align

STRIDE = 16


def scene() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(1, 256, 50, 50, generator=generator)
    # Boxes of 16 to 216 pixels, all samples on the map, where torchvision's two versions agree.
    corner = 500 * torch.rand(1000, 2, generator=generator)
    size = 16 + 200 * torch.rand(1000, 2, generator=generator)
    return features, torch.cat([torch.zeros(1000, 1), corner, corner + size], 1)


def gather_all(features: Tensor, boxes: Tensor, output: int = 7, samples: int = 2) -> Tensor:
    """All samples of all boxes at once: vectorised, but with every cell of every channel copied four times."""
    (_, _, height, width), x0y0, x1y1 = features.shape, boxes[:, 1:3] / STRIDE, boxes[:, 3:] / STRIDE
    fraction = (torch.arange(output * samples) + 0.5) / (output * samples)
    at = x0y0[:, :, None] + (x1y1 - x0y0).clamp(min=1)[:, :, None] * fraction
    low = at.long().clamp(max=torch.tensor([[width - 2], [height - 2]]))
    (x, y), (right, down) = low.unbind(1), (at - low).unbind(1)
    result = 0
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (down if dy else 1 - down)[:, :, None] * (right if dx else 1 - right)[:, None, :]
        result = result + features[0][:, y[:, :, None] + dy, x[:, None, :] + dx] * weight
    bins = result.unflatten(2, (output, samples)).unflatten(4, (output, samples))
    return bins.mean((3, 5)).transpose(0, 1)


def test_roi_align(benchmark):
    features, boxes = scene()

    def ours():
        return roi_align(features, boxes, 7, 1 / STRIDE, 2)

    torch.testing.assert_close(ours(), gather_all(features, boxes))
    mine, gathered = least_seconds(ours, lambda: gather_all(features, boxes), rounds=2)
    benchmark(ours)
    compare(benchmark, "RoIAlign, 1000 boxes", "gathering every sample at once", gathered / mine, 1)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_roi_align_beside_torchvision(benchmark, torchvision):
    features, boxes = scene()
    path = importlib.import_module("torchvision.ops.roi_align")  # torchvision.ops.roi_align is the function

    def ours():
        return roi_align(features, boxes, 7, 1 / STRIDE, 2)

    def theirs():
        return path._roi_align(features, boxes, 1 / STRIDE, 7, 7, 2, False)

    torch.testing.assert_close(ours(), theirs())
    mine, vision = least_seconds(ours, theirs, rounds=2)
    benchmark(ours)
    compare(benchmark, "RoIAlign, 1000 boxes", "torchvision's Python path", vision / mine, 1)
