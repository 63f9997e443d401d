"""Training the detector's head on collages and scoring it on others, which share nothing with them.

model, history = train_collage_detector(0)
given = data(TEST_SCENES, split="test")
score_collage_detector(model, given)
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fpnlib.data.collages import COLLAGE_CLASSES
from fpnlib.models.detector import (
    Detector,
    Feature,
    Predictions,
    assign,
    cells_of,
    detection_loss,
    detection_targets,
)
from fpnlib.training.decoders import device_of, in_parts, train_decoder
from fpnlib.training.detector import score_detections
from fpnlib.training.examples import CHANNELS, Examples
from fpnlib.training.loop import History
from fpnlib.training.segmenter import SIDES

CANONICAL_SIZE = 64.0
"""The least side of an object that goes to P4, in a scene of 256 pixels: below 32 to P2, below 64 to P3."""

_PART = 16  # scenes looked at once
_SQUARE = COLLAGE_CLASSES.index("amber square") - 1  # the detector's classes leave the background out


def train_collage_detector(
    seed: int,
    *,
    channels: int = 32,
    features: Feature = "pyramid",
    pyramid: Mapping[str, Any] | None = None,
    **course: Any,
) -> tuple[nn.Module, History]:
    """Train a `Detector` on the backbone's maps.

    Args:
        seed: of the first weights and the order of the scenes.
        channels: see `Detector`.
        features: see `Detector`.
        pyramid: see `Detector`.
        course: options of `train_decoder`: scenes, steps, rate, size, cue_distance, backbone, fine_tune and so on.

    Errors: ValueError as `Detector` and `train_decoder`.
    """

    def build() -> Detector:
        return Detector(
            len(COLLAGE_CLASSES) - 1, channels=channels, features=features, pyramid=pyramid, in_channels=CHANNELS
        )

    levels = build().levels

    def loss(said: Predictions, places: Tensor, learnt: Examples) -> Tensor:
        boxes, classes = ([of[place] for place in places.tolist()] for of in (learnt.boxes, learnt.classes))
        # From a GPU, if the backbone learns there.
        here = Predictions(said.logits.cpu(), said.boxes.cpu(), said.quality.cpu())
        return detection_loss(here, _owners(levels, learnt, boxes), boxes, classes)

    return train_decoder(seed, build, loss, **course)


def score_collage_detector(model: nn.Module, given: Examples) -> dict[str, float]:
    """How good a trained detector's answers are.

    - `ap`, `ap50`, `ar` and the same by size: see `score_detections`; sizes are those of `SIDES`, as squares, in
      proportion to the scenes' size.
    - `square`: share of the squares for which the cells that answer for them give the right one of the two square
      classes the larger logit, on average; chance is .5.
    """
    found: list[dict[str, Tensor]] = []
    right = []
    detector, given = in_parts(model, given)
    assert isinstance(detector, Detector)
    for places in torch.arange(len(given)).split(_PART):
        maps = given.batch(places, device_of(detector))
        found += [{name: value.cpu() for name, value in one.items()} for one in detector.detect(maps)]
        boxes = [given.boxes[place][:1] for place in places.tolist()]  # the first object of every scene is the square
        owner = _owners(detector.levels, given, boxes)
        with torch.no_grad():
            logits = detector(maps).logits.cpu()
        ahead = [
            (row[mine >= 0, _SQUARE + 1] - row[mine >= 0, _SQUARE]).mean() > 0
            for row, mine in zip(logits, owner, strict=True)
        ]
        blue = [given.classes[place][0] == _SQUARE + 2 for place in places.tolist()]
        right += [one == other for one, other in zip(ahead, blue, strict=True)]
    scale = given.semantic.shape[-1] / 256
    ranges = {name: ((low * scale) ** 2, (high * scale) ** 2) for name, (low, high) in SIDES.items()}
    scores = score_detections(found, detection_targets(given.boxes, given.classes), ranges)
    return scores | {"square": torch.stack(right).double().mean().item()}


def _owners(levels: tuple[int, ...], given: Examples, boxes: list[Tensor]) -> Tensor:
    """Which box each cell answers for, as `assign` says."""
    height, width = given.semantic.shape[1:]
    cells = cells_of(tuple((-(-height // 2**level), -(-width // 2**level)) for level in levels), levels)
    return assign(cells, boxes, canonical_size=CANONICAL_SIZE * width / 256)
