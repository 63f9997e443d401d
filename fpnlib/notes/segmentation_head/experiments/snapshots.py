"""What single nets look like inside on their way.

    python -m fpnlib.notes.segmentation_head.experiments.snapshots

stores it.
"""

import functools
from pathlib import Path

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
    - `weight`, `gradient`: of the last layer's weights and their gradient in the step just made the root mean square.
    """
    rows: list[dict[str, Tensor]] = []

    def watch(done: int, model: nn.Module) -> None:
        if done in after:
            rows.append(_look(model))

    train_segmenter(SEED, **course(name, norm, rate), stop=after[-1], watch=watch)
    return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}


@torch.no_grad()
def _look(model: nn.Module) -> dict[str, Tensor]:
    assert isinstance(model, Segmenter)
    weight = model.head[-1].weight  # type: ignore[index]
    assert weight.grad is not None
    logits = model.eval()(data(SCENE + 1, split="test").batch([SCENE]))[0]
    low = logits.min()
    scale = (logits.max() - low) / 255
    return {
        "logits": ((logits - low) / scale).round().byte(),
        "low": low,
        "scale": scale,
        "weight": weight.square().mean().sqrt(),
        "gradient": weight.grad.square().mean().sqrt(),
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
