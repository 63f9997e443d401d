"""Labelled scenes of any number: real cut-outs and drawn shapes, pasted onto crops of real photos.

The explorers and the stored detectors were made with these. Training and validation scenes share photos and cut-outs;
`fpnlib.data.collages` has larger ones that share none, for what a claim is measured on.

Everything is drawn from one PCG64 stream and computed in integers, so a seed gives the same scene on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from PIL import Image
from torch import Tensor

from fpnlib.data.photos import labelled_photo, photo
from fpnlib.validation import require

SCENE_CLASSES = ("background", "person", "bottle", "package", "disc", "ring", "triangle")
"""Names of the classes. A ring and a disc have the same textures and outlines: only the whole object tells them."""

TRAINING_SEEDS = range(1_000_000)
"""Seeds for training. Validation scenes differ in layout, size, background and texture, not in the cut-outs used."""

VALIDATION_SEEDS = range(1_000_000, 1_100_000)
"""Seeds for validation, apart from those for training."""

SMALL_SIDE, LARGE_SIDE = 6, 100  # the range of an object's longer side in a scene of 128 pixels
_REFERENCE = 128
_MOST_OBJECTS = 8
_LEAST_VISIBLE = 0.3  # an object of which less would be seen is left out
_LEAST_PIXELS = 6
_STORED = 112  # cut-outs are kept at no more than this many pixels

# Photos without people, bottles, packages or coins: nothing in them goes unlabelled.
_BACKGROUNDS = ("coffee", "chelsea", "rocket", "china", "flower")
# Instances of the two labelled photos that show enough of themselves.
_CUT_OUTS = {
    "person": ("cafe", (9, 14, 15, 16, 17)),
    "bottle": ("cafe", (0,)),
    "package": ("bin", (0, 2, 3, 7)),
}


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture with n labelled objects. Boxes and maps are of what can be seen of each.

    image:     (3, H, W) uint8 RGB
    boxes:     (n, 4) float32, x0 y0 x1 y1 in pixels, x1 and y1 just past the last pixel
    classes:   (n,) int64, places in the class names (SCENE_CLASSES, COLLAGE_CLASSES), never 0
    instances: (H, W) int64, i + 1 where object i is seen, 0 for the background
    semantic:  (H, W) int64, the class seen at each pixel
    """

    image: UInt8[Tensor, "3 h w"]
    boxes: Float32[Tensor, "n 4"]
    classes: Int64[Tensor, " n"]
    instances: Int64[Tensor, "h w"]
    semantic: Int64[Tensor, "h w"]


@dataclass(frozen=True, eq=False)
class SceneBatch:
    """Scenes stacked for a network: images are float32 0…1; boxes and classes are lists, one entry a scene."""

    images: Float32[Tensor, "b 3 h w"]
    boxes: list[Tensor]
    classes: list[Tensor]
    instances: Int64[Tensor, "b h w"]
    semantic: Int64[Tensor, "b h w"]


@dataclass(frozen=True)
class Piece:
    """One thing before it is pasted: its class, its colours, how much each pixel covers (0…255), and where it goes.

    One of class 0 hides what lies behind it and is not an object.
    """

    label: int
    colour: Image.Image
    alpha: Image.Image
    x: int
    y: int

    @property
    def area(self) -> tuple[slice, slice]:
        """The rows and columns of the picture that it spans."""
        return slice(self.y, self.y + self.alpha.height), slice(self.x, self.x + self.alpha.width)


def scene(seed: int, *, size: int = 128) -> Scene:
    """The scene `seed` of size × size pixels; the same seed gives the same scene on every machine.

    Up to eight objects lie inside the picture, now and then none. The longer side of each is log-uniform from about 6
    to 100 pixels at size 128, and in proportion at other sizes. Smaller objects lie in front. An object of which less
    than 30 % would be seen is left out altogether. ValueError for a negative seed or a size outside 32…512.
    """
    require(seed >= 0, "seed", seed, "0 or more")
    require(32 <= size <= 512, "size", size, "32…512")
    rng = np.random.Generator(np.random.PCG64(seed))
    canvas = _texture(rng, size, size)
    sides = sorted(_sides(size)[rng.integers(len(_sides(size)), size=rng.integers(1, _MOST_OBJECTS + 1))])
    return compose(canvas, [_piece(rng, int(side), size) for side in sides])  # the smallest lies in front


def compose(canvas: Image.Image, pieces: Sequence[Piece]) -> Scene:
    """The scene of `pieces` on `canvas`, which is painted on; the first piece lies in front.

    A piece of which less than 30 % would be seen is left out altogether. An object's pixels are those it covers by
    half or more.
    """
    instances = np.zeros((canvas.height, canvas.width), np.int64)
    taken = np.zeros(instances.shape, bool)
    shown: list[Piece] = []
    objects: list[tuple[Piece, np.ndarray]] = []
    for piece in pieces:
        mask = np.asarray(piece.alpha) >= 128
        visible = mask & ~taken[piece.area]
        if visible.sum() >= max(_LEAST_PIXELS, _LEAST_VISIBLE * mask.sum()):
            shown.append(piece)
            taken[piece.area] |= visible
            if piece.label:
                objects.append((piece, visible))
                instances[piece.area][visible] = len(objects)
    for piece in reversed(shown):
        canvas.paste(piece.colour, (piece.x, piece.y), piece.alpha)
    labels = np.array([0, *(piece.label for piece, _ in objects)])
    boxes = np.array([_box(piece, visible) for piece, visible in objects], np.float32).reshape(-1, 4)
    return Scene(
        image=torch.from_numpy(np.asarray(canvas).transpose(2, 0, 1).copy()),
        boxes=torch.from_numpy(boxes),
        classes=torch.from_numpy(labels[1:].copy()),
        instances=torch.from_numpy(instances),
        semantic=torch.from_numpy(labels[instances]),
    )


