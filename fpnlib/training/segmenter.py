"""Training a segmentation decoder on collages and scoring it on others, which share nothing with them.

model, history = train_segmenter(0)
given = data(TEST_SCENES, split="test")
score_segmenter(predict(model, given), given)
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn

from fpnlib.data.collages import COLLAGE_CLASSES
from fpnlib.data.voc import VOID, with_void
from fpnlib.metrics import boundary_iou, confusion_matrix, iou_per_class
from fpnlib.models.fpn import FPN
from fpnlib.models.segmenter import Head, Neck, Segmenter, standard_head
from fpnlib.training.decoders import device_of, train_decoder
from fpnlib.training.examples import CHANNELS, STRIDES, Examples
from fpnlib.training.loop import History
from fpnlib.validation import require_choice

CLASSES = len(COLLAGE_CLASSES)
SIDES = {"small": (0, 32), "medium": (32, 64), "large": (64, 10**6)}
"""Sizes of objects by the longer side of the box, in pixels of a scene of 256."""

_LOSS_STRIDE = 4  # the loss is taken on every fourth pixel of every fourth row, whatever the output stride
_PART = 16  # scenes scored at once
_SQUARE = COLLAGE_CLASSES.index("amber square")


def train_segmenter(
    seed: int,
    *,
    stride: int = 4,
    channels: int = 32,
    neck: Neck = FPN,
    head: Head = standard_head,
    void: int = 2,
    **course: Any,
) -> tuple[nn.Module, History]:
    """Train a decoder; `predict` takes the model, and `score_segmenter` what that says.

    Pixels within `void` of a boundary have no part in the loss, cross-entropy.

    Args:
        seed: of the first weights and the order of the scenes.
        stride: the output stride, 4, 8, 16 or 32; finer maps of the backbone are not used.
        channels: of the neck.
        neck: see `Segmenter`.
        head: see `Segmenter`.
        void: pixels on either side of a boundary.
        course: options of `train_decoder`: scenes, steps, rate, size, cue_distance, backbone, fine_tune and so on.

    Errors: ValueError for another stride; and as `train_decoder`.
    """
    require_choice("stride", stride, STRIDES)
    kept = CHANNELS[STRIDES.index(stride) :]

    def loss(logits: Tensor, places: Tensor, learnt: Examples) -> Tensor:
        wanted = _targets(learnt, void)[places].to(logits.device)
        if logits.shape[2:] != wanted.shape[1:]:
            logits = F.interpolate(logits, wanted.shape[1:], mode="bilinear")
        return F.cross_entropy(logits, wanted, ignore_index=VOID)

    return train_decoder(
        seed, lambda: Segmenter(kept, CLASSES, channels=channels, neck=neck, head=head), loss, **course
    )


@lru_cache(maxsize=1)  # all nets of a sweep learn from the same scenes
def _targets(learnt: Examples, void: int) -> Int64[Tensor, "n h w"]:
    first = _LOSS_STRIDE // 2
    return void_classes(learnt, void)[:, first::_LOSS_STRIDE, first::_LOSS_STRIDE].contiguous()


def void_classes(given: Examples, void: int) -> Int64[Tensor, "n h w"]:
    """The class at each pixel, VOID within `void` pixels of a boundary."""
    parts = zip(given.semantic.split(_PART), given.instances.split(_PART), strict=True)
    return torch.cat([with_void(semantic.long(), instances.long(), void) for semantic, instances in parts])


@dataclass(frozen=True, eq=False)
class Segmented:
    """What a model says of n scenes.

    classes: (n, H, W) uint8
    lead:    (n,) by how much the logit of "blue square" exceeds that of "amber square" on a scene's square, on average
    """

    classes: UInt8[Tensor, "n h w"]
    lead: Float[Tensor, " n"]


@torch.no_grad()
def predict(model: nn.Module, given: Examples) -> Segmented:
    """The model's answers, its logits enlarged bilinearly to the size of the scenes."""
    classes, lead = [], []
    device = device_of(model)
    for places in torch.arange(len(given)).split(_PART):
        logits = F.interpolate(model(given.batch(places, device)), given.semantic.shape[1:], mode="bilinear")
        classes.append(logits.argmax(1).to("cpu", torch.uint8))
        square = (given.instances[places] == 1).to(device).float()  # the first object of every scene
        ahead = logits[:, _SQUARE + 1] - logits[:, _SQUARE]
        lead.append(((ahead * square).sum((1, 2)) / square.sum((1, 2))).cpu())
    return Segmented(torch.cat(classes), torch.cat(lead))


def score_segmenter(
    said: Segmented, given: Examples, *, void: int = 2, distance: int | None = None
) -> dict[str, float]:
    """How good a model's answers are; pixels within `void` of a boundary do not count.

    - `miou`, `iou_face` …: IoU over the dataset, of all classes and of each.
    - `boundary_iou`: mean over the classes of their Boundary IoU, over the dataset, with bands of `distance` pixels,
      by default 2 % of the diagonal as Cheng et al. (CVPR 2021) have it.
    - `accuracy_small`, `_medium`, `_large`: share of an object's pixels that have its class, mean over objects; sizes
      are those of `SIDES`, in proportion to the scenes' size. An object with no counted pixel is left out.
    - `square`: share of the squares for which the right one of the two square classes has the larger logit; chance .5.
    """
    exact, target = given.semantic, void_classes(given, void)
    size = exact.shape[-1]
    reach = max(1, round(0.02 * math.hypot(*exact.shape[1:]))) if distance is None else distance
    each = iou_per_class(confusion_matrix(said.classes, target, CLASSES, ignore_index=VOID))
    scores = {"miou": each.nanmean().item()}
    scores |= {f"iou_{name}": value for name, value in zip(COLLAGE_CLASSES, each.tolist(), strict=True)}
    ignored = _stacked(target == VOID)
    bands = [
        boundary_iou(_stacked(said.classes == name), _stacked(exact == name), distance=reach, ignore=ignored)
        for name in range(CLASSES)
    ]
    scores["boundary_iou"] = torch.tensor(bands).nanmean().item()
    side, right = object_accuracy(said, given, target)
    for name, (low, high) in SIDES.items():
        chosen = right[(side >= low * size / 256) & (side < high * size / 256)]
        scores[f"accuracy_{name}"] = chosen.nanmean().item()
    blue = torch.stack([classes[0] for classes in given.classes]) == _SQUARE + 1
    scores["square"] = ((said.lead > 0) == blue).double().mean().item()
    return scores


def object_accuracy(
    said: Segmented, given: Examples, target: Int64[Tensor, "n h w"]
) -> tuple[Float[Tensor, " objects"], Float[Tensor, " objects"]]:
    """For each object of all scenes the longer side of its box, and the share of its counted pixels that are right.

    nan for an object that is void altogether.
    """
    sides, shares = [], []
    for row, boxes in enumerate(given.boxes):
        numbers = given.instances[row].long().flatten()
        counted = target[row].flatten() != VOID
        hit = counted & (said.classes[row].flatten() == given.semantic[row].flatten())
        total, right = (numbers[which].bincount(minlength=len(boxes) + 1)[1:].double() for which in (counted, hit))
        sides.append((boxes[:, 2:] - boxes[:, :2]).amax(1))
        shares.append(right / total)
    return torch.cat(sides), torch.cat(shares)


def _stacked(masks: Bool[Tensor, "n h w"]) -> Bool[Tensor, "rows w"]:
    """All masks below each other with an empty row between, so that an image's edge stays a boundary."""
    return F.pad(masks, (0, 0, 0, 1)).flatten(0, 1)
