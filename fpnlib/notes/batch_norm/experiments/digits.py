"""Small nets that name real digits, with and without batch norm: trained at many batch sizes and learning rates."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fpnlib.data import digits
from fpnlib.training import Ensemble, minibatches
from fpnlib.training.batches import Batches

BATCH_SIZES = (2, 32)
REFERENCE_SIZE = 32
SEEN = 4096  # digits in training, whatever the batch size
EARLY = 1024  # digits seen when the control looks
SIZE_RATES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # at the reference size; in proportion at others
RATES = tuple(0.01 * 10 ** (k / 2) for k in range(7))
SCALES = tuple(10 ** (k / 2) for k in range(-2, 3))  # of the convolutions' initial weights, He's at 1
USUAL = SCALES.index(1.0)
LEARNS = 0.2  # the largest test error of a net that has learned; chance is 0.9
NEAR = 2.0  # times a net's own best error
Kind = Literal["norm", "group", "plain"]
KINDS: tuple[Kind, ...] = ("norm", "group", "plain")
_WITH_OR_WITHOUT: tuple[Kind, ...] = ("norm", "plain")
_GROUPS = 2
_RATE_STEPS = 100
_FIRST, _CALM = 3, 3  # steps and smallest rates whose losses another machine finds again
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
    """Two or more 3×3 convolutions, maps of 4×4 and last 2×2, a mean and a linear layer; He's initial weights × scale.

    `kind`: with batch norm ("norm"), with group norm of two groups ("group"), or without ("plain").
    The seed alone decides on the weights, whatever the kind. Double precision, so that rounding, which may depend on
    how many nets train at once, stays far below what is reported.
    """

    def __init__(self, blocks: int, kind: Kind, scale: float = 1.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, stride in ((1, 8, 2), *[(8, 8, 1)] * (blocks - 2), (8, 16, 2)):
            conv = nn.Conv2d(before, after, 3, stride, padding=1)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.get_parameter("bias"))
            with torch.no_grad():
                conv.weight.mul_(scale)
            norm = {"norm": nn.BatchNorm2d(after), "group": nn.GroupNorm(_GROUPS, after), "plain": nn.Identity()}
            layers += [conv, norm[kind], nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(16, 10)
        self.double()

    def forward(self, x: Float[Tensor, "n 1 8 8"]) -> Float[Tensor, "n 10"]:
        """Class logits."""
        return self.head(self.features(x).mean((2, 3)))


def train(seeds: Sequence[int], rates: Sequence[float], net: Callable[[], DigitNet], size: int, steps: int) -> Ensemble:
    """Train one net for each seed and rate, first all rates of the first seed; digits and their order by the seed."""
    each = [seed for seed in seeds for _ in rates]
    ensemble = Ensemble(net, each, learning_rate=torch.tensor(rates, dtype=torch.float64).repeat(len(seeds)))
    ensemble.fit(_batches(each, size), loss, steps=steps, in_dims=0)
    return ensemble


def _batches(seeds: Sequence[int], size: int) -> Batches:
    data = load()
    return minibatches(data.images, data.labels, size=size, seed=seeds)


def loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of a batch."""
    return F.cross_entropy(model(images), labels)


def errors(ensemble: Ensemble, images: Tensor, labels: Tensor) -> Float[Tensor, " n"]:
    """Share of the digits that each member names wrongly in eval mode; a diverged one knows no better than chance."""
    wrong = (ensemble.predict(images).argmax(2) != labels).double().mean(1)
    return wrong.where(ensemble.alive, 0.9)


def batch_sizes(seeds: Sequence[int]) -> dict[str, list[float]]:
    """At each batch size the test error of the rate with the least validation error, for each kind of net.

    With batch norm also: how many digits training mode, in batches of that size, and eval mode name differently, and
    the error after the first quarter of the training. `<kind>_at_end_<size>`: whether the rate is an end of the grid.
    """
    outcomes: dict[str, list[float]] = {}
    for size in BATCH_SIZES:
        rates = [rate * size / REFERENCE_SIZE for rate in SIZE_RATES]
        for kind in KINDS:
            ensemble = train(seeds, rates, partial(DigitNet, _SIZE_BLOCKS, kind), size, EARLY // size)
            if kind == "norm":
                outcomes[f"{kind}_early_error_{size}"] = tuned_errors(ensemble, len(seeds))[0].tolist()
            ensemble.fit(_batches(ensemble.seeds, size), loss, steps=(SEEN - EARLY) // size, in_dims=0)
            wrong, best = tuned_errors(ensemble, len(seeds))
            outcomes[f"{kind}_error_{size}"] = wrong.tolist()
            outcomes[f"{kind}_rate_{size}"] = [rates[i] for i in best]
            outcomes[f"{kind}_at_end_{size}"] = [float(i in (0, len(rates) - 1)) for i in best.tolist()]
            if kind == "norm":
                members = torch.arange(len(seeds)) * len(rates) + best
                outcomes |= _modes(ensemble, members.tolist(), size)
    return outcomes


def tuned_errors(ensemble: Ensemble, seeds: int) -> tuple[Float[Tensor, " seeds"], Int64[Tensor, " seeds"]]:
    """Test error of each seed's net at the rate with the least validation error, and which rate that is."""
    data = load()
    best = errors(ensemble, data.validation_images, data.validation_labels).view(seeds, -1).argmin(1)
    wrong = errors(ensemble, data.test_images, data.test_labels).view(seeds, -1)
    return wrong.gather(1, best[:, None])[:, 0], best


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


def rates_and_scales(seeds: Sequence[int], scales: Sequence[int] = range(len(SCALES))) -> dict[str, list[float]]:
    """Test error at each initial scale (`scales`: their places in `SCALES`) and rate, with batch norm and without.

    `<kind>_error_<scale>_<rate>`; `<kind>_tuned_<scale>` at the rate with the least validation error, and
    `<kind>_best_<scale>`, that rate's place in `RATES`. Also `first_losses`.
    """
    data = load()
    outcomes = first_losses(seeds)
    for kind in _WITH_OR_WITHOUT:
        for k in scales:
            net = partial(DigitNet, _RATE_BLOCKS, kind, SCALES[k])
            ensemble = train(seeds, RATES, net, REFERENCE_SIZE, _RATE_STEPS)
            wrong = errors(ensemble, data.test_images, data.test_labels).view(len(seeds), -1)
            outcomes |= {f"{kind}_error_{k}_{i}": wrong[:, i].tolist() for i in range(len(RATES))}
            tuned, best = tuned_errors(ensemble, len(seeds))
            outcomes |= {f"{kind}_tuned_{k}": tuned.tolist(), f"{kind}_best_{k}": best.double().tolist()}
    return outcomes


def first_losses(seeds: Sequence[int]) -> dict[str, list[float]]:
    """`early_<kind>`: the mean loss of the first steps at He's initial scale and the smallest rates."""
    outcomes: dict[str, list[float]] = {}
    for kind in _WITH_OR_WITHOUT:
        net = partial(DigitNet, _RATE_BLOCKS, kind, SCALES[USUAL])
        losses = train(seeds, RATES[:_CALM], net, REFERENCE_SIZE, _FIRST).losses
        outcomes[f"early_{kind}"] = losses.mean(0).view(len(seeds), -1).mean(1).tolist()
    return outcomes
