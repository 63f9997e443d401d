"""SH-1: does a net that ends in a single 3×3 train less steadily than one that ends in 3×3 and 1×1?

Before the criterion was written only nets with the head 1×1, which is on neither side, had been trained, to choose the
trunk, the loss's weights, the rates and the number of steps.
"""

import functools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fpnlib.claims import Claim, Said, exceeds
from fpnlib.notes.segmentation_head.heads import (
    HEADS,
    TRAINING,
    VALIDATION,
    HeadNet,
    class_weights,
    mean_ious,
    scenes,
)
from fpnlib.training import Ensemble, minibatches

RATES = (0.03, 0.1, 0.3)
MOMENTUM, BATCH = 0.9, 8
STEPS, EVERY = 240, 20
EVALUATED = tuple(range(EVERY, STEPS + 1, EVERY))
SETTLED = 100  # jitter counts from this step on
NETS = 2  # of each head and rate for a seed of the ledger; how far the two are apart is its spread
SEEDS = 32
NAMES = dict(zip(HEADS, ("one", "two", "point", "wide", "deep"), strict=True))
MEASURES = ("spread", "jitter", "spikes")
_SPIKE, _BEFORE = 1.5, 10  # a loss so many times the mean of so many before
_EARLY = 8  # steps that a test trains again
_DIGITS = 4


def loss(model: nn.Module, images: Tensor, semantic: Tensor) -> Tensor:
    """Cross-entropy over all pixels, rare classes weighing more."""
    return F.cross_entropy(model(images), semantic, weight=class_weights())


def ensemble_of(head: str, seeds: Sequence[int], rates: Sequence[float] = RATES) -> tuple[Ensemble, list[int]]:
    """Return nets of one head, untrained, with the seed of each: for each rate, seed and net of the pair in turn.

    The pair of a seed differs in initialisation and in the order of its scenes. All heads share both seeds.
    """
    each = [NETS * seed + net for _ in rates for seed in seeds for net in range(NETS)]
    rate = torch.tensor(rates).repeat_interleave(NETS * len(seeds))
    return Ensemble(functools.partial(HeadNet, head), each, learning_rate=rate, momentum=MOMENTUM), each


