"""SH-1: does a net that ends in a single 3×3 train less steadily than one that ends in 3×3 and 1×1?

Width, steps, rates and the scenes' number were chosen by training some nets, seeds 0 to 3 mostly with the heads 3×3 and
3×3→1×1, and scoring them on scenes of the training part that no net learns from. No score on test scenes was known when
the criterion was written. The sweep was begun anew after 29 nets and after 39, since it took too long: steps and
evaluations were made fewer. The bounds stayed. With 8 seeds some intervals were wider than what matters, so 8 more were
trained; the heads that are not compared were trained at the outer rates later, and no criterion is about them.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from fpnlib.claims import Claim, Criterion, Said, all_of, exceeds
from fpnlib.data.collages import COLLAGE_CLASSES
from fpnlib.data.voc import VOID
from fpnlib.metrics import confusion_matrix, iou_per_class
from fpnlib.notes.segmentation_head.experiments.heads import HEADS, STRIDE, head, neck, width
from fpnlib.training.decoders import FineTuned, data
from fpnlib.training.examples import STRIDES, Examples
from fpnlib.training.segmenter import CLASSES, Segmented, predict, score_segmenter, train_segmenter, void_classes

RATES = (0.002, 0.01, 0.05)
BEST = 1  # of the rates, for every head that was tried on other scenes
SCENES, STEPS, EVERY = 256, 288, 32
EVALUATED = tuple(range(EVERY, STEPS + 1, EVERY))
SETTLED = 64  # jitter counts from this step on
TESTED, FOLLOWED = 64, 32  # test scenes at the end, and on the way
NETS = 2  # of a cell for a seed of the ledger; how far the two are apart is its spread
COMPARED = ("3×3", "3×3→1×1")  # by the source; with a backbone that learns the only ones
SEEDS = 16
NAMES = dict(zip(HEADS, ("one", "two", "point", "wide", "deep"), strict=True))
NORMS = {False: "plain", True: "norm"}
MEASURES = ("spread", "jitter", "spikes")
SCORES = ("miou", "boundary")
_SPIKE, _BEFORE = 1.5, 10  # a loss so many times the mean of so many before
_EARLY = 3  # steps that a test trains again
_DIGITS = 4
_SQUARE = COLLAGE_CLASSES.index("amber square")


class Course(NamedTuple):
    """What one training gave: the loss at each step, mIoU at each evaluation, and both scores at the end."""

    losses: list[float]
    curve: list[float]
    miou: float
    boundary: float


@functools.lru_cache(maxsize=2)
def scenes(count: int, apart: int, *, fine_tune: bool = False) -> Examples:
    """The first test scenes with the labels of every so many-th pixel of every so many-th row.

    Squares of both colours are one class: when a net begins to tell the colours apart is a matter of luck in so short a
    training, and would drown all else.
    """
    given, first = data(count, split="test", fine_tune=fine_tune), apart // 2
    semantic, instances = (one[:, first::apart, first::apart] for one in (given.semantic, given.instances))
    inputs = given.inputs if fine_tune else tuple(one.float() for one in given.inputs[STRIDES.index(STRIDE) :])
    return Examples(inputs, semantic.clamp(max=_SQUARE), instances.contiguous(), given.boxes, given.classes)


@functools.lru_cache(maxsize=2)
def _target(given: Examples) -> Int64[Tensor, "n h w"]:
    return void_classes(given, 1)


def answers(model: nn.Module, given: Examples) -> Segmented:
    """What a model says, squares of both colours as one class."""
    said = predict(model, given)
    return Segmented(said.classes.clamp(max=_SQUARE), said.lead)


def followed(model: nn.Module) -> float:
    """A model's mean IoU on the scenes on which nets are followed; labels next to a boundary do not count."""
    given = scenes(FOLLOWED, 4, fine_tune=isinstance(model, FineTuned))
    confusion = confusion_matrix(answers(model, given).classes, _target(given), CLASSES, ignore_index=VOID)
    return iou_per_class(confusion).nanmean().item()


def course(name: str, norm: bool, rate: float) -> dict[str, Any]:
    """The options of `train_segmenter` for a head, with or without batch norm, at a rate."""
    shape = {"stride": STRIDE, "channels": width(name), "neck": neck, "head": head(name, norm)}
    return shape | {"rate": rate, "steps": STEPS, "scenes": SCENES}


def train_net(name: str, norm: bool, rate: float, seed: int, *, fine_tune: bool = False) -> Course:
    """Train one net whole, follow it, and score it."""
    curve: list[float] = []

    def watch(done: int, model: nn.Module) -> None:
        if done % EVERY == 0:
            curve.append(followed(model.eval()))

    model, history = train_segmenter(seed, **course(name, norm, rate), fine_tune=fine_tune, watch=watch)
    given = scenes(TESTED, 2, fine_tune=fine_tune)
    scores = score_segmenter(answers(model, given), given, void=1)
    return Course(history.losses, curve, scores["miou"], scores["boundary_iou"])


