"""Small nets that name real digits, with and without batch norm: trained at many batch sizes and learning rates."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fpnlib.data import digits
from fpnlib.training import Ensemble, minibatches

BATCH_SIZES = (2, 4, 8, 32)
REFERENCE_SIZE = 32
SEEN = 1024  # digits in training, whatever the batch size
SIZE_RATES = (0.03, 0.1, 0.3, 1.0)  # at the reference size; in proportion at others
RATES = tuple(0.01 * 10 ** (k / 2) for k in range(7))
LEARNS = 0.2  # the largest test error of a net that has learned; chance is 0.9
_RATE_STEPS = 100
_SIZE_BLOCKS, _RATE_BLOCKS = 2, 4
_TRAINING, _VALIDATION = 1000, 300


class Digits(NamedTuple):
    """scikit-learn's 1797 digits in three parts; images 8×8 with mean 0 and variance 1 over the training part."""

    images: Float[Tensor, "n 1 8 8"]
    labels: Int64[Tensor, " n"]
    validation_images: Float[Tensor, "v 1 8 8"]
    validation_labels: Int64[Tensor, " v"]
    test_images: Float[Tensor, "t 1 8 8"]
    test_labels: Int64[Tensor, " t"]


@lru_cache(maxsize=1)
def load() -> Digits:
    """Shuffle the digits once, always alike, and part them."""
    images, labels = digits()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    images, labels = images[order, None], labels[order]
    variance, mean = torch.var_mean(images[:_TRAINING])
    images = (images - mean) / variance.sqrt()
    ends = (_TRAINING, _VALIDATION, len(labels) - _TRAINING - _VALIDATION)
    parts = zip(images.split(ends), labels.split(ends), strict=True)
    return Digits(*(tensor for part in parts for tensor in part))


class DigitNet(nn.Module):
    """Two or more 3×3 convolutions, maps of 4×4 and last 2×2, a mean and a linear layer; He's initial weights.

    The seed alone decides on the weights, with batch norm and without. Double precision, so that rounding, which may
    depend on how many nets train at once, stays far below what is reported.
    """

    def __init__(self, blocks: int, norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, stride in ((1, 8, 2), *[(8, 8, 1)] * (blocks - 2), (8, 16, 2)):
            conv = nn.Conv2d(before, after, 3, stride, padding=1)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.get_parameter("bias"))
            layers += [conv, nn.BatchNorm2d(after) if norm else nn.Identity(), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(16, 10)
        self.double()

    def forward(self, x: Float[Tensor, "n 1 8 8"]) -> Float[Tensor, "n 10"]:
        """Class logits."""
        return self.head(self.features(x).mean((2, 3)))


def train(seeds: Sequence[int], rates: Sequence[float], blocks: int, norm: bool, size: int, steps: int) -> Ensemble:
    """Train one net for each seed and rate, first all rates of the first seed; digits and their order by the seed."""
    data = load()
    each = [seed for seed in seeds for _ in rates]
    ensemble = Ensemble(
        lambda: DigitNet(blocks, norm), each, learning_rate=torch.tensor(rates, dtype=torch.float64).repeat(len(seeds))
    )
    batches = minibatches(data.images, data.labels, size=size, seed=each)
    ensemble.fit(batches, loss, steps=steps, in_dims=0)
    return ensemble


def loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of a batch."""
    return F.cross_entropy(model(images), labels)


def errors(ensemble: Ensemble, images: Tensor, labels: Tensor) -> Float[Tensor, " n"]:
    """Share of the digits that each member names wrongly in eval mode; a diverged one knows no better than chance."""
    wrong = (ensemble.predict(images).argmax(2) != labels).double().mean(1)
    return wrong.where(ensemble.alive, 0.9)


def batch_sizes(seeds: Sequence[int]) -> dict[str, list[float]]:
    """At each batch size the test error of the rate with the least validation error, with and without batch norm.

    With batch norm also: how many digits training mode, in batches of that size, and eval mode name differently.
    """
    data, outcomes = load(), {}
    for size in BATCH_SIZES:
        rates = [rate * size / REFERENCE_SIZE for rate in SIZE_RATES]
        for kind in ("norm", "plain"):
            ensemble = train(seeds, rates, _SIZE_BLOCKS, kind == "norm", size, SEEN // size)
            best = errors(ensemble, data.validation_images, data.validation_labels).view(len(seeds), -1).argmin(1)
            members = torch.arange(len(seeds)) * len(rates) + best
            outcomes[f"{kind}_error_{size}"] = errors(ensemble, data.test_images, data.test_labels)[members].tolist()
            outcomes[f"{kind}_rate_{size}"] = [rates[i] for i in best]
            if kind == "norm":
                outcomes |= _modes(ensemble, members.tolist(), size)
    return outcomes


@torch.no_grad()
def _modes(ensemble: Ensemble, members: Sequence[int], size: int) -> dict[str, list[float]]:
    data = load()
    by_batch, differ = [], []
    for index in members:
        net = ensemble.member(index)
        whole = len(data.test_labels) // size * size
        named = net.eval()(data.test_images[:whole]).argmax(1)
        batches = data.test_images[:whole].split(size)
        named_by_batch = torch.cat([net.train()(images).argmax(1) for images in batches])
        by_batch.append((named_by_batch != data.test_labels[:whole]).double().mean().item())
        differ.append((named_by_batch != named).double().mean().item())
    return {f"norm_training_mode_error_{size}": by_batch, f"norm_modes_differ_{size}": differ}


def learning_rates(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Test error at each rate, and log₁₀ of the largest rate that learns, with and without batch norm.

    Where no rate learns, the largest counts as one step below the least.
    """
    data, outcomes = load(), {}
    for kind in ("norm", "plain"):
        ensemble = train(seeds, RATES, _RATE_BLOCKS, kind == "norm", REFERENCE_SIZE, _RATE_STEPS)
        wrong = errors(ensemble, data.test_images, data.test_labels).view(len(seeds), -1)
        for i in range(len(RATES)):
            outcomes[f"{kind}_error_{i}"] = wrong[:, i].tolist()
        places = torch.arange(1, len(RATES) + 1) * (wrong <= LEARNS)
        step = RATES[1] / RATES[0]
        outcomes[f"{kind}_largest"] = torch.log10(RATES[0] * step ** (places.amax(1).double() - 1)).tolist()
        outcomes[f"{kind}_best_error"] = wrong.amin(1).tolist()
    return outcomes
