"""The scenes that the explorers of trained nets show, and what the stored nets say of them."""

import functools

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from fpnlib.data.scenes import VALIDATION_SEEDS, SceneBatch
from fpnlib.notes.segmentation_difficulties.nets import STORED, labelled, logits_of
from fpnlib.notes.segmentation_difficulties.trained import pictures

SCENES = 6
_SEEDS = VALIDATION_SEEDS[70_000 : 70_000 + SCENES]
NETS = {f"{name}, output stride {stride}": name for name, stride in STORED.items()}


@functools.cache
def shown_scenes() -> SceneBatch:
    """The scenes that the explorers of trained nets show; no net was trained or tuned on them."""
    return labelled(_SEEDS)[0]


@functools.cache
def shown_logits(net: str) -> Float[Tensor, "n classes h w"]:
    """A stored net's logits for them."""
    return logits_of(net, shown_scenes().images)


def one_scene(place: int) -> SceneBatch:
    """One of them, as a batch."""
    batch, part = shown_scenes(), slice(place, place + 1)
    return SceneBatch(
        batch.images[part], batch.boxes[part], batch.classes[part], batch.instances[part], batch.semantic[part]
    )


@functools.cache
def shown_pictures() -> list[UInt8[np.ndarray, "h w 3"]]:
    """Their images."""
    return pictures(shown_scenes())
