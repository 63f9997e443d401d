"""Training the detector on scenes, scoring it by object size, and the variants of the ablation.

`python -m fpnlib.training.detector` trains one and writes its weights.
"""

import argparse
import copy
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fpnlib.data import scenes as scenes_module
from fpnlib.data.scenes import TRAINING_SEEDS, VALIDATION_SEEDS, Scene, scene, stack_images
from fpnlib.metrics import detection_average_precision
from fpnlib.models import assignment, fpn, resnet
from fpnlib.models import detector as detector_module
from fpnlib.models.detector import (
    AREA_RANGES,
    WEIGHTS,
    Detector,
    assign,
    cells_of,
    detection_loss,
    detection_targets,
)
from fpnlib.training.loop import History, clip_gradients, train, warm_cosine
from fpnlib.training.progress import ProgressCallback
from fpnlib.validation import require, require_choice

SIZE = 128
POOL = 2048  # scenes that one seed trains on
BATCH = 8
STEPS, RATE = 900, 4e-3  # of the ablation
CLIP = 10.0  # the largest norm of a gradient
RUNS = Path(__file__).parents[1] / "results" / ".partial" / "detectors"  # not committed

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "full": {"channels": 32},
    "no_top_down": {"channels": 32, "pyramid": {"top_down": False}},
    "no_lateral": {"channels": 32, "pyramid": {"lateral": False}},
    "no_smooth": {"channels": 68, "pyramid": {"smooth": False}},
    "c4": {"channels": 76, "features": "C4"},
    "c5": {"channels": 51, "features": "C5"},
}
"""The ablation. Channels make up for what a variant lacks: all have equal parameters within 5 %."""

SCENES: Mapping[str, Any] = {"width": 12, "channels": 32}
"""The detector called "scenes", which is larger and trained for longer."""
SCENES_STEPS = 6000


class ScenePool:
    """Scenes by place in `seeds`, each made when first asked for and then held in memory."""

    def __init__(self, seeds: range) -> None:
        self.seeds = seeds
        self._made: dict[int, Scene] = {}

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, place: int) -> Scene:
        if place not in self._made:
            self._made[place] = scene(self.seeds[place], size=SIZE)
        return self._made[place]


@lru_cache(maxsize=2)
def scene_pool(seeds: range) -> ScenePool:
    """The scenes of `seeds`, 128 × 128; of the pools asked for the last two are kept."""
    return ScenePool(seeds)


def training_seeds(seed: int, count: int = POOL) -> range:
    """The `count` scenes that training seed `seed` sees. No two seeds share one while they train on `POOL` or fewer.

    ValueError where there are not so many.
    """
    first = TRAINING_SEEDS.start + seed * POOL
    require(seed >= 0 and count >= 1 and first + count <= TRAINING_SEEDS.stop, "seed", seed, "scenes within range")
    return range(first, first + count)


def build(seed: int, options: Mapping[str, Any]) -> Detector:
    """A detector with the weights that `seed` starts from."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Detector(**options).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def train_detector(
    seed: int,
    options: Mapping[str, Any],
    *,
    steps: int = STEPS,
    stop: int | None = None,
    rate: float = RATE,
    pool: int = POOL,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | ProgressCallback = False,
) -> tuple[Detector, History]:
    """Train a detector of `options` from `seed` on batches of 8 scenes, half of them mirrored.

    Adam with decoupled decay, a tenth of the steps of linear warm-up, then half a cosine to 0. With `stop` it ends
    after that many steps of the same course. The detector comes in eval mode, its weights rounded to half precision
    as `Detector.save` would, so that what is scored is what can be kept; beside it the losses. `checkpoint` and
    `progress` are those of `fpnlib.training.train`.
    """
    require(steps >= 1, "steps", steps, "1 or more")
    detector = build(seed, options).train()
    scenes = scene_pool(training_seeds(seed, pool))
    cells = cells_of(tuple((SIZE // s, SIZE // s) for s in detector.strides), detector.levels)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=rate, weight_decay=1e-4)
    clip_gradients(optimizer, CLIP)
    places, mirrored = _order(seed, steps, pool)

    def loss(model: nn.Module, place: Tensor, mirror: Tensor) -> Tensor:
        drawn = [scenes[i] for i in place.tolist()]
        images = stack_images(drawn)
        images = torch.where(mirror[:, None, None, None], images.flip(3), images)
        boxes = [_mirror(one.boxes) if flip else one.boxes for one, flip in zip(drawn, mirror, strict=True)]
        said = model(images.contiguous(memory_format=torch.channels_last))
        return detection_loss(said, assign(cells, boxes), boxes, [one.classes for one in drawn])

    history = train(
        detector,
        lambda step: (places[step], mirrored[step]),
        loss,
        optimizer=optimizer,
        steps=steps if stop is None else stop,
        scheduler=warm_cosine(optimizer, steps),
        checkpoint=checkpoint,
        checkpoint_every=500,
        progress=progress,
    )
    return as_stored(detector), history


def _order(seed: int, steps: int, pool: int) -> tuple[Tensor, Tensor]:
    """Which scenes come in each step, (steps, 8), each once before one comes again, and which are mirrored."""
    require(pool >= BATCH, "pool", pool, f"{BATCH} or more")
    generator = torch.Generator().manual_seed(seed)
    queue = torch.zeros(0, dtype=torch.int64)
    places, mirrored = [], []
    for _ in range(steps):
        if len(queue) < BATCH:
            queue = torch.cat((queue, torch.randperm(pool, generator=generator)))
        places.append(queue[:BATCH])
        queue = queue[BATCH:]
        mirrored.append(torch.rand(BATCH, generator=generator) < 0.5)
    return torch.stack(places), torch.stack(mirrored)


def as_stored(detector: Detector) -> Detector:
    """A copy in eval mode whose weights are rounded to half precision."""
    rounded = copy.deepcopy(detector)
    for value in rounded.state_dict().values():
        if value.is_floating_point():
            value.copy_(value.half())
    return rounded.eval().requires_grad_(False)


def _mirror(boxes: Tensor) -> Tensor:
    return torch.stack((SIZE - boxes[:, 2], boxes[:, 1], SIZE - boxes[:, 0], boxes[:, 3]), 1)


def early_loss(seed: int, options: Mapping[str, Any], steps: int = 2) -> float:
    """The mean loss of the first steps of the ablation's training: a fingerprint of the whole run, soon computed."""
    _, history = train_detector(seed, options, stop=steps)
    return sum(history.losses) / steps


