"""Pyramids on an EfficientNet-Lite0 that name every cell of every level of a collage: what FP-3, FP-4 and FP-7 train.

The backbone has ImageNet's weights and stays as it is, or for FP-7 learns too; the scenes of training and of test share
neither photos nor cut-outs. As in `lite_pyramid`, one classifier reads all levels.
"""

import hashlib
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fpnlib.claims import RESULTS
from fpnlib.data import collages
from fpnlib.data.collages import COLLAGE_CLASSES
from fpnlib.metrics import confusion_matrix, iou_per_class
from fpnlib.models import FPN, fpn
from fpnlib.training import examples as examples_module
from fpnlib.training.batches import minibatches
from fpnlib.training.decoders import FineTuned, data
from fpnlib.training.examples import CHANNELS, Backbone, Examples

SMALL = 32
"""Pixels: an object whose longer side is at most this is small, as in COCO."""
RUNS = RESULTS / ".partial" / "levels"  # not committed
_SCENES, _TEST = 256, 128
_CHANNELS, _STEPS, _BATCH, _RATE = 24, 300, 4, 6e-3


class LevelNet(nn.Module):
    """A pyramid on given maps, and one classifier for the cells of all its levels."""

    def __init__(self, **pyramid: Any) -> None:
        super().__init__()
        self.fpn = FPN(CHANNELS, _CHANNELS, **pyramid)
        self.classify = nn.Conv2d(_CHANNELS, len(COLLAGE_CLASSES), 1)

    def forward(self, maps: list[Float[Tensor, "n _ _ _"]]) -> list[Float[Tensor, "n classes _ _"]]:
        """Logits of each level, finest first."""
        return [self.classify(F.relu(level)) for level in self.fpn(maps)]


def _targets(semantic: Tensor, level: Tensor) -> Int64[Tensor, "n h w"]:
    """The class at the pixel nearest to each cell's middle."""
    return F.interpolate(semantic[:, None].float(), level.shape[2:], mode="nearest-exact")[:, 0].long()


def _scenes(split: Literal["train", "test"], fine_tune: bool = False) -> Examples:
    return data(_SCENES if split == "train" else _TEST, split=split, fine_tune=fine_tune)


def _built(options: dict[str, bool], *, fine_tune: bool) -> nn.Module:
    # Batch norm keeps its statistics, as detectors have it.
    return FineTuned(Backbone(), LevelNet(**options)) if fine_tune else LevelNet(**options)


def _train(
    seed: int, options: dict[str, bool], *, fine_tune: bool = False, stop: int | None = None
) -> tuple[nn.Module, float]:
    """The net of this seed, and its loss in the last step; `stop` ends the same course early."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = _built(options, fine_tune=fine_tune)
    scenes = _scenes("train", fine_tune)
    groups: list[dict[str, Any]] = [{"params": list(net.parameters())}]
    if isinstance(net, FineTuned):
        groups = [{"params": list(net.decoder.parameters())}, {"params": list(net.backbone.parameters())}]
    rates = [_RATE, _RATE / 10][: len(groups)]
    optimizer = torch.optim.AdamW(groups, _RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, _STEPS)
    batches = minibatches(torch.arange(len(scenes)), size=_BATCH, seed=seed)
    for step in range(_STEPS if stop is None else stop):
        (picked,) = batches(step)
        said, semantic = net(scenes.batch(picked)), scenes.semantic[picked]
        loss = torch.stack([F.cross_entropy(level, _targets(semantic, level)) for level in said]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net, loss.item()


def trained(seed: int, *, top_down: bool = True, smooth: bool = True) -> LevelNet:
    """The net of this seed on the frozen backbone, in eval mode; read again if this code has trained it before."""
    return _kept(seed, {"top_down": top_down, "smooth": smooth}, fine_tune=False)


def tuned(seed: int, *, top_down: bool = True) -> FineTuned:
    """The same with a backbone that has learnt too, at a tenth of the rate."""
    return _kept(seed, {"top_down": top_down}, fine_tune=True)


def _kept(seed: int, options: dict[str, bool], *, fine_tune: bool) -> Any:
    kind = "-".join(f"{name}={value}" for name, value in options.items())
    path = RUNS / f"{seed}-{kind}-{fine_tune}-{_recipe()}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        save_file(_train(seed, options, fine_tune=fine_tune)[0].state_dict(), unfinished)
        os.replace(unfinished, path)
    net = _built(options, fine_tune=fine_tune)
    net.load_state_dict(load_file(path))
    return net.eval().requires_grad_(False)


def early_loss(seed: int, **options: bool) -> float:
    """The loss of a net's first step."""
    return _train(seed, options, stop=1)[1]


@lru_cache
def _recipe() -> str:
    sources = (collages, examples_module, fpn, sys.modules[__name__])
    content = b"".join(Path(str(module.__file__)).read_bytes() for module in sources)
    return hashlib.sha256(content).hexdigest()[:12]


@torch.no_grad()
def scores(net: nn.Module) -> dict[str, float]:
    """At P2 on test scenes: the mean IoU over classes, and the share of the cells of small objects named rightly."""
    scenes = _scenes("test", isinstance(net, FineTuned))
    confusion = torch.zeros(len(COLLAGE_CLASSES), len(COLLAGE_CLASSES), dtype=torch.int64)
    right = cells = 0
    for picked in torch.arange(len(scenes)).split(16):
        said = net(scenes.batch(picked))[0]
        target, owner = _targets(scenes.semantic[picked], said), _targets(scenes.instances[picked], said)
        found = said.argmax(1)
        confusion += confusion_matrix(found, target, len(COLLAGE_CLASSES))
        for place, number in enumerate(picked.tolist()):
            boxes = scenes.boxes[number]
            small = ((boxes[:, 2:] - boxes[:, :2]).amax(1) <= SMALL).nonzero()[:, 0] + 1
            inside = torch.isin(owner[place], small)
            right += int((found[place] == target[place])[inside].sum())
            cells += int(inside.sum())
    return {"miou": float(iou_per_class(confusion).mean()), "small": right / cells}
