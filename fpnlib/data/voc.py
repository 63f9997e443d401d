"""Label maps in PASCAL VOC's layout: a class at each pixel, an instance at each pixel, 255 where neither is known.

`voc_photos` reads the reader's own copy of the data set. The photos of the book come with `fpnlib.assets`, from
labelme's source archive (GPL-3.0-only), fetched when first asked for: three of PASCAL VOC 2011, taken from Flickr under
its terms of use, and five frames of a street. Their masks are labelme's own polygons, not VOC's: nothing is void around
an object, only the few areas marked "ignore" as a whole.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64, UInt8
from PIL import Image
from torch import Tensor

from fpnlib import assets
from fpnlib.validation import require

VOID = 255
"""What stands in a label map where nobody says what is there; no score counts these pixels."""

VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""The names of VOC's classes, in the order of its label maps."""

FRAME_CLASSES = ("background", "car", "truck")
"""The names of the classes of the street frames."""


@dataclass(frozen=True, eq=False)
class LabelledMaps:
    """A photo with a class and an instance at each pixel.

    image:     (H, W, 3) uint8 RGB
    classes:   (H, W) int64, places in the class names, 0 for the background, VOID where it is not known
    instances: (H, W) int64, 0 for the background, VOID as in `classes`; None where the labels tell no instances apart
    polygons:  what the annotator drew: the label's name and its corners (n, 2) as x y in pixels
    """

    image: UInt8[np.ndarray, "h w 3"]
    classes: Int64[Tensor, "h w"]
    instances: Int64[Tensor, "h w"] | None = None
    polygons: tuple[tuple[str, Float32[Tensor, "_ 2"]], ...] = ()


class UnreadPhoto(NamedTuple):
    """A labelled photo in a folder, opened only when `read` is called; it can be sent to another process.

    name:   as the data set names it
    number: its place in the data set's list
    read:   ValueError for a damaged file, or labels that do not fit the photo
    """

    name: str
    number: int
    read: Callable[[], LabelledMaps]


def label_map(file: str | PathLike[str]) -> Int64[Tensor, "h w"]:
    """The numbers in a label map's PNG file (H, W), with a palette as VOC's or grey; ValueError for any other image."""
    image = opened(file)
    require(image.mode in ("P", "L"), "file", f"{file}, an image of mode {image.mode}", "a palette or grey (P, L)")
    return torch.from_numpy(np.array(image)).long()


def voc_photos(folder: str | PathLike[str], split: str = "val") -> list[UnreadPhoto]:
    """The photos with label maps in a folder in VOC's layout, such as VOCdevkit/VOC2012, in the order of its list.

    `split` names the list: ImageSets/Segmentation/<split>.txt. Classes are places in VOC_CLASSES. VOID in one of the
    two maps is VOID in both, and so is an object that only one of them shows. ValueError for a folder, list, photo or
    map that is not there.
    """
    root = Path(folder)
    parts = ("JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets/Segmentation")
    for part in parts:
        require((root / part).is_dir(), "folder", f"{root} without {part}/", f"one with {', '.join(parts)}")
    listed = root / parts[3] / f"{split}.txt"
    there = sorted(file.stem for file in listed.parent.glob("*.txt"))
    require(listed.is_file(), "split", repr(split), f"a list in {listed.parent}: {', '.join(there) or 'there is none'}")
    names = listed.read_text(encoding="utf-8").split()
    require(bool(names), "split", f"{listed}, which is empty", "a list of names")
    for name in names:
        for file in _voc_files(root, name):
            require(file.is_file(), "split", f"{name} in {listed.name}, but no {file}", "photos that are there")
    return [UnreadPhoto(name, i, functools.partial(_read_voc, root, name)) for i, name in enumerate(names)]


def _voc_files(root: Path, name: str) -> tuple[Path, ...]:
    maps = (root / f"Segmentation{kind}/{name}.png" for kind in ("Class", "Object"))
    return root / f"JPEGImages/{name}.jpg", *maps


