"""SD-6: a mask from a few labelled pixels or a box, by what the image itself says."""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage
from skimage.graph import route_through_array
from skimage.segmentation import random_walker
from skimage.transform import resize
from torch import Tensor

from fpnlib.claims import Claim, Criterion, Measurement, Said, exceeds
from fpnlib.data.voc import VOID
from fpnlib.notes.segmentation_difficulties.experiments.masks import VOID_WIDTH, iou, tight_box, void_border
from fpnlib.notes.segmentation_difficulties.experiments.photos import Labelled, on_photos, photos
from fpnlib.ops import dense_crf, graph_cut

SEEDS = 16
KINDS = ("scribbles", "points", "box")
METHODS = ("nearest label", "random walker", "graph cut", "CRF")
COUNTS = (4, 16, 64)  # labelled pixels of a crop, half of them on the object
_COUNT = COUNTS[-1]
GAIN = 0.05  # of IoU: COCO's step from one threshold to the next
_SIDE = 72  # pixels of a crop's longer side
_MARGIN = 0.4  # of the box, around it
_BINS = 6  # of each colour
_BETA = 300.0  # random walker: how hard it is to cross an edge
_SMOOTHNESS = 2.0
_ROUNDS = 3  # of a box's graph cut and CRF, each with new colour models


class Crop(NamedTuple):
    """An instance with some of its surroundings; `void`, VOC's border and more, no hand labels and no score counts."""

    label: int
    image: UInt8[np.ndarray, "h w 3"]
    mask: Bool[np.ndarray, "h w"]
    void: Bool[np.ndarray, "h w"]


class Labels(NamedTuple):
    """What is labelled: `on` the object and `off` it; `pixels` how many, for a box its four numbers."""

    on: Bool[np.ndarray, "h w"]
    off: Bool[np.ndarray, "h w"]
    pixels: int


@functools.cache
def crops() -> tuple[Crop, ...]:
    """The café's instances, cropped."""
    return crops_of(photos()["cafe"])


def crops_of(known: Labelled) -> tuple[Crop, ...]:
    """A photo's instances, each with 40 % of its box around it, thinned to 72 pixels.

    Left out are those that then have fewer pixels, what is void apart, than the most that are labelled.
    """
    found = []
    border = (void_border(known.instances, VOID_WIDTH) | (known.instances == VOID)).numpy()
    for mask in known.masks:
        x0, y0, x1, y1 = tight_box(mask)
        wide, high = round(_MARGIN * (x1 - x0)), round(_MARGIN * (y1 - y0))
        area = slice(max(0, y0 - high), y1 + high), slice(max(0, x0 - wide), x1 + wide)
        image, inside = known.image[area], mask.numpy()[area]
        scale = min(1.0, _SIDE / max(inside.shape))
        shape = tuple(max(8, round(side * scale)) for side in inside.shape)
        small = resize(image, shape, anti_aliasing=scale < 1, preserve_range=True).round().astype(np.uint8)
        part = resize(inside.astype(float), shape, order=1, anti_aliasing=scale < 1) >= 0.5
        void = resize(border[area].astype(float), shape, order=1, anti_aliasing=scale < 1) >= 0.5
        if (part & ~void).sum() >= _COUNT:
            found.append(Crop(int(known.classes[mask][0]), small, part, void))
    return tuple(found)


