"""What the segmentation decoder's training and the detector's share: collages, an optimizer, a course."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.data.collages import Split
from fpnlib.training.batches import minibatches
from fpnlib.training.examples import Backbone, Examples, examples, images
from fpnlib.training.loop import History, clip_gradients, train, warm_cosine
from fpnlib.training.progress import ProgressCallback
from fpnlib.validation import require

SCENES, STEPS, BATCH, RATE = 512, 400, 8, 3e-3
TEST_SCENES = 128

_PART = 16  # scenes that go through a backbone at once
_CLIP = 10.0  # the largest norm of a gradient


class FineTuned(nn.Module):
    """A backbone that learns, and what is trained on its maps; takes images (n, 3, H, W) 0…255 in a list of one."""

    def __init__(self, backbone: Backbone, decoder: nn.Module) -> None:
        super().__init__()
        self.backbone, self.decoder = backbone, decoder

    def forward(self, inputs: Sequence[Float[Tensor, "n 3 h w"]]) -> Any:
        """What the decoder says."""
        return self.decoder(self.backbone(inputs[0]))


def device_of(model: nn.Module) -> torch.device:
    """Where a model's parameters lie; the processor for one that has none."""
    return next(model.parameters(), torch.empty(0)).device


def in_parts(model: nn.Module, given: Examples) -> tuple[nn.Module, Examples]:
    """The decoder alone, and scenes as it takes them: as maps, which a backbone that has learnt makes of its images."""
    if not isinstance(model, FineTuned):
        return model, given
    device = device_of(model)
    with torch.no_grad():
        parts = [model.backbone(*given.batch(places, device)) for places in torch.arange(len(given)).split(_PART)]
    maps = tuple(torch.cat(level).cpu() for level in zip(*parts, strict=True))
    return model.decoder, dataclasses.replace(given, inputs=maps)


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


def train_decoder(
    seed: int,
    build: Callable[[], nn.Module],
    loss: Callable[[Any, Tensor, Examples], Float[Tensor, ""]],
    *,
    scenes: int = SCENES,
    steps: int = STEPS,
    rate: float = RATE,
    size: int = 256,
    cue_distance: int | None = None,
    backbone: int | None = None,
    fine_tune: bool = False,
    stop: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | ProgressCallback = False,
    on_step: Callable[[int, float], object] | None = None,
    watch: Callable[[int, nn.Module], object] | None = None,
) -> tuple[nn.Module, History]:
    """Train what `build` makes, from `seed`, on batches of 8 collages; all seeds share these, each has its own order.

    Adam with decoupled decay, a tenth of the steps of linear warm-up, then half a cosine to 0. The model comes in eval
    mode, beside it the losses. A backbone that learns does so on a GPU, in single precision throughout, if torch sees
    one; the model stays there. What learns on stored maps is too small to gain by one.

    Args:
        seed: of the first weights and the order of the scenes.
        build: makes the model, which takes a list of maps.
        loss: from what the model says, the places of the scenes and the examples to one number.
        scenes: how many it learns from.
        steps: of the whole course.
        rate: the highest learning rate; a pretrained backbone that is tuned has a tenth of it.
        size: of the scenes.
        cue_distance: as for `collage`.
        backbone: seed of a random backbone; None for ImageNet's weights.
        fine_tune: train the backbone too. Then nothing is read from disk, and without a GPU a step takes ten times as
            long or more.
        stop: end after so many steps of the course.
        checkpoint: as for `fpnlib.training.train`.
        progress: as for `fpnlib.training.train`.
        on_step: as for `fpnlib.training.train`.
        watch: called after each step with the number of steps done and the model, which it may look at in either mode.

    Errors: ValueError for numbers out of range, and what `examples` raises.
    """
    require(steps >= 1, "steps", steps, "1 or more")
    learnt = data(scenes, size=size, cue_distance=cue_distance, backbone=backbone, fine_tune=fine_tune)
    device = torch.device("cuda" if fine_tune and torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build()
    groups: list[dict[str, Any]] = [{"params": list(model.parameters())}]
    if fine_tune:
        model = FineTuned(Backbone(backbone), model).to(device)
        own_rate = rate / 10 if backbone is None else rate
        groups.append({"params": list(model.backbone.parameters()), "lr": own_rate})
    optimizer = torch.optim.AdamW(groups, lr=rate, weight_decay=1e-4)
    clip_gradients(optimizer, _CLIP)

    def after(step: int, value: float) -> None:
        if on_step is not None:
            on_step(step, value)
        if watch is not None:
            watch(step + 1, model)
            model.train()

    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
        history = train(
            model.train(),
            minibatches(torch.arange(scenes), size=min(BATCH, scenes), seed=seed),
            lambda model, places: loss(model(learnt.batch(places, device)), places, learnt),
            optimizer=optimizer,
            steps=steps if stop is None else stop,
            scheduler=warm_cosine(optimizer, steps),
            seed=seed,
            checkpoint=checkpoint,
            progress=progress,
            on_step=after,
        )
    return model.eval(), history
