"""A detector's boxes and what they should be, as the reader has them: mappings, or COCO's files."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from fpnlib.data.coco import load_coco_results
from fpnlib.data.photos import load_image
from fpnlib.metrics.arrays import as_array, as_floats
from fpnlib.validation import require


def read_detections(predictions: object, targets: object) -> tuple[list[dict[str, Tensor]], list[dict[str, Tensor]]]:
    """Return one mapping per image of each, from a mapping, a list of them, or the paths of two COCO files.

    Returns:
        predictions: boxes (n, 4) as x0 y0 x1 y1 in double precision, labels (n,) and scores (n,).
        targets: boxes, labels and iscrowd (n,), and area (n,) where it was given.

    Raises:
        ValueError: a key that lacks, other shapes, NaN, a box that ends before it starts, no box in any target, not as
            many predictions as targets, a path that is no file, and as `load_coco_results` says.
    """
    paths = {"predictions": predictions, "targets": targets}
    if any(isinstance(given, str | PathLike) for given in paths.values()):
        both = all(isinstance(given, str | PathLike) for given in paths.values())
        require(both, "predictions, targets", "a path and something else", "two paths, of COCO results and annotations")
        for argument, path in paths.items():
            require(Path(path).is_file(), argument, str(path), "the path of a file")  # type: ignore[arg-type]
        predictions, targets = load_coco_results(predictions, targets)  # type: ignore[arg-type]
    found = [_tensors("predictions", one, ("boxes", "labels", "scores")) for one in _each("predictions", predictions)]
    wanted = [_tensors("targets", one, ("boxes", "labels"), ("iscrowd", "area")) for one in _each("targets", targets)]
    require(len(found) == len(wanted), "predictions", f"{len(found)} images", f"{len(wanted)}, as targets")
    require(any(len(target["boxes"]) for target in wanted), "targets", "no boxes", "at least one box in all")
    return found, wanted


def read_images(image: Any, targets: Sequence[Mapping[str, Tensor]]) -> list[UInt8[np.ndarray, "h w 3"]]:
    """Return a picture for each target: one, a list of them, or for None grey pages as large as the boxes ask for.

    Raises:
        ValueError: not one picture for each target, and as `load_image` says.
    """
    if image is None:
        return [_grey(target["boxes"]) for target in targets]
    given = list(image) if isinstance(image, list | tuple) else [image]
    require(len(given) == len(targets), "image", f"{len(given)}", f"{len(targets)}, as targets")
    try:
        return [load_image(one) for one in given]
    except ValueError as error:
        raise ValueError(f"image: {error}") from error


def _grey(boxes: Float[Tensor, "n 4"]) -> UInt8[np.ndarray, "h w 3"]:
    width, height = torch.cat([boxes[:, 2:] * 1.05, torch.full((1, 2), 32.0)]).amax(0).ceil().int().tolist()
    return np.full((height, width, 3), 128, np.uint8)


def _each(argument: str, given: object) -> Sequence[Mapping[str, Any]]:
    images = [given] if isinstance(given, Mapping) else given
    fits = isinstance(images, list | tuple) and len(images) > 0 and all(isinstance(i, Mapping) for i in images)
    require(fits, argument, type(given).__name__, "a mapping of boxes, labels and scores, a list of them, or a path")
    return images  # type: ignore[return-value]


def _tensors(
    argument: str, given: Mapping[str, Any], keys: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    for key in keys:
        require(key in given, argument, f"keys {sorted(given)}", f"mappings with {', '.join(keys)}")
    made = {}
    for key in (*keys, *(key for key in optional if key in given)):
        read = as_array if key in ("labels", "iscrowd") else as_floats
        made[key] = torch.tensor(read(f"{argument}, {key}", given[key]))
    shape = tuple(made["boxes"].shape)
    require(shape == (0,) or (len(shape) == 2 and shape[1] == 4), argument, f"boxes of shape {shape}", "shape (n, 4)")
    made["boxes"] = made["boxes"].double().reshape(-1, 4)
    count = len(made["boxes"])
    for key, values in made.items():
        got = f"{key} of shape {tuple(values.shape)}"
        require(key == "boxes" or values.shape == (count,), argument, got, f"shape ({count},), one for each box")
    inverted = int((made["boxes"][:, 2:] < made["boxes"][:, :2]).any(1).sum())
    require(not inverted, argument, f"{inverted} boxes that end before they start", "x0 y0 x1 y1")
    if "iscrowd" in optional:
        made["iscrowd"] = made["iscrowd"].bool() if "iscrowd" in made else torch.zeros(count, dtype=torch.bool)
    return made
