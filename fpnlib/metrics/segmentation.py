"""How well a label map agrees with the true one: over all pixels, image by image, and along the boundaries.

Label maps hold whole numbers, one class per pixel; tensors, arrays or nested sequences.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from fpnlib.metrics.arrays import ArrayLike, as_array, as_mask
from fpnlib.validation import require, require_choice

Over = Literal["dataset", "image"]


def confusion_matrix(
    prediction: ArrayLike, target: ArrayLike, num_classes: int, *, ignore_index: int | None = None
) -> Int64[Tensor, "classes classes"]:
    """Count pixels by true class (rows) and predicted class (columns).

    `prediction` and `target` have one shape, any; pixels whose target is `ignore_index` do not count, whatever was
    predicted there. ValueError for sizes that differ, labels outside 0 … num_classes − 1, labels that are not whole.
    """
    predicted, wanted = _labels("prediction", prediction), _labels("target", target)
    return torch.from_numpy(_confusion(predicted, wanted, _classes(num_classes), ignore_index))


def iou_per_class(confusion: Int64[Tensor, "classes classes"]) -> Float64[Tensor, " classes"]:
    """Intersection over union of each class; nan for a class that is neither predicted nor there.

    ValueError for a matrix that is not square or has negative counts.
    """
    shape = tuple(confusion.shape)
    require(len(shape) == 2 and shape[0] == shape[1], "confusion", f"shape {shape}", "(classes, classes)")
    require(bool((confusion >= 0).all()), "confusion", "negative counts", "counts from 0 up")
    hits = confusion.diagonal().double()
    return hits / (confusion.sum(0) + confusion.sum(1) - hits)


def mean_iou(
    predictions: Sequence[ArrayLike] | Tensor | np.ndarray,
    targets: Sequence[ArrayLike] | Tensor | np.ndarray,
    num_classes: int,
    *,
    ignore_index: int | None = None,
    over: Over = "dataset",
) -> float:
    """Mean IoU of the classes that occur, either with all images counted as one, or as the mean over images.

    `predictions` and `targets`: one label map per image, sizes may differ from image to image; a tensor or an array
    (n, h, w) is n of them.

    - `"dataset"`: one confusion matrix for all pixels, then the mean over classes (the rule of VOC and Cityscapes).
    - `"image"`: each image's own mean over the classes that are in its prediction or target, then the mean over images.

    Images or classes without a counted pixel do not enter a mean; if nothing is left the answer is nan.
    ValueError as for `confusion_matrix`, and for another number of predictions than targets, or none.
    """
    require_choice("over", over, ("dataset", "image"))
    require(
        len(predictions) == len(targets), "predictions", f"{len(predictions)} images", f"{len(targets)}, as targets"
    )
    require(len(targets) > 0, "targets", "no images", "one or more")
    classes = _classes(num_classes)
    pairs = zip(predictions, targets, strict=True)
    each = (
        _confusion(_labels("predictions", predicted), _labels("targets", wanted), classes, ignore_index)
        for predicted, wanted in pairs
    )
    if over == "dataset":
        return iou_per_class(torch.from_numpy(np.sum(list(each), axis=0))).nanmean().item()
    return torch.stack([iou_per_class(torch.from_numpy(one)).nanmean() for one in each]).nanmean().item()


def boundary_iou(prediction: ArrayLike, target: ArrayLike, *, distance: int, ignore: ArrayLike | None = None) -> float:
    """IoU of what lies within `distance` pixels of the boundary inside each mask: it sees a boundary that is off.

    `prediction` and `target` (h, w) of 0 and 1, or booleans. A pixel belongs to the band if its mask does not fill the
    square of 2·distance + 1 pixels around it; the border of the image is a boundary, as nothing beyond is in the mask.
    Two empty masks give nan. Where the mask `ignore` (h, w) is 1 no pixel counts, but it still fills squares.
    ValueError for sizes that differ, other values, a distance below 1.
    Source: Cheng et al., "Boundary IoU" (2021), section 4, with the authors' square neighbourhood.
    """
    reach = _distance(distance)
    bands = [mask & ~_filled(mask, reach) for mask in _masks(prediction, target)]
    if ignore is not None:
        left_out = as_mask("ignore", ignore)
        require(left_out.shape == bands[0].shape, "ignore", f"shape {left_out.shape}", f"{bands[0].shape}, as target")
        bands = [band & ~left_out for band in bands]
    union = int((bands[0] | bands[1]).sum())
    return int((bands[0] & bands[1]).sum()) / union if union else float("nan")


def trimap_iou(
    prediction: ArrayLike, target: ArrayLike, num_classes: int, *, distance: int, ignore_index: int | None = None
) -> float:
    """Mean IoU counted only within `distance` pixels of a boundary between two classes of the target.

    `prediction` and `target` (h, w). `distance` 1 takes the pixels on both sides of a boundary, diagonals included,
    and each further one a pixel more around. Pixels of `ignore_index` neither count nor make a boundary. nan if
    there is no boundary. ValueError as for `confusion_matrix`, maps that are not (h, w), a distance below 1.
    Source: Kohli, Ladický and Torr, "Robust Higher Order Potentials for Enforcing Label Consistency" (2009), 7.2.
    """
    predicted, wanted = _labels("prediction", prediction), _labels("target", target)
    require(wanted.ndim == 2, "target", f"shape {wanted.shape}", "(h, w)")
    _same_shape(predicted, wanted)
    band = _near_boundary(wanted, _distance(distance), ignore_index)
    confusion = _confusion(predicted[band], wanted[band], _classes(num_classes), ignore_index)
    return iou_per_class(torch.from_numpy(confusion)).nanmean().item()


def _confusion(predicted: np.ndarray, wanted: np.ndarray, classes: int, ignore_index: int | None) -> np.ndarray:
    _same_shape(predicted, wanted)
    if ignore_index is not None and not (counted := wanted != ignore_index).all():
        predicted, wanted = predicted[counted], wanted[counted]
    for name, labels in (("prediction", predicted), ("target", wanted)):
        if labels.size:
            low, high = int(labels.min()), int(labels.max())
            require(low >= 0 and high < classes, name, f"labels from {low} to {high}", f"0 to {classes - 1}")
    cells = (
        wanted.astype(np.int64).ravel() * classes + predicted.astype(np.int64).ravel()
    )  # row and column as one number
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def _labels(argument: str, values: ArrayLike) -> np.ndarray:
    labels = as_array(argument, values)
    require(labels.dtype.kind in "biu", argument, f"dtype {labels.dtype}", "whole numbers")
    return labels


def _classes(num_classes: int) -> int:
    require(num_classes >= 1, "num_classes", num_classes, "1 or more")
    return int(num_classes)


def _distance(distance: int) -> int:
    whole = isinstance(distance, int | np.integer) and not isinstance(distance, bool)
    require(whole and distance >= 1, "distance", repr(distance), "a whole number of pixels, 1 or more")
    return int(distance)


def _same_shape(predicted: np.ndarray, wanted: np.ndarray) -> None:
    require(predicted.shape == wanted.shape, "prediction", f"shape {predicted.shape}", f"{wanted.shape}, as target")


def _masks(prediction: ArrayLike, target: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    predicted, wanted = as_mask("prediction", prediction), as_mask("target", target)
    require(wanted.ndim == 2, "target", f"shape {wanted.shape}", "(h, w)")
    _same_shape(predicted, wanted)
    return predicted, wanted


def _filled(mask: np.ndarray, reach: int) -> np.ndarray:
    """Return where the whole square around a pixel is in the mask."""
    return _within_square(mask, reach) == (2 * reach + 1) ** 2


def _within_square(mask: np.ndarray, reach: int) -> np.ndarray:
    """Count the mask's pixels in the square of 2·reach + 1 around each pixel, nothing beyond the border."""
    counts = mask.astype(np.int32)
    for axis, length in enumerate(mask.shape):
        total = np.insert(counts.cumsum(axis), 0, 0, axis)
        high = np.minimum(np.arange(length) + reach + 1, length)
        low = np.maximum(np.arange(length) - reach, 0)
        counts = total.take(high, axis) - total.take(low, axis)
    return counts


def _near_boundary(labels: np.ndarray, distance: int, ignore_index: int | None) -> np.ndarray:
    """Return (h, w): pixels within `distance` of a boundary, those with another class beside them at distance 1."""
    counted = np.ones(labels.shape, bool) if ignore_index is None else labels != ignore_index
    band = np.zeros(labels.shape, bool)
    # Each pair of neighbours once: right, below, and both diagonals.
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here, there = _shifted(labels.shape, -down, -across), _shifted(labels.shape, down, across)
        differ = (labels[here] != labels[there]) & counted[here] & counted[there]
        band[here] |= differ
        band[there] |= differ
    return _within_square(band, distance - 1) > 0


def _shifted(shape: tuple[int, ...], down: int, across: int) -> tuple[slice, ...]:
    """Return the part of a map that is left when it moves by so much: what stays inside, seen from its new place."""
    return tuple(slice(max(0, by), length + min(0, by)) for by, length in zip((down, across), shape, strict=True))