def _read_voc(root: Path, name: str) -> LabelledMaps:
    photo, *files = _voc_files(root, name)
    image = rgb(photo)
    classes, instances = map(label_map, files)
    for file, found in zip(files, (classes, instances), strict=True):
        require(found.shape == image.shape[:2], str(file), f"{tuple(found.shape)}", f"{image.shape[:2]}, as {photo}")
    strange = classes[(classes >= len(VOC_CLASSES)) & (classes != VOID)].unique().tolist()
    require(not strange, str(files[0]), f"classes {strange}", f"0 to {len(VOC_CLASSES) - 1}, or {VOID}")
    void = (classes == VOID) | (instances == VOID) | ((classes > 0) != (instances > 0))
    return LabelledMaps(image, classes.masked_fill(void, VOID), instances.masked_fill(void, VOID))


def with_void(
    classes: Int64[Tensor, "*batch h w"], instances: Int64[Tensor, "*batch h w"], width: int = 2
) -> Int64[Tensor, "*batch h w"]:
    """The classes with VOID for all pixels at most `width` away from another instance or the background.

    Both sides of a boundary give `width` pixels, diagonals included, so the border is twice as wide; VOC's has about
    five. Width 0 changes nothing. ValueError for a negative width or shapes that differ.
    """
    require(width >= 0, "width", width, "0 or more")
    require(classes.shape == instances.shape, "instances", f"shape {tuple(instances.shape)}", f"{tuple(classes.shape)}")
    numbers = instances.reshape(-1, 1, *instances.shape[-2:]).float()
    greatest, least = (F.max_pool2d(sign * numbers, 2 * width + 1, stride=1, padding=width) for sign in (1, -1))
    return classes.masked_fill((greatest != -least).reshape(classes.shape), VOID)


def voc_examples() -> dict[str, LabelledMaps]:
    """Three photos of PASCAL VOC 2011 by their VOC names, with classes of VOC_CLASSES, instances and polygons.

    See `fpnlib.assets.fetch` for what it may raise.
    """
    folder = assets.fetch("labelme_examples") / "instance_segmentation"
    found = {}
    for file in sorted((folder / "data_annotated").glob("*.jpg")):
        classes, instances = (
            label_map(folder / f"data_dataset_voc/Segmentation{kind}/{file.stem}.png") for kind in ("Class", "Object")
        )
        instances[classes == VOID] = VOID
        shapes = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))["shapes"]
        polygons = tuple((shape["label"], torch.tensor(shape["points"], dtype=torch.float32)) for shape in shapes)
        found[file.stem] = LabelledMaps(rgb(file), classes, instances, polygons)
    return found


def street_frames() -> list[LabelledMaps]:
    """Five frames of a street, one after the other, with classes of FRAME_CLASSES and no instances.

    See `fpnlib.assets.fetch` for what it may raise.
    """
    folder = assets.fetch("labelme_examples") / "video_annotation"
    return [
        LabelledMaps(rgb(file), label_map(folder / f"data_dataset_voc/SegmentationClassPNG/{file.stem}.png"))
        for file in sorted((folder / "data_annotated").glob("*.jpg"))
    ]


def opened(file: str | PathLike[str]) -> Image.Image:
    """An image file, read whole; ValueError where it is missing or damaged."""
    try:
        with Image.open(file) as image:
            image.load()
            return image
    # A damaged file makes Pillow raise many things: OSError, SyntaxError, EOFError, struct.error and more.
    except Exception as error:
        raise ValueError(f"file: cannot read {file} as an image ({error}), allowed: what Pillow reads") from error


def rgb(file: str | PathLike[str]) -> UInt8[np.ndarray, "h w 3"]:
    """An image file's pixels as they are stored, which is what labels refer to: no turning by EXIF."""
    return np.array(opened(file).convert("RGB"))
