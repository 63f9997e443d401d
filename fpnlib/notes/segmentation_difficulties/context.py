"""SD-12: pixels that can be told from their own surroundings, and pixels that only something further away can tell."""

import functools
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fpnlib.claims import Claim, Said, exceeds
from fpnlib.data import photo
from fpnlib.ops import receptive_field
from fpnlib.training import Ensemble, minibatches

SEEDS = 16
DILATIONS = (1, 2, 4, 8)
CLASSES = 5  # the background, two that their texture tells, two that the side of a marker tells
HEIGHT, WIDTH = 24, 40  # pixels
_PATCH, _MARKER, _AWAY = 9, 5, 11  # sides, and from the patch's centre to the marker's
_WIDTH = 12  # channels
_TRAINING, _TEST = 512, 128  # images
_STEPS, _BATCH, _RATE = 300, 8, 5e-3
_EARLY = 4  # steps
# Patches of the two told by texture, of the one told by its marker, of the marker, and backgrounds.
_TEXTURES = ("chelsea", "flower", "china", "coins")
_BACKGROUND = "coffee"
_LEAST = 0.1  # how much more context has to gain


def context_net(dilation: int) -> nn.Sequential:
    """Four 3×3 convolutions, the middle two dilated, and a classifier: the parameters do not depend on the dilation."""
    layers: list[nn.Module] = []
    for number, step in enumerate((1, dilation, dilation, 1)):
        layers += [
            nn.Conv2d(_WIDTH if number else 3, _WIDTH, 3, padding=step, dilation=step, bias=False),
            nn.BatchNorm2d(_WIDTH),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.Conv2d(_WIDTH, CLASSES, 1))


def reach(dilation: int) -> int:
    """The side of the net's receptive field in pixels."""
    size = receptive_field(context_net(dilation)).size
    assert isinstance(size, int)  # the net is square
    return size


@functools.cache
def _texture(name: str) -> np.ndarray:
    return photo(name)[::2, ::2]


def _crop(rng: np.random.Generator, name: str, height: int, width: int) -> np.ndarray:
    source = _texture(name)
    y, x = (int(rng.integers(length - side + 1)) for length, side in zip(source.shape, (height, width), strict=False))
    return source[y : y + height, x : x + width]


def example(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One image (h, w, 3) uint8 and its classes (h, w).

    One patch is class 1 or 2 and has its own texture. The other has the same texture whether it is 3 or 4: it is 3 if
    a marker stands to its left, 4 if to its right. The marker is background.
    """
    rng = np.random.default_rng(seed)
    image = _crop(rng, _BACKGROUND, HEIGHT, WIDTH).copy()
    classes = np.zeros((HEIGHT, WIDTH), np.int64)

    def put(name: str, label: int, y: int, x: int, side: int) -> None:
        area = slice(y - side // 2, y + side // 2 + 1), slice(x - side // 2, x + side // 2 + 1)
        image[area] = _crop(rng, name, side, side)
        classes[area] = label

    half = HEIGHT // 2
    rows = [half // 2 + int(rng.integers(-1, 2)), half + half // 2 + int(rng.integers(-1, 2))]
    told, asked = rng.permutation(rows).tolist()
    kind = int(rng.integers(1, 3))
    put(_TEXTURES[kind - 1], kind, told, int(rng.integers(_PATCH // 2, WIDTH - _PATCH // 2)), _PATCH)
    side = int(rng.integers(2))
    space = _AWAY + _MARKER // 2
    middle = int(rng.integers(space, WIDTH - space))
    put(_TEXTURES[2], 3 + side, asked, middle, _PATCH)
    put(_TEXTURES[3], 0, asked, middle + (_AWAY if side else -_AWAY), _MARKER)
    return image, classes


@functools.cache
def _examples(first: int, count: int) -> tuple[Float[Tensor, "n 3 h w"], Int64[Tensor, "n h w"]]:
    found = [example(seed) for seed in range(first, first + count)]
    images = torch.from_numpy(np.stack([image for image, _ in found])).permute(0, 3, 1, 2)
    return images.float() / 127.5 - 1, torch.from_numpy(np.stack([classes for _, classes in found]))


def _loss(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy; patches cover a sixth of the pixels, so theirs weigh more."""
    weight = images.new_tensor([1.0] + [4.0] * (CLASSES - 1))
    return F.cross_entropy(model(images), classes, weight)


def _train(dilation: int, seeds: Sequence[int], steps: int = _STEPS) -> Ensemble:
    ensemble = Ensemble(functools.partial(context_net, dilation), list(seeds), optimizer="adam", learning_rate=_RATE)
    batches = minibatches(*_examples(0, _TRAINING), size=_BATCH, seed=list(seeds))
    ensemble.fit(batches, _loss, steps=steps, in_dims=0)
    return ensemble


def context_gain(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The share of the patches' pixels that are right, told by texture (`local`) or by the marker (`context`).

    The effect is how much more the second gains than the first, from the smallest receptive field to the largest.
    """
    outcomes: dict[str, list[float]] = {}
    images, classes = _examples(_TRAINING, _TEST)
    for dilation in DILATIONS:
        ensemble = _train(dilation, seeds)
        outcomes[f"early_{dilation}"] = ensemble.losses[:_EARLY].double().mean(0).tolist()
        right = ensemble.evaluate(lambda model, x: model(x).argmax(1) == classes, images)
        for name, kinds in (("local", (1, 2)), ("context", (3, 4))):
            shares = [right[:, classes == kind].double().mean(1) for kind in kinds]
            outcomes[f"{name}_{dilation}"] = torch.stack(shares).mean(0).tolist()
    first, last = DILATIONS[0], DILATIONS[-1]
    for name in ("local", "context"):
        pairs = zip(outcomes[f"{name}_{last}"], outcomes[f"{name}_{first}"], strict=True)
        outcomes[f"{name}_gain"] = [after - before for after, before in pairs]
    gains = zip(outcomes["context_gain"], outcomes["local_gain"], strict=True)
    return {"effect": [context - local for context, local in gains], **outcomes}


def early_losses(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The `early_…` outcomes, by training for those steps alone."""
    return {f"early_{d}": _train(d, seeds, _EARLY).losses.double().mean(0).tolist() for d in DILATIONS}


CONTEXT = (
    Claim(
        "SD-12",
        "Today's segmentation is classification of the patch inside the receptive field",
        Said(
            "source",
            "现在语意分割做的完全就是感受野下图像patch的分类问题",
            "what semantic segmentation does today is wholly the classification of image patches in the receptive "
            "field",
        ),
        {
            "": exceeds(
                _LEAST,
                f"from a receptive field of {reach(DILATIONS[0])} pixels to one of {reach(DILATIONS[-1])}, with the "
                "same parameters, the share of right pixels rises more for classes that need context than for those "
                "that do not",
            )
        },
        context_gain,
        seeds=SEEDS,
        recheck=early_losses,
    ),
)
