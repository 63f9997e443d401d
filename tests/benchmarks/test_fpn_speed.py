"""The pyramid on ResNet-50's maps of a 512×512 photo: ours beside torchvision's, with the same weights."""

import time
from collections import OrderedDict

import pytest
import torch

from fpnlib.models import FPN

CHANNELS = (256, 512, 1024, 2048)


def maps() -> "OrderedDict[str, torch.Tensor]":
    generator = torch.Generator().manual_seed(0)
    return OrderedDict(
        (f"C{level + 2}", torch.rand(1, channels, 128 >> level, 128 >> level, generator=generator))
        for level, channels in enumerate(CHANNELS)
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_fpn_beside_torchvision(benchmark):
    # torchvision's binary wants CUDA; its Python part needs no more than these two names.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in ("nms(Tensor a, Tensor b, float c) -> Tensor", "qnms(Tensor a, Tensor b, float c) -> Tensor"):
        if not hasattr(torch.ops.torchvision, schema.partition("(")[0]):
            library.define(schema)
    torchvision = pytest.importorskip("torchvision", reason="torchvision is not among the pinned packages")
    features = maps()
    theirs = torchvision.ops.FeaturePyramidNetwork(list(CHANNELS), 256).eval()
    ours = FPN(CHANNELS, 256).eval()
    ours.load_state_dict(theirs.state_dict())
    taken: dict[object, list[float]] = {ours: [], theirs: []}
    with torch.no_grad():
        # In turn, so that a busy moment meets both.
        for _ in range(12):
            for net, seconds in taken.items():
                begin = time.perf_counter()
                net(features)
                seconds.append(time.perf_counter() - begin)
        ratio = min(taken[ours]) / min(taken[theirs])
        benchmark.extra_info["torchvision_ratio"] = ratio
        benchmark.pedantic(ours, (features,), rounds=3)
    assert ratio <= 1.05


def test_fpn(benchmark):
    features, net = maps(), FPN(CHANNELS, 256).eval()
    with torch.no_grad():
        benchmark.pedantic(net, (features,), rounds=3)
