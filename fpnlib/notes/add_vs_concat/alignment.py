"""AC-4: two inputs whose channels mean the same to a degree, added or concatenated, with little data or much.

Both sets are real. `digits`: two images of the same digit, 64 grey values each; the channel is the pixel. `network`:
two views of the same place in a photo, at full and at half size, through the same trained network; the channel is the
network's own, as in a pyramid. At alignment 1 channel k of both inputs is the same measurement. At 0 the second input
holds the same numbers in shuffled channels.
"""

import functools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fpnlib.claims import Claim, Criterion, Measurement, Said, Verdict
from fpnlib.data import image_batch, photo, photo_names
from fpnlib.models import EfficientNetLite0
from fpnlib.models.unet import Merge, merge_module
from fpnlib.notes.add_vs_concat.digits import digits
from fpnlib.training import Ensemble

DataSet = Literal["digits", "network"]
DATA_SETS: tuple[DataSet, ...] = ("digits", "network")
ALIGNMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
SIZES = (10, 20, 40, 80, 160, 320, 640)
SCARCE, RICH = SIZES[:2], SIZES[-2:]
WIDTH = 32
# Channels after the merge; `wide` adds, with a hidden layer that brings it to concat's parameters.
KINDS = ("add", "wide", "concat")
STEPS, BATCH, LEARNING_RATE = 300, 32, 0.01
_TEST = 500
_SIDE, _STRIDE, _BLOCK = 256, 8, 4  # photos' crops in pixels, of the map used, and of the checkerboard in places


class Pairs(NamedTuple):
    """Pairs of inputs (n, channels), with what each pair shows."""

    first: Float[Tensor, "*members n channels"]
    second: Float[Tensor, "*members n channels"]
    labels: Int64[Tensor, "*members n"]


class PairNet(nn.Module):
    """Merge two inputs (n, channels), then a 1×1 convolution on a map of one place, ReLU, and the classifier."""

    def __init__(self, channels: int, classes: int, merge: Merge, width: int) -> None:
        super().__init__()
        self.merge = merge_module(merge)
        self.hidden = nn.Linear(channels if merge == "add" else 2 * channels, width)
        self.classifier = nn.Linear(width, classes)

    def forward(self, first: Float[Tensor, "n c"], second: Float[Tensor, "n c"]) -> Float[Tensor, "n classes"]:
        """Logits (n, classes)."""
        merged = self.merge(first[:, :, None, None], second[:, :, None, None]).flatten(1)
        return self.classifier(self.hidden(merged).relu())


def width_of(kind: str, channels: int, classes: int) -> int:
    """Return the hidden channels of a kind: `WIDTH`, but for `wide` as many as concat's parameters allow."""
    if kind != "wide":
        return WIDTH
    concat, per_channel = WIDTH * (2 * channels + 1 + classes), channels + 1 + classes
    return round(concat / per_channel)


def pools(data_set: DataSet, seed: int) -> tuple[Pairs, Pairs]:
    """All pairs to train from, and `_TEST` to test on, in an order that the seed draws; channels with mean 0."""
    generator = torch.Generator().manual_seed(seed)
    parts = _digit_pairs(generator) if data_set == "digits" else _network_pairs(generator)
    train, test = parts
    return train, Pairs(*(tensor[:_TEST] for tensor in test))


def _digit_pairs(generator: torch.Generator) -> tuple[Pairs, Pairs]:
    """Half of the digits for training, half for testing; within a half each has another of its kind as partner."""
    pixels, labels = digits()
    pixels = pixels - pixels.mean(0)
    order = torch.randperm(len(labels), generator=generator)
    halves = []
    for half in order.chunk(2):
        partner = half.clone()
        for digit in range(10):
            own = (labels[half] == digit).nonzero().flatten()
            partner[own] = half[own.roll(1)]
        halves.append(Pairs(pixels[half], pixels[partner], labels[half]))
    return halves[0], halves[1]


