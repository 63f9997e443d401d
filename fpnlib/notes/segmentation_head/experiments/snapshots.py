"""What single nets look like inside on their way.

    python -m fpnlib.notes.segmentation_head.experiments.snapshots

stores it.
"""

import copy
import functools
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fpnlib.data.collages import collage
from fpnlib.models.segmenter import Segmenter
from fpnlib.notes.segmentation_head.experiments.last_layer import NORMS, RATES, STEPS, course
from fpnlib.training.decoders import data
from fpnlib.training.segmenter import train_segmenter

FILE = Path(__file__).with_name("snapshots.safetensors")
HEADS = ("3×3", "3×3→1×1")
AFTER = (1, 16, 32, 64, 96, 128, 192, STEPS)  # steps
SCENE = 91  # of the test part; none that is scored
SEED = 0


def take(name: str, norm: bool, rate: float, after: tuple[int, ...] = AFTER) -> dict[str, Tensor]:
    """Train SH-1's first net of a cell and return what was seen on the way, each (snapshots, ...).

    - `logits`: (classes, 32, 32) uint8, of the scene, in steps of `scale` from `low` on.
    - `moved`: how far the step just made moved the scene's logits through the last layer alone: the root mean square
      over pixels and classes, less what all classes share.
    """
    rows: list[dict[str, Tensor]] = []
    options, before = course(name, norm, rate), {}
    make = options["head"]

    def begin(channels: int, classes: int) -> nn.Sequential:
        begun: nn.Sequential = make(channels, classes)
        before.update(copy.deepcopy(begun[-1].state_dict()))
        return begun

    def watch(done: int, model: nn.Module) -> None:
        assert isinstance(model, Segmenter)
        last = cast(nn.Conv2d, model.head[-1])  # type: ignore[index]
        if done in after:
            rows.append(_look(model, last, before))
        before.update(copy.deepcopy(last.state_dict()))

    train_segmenter(SEED, **options | {"head": begin}, stop=after[-1], watch=watch)
    return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}


@torch.no_grad()
def _look(model: Segmenter, last: nn.Conv2d, before: dict[str, Tensor]) -> dict[str, Tensor]:
    seen: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    logits = model.eval()(data(SCENE + 1, split="test").batch([SCENE]))[0]
    hook.remove()
    step = last.weight - before["weight"], cast(Tensor, last.bias) - before["bias"]
    moved = F.conv2d(seen[0], *step, padding=cast(tuple[int, int], last.padding))
    low = logits.min()
    scale = (logits.max() - low) / 255
    return {
        "logits": ((logits - low) / scale).round().byte(),
        "low": low,
        "scale": scale,
        "moved": (moved - moved.mean(1, keepdim=True)).square().mean().sqrt(),
    }


@functools.cache
def stored() -> dict[str, Tensor]:
    """What `take` returned for each head of HEADS, without and with batch norm, and rate: (2, 2, rates, ...).

    Besides, of the scene, `image` (3, 256, 256) uint8 and `truth` (128, 128) uint8, the classes of every second pixel
    of every second row.
    """
    return load_file(FILE)


def logits(head: int, norm: bool, rate: int, snapshot: int) -> Float[Tensor, "classes h w"]:
    """A net's logits where the truth is stored, but for rounding to one 255th of their range."""
    place = (head, int(norm), rate, snapshot)
    small = stored()["logits"][place] * stored()["scale"][place] + stored()["low"][place]
    return F.interpolate(small[None], stored()["truth"].shape, mode="bilinear")[0]


def main() -> None:
    """Train and store."""
    torch.set_num_threads(1)
    nets = [take(name, norm, rate) for name in HEADS for norm in NORMS for rate in RATES]
    shape = (len(HEADS), len(NORMS), len(RATES))
    tensors = {key: torch.stack([net[key] for net in nets]).unflatten(0, shape) for key in nets[0]}
    scene = collage(SCENE, split="test")
    truth = scene.semantic[1::2, 1::2].to(torch.uint8).contiguous()
    save_file(tensors | {"image": scene.image, "truth": truth}, FILE)


if __name__ == "__main__":
    main()
