"""Labelled scenes for measuring: those for training and those for testing share neither photos nor cut-outs.

Faces, coins and handwritten digits are cut out, the digits filled with a piece of a photo; every one of them belongs to
one part, and so does every background photo. Besides, each scene has a square whose class is the colour of a round
marker at a chosen distance: what a net says of it tells how far the net sees.

`fpnlib.data.scenes` are smaller, simpler and older: the explorers and the stored detectors were made with them. As
there, everything is drawn from one PCG64 stream and computed in integers.
"""

from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image

from fpnlib.data.digits import digits
from fpnlib.data.photos import photo
from fpnlib.data.scenes import Piece, Scene, compose
from fpnlib.validation import require, require_choice

COLLAGE_CLASSES = ("background", "face", "coin", "digit", "amber square", "blue square")
"""Names of the classes. The squares look alike: a square has the class of its marker's colour."""

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")

CREDITS = {
    "brick": "CC0Textures: Bricks25; CC0; in scikit-image",
    "grass": "linolafett on DeviantArt: Grass 01; CC0; in scikit-image",
    "gravel": "CC0Textures: Gravel04; CC0; in scikit-image",
    "hubble_deep_field": "NASA: Hubble eXtreme Deep Field; public domain; in scikit-image",
    "immunohistochemistry": "Center for Microscopy And Molecular Imaging; no known restrictions; in scikit-image",
    "moon": "The moon's surface; in scikit-image",
    "retina": "Mikael Häggström: a fundus photograph; CC0; in scikit-image",
    "stereo_motorcycle": "D. Scharstein et al.: Middlebury stereo benchmark of 2014; in scikit-image",
}
"""Who made the photos that only these scenes use, and under which licence."""

# Photos with no face, coin or digit in them: nothing goes unlabelled.
_PHOTOS: dict[Split, tuple[str, ...]] = {
    "train": ("coffee", "chelsea", "china", "brick", "grass", "retina", "stereo_motorcycle", "hubble_deep_field"),
    "test": ("rocket", "flower", "bin", "gravel", "moon", "immunohistochemistry"),
}
# x0 y0 x1 y1 of the 24 coins, which an ellipse fits.
_COINS = (
    *((22, 35, 67, 74), (81, 39, 120, 74), (132, 28, 179, 74), (192, 30, 240, 73), (255, 34, 297, 72)),
    *((305, 16, 365, 72), (25, 104, 67, 145), (84, 108, 122, 145), (134, 110, 173, 145), (186, 105, 226, 144)),
    *((245, 95, 296, 144), (317, 106, 356, 145), (26, 179, 63, 217), (80, 175, 124, 217), (135, 179, 174, 217)),
    *((189, 170, 237, 217), (251, 172, 297, 217), (315, 156, 380, 218), (18, 233, 75, 288), (93, 245, 136, 287)),
    *((144, 236, 201, 288), (220, 240, 269, 288), (276, 239, 326, 289), (336, 248, 384, 289)),
)
_MARKERS = ((255, 176, 0), (0, 96, 255))  # amber, blue
_REFERENCE = 256  # the size of a scene in which the lengths below are pixels
_SIDES = np.rint(np.geomspace(16, 128, 256)).astype(np.int64)  # of the longer side of an object
_SQUARES = (24, 48)  # least and greatest side
_MARKER = 16
_OBJECTS = (3, 7)  # least and greatest number of objects besides the square
_STORED = 112  # cut-outs are kept at no more than this many pixels


