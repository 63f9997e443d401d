"""AC-4, AC-12 and AC-13: two inputs whose channels mean the same to a degree, added or concatenated, with any data.

Both sets are real. `digits`: two images of the same digit, 64 grey values each; the channel is the pixel. `network`:
two views of the same place in a photo, at full and at half size, through the same trained network; the channel is the
network's own, as in a pyramid. At alignment 1 channel k of both inputs is the same measurement. At 0 the second input
holds the same numbers in shuffled channels.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fpnlib.claims import Claim, Result, Said, all_of, exceeds, interval_of_mean
from fpnlib.data import image_batch, photo, photo_names
from fpnlib.models import EfficientNetLite0
from fpnlib.models.unet import Merge, merge_module
from fpnlib.notes.add_vs_concat.experiments.digits import digits
from fpnlib.training import Ensemble

DataSet = Literal["digits", "network"]
DATA_SETS: tuple[DataSet, ...] = ("digits", "network")
ALIGNMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
SIZES = (10, 20, 40, 80, 160, 320, 640)
SCARCE, RICH = SIZES[:2], SIZES[-2:]
WIDTH = 32
# Channels after the merge; `wide` adds, with a hidden layer that brings it to concat's parameters.
KINDS = ("add", "wide", "concat")
MARGIN = 0.02  # of accuracy
_BECAUSE = "about a third of what shuffling a network's channels costs an add at 40 pairs, and at more it costs more"
STEPS, BATCH, LEARNING_RATE = 300, 32, 0.01
_TEST = 500
_SIDE, _STRIDE, _BLOCK = 256, 8, 4  # photos' crops in pixels, of the map used, and of the checkerboard in places


class Pairs(NamedTuple):
    """Pairs of inputs (n, channels), with what each pair shows."""

    first: Float[Tensor, "*members n channels"]
    second: Float[Tensor, "*members n channels"]
    labels: Int64[Tensor, "*members n"]


class PairNet(nn.Module):
    """Merge two inputs (n, channels), then a 1×1 convolution on a map of one place, ReLU, and the classifier.

    `lateral`: each input first goes through a 1×1 of its own, as in FPN.
    """

    def __init__(self, channels: int, classes: int, merge: Merge, width: int, *, lateral: bool = False) -> None:
        super().__init__()
        self.merge = merge_module(merge)
        self.hidden = nn.Linear(channels if merge == "add" else 2 * channels, width)
        self.classifier = nn.Linear(width, classes)
        self.laterals = nn.ModuleList(
            nn.Linear(channels, channels, bias=False) if lateral else nn.Identity() for _ in range(2)
        )

    def forward(self, first: Float[Tensor, "n c"], second: Float[Tensor, "n c"]) -> Float[Tensor, "n classes"]:
        """Logits (n, classes)."""
        one, two = (lateral(each) for lateral, each in zip(self.laterals, (first, second), strict=True))
        merged = self.merge(one[:, :, None, None], two[:, :, None, None]).flatten(1)
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
    outcomes: dict[str, list[float]] = {}
    for kind in kinds:
        right = train_pairs(members, seeds, [size for _, size in cells], kind)
        for (alignment, size), values in zip(cells, right.T.tolist(), strict=True):
            outcomes[f"{data_set}_{kind}_{round(100 * alignment)}_{size}"] = values
    return outcomes


def train_pairs(
    members: Sequence[tuple[Pairs, Pairs]], seeds: Sequence[int], sizes: Sequence[int], kind: str
) -> Float[Tensor, "seeds cells"]:
    """Train one net of a kind on the first pairs of each member, and return the share of its test pairs that are right.

    `members`: for each seed and each of `sizes`, how many pairs to train on, what to train and to test on.
    """
    channels, classes = members[0][0].first.shape[1], int(members[0][0].labels.max()) + 1
    generators = [torch.Generator().manual_seed(5000 + seed) for seed in seeds]

    def batches(step: int) -> Pairs:
        drawn = [torch.rand(BATCH, generator=generator) for generator in generators]
        picked = []
        for index, (train, _) in enumerate(members):
            seed, cell = divmod(index, len(sizes))
            chosen = (drawn[seed] * sizes[cell]).long()
            picked.append([tensor[chosen] for tensor in train])
        return Pairs(*(torch.stack(tensors) for tensors in zip(*picked, strict=True)))

    merge: Merge = "concat" if kind == "concat" else "add"
    ensemble = Ensemble(
        functools.partial(
            _double, channels, classes, merge, width_of(kind, channels, classes), lateral=kind == "lateral"
        ),
        [seed for seed in seeds for _ in sizes],
        optimizer="adam",
        learning_rate=LEARNING_RATE,
    )
    ensemble.fit(batches, _loss, steps=STEPS, in_dims=0)
    tests = Pairs(*(torch.stack(tensors) for tensors in zip(*(test for _, test in members), strict=True)))
    return ensemble.evaluate(_right, *tests, in_dims=0).view(len(seeds), len(sizes))


def _double(channels: int, classes: int, merge: Merge, width: int, *, lateral: bool) -> PairNet:
    # Double precision, so that rounding, which may depend on how many train at once, stays below what is reported.
    return PairNet(channels, classes, merge, width, lateral=lateral).double()


def _loss(net: nn.Module, first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(net(first, second), labels)


def _right(net: nn.Module, first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
    return (net(first, second).argmax(1) == labels).double().mean()


def gains(outcomes: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """What add gains over concat at either end of the alignment, `<set>_<kind>_gain_<100 · alignment>_<size>`."""
    found = {
        f"{data_set}_{kind}_gain_{end}_{size}": np.subtract(
            outcomes[f"{data_set}_{kind}_{end}_{size}"], outcomes[f"{data_set}_concat_{end}_{size}"]
        )
        for data_set in DATA_SETS
        for kind in ("add", "wide")
        for end in (100, 0)
        for size in SIZES
    }
    # What is lost to shuffling: the aligned inputs are the same numbers in another order.
    found |= {
        f"network_lost_{size}": np.subtract(outcomes[f"network_add_100_{size}"], outcomes[f"network_add_0_{size}"])
        for size in SIZES
    }
    effect = np.mean([values for name, values in found.items() if "_gain_100_" in name], 0)
    return {name: values.tolist() for name, values in {"effect": effect, **found}.items()}


def alignment_map(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Accuracy in every cell of both maps, and what add gains over concat in aligned channels and in shuffled ones."""
    outcomes = {name: values for data_set in DATA_SETS for name, values in accuracies(data_set, seeds).items()}
    return gains(outcomes) | outcomes