def scene_batch(seeds: Sequence[int], *, size: int = 128) -> SceneBatch:
    """The scenes of `seeds`, stacked. ValueError for no seeds, and as for `scene`."""
    require(len(seeds) > 0, "seeds", list(seeds), "one seed or more")
    scenes = [scene(seed, size=size) for seed in seeds]
    return SceneBatch(
        images=stack_images(scenes),
        boxes=[s.boxes for s in scenes],
        classes=[s.classes for s in scenes],
        instances=torch.stack([s.instances for s in scenes]),
        semantic=torch.stack([s.semantic for s in scenes]),
    )


def stack_images(scenes: Sequence[Scene]) -> Float[Tensor, "n 3 h w"]:
    """The images of n scenes of one size, 0…1."""
    return torch.stack([one.image for one in scenes]).float().div(255)


@lru_cache(maxsize=16)
def _sides(size: int) -> np.ndarray:
    """The longer sides to draw from, evenly spaced in their logarithm."""
    sides = np.geomspace(SMALL_SIDE, LARGE_SIDE, 256) * size / _REFERENCE
    return np.rint(sides).astype(np.int64).clip(3, size)


def _texture(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Some crop of some photo, brought to the size asked for."""
    source = _background(int(rng.integers(len(_BACKGROUNDS))))
    side = int(rng.integers(source.height // 3, source.height + 1))
    x, y = (int(rng.integers(length - side + 1)) for length in source.size)
    return source.resize((width, height), Image.Resampling.BILINEAR, (x, y, x + side, y + side))


@lru_cache(maxsize=len(_BACKGROUNDS))
def _background(number: int) -> Image.Image:
    image = Image.fromarray(photo(_BACKGROUNDS[number]))
    return image.resize((image.width * 256 // image.height, 256), Image.Resampling.BILINEAR)


def _piece(rng: np.random.Generator, side: int, size: int) -> Piece:
    label = int(rng.integers(1, len(SCENE_CLASSES)))
    name = SCENE_CLASSES[label]
    choices = _cut_outs(name)
    outline = choices[int(rng.integers(len(choices)))]
    longer = max(outline.size)
    width, height = (max(2, (length * side + longer // 2) // longer) for length in outline.size)
    if outline.mode == "L":
        # A drawn shape: a little wider or higher, and half texture, half one colour.
        squeeze = int(rng.integers(70, 101))
        if rng.integers(2):
            width = max(2, width * squeeze // 100)
        else:
            height = max(2, height * squeeze // 100)
        texture = np.asarray(_texture(rng, width, height)).astype(np.uint16)
        tint = rng.integers(256, size=3).astype(np.uint16)
        colour = Image.fromarray(((texture + tint) // 2).astype(np.uint8))
        alpha = outline.resize((width, height), Image.Resampling.BILINEAR)
    else:
        pasted = outline.resize((width, height), Image.Resampling.BILINEAR)
        colour, alpha = pasted.convert("RGB"), pasted.getchannel("A")
    x, y = int(rng.integers(size - width + 1)), int(rng.integers(size - height + 1))
    return Piece(label, colour, alpha, x, y)


def _box(piece: Piece, visible: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = _window(visible)
    return piece.x + columns.start, piece.y + rows.start, piece.x + columns.stop, piece.y + rows.stop


def _window(mask: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns that a mask spans."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


@lru_cache(maxsize=len(SCENE_CLASSES))
def _cut_outs(name: str) -> tuple[Image.Image, ...]:
    """All looks of a class: RGBA for a real cut-out and its mirror image, grey (L) for the outline of a shape."""
    if name not in _CUT_OUTS:
        return tuple(Image.fromarray(mask.astype(np.uint8) * 255) for mask in _SHAPES[name]())
    source, numbers = _CUT_OUTS[name]
    labelled = labelled_photo(source)
    found = []
    for number in numbers:
        mask = labelled.masks[number].numpy()
        window = _window(mask)
        pixels = np.dstack([labelled.image[window], mask[window].astype(np.uint8) * 255])
        image = Image.fromarray(pixels)
        image.thumbnail((_STORED, _STORED), Image.Resampling.BILINEAR)
        found += [image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    return tuple(found)


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each pixel of a cut-out, counted in halves from the middle, so that all are whole numbers."""
    steps = 2 * np.arange(_STORED) + 1 - _STORED
    return np.meshgrid(steps, steps, indexing="ij")


def _disc() -> list[np.ndarray]:
    y, x = _grid()
    return [x * x + y * y <= _STORED**2]


def _ring() -> list[np.ndarray]:
    y, x = _grid()
    return [(x * x + y * y <= _STORED**2) & (4 * (x * x + y * y) >= _STORED**2)]


def _triangle() -> list[np.ndarray]:
    y, x = _grid()
    upright = 2 * abs(x) <= y + _STORED
    return [np.rot90(upright, turns).copy() for turns in range(4)]


_SHAPES = {"disc": _disc, "ring": _ring, "triangle": _triangle}
