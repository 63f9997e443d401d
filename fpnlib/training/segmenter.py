"""Training a segmentation decoder on collages and scoring it on others, which share nothing with them.

python -m fpnlib.training.segmenter trains one and prints its scores.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn

from fpnlib.data.collages import COLLAGE_CLASSES, Split
from fpnlib.data.voc import VOID, with_void
from fpnlib.metrics import boundary_iou, confusion_matrix, iou_per_class
from fpnlib.models.fpn import FPN
from fpnlib.models.segmenter import Head, Neck, Segmenter, standard_head
from fpnlib.training.batches import minibatches
from fpnlib.training.examples import CHANNELS, STRIDES, Backbone, Examples, examples, images
from fpnlib.training.loop import History, train
from fpnlib.training.progress import ProgressCallback
from fpnlib.validation import require, require_choice

CLASSES = len(COLLAGE_CLASSES)
SCENES, STEPS, BATCH, RATE = 512, 400, 8, 3e-3
TEST_SCENES = 128
SIDES = {"small": (0, 32), "medium": (32, 64), "large": (64, 10**6)}
"""Sizes of objects by the longer side of the box, in pixels of a scene of 256."""

_LOSS_STRIDE = 4  # the loss is taken on every fourth pixel of every fourth row, whatever the output stride
_PART = 16  # scenes scored at once
_SQUARE = COLLAGE_CLASSES.index("amber square")


class FineTuned(nn.Module):
    """A backbone that learns, and what is trained on its maps; takes images (n, 3, H, W) 0…255 in a list of one."""

    def __init__(self, backbone: Backbone, decoder: nn.Module) -> None:
        super().__init__()
        self.backbone, self.decoder = backbone, decoder

    def forward(self, inputs: Sequence[Float[Tensor, "n 3 h w"]]) -> object:
        """What the decoder says."""
        return self.decoder(self.backbone(inputs[0]))


def train_segmenter(
    seed: int,
    *,
    stride: int = 4,
    channels: int = 32,
    neck: Neck = FPN,
    head: Head = standard_head,
    scenes: int = SCENES,
    steps: int = STEPS,
    rate: float = RATE,
    void: int = 2,
    size: int = 256,
    cue_distance: int | None = None,
    backbone: int | None = None,
    fine_tune: bool = False,
    stop: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | ProgressCallback = False,
    on_step: Callable[[int, float], object] | None = None,
) -> tuple[nn.Module, History]:
    """Train a decoder from `seed` on batches of 8 scenes; all seeds share the scenes, each has its own order of them.

    Adam with decoupled decay, a tenth of the steps of linear warm-up, then half a cosine to 0. Pixels within `void` of
    a boundary have no part in the loss. The model comes in eval mode, beside it the losses; `predict` and
    `score_segmenter` take it.

    Args:
        seed: of the first weights and the order of the scenes.
        stride: the output stride, 4, 8, 16 or 32; finer maps of the backbone are not used.
        channels: of the neck.
        neck: see `Segmenter`.
        head: see `Segmenter`.
        scenes: how many it learns from.
        steps: of the whole course.
        rate: the highest learning rate; a backbone that is tuned has a tenth of it if it is pretrained.
        void: pixels on either side of a boundary.
        size: of the scenes.
        cue_distance: as for `collage`.
        backbone: seed of a random backbone; None for ImageNet's weights.
        fine_tune: train the backbone too. Then nothing is read from disk, and a step takes ten times as long or more.
        stop: end after so many steps of the course.
        checkpoint: as for `fpnlib.training.train`.
        progress: as for `fpnlib.training.train`.
        on_step: as for `fpnlib.training.train`.

    Errors: ValueError for numbers out of range, and what `examples` raises.
    """
    require_choice("stride", stride, STRIDES)
    require(steps >= 1, "steps", steps, "1 or more")
    learnt = data(scenes, size=size, cue_distance=cue_distance, backbone=backbone, fine_tune=fine_tune)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        kept = CHANNELS[STRIDES.index(stride) :]
        model: nn.Module = Segmenter(kept, CLASSES, channels=channels, neck=neck, head=head)
    optimizer = adam(model, rate)
    if fine_tune:
        model, optimizer = tuned(model, backbone, rate)
    target = void_classes(learnt, void)[:, _LOSS_STRIDE // 2 :: _LOSS_STRIDE, _LOSS_STRIDE // 2 :: _LOSS_STRIDE]

    def loss(model: nn.Module, places: Tensor) -> Tensor:
        logits = model(learnt.batch(places))
        wanted = target[places]
        if logits.shape[2:] != wanted.shape[1:]:
            logits = F.interpolate(logits, wanted.shape[1:], mode="bilinear")
        return F.cross_entropy(logits, wanted, ignore_index=VOID)

    history = train(
        model.train(),
        minibatches(torch.arange(scenes), size=min(BATCH, scenes), seed=seed),
        loss,
        optimizer=optimizer,
        steps=steps if stop is None else stop,
        scheduler=warm_cosine(optimizer, steps),
        seed=seed,
        checkpoint=checkpoint,
        progress=progress,
        on_step=on_step,
    )
    return model.eval(), history


def data(
    scenes: int,
    *,
    split: Split = "train",
    size: int = 256,
    cue_distance: int | None = None,
    backbone: int | None = None,
    fine_tune: bool = False,
) -> Examples:
    """Scenes 0 … `scenes` − 1 of a part as the model takes them: as maps, or as images if the backbone is tuned."""
    if fine_tune:
        return images(scenes, split=split, size=size, cue_distance=cue_distance)
    return examples(scenes, split=split, size=size, cue_distance=cue_distance, backbone=backbone)


def adam(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """Adam with decoupled decay for all of the model's parameters."""
    return torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4)


