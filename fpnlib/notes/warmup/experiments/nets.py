"""What note 05 trains: a small residual net on scikit-learn's digits, and on objects cut out of labelled scenes.

Everything is in float64: at a large learning rate rounding errors grow from step to step, and a stored loss must come
out again on another machine.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from fpnlib import data
from fpnlib.data.scenes import scene

TRAINING = 1200  # examples; the rest is for testing
BATCH = 64
BLOCKS, WIDTH = 3, 32
SCENE_SIZE, OBJECTS, CROP = 64, 1500, 8


@dataclasses.dataclass(frozen=True)
class Task:
    """Training and test data, and what makes a net for it: `build(batch_norm)` returns a function without arguments."""

    inputs: Float[Tensor, "n d"]
    targets: Int[Tensor, " n"]
    test_inputs: Float[Tensor, "m d"]
    test_targets: Int[Tensor, " m"]
    build: Callable[[bool], Callable[[], nn.Module]]

    @property
    def chance(self) -> float:
        """Return the loss of a net that finds all classes equally likely."""
        return math.log(int(self.targets.max()) + 1)


@functools.cache
def digits() -> Task:
    """Return scikit-learn's 1797 digits as 64 standardised numbers each, 1200 of them to train on."""
    images, labels = data.digits()
    # NumPy's sums, not torch's: large rates make much of the last bit, and these are what was stored.
    pixels = images.flatten(1).numpy()
    return _task(torch.from_numpy((pixels - pixels.mean()) / pixels.std()), labels)


@functools.cache
def scene_objects() -> Task:
    """Return 1500 objects cut out of the labelled scenes, 8 by 8 pixels each, 1200 of them to train on."""
    crops, labels = [], []
    for seed in itertools.count():
        drawn = scene(seed, size=SCENE_SIZE)
        for (x0, y0, x1, y1), label in zip(drawn.boxes.int().tolist(), drawn.classes.tolist(), strict=True):
            crop = drawn.image[None, :, y0:y1, x0:x1].double()
            crops.append(functional.interpolate(crop, (CROP, CROP), mode="bilinear", antialias=True).flatten())
            labels.append(label - 1)  # no object is background
        if len(crops) >= OBJECTS:
            break
    pixels, targets = torch.stack(crops[:OBJECTS]), torch.tensor(labels[:OBJECTS])
    return _task((pixels - pixels.mean()) / pixels.std(), targets)


def _task(inputs: Tensor, targets: Tensor) -> Task:
    n = TRAINING
    build = functools.partial(residual_net, inputs.shape[1], int(targets.max()) + 1)
    return Task(inputs[:n], targets[:n], inputs[n:], targets[n:], build)


def residual_net(inputs: int, classes: int, batch_norm: bool) -> Callable[[], nn.Module]:
    """Return a maker of a residual net, (N, inputs) to (N, classes): eight linear layers, six of them in three blocks.

    Weights are drawn as He et al. 2015 do for ReLU (variance 2 / inputs of the layer), biases are 0.
    """

    def build() -> nn.Module:
        blocks = [Block(batch_norm) for _ in range(BLOCKS)]
        net = nn.Sequential(nn.Linear(inputs, WIDTH), *blocks, nn.ReLU(), nn.Linear(WIDTH, classes)).double()
        for layer in net.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        return net

    return build


class Block(nn.Module):
    """x + two linear layers, each with ReLU before it and, where asked for, batch norm before that; (N, 32)."""

    def __init__(self, batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            # Without running statistics there is no state but the parameters; a test uses its own batch's statistics.
            norm = [nn.BatchNorm1d(WIDTH, track_running_stats=False)] if batch_norm else []
            layers += [*norm, nn.ReLU(), nn.Linear(WIDTH, WIDTH)]
        self.residual = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "n 32"]) -> Float[Tensor, "n 32"]:
        """Return x plus what the block adds to it."""
        return x + self.residual(x)


def cross_entropy(net: Callable[[Tensor], Tensor], inputs: Tensor, targets: Tensor) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of a batch."""
    return functional.cross_entropy(net(inputs), targets)


def error_rate(net: Callable[[Tensor], Tensor], inputs: Tensor, targets: Tensor) -> Float[Tensor, ""]:
    """Return the share of wrong answers."""
    return (net(inputs).argmax(1) != targets).double().mean()