@functools.cache
def stored_map(data_set: DataSet, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gain of `kind` over concat (alignments, sizes), its interval's ends (…, 2), and both accuracies (…, 2, 3)."""
    stored = Result.load("AC-4")
    gain, ends, scores = (np.empty((len(ALIGNMENTS), len(SIZES), *shape)) for shape in ((), (2,), (2, 3)))
    for i, alignment in enumerate(ALIGNMENTS):
        for j, size in enumerate(SIZES):
            names = [f"{data_set}_{one}_{round(100 * alignment)}_{size}" for one in (kind, "concat")]
            ours, theirs = (np.array(stored.per_seed[name]) for name in names)
            gain[i, j] = (ours - theirs).mean()
            ends[i, j] = interval_of_mean(ours - theirs)
            scores[i, j] = [stored.with_interval(name) for name in names]
    return gain, ends, scores


@functools.cache
def example_pair(data_set: DataSet, alignment: float) -> np.ndarray:
    """One pair of the set, its second input misaligned, and half their sum, as pictures (3, rows, columns)."""
    train, _ = pools(data_set, 0)
    channels = train.first.shape[1]
    # Digits are shown with their mean put back, so that paper is black and ink is white.
    shown = digits()[0].mean(0) - digits()[0].min() if data_set == "digits" else torch.zeros(channels)
    second = misalign(train.second[:1] + shown, alignment, shuffled(channels, 0))[0]
    first = train.first[0] + shown
    return torch.stack([first, second, (first + second) / 2]).view(3, -1, 8).numpy()


def moving_pairs(seed: int) -> tuple[Pairs, Pairs]:
    """Two frames of a digit that moves by a pixel, to the left or to the right; the label says which.

    Pixel meets pixel, so the channels are aligned; but the sum of the two frames is the same for both directions.
    """
    parts = []
    for pairs in pools("digits", seed):
        still = pairs.first.view(-1, 8, 8)
        moved = F.pad(still, (1, 0))[..., :8].flatten(1)
        right = torch.arange(len(still)) % 2 == 1
        first, second = torch.where(right[:, None], pairs.first, moved), torch.where(right[:, None], moved, pairs.first)
        parts.append(Pairs(first, second, right.long()))
    return parts[0], parts[1]


def moving_accuracies(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Test accuracy of add and concat on `moving_pairs`, `moving_<kind>_<size>`."""
    sizes = (*SCARCE, *RICH)
    moving = [moving_pairs(seed) for seed in seeds for _ in sizes]
    return {
        f"moving_{kind}_{size}": values
        for kind in ("add", "concat")
        for size, values in zip(sizes, train_pairs(moving, seeds, sizes, kind).T.tolist(), strict=True)
    }


def when_the_bet_is_lost(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Shuffled channels added, concatenated or left out; little aligned data; frames that only a difference tells."""
    outcomes: dict[str, np.ndarray] = {}
    sizes = (*SCARCE, *RICH)
    for data_set in DATA_SETS:
        members: dict[str, list[tuple[Pairs, Pairs]]] = {"aligned": [], "shuffled": [], "first": []}
        for seed in seeds:
            train, test = pools(data_set, seed)
            order = shuffled(train.first.shape[1], seed)
            for how, (one, two) in {
                "aligned": (train.second, test.second),
                "shuffled": (train.second[:, order], test.second[:, order]),
                "first": (torch.zeros_like(train.second), torch.zeros_like(test.second)),
            }.items():
                members[how] += [(train._replace(second=one), test._replace(second=two))] * len(sizes)
        for how, kind in (
            ("aligned", "add"),
            ("aligned", "concat"),
            ("shuffled", "add"),
            ("shuffled", "concat"),
            ("first", "add"),
        ):
            found = train_pairs(members[how], seeds, sizes, kind).T.numpy()
            outcomes |= {f"{data_set}_{how}_{kind}_{size}": values for size, values in zip(sizes, found, strict=True)}
    outcomes |= {name: np.array(values) for name, values in moving_accuracies(seeds).items()}

    def over(name: str, other: str, those: Sequence[int]) -> np.ndarray:
        return np.mean([outcomes[f"{name}_{size}"] - outcomes[f"{other}_{size}"] for size in those], 0)

    compared = {
        **{f"{one}_scarce_add": over(f"{one}_aligned_add", f"{one}_aligned_concat", SCARCE) for one in DATA_SETS},
        **{f"{one}_left_out": over(f"{one}_first_add", f"{one}_shuffled_add", RICH) for one in DATA_SETS},
        **{f"{one}_second_helps": over(f"{one}_shuffled_concat", f"{one}_first_add", RICH) for one in DATA_SETS},
        "difference_lost": over("moving_concat", "moving_add", RICH),
    }
    every = {"effect": compared["network_left_out"], **compared, **outcomes}
    return {name: values.tolist() for name, values in every.items()}


def with_laterals(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Shuffled channels added as they are, added after a 1×1 of each input, and concatenated; much data.

    To a 1×1 whose initial weights are drawn at random no order of the channels is special, so with it shuffled channels
    and aligned ones are the same problem. And after a 1×1 each, an add can do just what a concat can.
    """
    outcomes: dict[str, np.ndarray] = {}
    for data_set in DATA_SETS:
        members: list[tuple[Pairs, Pairs]] = []
        for seed in seeds:
            order = shuffled(pools(data_set, seed)[0].first.shape[1], seed)
            train, test = (one._replace(second=one.second[:, order]) for one in pools(data_set, seed))
            members += [(train, test)] * len(RICH)
        for kind in ("add", "lateral", "concat"):
            outcomes[f"{data_set}_{kind}"] = train_pairs(members, seeds, RICH, kind).mean(1).numpy()
        for other in ("add", "concat"):
            outcomes[f"{data_set}_over_{other}"] = outcomes[f"{data_set}_lateral"] - outcomes[f"{data_set}_{other}"]
        outcomes[f"{data_set}_lost"] = outcomes[f"{data_set}_concat"] - outcomes[f"{data_set}_add"]
    every = {"effect": outcomes["network_over_add"], **outcomes}
    return {name: values.tolist() for name, values in every.items()}


def _corners(seeds: Sequence[int]) -> dict[str, list[float]]:
    corners = (ALIGNMENTS[0], ALIGNMENTS[-1]), (SIZES[0], SIZES[-1])
    return accuracies("digits", seeds, *corners, ["concat"]) | accuracies("network", seeds, *corners, ["add"])


_SET_NAMES = {"digits": "digits by two writers", "network": "a network's channels at two scales"}
CLAIMS = (
    Claim(
        "AC-4",
        "Add is a prior: where corresponding channels mean similar things, it can replace concat.",
        Said(
            "source",
            "加了一种prior",
            "it adds a kind of prior",
            "loosely: add can replace concat there",
        ),
        {
            f"for {_SET_NAMES[data_set]}": dataclasses.replace(
                all_of(
                    *(
                        exceeds(-MARGIN, "", of=f"{data_set}_{kind}_gain_100_{size}", because=_BECAUSE)
                        for kind in ("add", "wide")
                        for size in SIZES
                    )
                ),
                text=f"test accuracy of add less concat's, aligned, {SIZES[0]} to {SIZES[-1]} pairs, at equal widths "
                f"and at equal parameters: each whole interval above −{MARGIN}",
            )
            for data_set in DATA_SETS
        },
        alignment_map,
        seeds=16,
        control=all_of(
            *(
                exceeds(
                    MARGIN,
                    f"test accuracy that an add loses on a network's shuffled channels, {size} pairs",
                    of=f"network_lost_{size}",
                    because=_BECAUSE,
                )
                for size in RICH
            )
        ),
        recheck=_corners,
        told={
            "holds": "Where channel k of one map means what channel k of the other means, adding them is as good as "
            "concatenating, at any amount of data that we tried."
        },
    ),
    Claim(
        "AC-12",
        "The bet pays with little data; lost, it costs more than leaving one input out; and a sum hides differences.",
        Said("us"),
        {
            **{
                f"that add beats concat with 10 and 20 aligned pairs, {_SET_NAMES[data_set]}": exceeds(
                    MARGIN, "test accuracy of add less concat's", of=f"{data_set}_scarce_add", because=_BECAUSE
                )
                for data_set in DATA_SETS
            },
            **{
                f"that shuffled channels added are worse than one input alone, {_SET_NAMES[data_set]}": exceeds(
                    MARGIN,
                    "test accuracy with the first input alone less that with both added, 320 and 640 pairs",
                    of=f"{data_set}_left_out",
                    because=_BECAUSE,
                )
                for data_set in DATA_SETS
            },
            "that add loses where the answer is in the difference, two frames of a moving digit": exceeds(
                MARGIN, "test accuracy of concat less add's, 320 and 640 pairs", of="difference_lost", because=_BECAUSE
            ),
        },
        when_the_bet_is_lost,
        seeds=16,
        control=exceeds(
            MARGIN,
            "test accuracy that a concat gains by a network's second, shuffled channels, 320 and 640 pairs",
            of="network_second_helps",
            because=_BECAUSE,
        ),
        recheck=moving_accuracies,
        told={
            "depends": "A sum hides differences; with little data add is ahead on digits only, and only on a network's "
            "channels is adding what does not match worse than leaving it out."
        },
    ),
    Claim(
        "AC-13",
        "A 1×1 that learns, on each map before the add, makes up for channels that do not match.",
        Said("us"),
        {
            **{
                f"in that it helps an add of shuffled channels, {_SET_NAMES[data_set]}": exceeds(
                    MARGIN,
                    "test accuracy of shuffled channels added after a 1×1 each less that of the same added as they "
                    "are, 320 and 640 pairs",
                    of=f"{data_set}_over_add",
                    because=_BECAUSE,
                )
                for data_set in DATA_SETS
            },
            **{
                f"in that the add is then as good as concat, {_SET_NAMES[data_set]}": exceeds(
                    -MARGIN,
                    "test accuracy of shuffled channels added after a 1×1 each less that of the same concatenated, 320 "
                    "and 640 pairs",
                    of=f"{data_set}_over_concat",
                    because=_BECAUSE,
                )
                for data_set in DATA_SETS
            },
        },
        with_laterals,
        seeds=16,
        fresh=2,
        control=exceeds(
            MARGIN,
            "test accuracy by which an add of a network's shuffled channels, as they are, stays behind their concat",
            of="network_lost",
            because=_BECAUSE,
        ),
        told={
            "depends": "A 1×1 that learns, before the add, wins back most of what a network's shuffled channels cost; "
            "that the add is then as good as concat is not shown."
        },
    ),
)