def tuned(model: nn.Module, backbone: int | None, rate: float) -> tuple[FineTuned, torch.optim.Optimizer]:
    """The model with a backbone before it, and an optimizer for both: a pretrained backbone has a tenth of the rate."""
    whole = FineTuned(Backbone(backbone), model)
    groups: list[dict[str, Any]] = [
        {"params": model.parameters()},
        {"params": whole.backbone.parameters(), "lr": rate / 10 if backbone is None else rate},
    ]
    return whole, torch.optim.AdamW(groups, lr=rate, weight_decay=1e-4)


def warm_cosine(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """A tenth of the steps of linear warm-up, then half a cosine to 0."""
    warm = max(1, steps // 10)
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda i: (i + 1) / warm if i < warm else (1 + math.cos(math.pi * (i - warm) / max(1, steps - warm))) / 2,
    )


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
    for places in torch.arange(len(given)).split(_PART):
        logits = F.interpolate(model(given.batch(places)), given.semantic.shape[1:], mode="bilinear")
        classes.append(logits.argmax(1).to(torch.uint8))
        square = (given.instances[places] == 1).float()  # the first object of every scene
        ahead = logits[:, _SQUARE + 1] - logits[:, _SQUARE]
        lead.append((ahead * square).sum((1, 2)) / square.sum((1, 2)))
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one decoder and print its scores."""
    parser = argparse.ArgumentParser(prog="python -m fpnlib.training.segmenter", description="Train a decoder.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stride", type=int, default=4)
    parser.add_argument("--scenes", type=int, default=SCENES)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--cue-distance", type=int, help="by default each square shows its own colour")
    parser.add_argument("--random-backbone", type=int, metavar="SEED", help="by default ImageNet's weights")
    parser.add_argument("--fine-tune", action="store_true")
    parser.add_argument("--test-scenes", type=int, default=TEST_SCENES)
    asked = parser.parse_args(arguments)
    options = {"size": asked.size, "cue_distance": asked.cue_distance, "backbone": asked.random_backbone}
    options |= {"fine_tune": asked.fine_tune}
    model, _ = train_segmenter(
        asked.seed, stride=asked.stride, scenes=asked.scenes, steps=asked.steps, progress=True, **options
    )
    given = data(asked.test_scenes, split="test", **options)
    for name, value in score_segmenter(predict(model, given), given).items():
        print(f"{name} {value:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
