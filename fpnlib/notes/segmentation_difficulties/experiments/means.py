"""SD-8: dataset-mIoU and image-mIoU of the same answers."""

import functools
import itertools
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from fpnlib.claims import Claim, Said, all_of, exceeds
from fpnlib.data.scenes import SCENE_CLASSES, scene
from fpnlib.metrics import boundary_iou
from fpnlib.notes.segmentation_difficulties.experiments.bounds import A_POINT, POINT
from fpnlib.notes.segmentation_difficulties.experiments.nets import (
    FEW,
    OUTPUT_STRIDES,
    SEEDS,
    answers,
    counted,
    early_losses,
    labels,
    miou,
    scenes_of,
)
from fpnlib.training.examples import Examples
from fpnlib.training.segmenter import SIDES

_OVER = ("dataset", "image")


def small_missing(given: Examples) -> UInt8[Tensor, "n h w"]:
    """The true classes without small objects."""
    said = given.semantic.clone()
    for one, boxes, instances in zip(said, given.boxes, given.instances, strict=True):
        small = 1 + ((boxes[:, 2:] - boxes[:, :2]).amax(1) < SIDES["small"][1]).nonzero().flatten()
        one[torch.isin(instances, small.to(instances.dtype))] = 0
    return said


def silent_at_times(given: Examples) -> UInt8[Tensor, "n h w"]:
    """The true classes, but every tenth scene is called background altogether."""
    said = given.semantic.clone()
    said[::10] = 0
    return said


def two_means(seeds: Sequence[int], *, fine_tune: bool = False) -> dict[str, list[float]]:
    """Dataset-mIoU and image-mIoU of nets, and how often they disagree which of two is better."""
    outcomes = early_losses(seeds, (OUTPUT_STRIDES[0],), fine_tune=fine_tune)
    for seed in seeds:
        given = scenes_of(seed)
        truth = counted(given)
        said = {str(stride): labels(answers(seed, stride, fine_tune=fine_tune)) for stride in OUTPUT_STRIDES}
        said |= {
            "few": labels(answers(seed, 16, FEW, fine_tune=fine_tune)),
            "missing": small_missing(given),
            "silent": silent_at_times(given),
        }
        means = {name: [miou(one, truth, over) for over in _OVER] for name, one in said.items()}
        found = {f"{name}_{over}": both[i] for name, both in means.items() for i, over in enumerate(_OVER)}
        found |= {f"apart_{name}": abs(means[name][0] - means[name][1]) for name in map(str, OUTPUT_STRIDES)}
        leads = [one - other for one, other in zip(means["missing"], means["silent"], strict=True)]
        found |= {"dataset_lead": leads[0], "image_lead": -leads[1]}
        nets = [means[name] for name in said if name not in ("missing", "silent")]
        pairs = [(a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in itertools.combinations(nets, 2)]
        found["disagree"] = sum(pairs) / len(pairs)
        for name, value in found.items():
            outcomes.setdefault(name, []).append(value)
    return {"effect": outcomes["disagree"], **outcomes}


_SHOWN = (1_000_030, 1_000_049, 1_000_009, 1_000_054, 1_000_045, 1_000_013)  # small and large objects of each class
_DISTANCE = 2  # of boundary IoU, in pixels


@functools.cache
def scene_maps() -> tuple[Int64[np.ndarray, "n h w"], tuple[str, ...]]:
    """The label maps of six scenes for the explorer, and the classes' names."""
    return np.stack([scene(seed, size=96).semantic.numpy() for seed in _SHOWN]), SCENE_CLASSES


def without(labels: Int64[np.ndarray, "h w"], kind: int, share: float) -> Int64[np.ndarray, "h w"]:
    """Labels of which so many per cent of a class are called background, from its top row down."""
    answer = labels.copy()
    places = np.flatnonzero(labels == kind)
    answer.flat[places[: round(len(places) * share / 100)]] = 0
    return answer


def boundary_of_one(answer: Int64[np.ndarray, "h w"], targets: Int64[np.ndarray, "n h w"], place: int) -> float:
    """Mean boundary IoU over images and their classes where only one image, at `place`, is not all right."""
    target = targets[place]
    wrong = [boundary_iou(answer == kind, target == kind, distance=_DISTANCE) for kind in np.unique(target)]
    return 1 - sum(1 - value for value in wrong) / sum(len(np.unique(one)) for one in targets)


SD_8 = Claim(
    "SD-8",
    "Dataset-mIoU is not image-mIoU",
    Said(
        "source",
        "另外好像还有image-mIoU,但不知道哪个数据集用了",
        "there seems to be an image-mIoU too, but I do not know which data set uses it",
        "in passing",
    ),
    {
        **{
            f"in the number, at output stride {stride}": exceeds(
                POINT,
                "a net's two means apart",
                of=f"apart_{stride}",
                because=A_POINT,
            )
            for stride in OUTPUT_STRIDES
        },
        "in which of two nets is better": exceeds(
            0.05,
            "share of the pairs among five nets on which the two means disagree",
            of="disagree",
            because="one in twenty is how often the field lets chance decide",
        ),
    },
    two_means,
    seeds=SEEDS,
    control=all_of(
        exceeds(0, "by dataset-mIoU the lead of true labels without small objects over shrunk ones", of="dataset_lead"),
        exceeds(0, "by image-mIoU the lead of the shrunk ones", of="image_lead"),
    ),
    recheck=functools.partial(early_losses, strides=(OUTPUT_STRIDES[0],)),
    tunes=True,
    told={
        "depends": "Whether all images are counted as one or each by itself moved our better nets' score by "
        "several points; that it changes which of two nets wins is not shown."
    },
)