def trained(name: str, seed: int) -> Detector:
    """The variant `name` trained from `seed`; read again if this code has trained it before.

    Runs are kept under `fpnlib/results/.partial/detectors` by a hash of the files that make nets, scenes and this
    training; when one of them changes, all train anew.
    """
    require_choice("name", name, tuple(VARIANTS))
    path = RUNS / f"{name}-{seed}-{_recipe()}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        detector, _ = train_detector(seed, VARIANTS[name])
        detector.save(unfinished)
        os.replace(unfinished, path)
    return Detector.load(path)


@lru_cache
def _recipe() -> str:
    sources = (scenes_module, assignment, detector_module, fpn, resnet, sys.modules[__name__])
    content = b"".join(Path(str(module.__file__)).read_bytes() for module in sources)
    return hashlib.sha256(content).hexdigest()[:12]


def detections(detector: Detector, scenes: Sequence[Scene]) -> list[dict[str, Tensor]]:
    """What the detector finds in each scene, 64 at a time."""
    found = []
    for start in range(0, len(scenes), 64):
        images = stack_images(scenes[start : start + 64])
        found += detector.detect(images.contiguous(memory_format=torch.channels_last))
    return found


@lru_cache(maxsize=4)
def validation_scenes(count: int = 256) -> tuple[Scene, ...]:
    """The first `count` validation scenes."""
    return tuple(scene(seed, size=SIZE) for seed in VALIDATION_SEEDS[:count])


def score(detector: Detector, scenes: Sequence[Scene]) -> dict[str, float]:
    """What `score_detections` says of the detector's answers."""
    targets = detection_targets([one.boxes for one in scenes], [one.classes for one in scenes])
    return score_detections(detections(detector, scenes), targets)


def score_detections(
    found: Sequence[dict[str, Tensor]],
    targets: Sequence[dict[str, Tensor]],
    area_ranges: Mapping[str, tuple[float, float]] = AREA_RANGES,
) -> dict[str, float]:
    """AP@[.5:.95], AP at IoU .5 and AR at 100 detections, over all objects and by size."""
    whole = detection_average_precision(found, targets)
    numbers = {"ap": whole.mean, "ap50": whole.per_iou[0].item(), "ar": whole.average_recall}
    for name, area_range in area_ranges.items():
        part = detection_average_precision(found, targets, area_range=area_range)
        numbers |= {f"ap_{name}": part.mean, f"ar_{name}": part.average_recall}
    return numbers


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one detector, print its scores and write its weights."""
    parser = argparse.ArgumentParser(prog="python -m fpnlib.training.detector", description="Train a detector.")
    parser.add_argument("name", choices=("scenes", *VARIANTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="by default those of the published weights")
    parser.add_argument("--output", type=Path, help="by default the place where Detector.pretrained finds it")
    parser.add_argument("--checkpoint", type=Path, help="a file from which an interrupted training goes on")
    asked = parser.parse_args(arguments)
    large = asked.name == "scenes"
    steps = asked.steps if asked.steps is not None else SCENES_STEPS if large else STEPS

    made, _ = train_detector(
        asked.seed,
        SCENES if large else VARIANTS[asked.name],
        steps=steps,
        pool=8 * POOL if large else POOL,
        checkpoint=asked.checkpoint,
        progress=True,
    )
    made.save(asked.output or WEIGHTS / f"detector-{asked.name}.safetensors")
    for name, value in score(made, validation_scenes()).items():
        print(f"{name} {value:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
