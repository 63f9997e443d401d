"""AC-2's measured time: the convolution after a concat beside the same one after an add, and HED on a photo."""

import time

import pytest
import torch
from torch import nn

from fpnlib.data import photo
from fpnlib.metrics import BoundaryReference
from fpnlib.models import HED
from fpnlib.models.fusion import Add, Concat, tie_concat


def best_of_each(*calls, rounds=15):
    """Least seconds of each call, in turn, so that a busy moment meets all."""
    taken = [[] for _ in calls]
    with torch.inference_mode():
        for call in calls:
            call()
        for _ in range(rounds):
            for call, seconds in zip(calls, taken, strict=True):
                begin = time.perf_counter()
                call()
                seconds.append(time.perf_counter() - begin)
    return [min(seconds) for seconds in taken]


@pytest.mark.parametrize(("channels", "kernel", "side"), [(64, 3, 64), (256, 3, 32), (256, 1, 64)])
def test_concat_and_its_convolution_beside_add_and_its(benchmark, channels, kernel, side):
    x, y = torch.randn(2, 1, channels, side, side)
    conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
    tied, add, concat = tie_concat(conv), Add(), Concat()
    after_add, after_concat = best_of_each(lambda: conv(add(x, y)), lambda: tied(concat(x, y)))
    ratio = after_concat / after_add
    benchmark.extra_info["concat_over_add"] = ratio
    with torch.inference_mode():
        benchmark(lambda: tied(concat(x, y)))
    # Twice the products; small ones leave time to what surrounds them.
    assert 1.2 < ratio < 3


def test_scoring_a_photo_costs_little_beside_finding_its_edges(benchmark):
    network, image = HED.pretrained(), HED.preprocess(photo("cafe"))
    with torch.inference_mode():
        fused = network(image).fused[0, 0].clone()
    boundary = torch.zeros(fused.shape, dtype=torch.bool)
    boundary[100:300:40, 50:450] = True
    reference = BoundaryReference(boundary, 4.7)
    forward, scored = best_of_each(lambda: network(image), lambda: reference.curve(fused), rounds=3)
    benchmark.extra_info["forward_over_curve"] = forward / scored
    benchmark(reference.curve, fused)
    assert forward / scored > 20
