"""Seeds per minute: an ensemble beside a plain loop over the same seeds, batches and steps with torch's optimizer.

Both on one thread, where what an ensemble saves is the fixed cost of many small operations. So the gain is large for
small nets and goes to 1 where arithmetic prevails, which the largest net shows.
"""

import time

import pytest
import torch
import torch.nn.functional as F
from support.side_by_side import compare, least_seconds
from torch import Tensor, nn

from fpnlib.data import digits
from fpnlib.training import Ensemble, minibatches

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
