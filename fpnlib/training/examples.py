"""Collages as a net is trained on them: as a backbone's maps, kept on disk, or as images, for a backbone that learns.

A frozen EfficientNet-Lite0 gives the same maps whenever it sees a scene, so they are made once, in half precision, and
kept with the labels in the user's cache folder, 64 scenes a file. Many processes may ask at once: one makes a file, the
others wait for it. The files together take at most `CACHE_LIMIT` bytes; what was used longest ago goes first.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from filelock import FileLock
from jaxtyping import Float, Int64, Shaped, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fpnlib import assets
from fpnlib.data import collages, photos, scenes
from fpnlib.data import digits as digits_of
from fpnlib.data.collages import Split, collage
from fpnlib.models import efficientnet
from fpnlib.models.efficientnet import EfficientNetLite0
from fpnlib.validation import require

CACHE_LIMIT = 4 * 2**30
"""Bytes that all kept maps together may take; 512 scenes of 256 pixels take 270 MB."""

STRIDES = EfficientNetLite0.strides[1:]
CHANNELS = EfficientNetLite0.channels[1:]

_BLOCK = 64  # scenes in a file
_PART = 8  # scenes that go through the backbone at once
_CALIBRATION = 16  # scenes of 128 pixels from which a random backbone takes its statistics


@dataclass(frozen=True, eq=False)
class Examples:
    """n scenes, ready for a net.

    inputs:    what the net takes: the backbone's maps at strides 4, 8, 16, 32, each (n, c, h, w) in half precision, or
               one tensor of images (n, 3, H, W) uint8
    semantic:  (n, H, W) uint8, the class at each pixel
    instances: (n, H, W) uint8, i + 1 where object i is seen, 0 for the background
    boxes:     n tensors (objects, 4)
    classes:   n tensors (objects,)
    """

    inputs: tuple[Shaped[Tensor, "n _ _ _"], ...]
    semantic: UInt8[Tensor, "n h w"]
    instances: UInt8[Tensor, "n h w"]
    boxes: list[Tensor]
    classes: list[Tensor]

    def __len__(self) -> int:
        return len(self.semantic)

    def batch(
        self, places: Sequence[int] | Int64[Tensor, " b"], device: torch.device | str = "cpu"
    ) -> list[Float[Tensor, "b _ _ _"]]:
        """The inputs of some scenes in single precision, on a device."""
        return [one[places].to(device).float() for one in self.inputs]


class Backbone(nn.Module):
    """EfficientNet-Lite0 without its head, from images (n, 3, H, W) 0…255 to its maps at strides 4, 8, 16, 32.

    `seed` None: with ImageNet's weights. A number: with random ones, and batch norm's statistics taken from training
    scenes. Either way each channel of each map is shifted and scaled so that it has mean 0 and deviation 1 on these
    scenes; the two numbers then stay as they are.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed or 0)
            net = EfficientNetLite0.pretrained() if seed is None else EfficientNetLite0()
        self.stem, self.stages = net.stem, net.stages
        self.scales = nn.ModuleList(nn.BatchNorm2d(channels, affine=False) for channels in CHANNELS)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = 1.0
        # Only layers in training mode take statistics.
        self.train(seed is not None)
        self.scales.train()
        with torch.no_grad():
            self(torch.stack([collage(number, size=128).image for number in range(_CALIBRATION)]))
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = 0.1
        self.eval()

    def train(self, mode: bool = True) -> "Backbone":
        """Set the mode of all but the last shift and scale."""
        super().train(mode)
        self.scales.eval()
        return self

    def forward(self, images: Shaped[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _ _ _"]]:
        """Maps of 24, 40, 112 and 320 channels."""
        maps = EfficientNetLite0.features(self, (images - 127.0) / 128)[1:]  # type: ignore[arg-type]
        return [scale(level) for scale, level in zip(self.scales, maps, strict=True)]


@lru_cache(maxsize=3)
def examples(
    count: int,
    *,
    split: Split = "train",
    first: int = 0,
    size: int = 256,
    cue_distance: int | None = None,
    backbone: int | None = None,
) -> Examples:
    """`count` collages from seed `first` on, with the maps that a frozen backbone makes of them.

    Read from disk where they have been made before. The three sets asked for last are held in memory: 0.5 MB a scene of
    256 pixels.

    Args:
        count: 1 or more.
        split: "train" or "test".
        first: the first seed, a multiple of 64.
        size: pixels, a multiple of 32.
        cue_distance: as for `collage`.
        backbone: `Backbone`'s seed; None for ImageNet's weights.

    Errors: ValueError for other numbers, and for more scenes than `CACHE_LIMIT` holds; see `fpnlib.assets.fetch` for
    what it may raise when ImageNet's weights are not there.
    """
    require(count >= 1, "count", count, "1 or more")
    require(first >= 0 and first % _BLOCK == 0, "first", first, f"a multiple of {_BLOCK}")
    require(size % STRIDES[-1] == 0, "size", size, f"a multiple of {STRIDES[-1]}")
    most = CACHE_LIMIT // _bytes(size)
    require(count <= most, "count", count, f"at most {most} of {size} pixels, which CACHE_LIMIT holds")
    recipe = f"{_sources()}-{_weights(backbone)}-{split}-{size}-{'own' if cue_distance is None else cue_distance}"
    blocks = []
    for start in range(first, first + count, _BLOCK):
        file = folder() / f"{hashlib.sha256(recipe.encode()).hexdigest()[:20]}-{start}.safetensors"
        seeds = range(start, start + _BLOCK)
        blocks.append(_block(file, seeds, split, size, cue_distance, backbone))
    whole = {name: torch.cat([block[name] for block in blocks]) for name in blocks[0]}
    objects = whole["objects"].tolist()
    return Examples(
        inputs=tuple(whole[f"map{stride}"][:count] for stride in STRIDES),
        semantic=whole["semantic"][:count],
        instances=whole["instances"][:count],
        boxes=list(whole["boxes"].split(objects))[:count],
        classes=list(whole["classes"].split(objects))[:count],
    )


@lru_cache(maxsize=2)
def images(
    count: int, *, split: Split = "train", first: int = 0, size: int = 256, cue_distance: int | None = None
) -> Examples:
    """`count` collages from seed `first` on as images, for a backbone that is trained too. Nothing is kept on disk."""
    require(count >= 1, "count", count, "1 or more")
    made = [collage(seed, split=split, size=size, cue_distance=cue_distance) for seed in range(first, first + count)]
    return Examples(
        inputs=(torch.stack([one.image for one in made]),),
        semantic=torch.stack([one.semantic for one in made]).to(torch.uint8),
        instances=torch.stack([one.instances for one in made]).to(torch.uint8),
        boxes=[one.boxes for one in made],
        classes=[one.classes for one in made],
    )


def folder() -> Path:
    """Where the maps are kept."""
    return assets.cache_folder() / "maps"


def _bytes(size: int) -> int:
    """About how many bytes the maps and labels of a scene take."""
    return 2 * size**2 + sum(2 * c * (size // s) ** 2 for c, s in zip(CHANNELS, STRIDES, strict=True))


@lru_cache
def _sources() -> str:
    """A hash of the code that makes scenes and maps."""
    files = [str(module.__file__) for module in (collages, scenes, photos, efficientnet)]
    files += [digits_of.__code__.co_filename, __file__]
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()


def _weights(seed: int | None) -> str:
    return assets.asset("efficientnet_lite0").sha256 if seed is None else f"random {seed}"


@lru_cache(maxsize=1)
def _frozen(seed: int | None) -> Backbone:
    return Backbone(seed).eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _block(
    file: Path, seeds: range, split: Split, size: int, cue_distance: int | None, backbone: int | None
) -> dict[str, Tensor]:
    """What is kept of some scenes, made first if it is not there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        if file.exists():
            os.utime(file)  # used just now
            return load_file(file)
        made = images.__wrapped__(len(seeds), split=split, first=seeds.start, size=size, cue_distance=cue_distance)
        parts = [_maps(part, backbone) for part in made.inputs[0].split(_PART)]
        content = {f"map{s}": torch.cat(level) for s, level in zip(STRIDES, zip(*parts, strict=True), strict=True)}
        content |= {"semantic": made.semantic, "instances": made.instances}
        content |= {"boxes": torch.cat(made.boxes), "classes": torch.cat(made.classes)}
        content["objects"] = torch.tensor([len(boxes) for boxes in made.boxes])
        _keep(content, file)
        return content


@torch.no_grad()
def _maps(part: Tensor, backbone: int | None) -> list[Tensor]:
    levels = _frozen(backbone)(part.contiguous(memory_format=torch.channels_last))
    return [level.half().contiguous() for level in levels]


def _keep(content: dict[str, Tensor], file: Path) -> None:
    """Write a file whole or not at all, and delete those used longest ago that it leaves no room for."""
    with FileLock(folder() / "room.lock"):
        others = sorted(folder().glob("*.safetensors"), key=lambda other: other.stat().st_mtime_ns)
        room = CACHE_LIMIT - sum(value.nbytes for value in content.values())
        taken = sum(other.stat().st_size for other in others)
        for other in others:
            if taken > room:
                taken -= other.stat().st_size
                other.unlink()
        unfinished = file.with_suffix(".unfinished")
        save_file(content, unfinished)
        os.replace(unfinished, file)
