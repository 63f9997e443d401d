"""Examples that a decoder learns in a few steps: maps of four strides that say where each class is."""

import torch
import torch.nn.functional as F

from fpnlib.data.collages import COLLAGE_CLASSES, collage
from fpnlib.training.examples import CHANNELS, STRIDES, Examples


def easy_examples(count=8, *, split="train", size=128):
    """Collages whose maps hold, besides noise, the share of each class in a cell."""
    made = [collage(seed, split=split, size=size) for seed in range(count)]
    semantic = torch.stack([one.semantic for one in made])
    shares = F.one_hot(semantic, len(COLLAGE_CLASSES)).permute(0, 3, 1, 2).float()
    generator = torch.Generator().manual_seed(0)
    maps = []
    for channels, stride in zip(CHANNELS, STRIDES, strict=True):
        level = torch.randn(count, channels, size // stride, size // stride, generator=generator) / 8
        level[:, : len(COLLAGE_CLASSES)] += 6 * F.avg_pool2d(shares, stride)
        maps.append(level.half())
    return Examples(
        inputs=tuple(maps),
        semantic=semantic.to(torch.uint8),
        instances=torch.stack([one.instances for one in made]).to(torch.uint8),
        boxes=[one.boxes for one in made],
        classes=[one.classes for one in made],
    )