def jitter(curve: Sequence[float]) -> float:
    """How far evaluations lie from the middle of their two neighbours, on average over those from `SETTLED` on.

    A straight climb has none, but one that bends as learning slows down has some; see `falls`.
    """
    late = _settled(curve)
    return (late[1:-1] - (late[:-2] + late[2:]) / 2).abs().mean().item()


def falls(curve: Sequence[float]) -> float:
    """How far the score falls from one evaluation to the next, on average; where it rises that counts as 0.

    No part of the criterion: it tells whether jitter came from curves that bend, which never fall.
    """
    late = _settled(curve)
    return (late[:-1] - late[1:]).clamp(min=0).mean().item()


def _settled(curve: Sequence[float]) -> Tensor:
    return torch.tensor([value for at, value in zip(EVALUATED, curve, strict=True) if at >= SETTLED])


def spikes(losses: Sequence[float]) -> float:
    """Share of steps whose loss is `_SPIKE` times the mean of the `_BEFORE` before it."""
    every = torch.tensor(losses)
    before = every.unfold(0, _BEFORE, 1)[:-1].mean(-1)
    return (every[_BEFORE:] > _SPIKE * before).double().mean().item()


def measures(nets: Sequence[Course]) -> dict[str, float]:
    """What is compared, of the nets of a seed: means, and how far apart two of them end."""
    means = {
        "miou": [net.miou for net in nets],
        "boundary": [net.boundary for net in nets],
        "jitter": [jitter(net.curve) for net in nets],
        "spikes": [spikes(net.losses) for net in nets],
    }
    found = {name: sum(values) / len(values) for name, values in means.items()}
    return found | {"spread": max(means["miou"]) - min(means["miou"])}


def cells(*, fine_tune: bool = False) -> list[tuple[str, bool, int, str]]:
    """What is trained: head, whether with batch norm, the rate's number, and how outcomes name all that.

    With a backbone that learns (`fine_tune`) those are the compared heads alone.
    """
    return [
        (name, norm, place, f"{short}_{normed}_{place}")
        for name, short in NAMES.items()
        if name in COMPARED or not fine_tune
        for norm, normed in NORMS.items()
        for place in range(len(RATES))
    ]


def of_seed(seed: int, *, fine_tune: bool = False) -> dict[str, float]:
    """Every cell, `<measure>_<head>_<norm>_<rate>`, rates by number, and what follows from them.

    - `<measure>_gain_<head>_<norm>`: how much more a head has than 3×3→1×1 with the same norm, mean over the rates;
      with a rate's number, at this rate. Of `miou` and `boundary` it is the other way round: how
      much better 3×3→1×1 is.
    - `final_…_<net>` and `curve_…_<net>_<step>`: mIoU at the end and on the way.
    - `control_spread`: how much farther apart two nets 3×3→1×1 end if one of them has the lowest rate and the other the
      middle one than if both have the middle one; `control_jitter`: how much more jitter they have at the highest rate
      than at the lowest. Both are means with and without batch norm.
    """
    found: dict[str, float] = {}
    for name, norm, place, cell in cells(fine_tune=fine_tune):
        nets = [train_net(name, norm, RATES[place], NETS * seed + net, fine_tune=fine_tune) for net in range(NETS)]
        found |= {f"{measure}_{cell}": value for measure, value in measures(nets).items()}
        for number, net in enumerate(nets):
            found[f"final_{cell}_{number}"] = net.miou
            found |= {f"curve_{cell}_{number}_{at}": v for at, v in zip(EVALUATED, net.curve, strict=True)}
    return found | gains(found) | controls(found)


def of_nets(found: Mapping[str, Sequence[float]], name: str, end: str = "") -> np.ndarray:
    """`<name>_<net><end>` of every net of every seed (nets,), those of a seed one after the other."""
    return np.array([found[f"{name}_{net}{end}"] for net in range(NETS)]).T.ravel()


def gains(found: dict[str, float]) -> dict[str, float]:
    """What `of_seed` says of `gain`."""
    more: dict[str, float] = {}
    for measure in (*MEASURES, *SCORES):
        sign = -1 if measure in SCORES else 1
        for short in ("one", "wide", "deep", "point"):
            for normed in NORMS.values():
                each = {
                    place: sign * (found[name] - found[f"{measure}_two_{normed}_{place}"])
                    for place in range(len(RATES))
                    if (name := f"{measure}_{short}_{normed}_{place}") in found
                }
                if each:
                    more[f"{measure}_gain_{short}_{normed}"] = sum(each.values()) / len(each)
                more |= {f"{measure}_gain_{short}_{normed}_{place}": value for place, value in each.items()}
    return more