def collage(seed: int, *, split: Split = "train", size: int = _REFERENCE, cue_distance: int | None = None) -> Scene:
    """The scene `seed` of one part, size × size pixels; the same on every machine. Classes are COLLAGE_CLASSES.

    Three to seven faces, coins and digits lie in it, the longer side of each log-uniform from 16 to 128 pixels at size
    256 and in proportion at other sizes, smaller ones in front; one of which less than 30 % would be seen is left out.
    In front of all are a square and its marker, whole.

    Args:
        seed: 0 or more. The parts' seeds are apart: seed 0 of "train" has nothing to do with seed 0 of "test".
        split: "train" or "test".
        size: 128…512.
        cue_distance: pixels between the square and the marker, from edge to edge, 0 to half the size. None: there is no
            marker, the square itself has its colour. Seed by seed all else is the same, but for what the marker hides.

    Errors: ValueError for anything else.
    """
    require(seed >= 0, "seed", seed, "0 or more")
    require_choice("split", split, SPLITS)
    require(128 <= size <= 512, "size", size, "128…512")
    far = size // 2
    fits = cue_distance is None or 0 <= cue_distance <= far
    require(fits, "cue_distance", cue_distance, f"0…{far} or None")
    # Two streams, so that what is drawn for the square does not move the rest.
    square_rng, rng = (np.random.Generator(np.random.PCG64([seed, SPLITS.index(split), number])) for number in range(2))
    pieces = _square_and_marker(square_rng, split, size, cue_distance)
    canvas = _texture(rng, split, size, size)
    sides = sorted(_SIDES[rng.integers(len(_SIDES), size=rng.integers(_OBJECTS[0], _OBJECTS[1] + 1))])
    pieces += [_object(rng, split, int(side) * size // _REFERENCE, size) for side in sides]
    return compose(canvas, pieces)


def _square_and_marker(rng: np.random.Generator, split: Split, size: int, distance: int | None) -> list[Piece]:
    kind = int(rng.integers(2))
    label = COLLAGE_CLASSES.index("amber square") + kind
    side, across = int(rng.integers(_SQUARES[0], _SQUARES[1] + 1)) * size // _REFERENCE, _MARKER * size // _REFERENCE
    texture = np.asarray(_texture(rng, split, side, side)).astype(np.uint16)
    grey, turns, mirrored = rng.integers(256), int(rng.integers(2)), bool(rng.integers(2))
    places = rng.integers(2**31, size=3)
    tint = np.array(_MARKERS[kind] if distance is None else [grey] * 3, np.uint16)
    colour = Image.fromarray(((texture + tint) // 2).astype(np.uint8))
    # Along one axis come square, gap and marker, or the other way round; across it the marker stays beside the square.
    gap = size // 8 if distance is None else distance
    length = side + gap + across
    along = int(places[0] % (size - length + 1))
    aside = int(places[1] % (size - side + 1))
    marker_aside = aside + int(places[2] % (side - across + 1))
    square_along, marker_along = (along + across + gap, along) if mirrored else (along, along + side + gap)
    square, marker = (square_along, aside), (marker_along, marker_aside)
    if turns:
        square, marker = square[::-1], marker[::-1]
    pieces = [Piece(label, colour, Image.new("L", (side, side), 255), *square)]
    if distance is not None:
        round_ = Image.fromarray(_ellipse(across).astype(np.uint8) * 255)
        disc = Image.new("RGB", (across, across), _MARKERS[kind])
        pieces.insert(0, Piece(0, disc, round_, *marker))
    return pieces


def _object(rng: np.random.Generator, split: Split, side: int, size: int) -> Piece:
    label = int(rng.integers(1, COLLAGE_CLASSES.index("amber square")))
    choices = _cut_outs(COLLAGE_CLASSES[label], split)
    cut_out = choices[int(rng.integers(len(choices)))]
    longer = max(cut_out.size)
    width, height = (max(2, (length * side + longer // 2) // longer) for length in cut_out.size)
    pasted = cut_out.resize((width, height), Image.Resampling.BILINEAR)
    if cut_out.mode == "L":
        texture = np.asarray(_texture(rng, split, width, height)).astype(np.uint16)
        colour = Image.fromarray(((texture + rng.integers(256, size=3).astype(np.uint16)) // 2).astype(np.uint8))
        alpha = pasted
    else:
        colour, alpha = _toned(rng, pasted.convert("RGB")), pasted.getchannel("A")
    x, y = int(rng.integers(size - width + 1)), int(rng.integers(size - height + 1))
    return Piece(label, colour, alpha, x, y)


def _texture(rng: np.random.Generator, split: Split, width: int, height: int) -> Image.Image:
    """Some crop of some photo of this part, at times mirrored, with its colours changed a little."""
    source = _photo(_PHOTOS[split][int(rng.integers(len(_PHOTOS[split])))])
    side = int(rng.integers(source.height // 3, source.height + 1))
    x, y = (int(rng.integers(length - side + 1)) for length in source.size)
    crop = source.resize((width, height), Image.Resampling.BILINEAR, (x, y, x + side, y + side))
    if rng.integers(2):
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return _toned(rng, crop)


def _toned(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """The image with each colour channel dimmed by a number of its own."""
    gains = rng.integers(160, 257, size=3)
    return Image.fromarray((np.asarray(image).astype(np.int64) * gains >> 8).astype(np.uint8))


@lru_cache(maxsize=len(_PHOTOS["train"]) + len(_PHOTOS["test"]))
def _photo(name: str) -> Image.Image:
    if name in CREDITS:
        import skimage.data

        read = getattr(skimage.data, name)()
        pixels = read[0] if isinstance(read, tuple) else read
    else:
        pixels = photo(name)
    image = Image.fromarray(pixels).convert("RGB")
    return image.resize((image.width * 384 // image.height, 384), Image.Resampling.BILINEAR)


@lru_cache(maxsize=2 * len(COLLAGE_CLASSES))
def _cut_outs(name: str, split: Split) -> tuple[Image.Image, ...]:
    """All looks of a class in one part: RGBA for faces and coins, grey (L) for the outline of a digit."""
    found = {"face": _faces, "coin": _coins, "digit": _digits}[name]()
    # Two thirds are for training.
    return tuple(one for number, one in enumerate(found) if (number % 3 == 2) == (split == "test"))


def _faces() -> list[Image.Image]:
    import skimage.data

    pixels = np.rint(skimage.data.lfw_subset()[:100] * 255).astype(np.uint8)
    return [_round_cut_out(Image.fromarray(face)) for face in pixels]


def _coins() -> list[Image.Image]:
    coins = Image.fromarray(photo("coins")).convert("L")
    return [_round_cut_out(coins.crop(box)) for box in _COINS]


def _round_cut_out(image: Image.Image) -> Image.Image:
    large = image.resize((_STORED, _STORED), Image.Resampling.BILINEAR)
    cut_out = Image.merge("RGBA", [large] * 3 + [Image.fromarray(_ellipse(_STORED).astype(np.uint8) * 255)])
    return cut_out.resize([side * _STORED // max(image.size) for side in image.size], Image.Resampling.BILINEAR)


def _digits() -> list[Image.Image]:
    found = []
    for image in digits()[0].numpy():
        grey = Image.fromarray((image * 15).astype(np.uint8)).resize((_STORED, _STORED), Image.Resampling.BICUBIC)
        mask = np.asarray(grey) >= 104
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        window = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        found.append(Image.fromarray(window.astype(np.uint8) * 255))
    return found


def _ellipse(side: int) -> np.ndarray:
    steps = 2 * np.arange(side) + 1 - side
    return steps[:, None] ** 2 + steps**2 <= side**2