def train_head(head: str, seeds: Sequence[int], steps: int = STEPS) -> tuple[Tensor, Tensor]:
    """Train nets of one head; return losses (steps, rates, seeds, nets) and mIoU (evaluations, rates, seeds, nets)."""
    ensemble, each = ensemble_of(head, seeds)
    batches = minibatches(*scenes(TRAINING, training=True), size=BATCH, seed=each)
    found = []
    for _ in range(steps // EVERY):
        ensemble.fit(batches, loss, steps=EVERY, in_dims=0)
        found.append(ensemble.evaluate(_validation_miou, *scenes(VALIDATION, training=False)))
    ensemble.fit(batches, loss, steps=steps % EVERY, in_dims=0)
    shape = (-1, len(RATES), len(seeds), NETS)
    curves = torch.stack(found) if found else torch.empty(0, len(each))
    return ensemble.losses.view(shape), curves.nan_to_num(0).view(shape)


def _validation_miou(model: nn.Module, images: Tensor, semantic: Tensor) -> Tensor:
    return mean_ious(model(images), semantic)


def spikes(losses: Tensor) -> Tensor:
    """Share of steps whose loss is `_SPIKE` times the mean of the `_BEFORE` before it; a diverged step is one."""
    before = losses.nan_to_num(torch.inf).unfold(0, _BEFORE, 1)[:-1].mean(-1)
    late = losses.nan_to_num(torch.inf)[_BEFORE:]
    return ((late > _SPIKE * before) | late.isinf()).double().mean(0)


def measures(losses: Tensor, curves: Tensor) -> dict[str, Tensor]:
    """Return what is compared, each (rates, seeds)."""
    settled = curves[[at >= SETTLED for at in EVALUATED]]
    return {
        "miou": curves[-1].mean(-1),
        "spread": (curves[-1, ..., 0] - curves[-1, ..., 1]).abs(),
        "jitter": settled.diff(dim=0).abs().mean((0, -1)),
        "spikes": spikes(losses).mean(-1),
    }


def stability(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Every head at every rate: `<measure>_<head>_<rate>`; `<measure>_gain_<head>`: how much more than 3×3→1×1.

    The rates are numbered from 0. `miou_gain` is the other way round: how much better 3×3→1×1 is than 3×3.
    `curve_<head>_<rate>_<net>_<step>` is the validation mIoU on the way.
    """
    found: dict[str, dict[str, Tensor]] = {}
    outcomes: dict[str, Tensor] = {}
    for head, name in NAMES.items():
        losses, curves = train_head(head, seeds)
        found[name] = measures(losses, curves)
        outcomes |= {
            f"{measure}_{name}_{rate}": values[rate]
            for measure, values in found[name].items()
            for rate in range(len(RATES))
        }
        for at, curve in zip(EVALUATED, curves, strict=True):
            for rate in range(len(RATES)):
                outcomes |= {f"curve_{name}_{rate}_{net}_{at}": curve[rate, :, net] for net in range(NETS)}
    for measure in MEASURES:
        for name in ("one", "wide", "deep"):
            more = found[name][measure] - found["two"][measure]
            outcomes[f"{measure}_gain_{name}"] = more.mean(0)
            outcomes |= {f"{measure}_gain_{name}_{rate}": more[rate] for rate in range(len(RATES))}
    for name in ("one", "wide", "deep"):
        outcomes[f"miou_gain_{name}"] = (found["two"]["miou"] - found[name]["miou"]).mean(0)
    outcomes["effect"] = outcomes["spread_gain_one"]
    return {name: [round(value, _DIGITS) for value in values.tolist()] for name, values in outcomes.items()} | early(
        seeds
    )


def early(seeds: Sequence[int]) -> dict[str, list[float]]:
    """`early_<head>`: the mean loss of the first steps over rates and nets, which a test can run again."""
    return {
        f"early_{name}": train_head(head, seeds, _EARLY)[0].mean((0, 1, 3)).tolist() for head, name in NAMES.items()
    }


_NOTICED = "a fifth of what 3×3→1×1 has itself, which shows when one looks at two curves"

CLAIMS = (
    Claim(
        "SH-1",
        "A segmentation network whose last layer is a single 3×3 convolution gives unstable results; 3×3 followed by a "
        "1×1 classifier is better",
        Said(
            "source",
            "最后的输出卷积核如果是一层3x3的话,结果会很不稳定;比较好的办法是一层3x3,再接上一个1x1的卷积进行分类",
            "if the last output layer is a single 3×3 the results are very unstable; better is a 3×3 followed by a "
            "1×1 that classifies",
        ),
        {
            "for the spread of the final mIoU": exceeds(
                0.0045, "between two seeds, 3×3 more than 3×3→1×1", of="spread_gain_one", because=_NOTICED
            ),
            "for the jitter": exceeds(
                0.003, "of the validation mIoU, 3×3 more than 3×3→1×1", of="jitter_gain_one", because=_NOTICED
            ),
            "for loss spikes": exceeds(
                0.01,
                "share of steps, 3×3 more than 3×3→1×1",
                of="spikes_gain_one",
                because="one step in a hundred is what a log of the loss shows",
            ),
            "for the score": exceeds(
                0.011,
                "mIoU of 3×3→1×1 above that of 3×3",
                of="miou_gain_one",
                because="half of what lies between two seeds of one head",
            ),
        },
        stability,
        seeds=SEEDS,
        recheck=early,
        control=exceeds(
            0.6,
            "mIoU of the best head at its best rate",
            of="miou_point_0",
            because="a net that labels most pixels wrong says little about how steady a good one is",
        ),
        told={
            "not shown": "Nets as small as ours cannot tell whether a last 3×3 makes a segmentation network unsteady"
        },
    ),
)
