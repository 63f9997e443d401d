"""SD-12: what a net says of a pixel is what it says of the patch in that pixel's receptive field, and of no more.

Some pixels can be told from their own surroundings, and some only from a marker further away.
"""

import functools
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fpnlib.claims import Claim, Said, all_of, exceeds, stays_within, within
from fpnlib.data import photo
from fpnlib.ops import receptive_field
from fpnlib.training import Ensemble, minibatches

SEEDS = 16
DILATIONS = (1, 2, 4, 8)
HOLDS = 4  # the first whose field reaches a marker from everywhere in its patch
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
_CROPPED = 2  # test images whose units are looked at one by one
_TOLD = 0.75  # of pixels right: half way from a guess between two to all


def context_net(dilation: int, *, padded: bool = True) -> nn.Sequential:
    """Four 3×3 convolutions, the middle two dilated, and a classifier: the parameters do not depend on the dilation.

    With padding the map has the image's size; without it a patch of the receptive field's size gives one unit.
    """
    layers: list[nn.Module] = []
    for number, step in enumerate((1, dilation, dilation, 1)):
        layers += [
            nn.Conv2d(_WIDTH if number else 3, _WIDTH, 3, padding=step * padded, dilation=step, bias=False),
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


def reachable(dilation: int) -> float:
    """The most that a classifier of patches gets right, on average, of the pixels that only the marker tells.

    A pixel whose field holds a column of a place where a marker may stand, left or right, can know; of the others it
    has to guess between two.
    """
    beyond = _AWAY - _MARKER // 2 - reach(dilation) // 2  # from the patch's centre to the first column that can know
    columns = range(-(_PATCH // 2), _PATCH // 2 + 1)
    return sum(1.0 if abs(column) >= beyond else 0.5 for column in columns) / len(columns)


@torch.no_grad()
def patches_apart(net: nn.Module, dilation: int, images: Float[Tensor, "n 3 h w"]) -> tuple[float, float]:
    """The largest difference between a unit's logits and those of its receptive field, cropped and classified alone.

    First over units whose field lies in the image, then over those whose field sticks out and is filled up with zeros;
    in double precision. The first is 0 where no unit's field fits in.
    """
    whole, alone = net.double().eval(), context_net(dilation, padded=False).double().eval()
    alone.load_state_dict(whole.state_dict())
    half = reach(dilation) // 2
    images = images.double()
    fields = F.unfold(F.pad(images, (half,) * 4), 2 * half + 1)  # (n, 3 · side², units)
    fields = fields.mT.reshape(-1, 3, 2 * half + 1, 2 * half + 1)
    said = torch.cat([alone(part)[:, :, 0, 0] for part in fields.split(1024)])
    logits = whole(images).flatten(2).mT.reshape(-1, CLASSES)
    inside = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    inside[half : HEIGHT - half, half : WIDTH - half] = True
    off = (said - logits).abs().amax(1).view(len(images), -1)
    fits = inside.flatten()
    return (off[:, fits].max().item() if fits.any() else 0.0), off[:, ~fits].max().item()


def context_gain(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The share of the patches' pixels that are right, told by texture (`local`) or by the marker (`context`).

    The effect is what those told by the marker gain from the smallest receptive field to the smallest that holds the
    marker; `inside` and `border` are `patches_apart`, the largest over the nets.
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
        apart = [patches_apart(ensemble.member(i), dilation, images[:_CROPPED]) for i in range(len(seeds))]
        for place, found in zip(("inside", "border"), zip(*apart, strict=True), strict=True):
            most = outcomes.get(place, [0.0] * len(seeds))
            outcomes[place] = [max(pair) for pair in zip(most, found, strict=True)]
    first, last = DILATIONS[0], DILATIONS[-1]
    for name in ("local", "context"):
        pairs = zip(outcomes[f"{name}_{last}"], outcomes[f"{name}_{first}"], strict=True)
        outcomes[f"{name}_gain"] = [after - before for after, before in pairs]
    pairs = zip(outcomes[f"context_{HOLDS}"], outcomes[f"context_{first}"], strict=True)
    return {"effect": [after - before for after, before in pairs], **outcomes}


def early_losses(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The `early_…` outcomes, by training for those steps alone."""
    return {f"early_{d}": _train(d, seeds, _EARLY).losses.double().mean(0).tolist() for d in DILATIONS}


SD_12 = Claim(
    "SD-12",
    "Today's segmentation is classification of the patch inside the receptive field",
    Said(
        "source",
        "现在语意分割做的完全就是感受野下图像patch的分类问题",
        "what semantic segmentation does today is wholly the classification of image patches in the receptive field",
    ),
    {
        "where the patch lies in the image": within(
            1e-9, "a unit's logits and those of its cropped receptive field alone", of="inside"
        ),
        "at the image's border": within(
            1e-9, "a unit's logits and those of its receptive field alone, zeros beyond the image", of="border"
        ),
        "in what a larger patch tells": all_of(
            exceeds(
                reachable(2),
                f"share right of the pixels that only the marker tells, at {reach(HOLDS)} px",
                of=f"context_{HOLDS}",
                because=f"more than any patch of {reach(2)} px can tell, by geometry",
            ),
            stays_within(
                reachable(1),
                f"the same share at {reach(1)} px, no better than a guess",
                of="context_1",
                because="where no patch holds the marker it is a guess between two",
            ),
        ),
    },
    context_gain,
    seeds=SEEDS,
    control=all_of(
        *(
            exceeds(
                _TOLD,
                f"share right of the pixels that their own texture tells, at {reach(dilation)} px",
                of=f"local_{dilation}",
                because="half way from a guess to all: the nets have learnt",
            )
            for dilation in DILATIONS
        )
    ),
    recheck=early_losses,
    told={
        "depends": "Inside an image a net says of a pixel what it says of the patch around it alone; at the "
        "image's border its padding tells it more."
    },
)
