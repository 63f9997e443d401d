"""A small pyramid on EfficientNet-Lite0, trained on scenes; the backbone with its ImageNet weights stays as it is.

    python -m fpnlib.notes.fpn.experiments.lite_pyramid

trains it anew and writes the weights (two minutes on one core). Every level alone has to say which class lies where, by
one classifier that all levels share.
"""

from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fpnlib import models
from fpnlib.data.scenes import SCENE_CLASSES, scene_batch
from fpnlib.models import FPN, EfficientNetLite0

CHANNELS = 32
WEIGHTS = Path(models.__file__).parent / "weights" / "fpn-efficientnet-lite0.safetensors"
_SCENES, _TEST_SCENES, _SIZE = 1600, 200, 128
_STEPS, _BATCH, _RATE = 3000, 16, 2e-3


def _untrained() -> FPN:
    return FPN(EfficientNetLite0.channels[1:], CHANNELS)


@lru_cache(maxsize=1)
def lite_pyramid() -> FPN:
    """The pyramid for EfficientNet-Lite0's maps at strides 4 to 32, with its trained weights, in eval mode."""
    pyramid = _untrained()
    pyramid.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    return pyramid.eval().requires_grad_(False)


@torch.no_grad()
def _features(seeds: range) -> tuple[list[Float[Tensor, "n _ _ _"]], Int64[Tensor, "n h w"]]:
    """C2…C5 of scenes, and their class maps."""
    backbone = EfficientNetLite0.pretrained()
    parts, classes = [], []
    for first in track(range(0, len(seeds), 50), "scenes"):
        batch = scene_batch(seeds[first : first + 50], size=_SIZE)
        parts.append(backbone.features((batch.images * 255 - 127) / 128)[1:])
        classes.append(batch.semantic)
    return [torch.cat(level) for level in zip(*parts, strict=True)], torch.cat(classes)


def _targets(classes: Int64[Tensor, "n h w"], level: Float[Tensor, "n c h2 w2"]) -> Int64[Tensor, "n h2 w2"]:
    """The class at the pixel nearest to each cell's centre."""
    return F.interpolate(classes[:, None].float(), level.shape[2:], mode="nearest-exact")[:, 0].long()


def train() -> tuple[FPN, list[float]]:
    """Train the pyramid; also return the share of right cells on other scenes, for P2…P5, over cells with objects."""
    torch.manual_seed(0)
    pyramid, classifier = _untrained(), nn.Conv2d(CHANNELS, len(SCENE_CLASSES), 1)
    parameters = [*pyramid.parameters(), *classifier.parameters()]
    optimizer = torch.optim.AdamW(parameters, _RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, _STEPS)
    maps, classes = _features(range(_SCENES))
    for _ in track(range(_STEPS), "steps"):
        picked = torch.randint(_SCENES, (_BATCH,))
        levels = pyramid([one[picked] for one in maps])
        said = [(classifier(F.relu(level)), _targets(classes[picked], level)) for level in levels]
        loss = sum((F.cross_entropy(*pair) for pair in said), start=torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    maps, classes = _features(range(10_000, 10_000 + _TEST_SCENES))
    right = []
    with torch.no_grad():
        for level in pyramid(maps):
            target = _targets(classes, level)
            right.append((classifier(F.relu(level)).argmax(1) == target)[target > 0].float().mean().item())
    return pyramid.eval(), right


def main() -> None:
    """Train, write the weights in half precision, say how good they are."""
    pyramid, right = train()
    WEIGHTS.parent.mkdir(exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in pyramid.state_dict().items()}, WEIGHTS)
    print("object cells named rightly on other scenes, P2 … P5:", ", ".join(f"{share:.3f}" for share in right))


if __name__ == "__main__":
    main()
