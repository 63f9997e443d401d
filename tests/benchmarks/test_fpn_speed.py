"""A 512×512 photo: the pyramid on ResNet-50's maps beside torchvision's, and every slider of note 04's explorers."""

import itertools
import time
from collections import OrderedDict

import pytest
import torch

from fpnlib.models import FPN
from fpnlib.notes.fpn.explorers import level_assignment, pyramid, top_down_step

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


@pytest.mark.parametrize("factory", [pyramid, top_down_step, level_assignment])
def test_every_slider_on_a_large_photo(factory, benchmark):
    explorer = factory("astronaut")
    explorer._repr_mimebundle_()
    sliders = [control for control in explorer.controls().values() if hasattr(control, "step")]
    stops = [(slider.min, slider.max, slider.value, (slider.min + slider.max) / 2) for slider in sliders]
    moves = itertools.cycle(
        (slider, type(slider.value)(value)) for slider, values in zip(sliders, stops, strict=True) for value in values
    )

    def move():
        slider, value = next(moves)
        slider.value = value

    benchmark.pedantic(move, rounds=40, warmup_rounds=4)
    assert benchmark.stats.stats.median <= 16.7e-3
