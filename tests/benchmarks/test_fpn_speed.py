"""A 512×512 photo: the pyramid on ResNet-50's maps beside torchvision's, and every slider of note 04's explorers."""

import itertools
from collections import OrderedDict

import pytest
import torch
from support.side_by_side import amount, compare, least_seconds

from fpnlib.models import FPN
from fpnlib.notes.fpn.explorers import level_assignment, pyramid, top_down_step

CHANNELS = (256, 512, 1024, 2048)


def maps() -> "OrderedDict[str, torch.Tensor]":
    generator = torch.Generator().manual_seed(0)
    return OrderedDict(
        (f"C{level + 2}", torch.rand(1, channels, 128 >> level, 128 >> level, generator=generator))
        for level, channels in enumerate(CHANNELS)
    )


def test_fpn_beside_torchvision(benchmark, torchvision):
    features = maps()
    theirs = torchvision.ops.FeaturePyramidNetwork(list(CHANNELS), 256).eval()
    ours = FPN(CHANNELS, 256).eval()
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        mine, vision = least_seconds(lambda: ours(features), lambda: theirs(features), rounds=12)
        benchmark.pedantic(ours, (features,), rounds=3)
    compare(benchmark, "FPN on ResNet-50's maps of 512×512", "torchvision", vision / mine, 1 / 1.05)


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
    amount(
        benchmark,
        f"explorer `{factory.__name__}`, any slider on a photo of 512×512",
        benchmark.stats.stats.median * 1e3,
        "ms",
        16.7,
    )