def draw_labels(
    kind: str, mask: Bool[np.ndarray, "h w"], count: int, seed: int, void: Bool[np.ndarray, "h w"] | None = None
) -> Labels:
    """Label as a hasty person would: points anywhere, lines that stay inside, or the tight box.

    Of `count` pixels half lie on the object, half off it; no more than there are, and none in `void` unless all is.
    """
    if kind == "box":
        x0, y0, x1, y1 = tight_box(torch.from_numpy(mask))
        off = np.ones_like(mask)
        off[y0:y1, x0:x1] = False
        return Labels(np.zeros_like(mask), off, 4)
    rng = np.random.default_rng(seed)
    pick = _scribble if kind == "scribbles" else _points
    sides = [side & ~void if void is not None and (side & ~void).any() else side for side in (mask, ~mask)]
    on, off = (pick(rng, side, max(1, count // 2)) for side in sides)
    return Labels(on, off, int(on.sum() + off.sum()))


def _points(rng: np.random.Generator, mask: Bool[np.ndarray, "h w"], count: int) -> Bool[np.ndarray, "h w"]:
    places = np.flatnonzero(mask)
    labelled = np.zeros_like(mask)
    labelled.flat[rng.choice(places, min(count, len(places)), replace=False)] = True
    return labelled


def _scribble(rng: np.random.Generator, mask: Bool[np.ndarray, "h w"], count: int) -> Bool[np.ndarray, "h w"]:
    """Lines between places of the mask, as short as may be without leaving it, until there are `count` pixels."""
    places = np.argwhere(mask)
    # Dear near the border of the mask, where a hand does not go, and all but closed outside.
    cost = np.where(mask, 1 + 4 / (1 + ndimage.distance_transform_edt(mask)), 1e4)
    labelled = np.zeros_like(mask)
    while (left := min(count, len(places)) - int(labelled.sum())) > 0:
        start, end = places[rng.integers(len(places), size=2)]
        path, _ = route_through_array(cost, start, end)
        new = [place for place in path if mask[tuple(place)] and not labelled[tuple(place)]]
        labelled[tuple(np.array(new[:left], int).reshape(-1, 2).T)] = True
    return labelled


def mask_from(method: str, image: UInt8[np.ndarray, "h w 3"], labels: Labels) -> Bool[np.ndarray, "h w"]:
    """The mask that a method makes of the labels; labelled pixels keep their label.

    A box says only what is off the object. Nearest label then takes the whole box. The others guess that its middle
    half is the object; graph cut and CRF go on from their own answer.
    """
    if method == "nearest label":
        return _nearest(labels)
    guess = labels if labels.on.any() else _guess(labels)
    if method == "random walker":
        return _walk(image, guess)
    found = guess.on
    for _ in range(_ROUNDS if guess is not labels else 1):
        unary = _colour_costs(image, labels if guess is labels else Labels(found, ~found, 0), labels)
        found = _cut(unary, image) if method == "graph cut" else _crf(unary, image)
        if not found.any():
            return guess.on
    return found


def _nearest(labels: Labels) -> Bool[np.ndarray, "h w"]:
    if not labels.on.any():
        return ~labels.off
    return ndimage.distance_transform_edt(~labels.on) <= ndimage.distance_transform_edt(~labels.off)


def _guess(labels: Labels) -> Labels:
    """The middle half of a box as the object."""
    inside = ~labels.off
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    on = np.zeros_like(inside)
    quarter = len(rows) // 4, len(columns) // 4
    on[rows[0] + quarter[0] : rows[-1] + 1 - quarter[0], columns[0] + quarter[1] : columns[-1] + 1 - quarter[1]] = True
    return Labels(on, labels.off, labels.pixels)


def _walk(image: UInt8[np.ndarray, "h w 3"], labels: Labels) -> Bool[np.ndarray, "h w"]:
    if not (~labels.on & ~labels.off).any():
        return labels.on
    markers = labels.on + 2 * labels.off
    return random_walker(image / 255, markers, beta=_BETA, mode="bf", channel_axis=-1) == 1


def _colour_costs(image: UInt8[np.ndarray, "h w 3"], models: Labels, fixed: Labels) -> Float[Tensor, "2 h w"]:
    """−log p of each pixel's colour off and on the object, from histograms; what is labelled cannot change."""
    bins = (image.astype(int) * _BINS // 256) @ [_BINS**2, _BINS, 1]
    shares = []
    for known in (models.off, models.on):
        counts = np.bincount(bins[known], minlength=_BINS**3).reshape(_BINS, _BINS, _BINS).astype(float)
        smooth = ndimage.gaussian_filter(counts, 0.7, mode="constant").ravel() + 1e-2
        shares.append((smooth / smooth.sum())[bins])
    costs = -np.log(np.stack(shares) / np.sum(shares, axis=0))
    never = 50.0
    costs[0][fixed.on], costs[1][fixed.on] = never, 0
    costs[0][fixed.off], costs[1][fixed.off] = 0, never
    return torch.from_numpy(costs)


def _contrast(image: UInt8[np.ndarray, "h w 3"]) -> list[Float[Tensor, "_ _"]]:
    """Edge weights that fall where colours differ, scaled by the image's own mean contrast."""
    colours = torch.from_numpy(image).double()
    across, down = (colours.diff(dim=axis).square().sum(2) for axis in (1, 0))
    scale = 2 * torch.cat([across.flatten(), down.flatten()]).mean().clamp(min=1e-9)
    return [_SMOOTHNESS * (0.1 + (-edges / scale).exp()) for edges in (across, down)]


def _cut(unary: Float[Tensor, "2 h w"], image: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    return graph_cut(unary, _contrast(image)).numpy().astype(bool)


def _crf(unary: Float[Tensor, "2 h w"], image: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    probabilities = dense_crf(
        unary.float(),
        torch.from_numpy(image),
        iterations=5,
        spatial_sigma=2.0,
        spatial_weight=2.0,
        bilateral_spatial_sigma=20.0,
        bilateral_color_sigma=15.0,
        bilateral_weight=4.0,
    )
    return (probabilities[1] > probabilities[0]).numpy()


def weak_iou(kind: str, method: str, crop: Crop, count: int, seed: int) -> float:
    """IoU with the full mask of what a method makes of one crop's labels."""
    labels = draw_labels(kind, crop.mask, count, seed, crop.void)
    return counted_iou(mask_from(method, crop.image, labels), crop)


def counted_iou(found: Bool[np.ndarray, "h w"], crop: Crop) -> float:
    """IoU of a mask with the crop's, the void border left out; of a crop that is all void, over all pixels."""
    counted = ~crop.void if (crop.mask & ~crop.void).any() else np.ones_like(crop.void)
    return iou(torch.from_numpy(found & counted), torch.from_numpy(crop.mask & counted))


def mined_of(cropped: Sequence[Crop], first: int) -> dict[str, float]:
    """Mean IoU over some instances by kind of label, method and number of labelled pixels; `first` seeds the labels.

    The effect is what the random walker gains over the nearest label, with scribbles and the most labelled pixels.
    `…_gain` says the same of points and boxes, `more_labels` what the most points gain over the fewest.
    """
    found: dict[str, float] = {}
    for kind in KINDS:
        for count in COUNTS if kind != "box" else (4,):
            # The CRF takes long, so it is run once for each kind.
            for method in METHODS if kind == "box" or count == _COUNT else METHODS[:-1]:
                found[f"{kind}_{count}_{_key(method)}"] = _mean_iou(kind, method, cropped, count, first)
    gains = {
        name: found[f"{kind}_{count}_random_walker"] - found[f"{kind}_{count}_nearest_label"]
        for name, kind, count in (
            ("effect", "scribbles", _COUNT),
            ("points_gain", "points", _COUNT),
            ("box_gain", "box", 4),
        )
    }
    more = found[f"points_{_COUNT}_random_walker"] - found[f"points_{COUNTS[0]}_random_walker"]
    return {**gains, **found, "more_labels": more}


def _key(method: str) -> str:
    return method.replace(" ", "_")


def _mean_iou(kind: str, method: str, cropped: Sequence[Crop], count: int, first: int) -> float:
    return float(np.mean([weak_iou(kind, method, crop, count, seed) for seed, crop in enumerate(cropped, first)]))


def mined(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The outcomes of `mined_of` the café, each seed another hand."""
    return _lists([mined_of(crops(), 1000 * seed) for seed in seeds])


def few_labels(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The outcomes of `mined` with points and the fewest labelled pixels, and of boxes with the random walker."""
    few = [*(("points", COUNTS[0], method) for method in METHODS[:2]), ("box", 4, "random walker")]
    return {
        f"{kind}_{count}_{_key(method)}": [_mean_iou(kind, method, crops(), count, 1000 * seed) for seed in seeds]
        for kind, count, method in few
    }


def mined_on(known: Labelled, first: int) -> dict[str, float]:
    """The outcomes of `mined_of` a photo's instances; nothing where all are too small."""
    cropped = crops_of(known)
    return mined_of(cropped, first) if cropped else {}


def over_mined(found: Sequence[Mapping[str, float]]) -> Measurement:
    """The means over the photos."""
    return Measurement.over_seeds(_lists(found))


def _lists(found: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    return {name: [one[name] for one in found] for name in found[0]}


_STEP = "COCO averages AP over IoU thresholds .05 apart: masks that gain less seldom pass one more"


def _gains(outcome: str) -> Criterion:
    return exceeds(
        GAIN,
        "a random walker's mean IoU over the instances, less that of the nearest label, which does not see the image",
        of=outcome,
        because=_STEP,
    )


SD_6 = Claim(
    "SD-6",
    "Labels are costly; the image itself can be mined for the rest",
    Said(
        "source",
        "弱监督,标注太麻烦。最终还是需要引入low level的算法从图像本身挖掘监督信息",
        "weak supervision, as labelling is too much trouble; in the end low-level algorithms must mine the image "
        "itself",
    ),
    {
        f"from {_COUNT} scribbled pixels": _gains("effect"),
        f"from {_COUNT} single points": _gains("points_gain"),
        "from a box": _gains("box_gain"),
    },
    mined,
    seeds=SEEDS,
    control=exceeds(GAIN, f"what {_COUNT} points give more than {COUNTS[0]}", of="more_labels", because=_STEP),
    recheck=few_labels,
    on=on_photos(mined_on, over_mined),
    told={"holds": "The image itself makes more of a few labelled pixels, or of a box, than distance alone."},
)
