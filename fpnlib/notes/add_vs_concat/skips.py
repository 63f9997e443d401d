"""AC-10: U-Net and DenseNet, concatenating and adding, with little data and much; and what each skip carries."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from fpnlib.claims import Claim, Said, all_of, exceeds
from fpnlib.data.scenes import TRAINING_SEEDS, VALIDATION_SEEDS, scene_batch
from fpnlib.models import DenseNet, UNet
from fpnlib.models.cost import count_parameters
from fpnlib.models.densenet import DenseLayer
from fpnlib.notes.add_vs_concat.digits import digits
from fpnlib.training import Ensemble

Net = Literal["unet", "densenet"]
NETS: tuple[Net, ...] = ("unet", "densenet")
KINDS = ("concat", "add", "matched")  # as wide as concat, and with as many parameters as concat
SIZES: dict[Net, tuple[int, ...]] = {"unet": (16, 64, 512), "densenet": (20, 100, 800)}
MARGIN = 0.01  # of IoU or accuracy, within which concat is called fine
_WIDTHS = (8, 16, 32)
_GROWTH, _BLOCKS, _FEATURES = 4, (3, 3), 8
_STEPS = {"unet": 250, "densenet": 300}
_BATCH = {"unet": 8, "densenet": 16}
_SIDE, _TEST_SCENES, _TEST_DIGITS = 32, 256, 500
_OBJECT_WEIGHT = 4.0  # objects cover about a sixth of the pixels
_LEARNING_RATE = 0.01
_EARLY = 8  # steps


def make_net(net: Net, kind: str) -> UNet | DenseNet:
    """A fresh small net: for object or background on scenes, or for ten digits."""
    if net == "unet":
        return _unet("concat" if kind == "concat" else "add", matched_widths() if kind == "matched" else _WIDTHS)
    growth, features = matched_growth() if kind == "matched" else (_GROWTH, _FEATURES)
    return _densenet("concat" if kind == "concat" else "add", growth, features)


def _unet(merge: Literal["concat", "add"], widths: Sequence[int]) -> UNet:
    # Double precision: Adam makes whole steps of a zero gradient's rounding errors, such as a bias's before batch norm.
    return UNet(3, 2, widths, merge=merge, norm=nn.BatchNorm2d).double()


def _densenet(merge: Literal["concat", "add"], growth: int, features: int) -> DenseNet:
    return DenseNet(growth, _BLOCKS, features, 2, num_classes=10, in_channels=1, stem="small", merge=merge).double()


@functools.cache
def matched_widths() -> tuple[int, ...]:
    """The adding U-Net's widths with the parameters nearest to the concatenating one's; each level twice as wide."""
    tries = [(width, 2 * width, coarse) for width in range(8, 12) for coarse in range(32, 48)]
    with torch.device("meta"):  # draws no random numbers: the first of many seeds asks while its net is being made
        wanted = count_parameters(_unet("concat", _WIDTHS))
        return min(tries, key=lambda widths: abs(count_parameters(_unet("add", widths)) - wanted))


@functools.cache
def matched_growth() -> tuple[int, int]:
    """The adding DenseNet's growth and first features with the parameters nearest to the concatenating one's."""
    tries = [(growth, features) for growth in range(1, _GROWTH + 1) for features in range(2, 2 * _FEATURES)]
    with torch.device("meta"):  # as above
        wanted = count_parameters(_densenet("concat", _GROWTH, _FEATURES))
        return min(tries, key=lambda sizes: abs(count_parameters(_densenet("add", *sizes)) - wanted))


class Examples(NamedTuple):
    """Images (n, c, h, w) and what to answer: a map (n, h, w) for U-Net, a class (n,) for DenseNet."""

    images: Float[Tensor, "n c h w"]
    targets: Tensor


def training_examples(net: Net, seed: int, size: int) -> Examples:
    """The first `size` examples that a seed's nets train on; no two seeds share a scene."""
    if net == "unet":
        first = TRAINING_SEEDS[0] + seed * SIZES[net][-1]
        return _scenes(range(first, first + size))
    return _some_digits(seed, slice(0, size))