def controls(found: dict[str, float]) -> dict[str, float]:
    """What `of_seed` says of `control`."""
    apart, shaken = [], []
    for normed in NORMS.values():
        slow, best = (found[f"final_two_{normed}_{place}_{net}"] for place, net in ((0, 1), (BEST, 0)))
        apart.append(abs(slow - best) - found[f"spread_two_{normed}_{BEST}"])
        shaken.append(found[f"jitter_two_{normed}_{len(RATES) - 1}"] - found[f"jitter_two_{normed}_0"])
    return {"control_spread": sum(apart) / len(apart), "control_jitter": sum(shaken) / len(shaken)}


def stability(seeds: Sequence[int], *, fine_tune: bool = False) -> dict[str, list[float]]:
    """`of_seed` for each seed, `effect`, and `early`."""
    rows = [of_seed(seed, fine_tune=fine_tune) for seed in seeds]
    rows = [row | {"effect": row["spread_gain_one_plain"]} for row in rows]
    return {name: [round(row[name], _DIGITS) for row in rows] for name in rows[0]} | early(seeds, fine_tune=fine_tune)


def early(seeds: Sequence[int], *, fine_tune: bool = False) -> dict[str, list[float]]:
    """`early_<head>_<norm>`: the mean loss of the first steps at the middle rate, which a test can run again.

    With a backbone that learns it is the first step's: without a GPU each takes seconds.
    """
    stop = 1 if fine_tune else _EARLY

    def loss(name: str, norm: bool, seed: int) -> float:
        options = course(name, norm, RATES[BEST])
        return sum(train_segmenter(NETS * seed, **options, fine_tune=fine_tune, stop=stop)[1].losses) / stop

    return {
        "early_" + cell.removesuffix(f"_{BEST}"): [loss(name, norm, seed) for seed in seeds]
        for name, norm, place, cell in cells(fine_tune=fine_tune)
        if place == BEST
    }


_POINT = "a point of mIoU is a gain for which new heads are published"
_HALF = (
    "a gain is read off two evaluations; where each is off by half a point, a point of mIoU, for which new heads are "
    "published, cannot be told from chance"
)
WORDS = {"plain": "without batch norm", "norm": "with batch norm"}


def _parts() -> dict[str, Criterion]:
    parts = {}
    for normed, words in WORDS.items():
        parts[f"for the spread {words}"] = exceeds(
            0.01,
            "between two seeds, 3×3 more than 3×3→1×1 in final mIoU, mean over three rates",
            of=f"spread_gain_one_{normed}",
            because=_POINT,
        )
        parts[f"for the jitter {words}"] = exceeds(
            0.005,
            "of the validation mIoU, 3×3 more than 3×3→1×1, mean over three rates",
            of=f"jitter_gain_one_{normed}",
            because=_HALF,
        )
        parts[f"for loss spikes {words}"] = exceeds(
            0.01,
            "share of steps, 3×3 more than 3×3→1×1, mean over three rates",
            of=f"spikes_gain_one_{normed}",
            because="one step in a hundred is what a log of the loss shows",
        )
        parts[f"for the score {words}"] = exceeds(
            0.01,
            "mIoU of 3×3→1×1 above that of 3×3, both at the middle rate",
            of=f"miou_gain_one_{normed}_{BEST}",
            because=_POINT,
        )
        parts[f"for the score at boundaries {words}"] = exceeds(
            0.01,
            "Boundary IoU of 3×3→1×1 above that of 3×3, both at the middle rate",
            of=f"boundary_gain_one_{normed}_{BEST}",
            because=_POINT,
        )
    return parts


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
        _parts(),
        stability,
        seeds=SEEDS,
        recheck=early,
        tunes=True,
        control=all_of(
            exceeds(
                0.6,
                "mIoU of 3×3→1×1 with batch norm at the middle rate",
                of=f"miou_two_norm_{BEST}",
                because="a net that labels most pixels wrong says little about how steady a good one is",
            ),
            exceeds(
                0.01,
                "farther apart than two seeds at the middle rate are two of which one has a fifth of it",
                of="control_spread",
                because="an unsteadiness put in by hand, as large as the smallest that matters",
            ),
            exceeds(
                0.005,
                "more jitter at the highest rate than at the lowest, which is 25 times smaller",
                of="control_jitter",
                because="as large as the smallest that matters",
            ),
        ),
        told={
            "depends": "With batch norm before the last layer, 3×3 and 1×1 beat a single 3×3 clearly and spread less "
            "from seed to seed; without it neither is true, and a single 3×3 did not train noticeably more restlessly"
        },
    ),
)
