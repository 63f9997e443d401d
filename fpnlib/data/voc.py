"""Label maps in PASCAL VOC's layout: a class at each pixel, an instance at each pixel, 255 where neither is known.

The photos come with `fpnlib.assets`, from labelme's source archive (GPL-3.0-only), fetched when first asked for:
three of PASCAL VOC 2011, taken from Flickr under its terms of use, and five frames of a street. Their masks are
labelme's own polygons, not VOC's: nothing is void around an object, only the few areas marked "ignore" as a whole.
"""

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

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


def label_map(file: str | PathLike[str]) -> Int64[Tensor, "h w"]:
    """The numbers in a label map's PNG file (H, W), with a palette as VOC's or grey; ValueError for any other image."""
    with Image.open(file) as image:
        require(image.mode in ("P", "L"), "file", f"{file}, an image of mode {image.mode}", "a palette or grey (P, L)")
        return torch.from_numpy(np.array(image)).long()


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
        found[file.stem] = LabelledMaps(_rgb(file), classes, instances, polygons)
    return found


def street_frames() -> list[LabelledMaps]:
    """Five frames of a street, one after the other, with classes of FRAME_CLASSES and no instances.

    See `fpnlib.assets.fetch` for what it may raise.
    """
    folder = assets.fetch("labelme_examples") / "video_annotation"
    return [
        LabelledMaps(_rgb(file), label_map(folder / f"data_dataset_voc/SegmentationClassPNG/{file.stem}.png"))
        for file in sorted((folder / "data_annotated").glob("*.jpg"))
    ]


def _rgb(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.array(image.convert("RGB"))
