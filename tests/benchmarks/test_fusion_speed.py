"""AC-2's measured time: the convolution after a concat beside the same one after an add, and HED on a photo."""

import pytest
import torch
from support.side_by_side import compare, least_seconds
from torch import nn

from fpnlib.data import photo
from fpnlib.metrics import BoundaryReference
from fpnlib.models import HED
from fpnlib.models.fusion import Add, Concat, tie_concat


@pytest.mark.parametrize(("channels", "kernel", "side"), [(64, 3, 64), (256, 3, 32), (256, 1, 64)])
def test_concat_and_its_convolution_beside_add_and_its(benchmark, channels, kernel, side):
    x, y = torch.randn(2, 1, channels, side, side)
    conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
    tied, add, concat = tie_concat(conv), Add(), Concat()
    with torch.inference_mode():
        after_add, after_concat = least_seconds(lambda: conv(add(x, y)), lambda: tied(concat(x, y)), rounds=15)
        benchmark(lambda: conv(add(x, y)))
    ratio = after_concat / after_add
    what = f"add and its {kernel}×{kernel} convolution, {channels} channels"
    # Twice the products; small ones leave time to what surrounds them.
    compare(benchmark, what, "concat and its convolution", ratio, 1.2)
    assert ratio < 3


def test_scoring_a_photo_costs_little_beside_finding_its_edges(benchmark):
    network, image = HED.pretrained(), HED.preprocess(photo("cafe"))
    with torch.inference_mode():
        fused = network(image).fused[0, 0].clone()
        boundary = torch.zeros(fused.shape, dtype=torch.bool)
        boundary[100:300:40, 50:450] = True
        reference = BoundaryReference(boundary, 4.7)
        forward, scored = least_seconds(lambda: network(image), lambda: reference.curve(fused), rounds=3)
    benchmark(reference.curve, fused)
    compare(benchmark, "scoring a photo's edges", "finding them with HED", forward / scored, 20)
