"""What single nets look like inside on their way: `python -m fpnlib.notes.segmentation_head.snapshots` stores it."""

import functools
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fpnlib.data.scenes import VALIDATION_SEEDS, scene_batch
from fpnlib.notes.segmentation_head.claims import BATCH, RATES, ensemble_of, loss
from fpnlib.notes.segmentation_head.heads import SIZE, TRAINING, HeadNet, scenes
from fpnlib.training import minibatches

FILE = Path(__file__).with_name("snapshots.safetensors")
HEADS = ("3×3", "3×3→1×1")
NETS = 2  # seed 0's pair
STEPS = tuple(range(0, 241, 40))
MARGIN = 8.0  # the margin that is stored as 255
SCENE = VALIDATION_SEEDS[15]


@functools.cache
def validation_scene() -> tuple[Tensor, Tensor]:
    """Return the scene that is shown: image (1, 3, h, w) and classes (h, w)."""
    batch = scene_batch([SCENE], size=SIZE)
    return batch.images, batch.semantic[0]


def take(head: str, steps: tuple[int, ...] = STEPS) -> dict[str, Tensor]:
    """Train the nets of a head as SH-1 does and return, each (rates, nets, steps, ...), what was seen on the way.

    `labels` (h, w) uint8; `margin` (h, w) uint8, how far the best logit lies above the next, 255 for `MARGIN`;
    `weight` and `gradient`, the lengths of the last layer's weights and of their gradient on 64 training scenes.
    """
    ensemble, each = ensemble_of(head, [0])
    batches = minibatches(*scenes(TRAINING, training=True), size=BATCH, seed=each)
    rows = []
    for step in steps:
        ensemble.fit(batches, loss, steps=step - ensemble.steps, in_dims=0)
        rows.append([_look(ensemble.member(index)) for index in range(len(each))])
    return {
        name: torch.stack([torch.stack([one[name] for one in row]) for row in rows], 1).unflatten(0, (len(RATES), NETS))
        for name in rows[0][0]
    }


def _look(net: torch.nn.Module) -> dict[str, Tensor]:
    assert isinstance(net, HeadNet)
    images, semantic = (tensor[:64] for tensor in scenes(TRAINING, training=True))
    with torch.no_grad():  # first, since in training mode a batch moves the running statistics
        best, second = net.eval()(validation_scene()[0])[0].topk(2, dim=0).values
        labels = net(validation_scene()[0])[0].argmax(0)
    (gradient,) = torch.autograd.grad(loss(net.train(), images, semantic), [net.last.weight])
    return {
        "labels": labels.byte(),
        "margin": ((best - second) / MARGIN * 255).clamp(max=255).byte(),
        "weight": net.last.weight.detach().norm(),
        "gradient": gradient.norm(),
    }


@functools.cache
def stored() -> dict[str, dict[str, Tensor]]:
    """Return the stored snapshots by head and name."""
    tensors = load_file(FILE)
    return {
        head: {name.split(".")[1]: tensor for name, tensor in tensors.items() if name.startswith(f"{place}.")}
        for place, head in enumerate(HEADS)
    }


def main() -> None:
    """Train and store."""
    torch.set_num_threads(1)
    tensors = {
        f"{place}.{name}": tensor.contiguous()
        for place, head in enumerate(HEADS)
        for name, tensor in take(head).items()
    }
    save_file(tensors, FILE)


if __name__ == "__main__":
    main()