@functools.cache
def _network_maps() -> Pairs:
    """Stride-8 maps of a trained EfficientNet-Lite0 on nine photos, at full and half size; the label is the photo."""
    model = EfficientNetLite0.pretrained()
    first: list[Tensor] = []
    second: list[Tensor] = []
    labels: list[Tensor] = []
    for label, name in enumerate(photo_names()):
        image = image_batch(photo(name))
        top, left = ((side - _SIDE) // 2 for side in image.shape[2:])
        crop = (image[:, :, top : top + _SIDE, left : left + _SIDE] - 127) / 128
        half = F.interpolate(crop, scale_factor=0.5, mode="bilinear", antialias=True)
        with torch.inference_mode():
            fine, coarse = (model.features(view)[2] for view in (crop, half))
        coarse = F.interpolate(coarse, fine.shape[2:], mode="nearest")  # as in a pyramid
        for maps, kept in ((fine, first), (coarse, second)):
            kept.append(maps[0].permute(1, 2, 0).double().clone())
        labels.append(torch.full(fine.shape[2:], label))
    return Pairs(torch.stack(first), torch.stack(second), torch.stack(labels))


def _network_pairs(generator: torch.Generator) -> tuple[Pairs, Pairs]:
    """Training places from the black fields of a checkerboard over each photo, test places from the white ones."""
    maps = _network_maps()
    rows = torch.arange(maps.labels.shape[1]) // _BLOCK
    black = ((rows[:, None] + rows) % 2 == 0).expand(maps.labels.shape)
    halves = []
    for fields in (black, ~black):
        labels = maps.labels[fields]
        order = torch.randperm(len(labels), generator=generator)
        halves.append(Pairs(maps.first[fields][order], maps.second[fields][order], labels[order]))
    both = torch.cat([halves[0].first, halves[0].second])
    mean, spread = both.mean(0), both.std(0)
    train, test = (Pairs((p.first - mean) / spread, (p.second - mean) / spread, p.labels) for p in halves)
    return train, test


def misalign(second: Float[Tensor, "n c"], alignment: float, order: Int64[Tensor, " c"]) -> Float[Tensor, "n c"]:
    """Mix each channel with another one of the same input; `alignment` is the share of its own, as a correlation.

    alignment · own + √(1 − alignment²) · other, so that channels which are not correlated keep their size.
    """
    return alignment * second + math.sqrt(1 - alignment**2) * second[:, order]


def shuffled(channels: int, seed: int) -> Int64[Tensor, " channels"]:
    """Return an order of the channels, drawn by the seed, in which none stays in its place."""
    cycle = torch.randperm(channels, generator=torch.Generator().manual_seed(4000 + seed))
    order = torch.empty_like(cycle)
    order[cycle] = cycle.roll(1)
    return order


def accuracies(
    data_set: DataSet,
    seeds: Sequence[int],
    alignments: Sequence[float] = ALIGNMENTS,
    sizes: Sequence[int] = SIZES,
    kinds: Sequence[str] = KINDS,
) -> dict[str, list[float]]:
    """Train each kind at all alignments and sizes; `<set>_<kind>_<100 · alignment>_<size>`, one value per seed.

    The same seed means the same pairs, the same shuffle, the same order of batches for all kinds.
    """
    cells = [(alignment, size) for alignment in alignments for size in sizes]
    members: list[tuple[Pairs, Pairs]] = []  # for each seed and cell, to train on and to test on
    for seed in seeds:
        train, test = pools(data_set, seed)
        order = shuffled(train.first.shape[1], seed)
        mixed = {
            alignment: [p._replace(second=misalign(p.second, alignment, order)) for p in (train, test)]
            for alignment in alignments
        }
        members += [(mixed[alignment][0], mixed[alignment][1]) for alignment, _ in cells]
    channels, classes = members[0][0].first.shape[1], int(members[0][0].labels.max()) + 1
    generators = [torch.Generator().manual_seed(5000 + seed) for seed in seeds]

    def batches(step: int) -> Pairs:
        drawn = [torch.rand(BATCH, generator=generator) for generator in generators]
        picked = []
        for index, (train, _) in enumerate(members):
            seed, cell = divmod(index, len(cells))
            chosen = (drawn[seed] * cells[cell][1]).long()
            picked.append([tensor[chosen] for tensor in train])
        return Pairs(*(torch.stack(tensors) for tensors in zip(*picked, strict=True)))

    tests = Pairs(*(torch.stack(tensors) for tensors in zip(*(test for _, test in members), strict=True)))
    outcomes: dict[str, list[float]] = {}
    states = [generator.get_state() for generator in generators]
    for kind in kinds:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
        merge: Merge = "concat" if kind == "concat" else "add"
        ensemble = Ensemble(
            functools.partial(_double, channels, classes, merge, width_of(kind, channels, classes)),
            [seed for seed in seeds for _ in cells],
            optimizer="adam",
            learning_rate=LEARNING_RATE,
        )
        ensemble.fit(batches, _loss, steps=STEPS, in_dims=0)
        right = ensemble.evaluate(_right, *tests, in_dims=0).view(len(seeds), len(cells))
        for (alignment, size), values in zip(cells, right.T.tolist(), strict=True):
            outcomes[f"{data_set}_{kind}_{round(100 * alignment)}_{size}"] = values
    return outcomes


def _double(channels: int, classes: int, merge: Merge, width: int) -> PairNet:
    # Double precision, so that rounding, which may depend on how many train at once, stays below what is reported.
    return PairNet(channels, classes, merge, width).double()


def _loss(net: nn.Module, first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(net(first, second), labels)


def _right(net: nn.Module, first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
    return (net(first, second).argmax(1) == labels).double().mean()


def alignment_map(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Accuracy in every cell of both maps, and what add or concat gains in the two corners of the saying."""
    outcomes = {name: values for data_set in DATA_SETS for name, values in accuracies(data_set, seeds).items()}

    def mean(data_set: str, kind: str, alignment: float, sizes: Sequence[int]) -> Tensor:
        cells = [outcomes[f"{data_set}_{kind}_{round(100 * alignment)}_{size}"] for size in sizes]
        return torch.tensor(cells, dtype=torch.float64).mean(0)

    corners: dict[str, Tensor] = {}
    for data_set in DATA_SETS:
        for kind in ("add", "wide"):
            aligned, misaligned = (
                mean(data_set, kind, at, sizes) - mean(data_set, "concat", at, sizes)
                for at, sizes in ((1.0, SCARCE), (0.0, RICH))
            )
            corners[f"{data_set}_{kind}_wins"] = aligned
            corners[f"{data_set}_concat_wins_over_{kind}"] = -misaligned
    effect = torch.stack(list(corners.values())).mean(0)
    return {"effect": effect.tolist(), **{name: values.tolist() for name, values in corners.items()}, **outcomes}


def _judge_map(measurement: Measurement) -> Verdict:
    corners = [name for name in measurement.numbers if "wins" in name and not name.endswith(("_low", "_high"))]
    if all(measurement.numbers[f"{name}_low"] > 0 for name in corners):
        return "holds"
    return "fails" if measurement.interval[1] <= 0 else "depends"


def _corners(seeds: Sequence[int]) -> dict[str, list[float]]:
    corners = (ALIGNMENTS[0], ALIGNMENTS[-1]), (SIZES[0], SIZES[-1])
    return accuracies("digits", seeds, *corners, ["concat"]) | accuracies("network", seeds, *corners, ["add"])


CLAIMS = (
    Claim(
        "AC-4",
        "Add is a prior: right when corresponding channels mean similar things.",
        Said(
            "source",
            "加了一种prior",
            "it adds a kind of prior",
            "loosely: add can replace concat there",
        ),
        {
            "": Criterion(
                f"on digits and on a network's channels: at alignment 1 with {SCARCE[0]} and {SCARCE[1]} pairs add has "
                f"the higher test accuracy, at alignment 0 with {RICH[0]} and {RICH[1]} pairs concat has (each mean's "
                "whole interval above 0), at equal widths and at equal parameters; fails if the mean of these eight "
                "gains is not above 0; else depends",
                _judge_map,
            )
        },
        alignment_map,
        seeds=16,
        recheck=_corners,
    ),
)