def held_out(net: Net, seed: int) -> Examples:
    """What they are tested on: the same scenes for all seeds, or digits that the seed does not train on."""
    return _scenes(VALIDATION_SEEDS[:_TEST_SCENES]) if net == "unet" else _some_digits(seed, slice(-_TEST_DIGITS, None))


def _some_digits(seed: int, places: slice) -> Examples:
    pixels, labels = digits()
    chosen = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))[places]
    return Examples(pixels[chosen].view(-1, 1, 8, 8), labels[chosen])


@functools.lru_cache(maxsize=16)
def _scenes(seeds: range) -> Examples:
    batch = scene_batch(seeds, size=_SIDE)
    return Examples(4 * batch.images.double() - 2, (batch.semantic > 0).long())


def loss(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy; in a map, an object's pixel counts more, as there are fewer."""
    logits = model(images)
    weight = logits.new_tensor([1.0, _OBJECT_WEIGHT]) if targets.ndim == 3 else None
    return F.cross_entropy(logits, targets, weight)


def train(net: Net, kind: str, size: int, seeds: Sequence[int], steps: int | None = None) -> Ensemble:
    """Train one net per seed on the first `size` examples of its own; all kinds see the same batches."""
    ensemble = Ensemble(
        functools.partial(make_net, net, kind), list(seeds), optimizer="adam", learning_rate=_LEARNING_RATE
    )
    data = [training_examples(net, seed, size) for seed in seeds]
    generators = [torch.Generator().manual_seed(6000 + seed) for seed in seeds]

    def batches(step: int) -> Examples:
        picks = [torch.randint(size, (_BATCH[net],), generator=generator) for generator in generators]
        picked = [(own.images[i], own.targets[i]) for own, i in zip(data, picks, strict=True)]
        return Examples(*(torch.stack(tensors) for tensors in zip(*picked, strict=True)))

    ensemble.fit(batches, loss, steps=steps or _STEPS[net], in_dims=0)
    return ensemble


def _early_loss(ensemble: Ensemble) -> list[float]:
    return ensemble.losses[:_EARLY].double().mean(0).tolist()


def skip_count(net: Net) -> int:
    """How many maps can be cut: U-Net's levels, coarsest last; DenseNet's layers, in their order."""
    return len(_WIDTHS) if net == "unet" else sum(_BLOCKS)


def run_cut(model: UNet | DenseNet, images: Float[Tensor, "n c h w"], cut: int) -> Tensor:
    """The net's logits when map `cut` no longer tells one image from another: each gets the mean over all images.

    In U-Net it is what a level hands across, or for the last level what goes up; in DenseNet what a layer adds or
    appends, for all that read it. With cut = −1 nothing is cut.
    """
    if isinstance(model, UNet):
        maps = [_mean(m) if level == cut else m for level, m in enumerate(model.encode(images))]
        return model.decode(maps)
    x, place = images, 0
    for name, step in model.features.named_children():
        if not name.startswith("denseblock"):
            x = step(x)
            continue
        for layer in cast(Iterable[DenseLayer], step.children()):
            new = layer.new(x)
            x = layer.merge(x, _mean(new) if place == cut else new)
            place += 1
    return model.classifier(x.relu().mean((2, 3)))


def _mean(maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    return maps.mean(0, keepdim=True).expand_as(maps)


def score(net: Net, answers: Tensor, targets: Tensor) -> float:
    """IoU of the objects over all scenes, or the share of digits that are right."""
    if net == "densenet":
        return (answers == targets).double().mean().item()
    found, there = answers > 0, targets > 0
    return (_count(found & there) / _count(found | there)) if bool((found | there).any()) else 1.0


def _count(mask: Bool[Tensor, "..."]) -> int:
    return int(mask.sum())


def scores(net: Net, seeds: Sequence[int]) -> dict[str, list[float]]:
    """Test scores of all kinds at all sizes, `<net>_<kind>_<size>`, and what each cut costs, `…_cut<i>`.

    `…_early` is the mean loss of the first steps, which a test can measure again in little time.
    """
    tests = [held_out(net, seed) for seed in seeds]
    images = torch.stack([test.images for test in tests])
    outcomes: dict[str, list[float]] = {}
    for size in SIZES[net]:
        for kind in KINDS:
            ensemble = train(net, kind, size, seeds)
            name = f"{net}_{kind}_{size}"
            outcomes[f"{name}_early"] = _early_loss(ensemble)
            for cut in range(-1, skip_count(net)):
                answers = ensemble.evaluate(
                    lambda model, x, cut=cut: run_cut(model, x, cut).argmax(1), images, in_dims=0
                )
                found = [score(net, own, test.targets) for own, test in zip(answers, tests, strict=True)]
                if cut < 0:
                    outcomes[name] = found
                else:
                    lost = [before - after for before, after in zip(outcomes[name], found, strict=True)]
                    outcomes[f"{name}_cut{cut}"] = lost
    return outcomes


def early_losses(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The `…_early` outcomes of `scores` at the smallest sizes, by training for those steps alone."""
    return {
        f"{net}_{kind}_{SIZES[net][0]}_early": _early_loss(train(net, kind, SIZES[net][0], seeds, _EARLY))
        for net in NETS
        for kind in KINDS
    }


def concat_or_add(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Scores and cuts of both nets, and what concat gains over both ways to add, with little data and with much."""
    return gains({name: values for net in NETS for name, values in scores(net, seeds).items()})


def gains(outcomes: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """`outcomes` of `scores`, what concat gains over each way to add, and what it gains from more data."""
    found: dict[str, list[float]] = {}

    def less(one: str, other: str) -> list[float]:
        return [a - b for a, b in zip(outcomes[one], outcomes[other], strict=True)]

    for net in NETS:
        little, much = SIZES[net][0], SIZES[net][-1]
        for kind in KINDS[1:]:
            for name, size in (("little", little), ("much", much)):
                found[f"{net}_gain_over_{kind}_{name}"] = less(f"{net}_concat_{size}", f"{net}_{kind}_{size}")
        found[f"{net}_more_data"] = less(f"{net}_concat_{much}", f"{net}_concat_{little}")
    return {"effect": found["unet_gain_over_matched_much"], **found, **outcomes}


_NET_NAMES: dict[Net, str] = {"unet": "a U-Net", "densenet": "a DenseNet"}
CLAIMS = (
    Claim(
        "AC-10",
        "With data and compute to spare concat will do too.",
        Said(
            "source",
            "如果不在乎计算量且数据足够的时候,用concat也是可以的 … concat在skip connection里用的也比add更普遍",
            "if computation does not matter and there are data enough, concat will do too … in skip connections it is "
            "more usual than add",
        ),
        {
            f"in {_NET_NAMES[net]} of equal parameters": exceeds(
                -MARGIN,
                f"test score of concat less add's in {_NET_NAMES[net]} of equal parameters, {SIZES[net][-1]} {what}",
                of=f"{net}_gain_over_matched_much",
                because="a hundredth is less than half of what another seed moves any of these scores by",
            )
            for net, what in zip(NETS, ("scenes", "digits"), strict=True)
        },
        concat_or_add,
        seeds=8,
        control=all_of(
            *(
                exceeds(MARGIN, f"test score that the most data gains over the least in {name}", of=f"{net}_more_data")
                for net, name in _NET_NAMES.items()
            )
        ),
        recheck=early_losses,
        told={
            "holds": "With data enough, concat did no harm in either net.",
            "depends": "With data enough, concat did no harm in a small U-Net; the small DenseNet scatters too much to "
            "say.",
        },
    ),
)
