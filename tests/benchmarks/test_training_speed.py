"""Seeds per minute: an ensemble beside a plain loop over the same seeds, batches and steps with torch's optimizer.

Both on one thread, where what an ensemble saves is the fixed cost of many small operations. So the gain is large for
small nets and goes to 1 where arithmetic prevails, which the largest net shows.

Nets per minute: decoders on a frozen backbone's maps from the disk beside those that compute the maps at each step.
"""

import time

import pytest
import torch
import torch.nn.functional as F
from support.side_by_side import compare, least_seconds
from torch import Tensor, nn

from fpnlib.data import digits
from fpnlib.training import Ensemble, minibatches
from fpnlib.training.decoders import BATCH
from fpnlib.training.decoders import STEPS as WHOLE_COURSE
from fpnlib.training.examples import Backbone, images
from fpnlib.training.segmenter import train_segmenter

STEPS = 20
OPTIONS = {"momentum": 0.9, "weight_decay": 1e-4}


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def conv_net(width: int) -> nn.Module:
    layers: list[nn.Module] = []
    channels = 1
    for cout, stride in ((width, 1), (width, 2), (2 * width, 2)):
        layers += [nn.Conv2d(channels, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout), nn.ReLU()]
        channels = cout
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(model(x), y)


def plain(build, seeds, batches) -> Tensor:
    losses = []
    for seed in seeds:
        torch.manual_seed(seed)
        model = build()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.02, **OPTIONS)
        for step in range(STEPS):
            optimizer.zero_grad()
            value = loss(model, *batches(step))
            value.backward()
            optimizer.step()
        losses.append(value.detach())
    return torch.stack(losses)


def together(build, seeds, batches) -> Tensor:
    ensemble = Ensemble(build, seeds, learning_rate=0.02, **OPTIONS)
    ensemble.fit(batches, loss, steps=STEPS)
    return ensemble.losses[-1]


@pytest.mark.parametrize(
    ("name", "build", "seeds", "pixels", "batch", "at_least"),
    [
        ("perceptron", perceptron, 64, 8, 32, 4),
        ("perceptron", perceptron, 16, 8, 32, 2),
        ("4 channels at 16 px", lambda: conv_net(4), 64, 16, 8, 4),
        ("8 channels at 16 px", lambda: conv_net(8), 16, 16, 8, 2),
        ("16 channels at 32 px", lambda: conv_net(16), 16, 32, 32, 0.8),
    ],
)
def test_seeds_per_minute(name, build, seeds, pixels, batch, at_least, benchmark):
    images, labels = digits()
    images = images[:, None].float() / 16
    images = F.interpolate(images, size=(pixels, pixels))
    batches = minibatches(images, labels, size=batch, seed=0)
    torch.testing.assert_close(
        together(build, range(4), batches), plain(build, range(4), batches), rtol=1e-3, atol=1e-3
    )
    loop, ours = least_seconds(
        lambda: plain(build, range(seeds), batches),
        lambda: together(build, range(seeds), batches),
        rounds=5,
        clock=time.process_time,
    )
    benchmark.extra_info |= {"loop_seeds_per_minute": 60 * seeds / loop, "ensemble_seeds_per_minute": 60 * seeds / ours}
    benchmark.pedantic(together, (build, range(seeds), batches), rounds=1)
    compare(benchmark, f"{seeds} seeds at once, {name}", "a loop over the seeds", loop / ours, at_least)


@pytest.mark.parametrize("stride", [4, 16])
def test_nets_per_minute(stride, benchmark):
    scenes, steps = 2 * BATCH, 6
    pictures, backbone = images(scenes), Backbone().eval().requires_grad_(False)

    def stored(**hooks) -> None:
        train_segmenter(0, stride=stride, scenes=scenes, steps=steps, **hooks)

    def computed() -> None:
        stored(on_step=lambda step, value: backbone(pictures.batch(torch.arange(BATCH))[0]))

    stored()  # the maps are computed once, whoever comes first
    before, now = least_seconds(computed, stored, rounds=3, clock=time.process_time)
    amounts = [60 * steps / seconds / WHOLE_COURSE for seconds in (before, now)]
    benchmark.extra_info |= dict(zip(("nets_per_minute_before", "nets_per_minute"), amounts, strict=True))
    benchmark.pedantic(stored, rounds=1)
    what = f"a decoder at stride {stride} on stored maps, {amounts[1]:.1f} nets a minute"
    compare(benchmark, what, "maps computed at each step", before / now, 1.5)
