"""When does a box count?"""

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from fpnlib.data.coco import load_coco_results
from fpnlib.data.photos import load_image
from fpnlib.explore import Explorer, counted, number, slider
from fpnlib.explore.controls import step_for
from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, RED, faded, pixel
from fpnlib.metrics import detection_average_precision, match_detections
from fpnlib.metrics.arrays import ArrayLike, as_array, as_floats
from fpnlib.validation import require

Detections = Mapping[str, ArrayLike]
IOU_THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(1, 20))
COCO_THRESHOLDS = IOU_THRESHOLDS[9:]  # .5 to .95
_LOOKS: dict[str, dict[str, Any]] = {
    "right": {"colors": GREEN, "linestyles": "solid", "linewidths": 3.0},
    "wrong": {"colors": RED, "linestyles": "solid", "linewidths": 1.0},
    "missed": {"colors": BLUE, "linestyles": "dotted", "linewidths": 3.0},
}
_NAMES = {"right": "right (TP)", "wrong": "wrong (FP)", "missed": "missed object (FN)"}


@dataclasses.dataclass(frozen=True)
class DetectionData:
    """The kept boxes of one picture by what they count as; average precision is over all boxes of all pictures."""

    picture: int
    iou: float
    error: int
    boxes: dict[str, np.ndarray]
    precision: float
    recall: float
    per_iou: np.ndarray
    at_iou: float

    @property
    def precision_text(self) -> str:
        """The precision as a reader sees it; without a box that counts there is none."""
        right, wrong, _ = self.counts
        return number(self.precision) if right + wrong else "undefined"

    @property
    def mean(self) -> float:
        """Mean average precision from IoU .5 to .95."""
        return float(self.per_iou[-len(COCO_THRESHOLDS) :].mean())

    @property
    def counts(self) -> tuple[int, int, int]:
        """TP, FP, FN of the picture."""
        right, wrong, missed = (len(self.boxes[kind]) for kind in _LOOKS)
        return right, wrong, missed


class DetectionExplorer(Explorer[DetectionData]):
    """Boxes on a picture, coloured by what they count as, and average precision against the IoU threshold.

    Args:
        predictions: one mapping of `boxes`, `scores`, `labels` per image.
        targets: one mapping of `boxes` and `labels` per image.
        images: one (H, W, 3) array per image, or None for a grey page.
        error: by how many pixels the boxes are moved at first.
    """

    title = "Detected boxes on a picture, right, wrong and missed, and average precision against the IoU threshold"
    size = (960, 430)

    def __init__(
        self,
        predictions: Sequence[Detections],
        targets: Sequence[Detections],
        images: Sequence[np.ndarray | None],
        error: int = 0,
    ) -> None:
        self._error = error
        self._targets = [_tensors("targets", given, ("boxes", "labels"), ("iscrowd", "area")) for given in targets]
        self._predictions = [_tensors("predictions", given, ("boxes", "labels", "scores")) for given in predictions]
        got = f"{len(predictions)} images"
        require(len(predictions) == len(targets), "predictions", got, f"{len(targets)}, as targets")
        require(len(images) == len(self._targets), "image", f"{len(images)}", f"{len(self._targets)}, as targets")
        objects = sum(len(target["boxes"]) for target in self._targets)
        require(objects > 0, "targets", "no boxes", "at least one box in all")
        self._images = images
        self._average_precision = functools.lru_cache(maxsize=64)(self._average_precision_moved)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the IoU threshold and the box error; which picture and which scores, where there are several."""
        controls: dict[str, Widget] = {}
        if len(self._images) > 1:
            controls["picture"] = slider("picture", 1, 1, len(self._images), 1)
        controls["iou"] = slider("IoU at which a box counts", 0.5, 0.05, 0.95, 0.05)
        scores = torch.cat([prediction["scores"] for prediction in self._predictions]).double()
        if len(scores.unique()) > 1:
            span = float(scores.max() - scores.min())
            step = step_for(span, 50)
            low = float(torch.floor(scores.min() / step) * step)
            stops = int((float(scores.max()) - low) / step)
            start = low + int((float(scores.quantile(0.75)) - low) / step) * step
            controls["score"] = slider("score from which a box is kept", start, low, low + stops * step, step)
        return controls | {"error": slider("move every box by (px)", self._error, 0, 40, 1)}

    def compute(self, iou: float, error: int, score: float = -math.inf, picture: int = 1) -> DetectionData:
        """Move the boxes, match those that are kept class by class, and sum up the whole ranking."""
        given = self._moved_by(error)[picture - 1]
        keep = given["scores"] >= score
        shown = _matched({key: value[keep] for key, value in given.items()}, self._targets[picture - 1], iou)
        right, wrong, missed = (len(shown[kind]) for kind in _LOOKS)
        per_iou = self._average_precision(error)
        return DetectionData(
            picture=picture,
            iou=iou,
            error=error,
            boxes=shown,
            precision=right / (right + wrong) if right + wrong else 1.0,
            recall=right / (right + missed) if right + missed else 1.0,
            per_iou=per_iou,
            at_iou=float(self._average_precision(error, (iou,))[0]),
        )

    def _moved_by(self, error: int) -> list[dict[str, torch.Tensor]]:
        return [p | {"boxes": p["boxes"] + error * _directions(len(p["boxes"]))} for p in self._predictions]

    def _average_precision_moved(self, error: int, ious: tuple[float, ...] = IOU_THRESHOLDS) -> np.ndarray:
        return detection_average_precision(self._moved_by(error), self._targets, iou_thresholds=ious).per_iou.numpy()

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the picture and the curve."""
        panels = figure.subplot_mosaic(
            [["photo", "curve"], ["photo", "text"]], width_ratios=[1.9, 1], height_ratios=[3, 1]
        )
        photo, curve = panels["photo"], panels["curve"]
        photo.set_axis_off()
        panels["text"].set_axis_off()
        self._pages = [_page(image, target) for image, target in zip(self._images, self._targets, strict=True)]
        height, width = (max(page.shape[axis] for page in self._pages) for axis in (0, 1))
        extent = (0, self._pages[0].shape[1], self._pages[0].shape[0], 0)
        self._photo = photo.imshow(self._pages[0], extent=extent)
        photo.set(xlim=(0, width), ylim=(height, 0))
        self._loops = {kind: LineCollection([], **look) for kind, look in _LOOKS.items()}
        for loop in self._loops.values():
            photo.add_collection(loop)
        for kind, look in _LOOKS.items():
            photo.plot([], [], color=look["colors"], ls=look["linestyles"], lw=look["linewidths"], label=_NAMES[kind])
        photo.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3)
        curve.set(
            title="Average precision",
            xlabel="IoU at which a box counts",
            ylabel="AP",
            xlim=(0.03, 0.97),
            ylim=(-0.02, 1.05),
        )
        (self._curve,) = curve.plot([], [], "o-", ms=4, color=BLUE)
        self._line = curve.axvline(0.5, color=FAINT, zorder=0)
        (self._point,) = curve.plot([], [], "o", ms=10, color=GREEN, mec=INK)
        self.grab(curve, iou=lambda value: (value, None))
        if len(self._images) == 1 and len(self._predictions[0]["boxes"]):
            self._grab_best_box(photo)
        self._text = panels["text"].text(0, 1, "", va="top", fontsize=10, color=INK, linespacing=1.6)
        moving = [self._photo] if len(self._pages) > 1 else []
        return [*moving, *self._loops.values(), self._line, self._curve, self._point, self._text]

    def _grab_best_box(self, photo: Axes) -> None:
        """Let the reader move all boxes by the one with the best score, which is always kept."""
        best = int(self._predictions[0]["scores"].argmax())
        x0, y0, x1, y1 = self._predictions[0]["boxes"][best].tolist()
        across, down, *_ = _directions(best + 1)[best].tolist()
        self.grab(photo, error=lambda value: ((x0 + x1) / 2 + value * across, (y0 + y1) / 2 + value * down))

    def draw(self, data: DetectionData) -> None:
        """Redraw the boxes and move the point."""
        if len(self._pages) > 1:
            page = self._pages[data.picture - 1]
            self._photo.set_data(page)
            self._photo.set_extent((0, page.shape[1], page.shape[0], 0))
        for kind, loop in self._loops.items():
            loop.set_segments(data.boxes[kind][:, [[0, 1], [2, 1], [2, 3], [0, 3], [0, 1]]])
        self._curve.set_data(IOU_THRESHOLDS, data.per_iou)
        self._line.set_xdata([data.iou, data.iou])
        self._point.set_data([data.iou], [data.at_iou])
        right, wrong, missed = data.counts
        self._text.set_text(
            f"TP {right}, FP {wrong}, FN {missed}\n"
            f"precision {data.precision_text}, recall {number(data.recall)}\n"
            f"AP {number(data.at_iou)}, mean of .5 to .95: {number(data.mean)}"
        )

    def describe(self, data: DetectionData) -> str:
        """Say the counts and the average precision."""
        right, wrong, missed = data.counts
        moved = f", each box moved by {counted(data.error, 'pixel')}" if data.error else ""
        where = f"On picture {data.picture}, with" if len(self._images) > 1 else "With"
        return (
            f"{where} IoU {number(data.iou)} asked for{moved}, {counted(right, 'box', 'boxes')} of those kept "
            f"{'is' if right == 1 else 'are'} right and {wrong} wrong; {counted(missed, 'object')} "
            f"{'is' if missed == 1 else 'are'} missed. Precision {data.precision_text}, recall {number(data.recall)}.\n"
            f"Average precision, over all boxes{' of all pictures' if len(self._images) > 1 else ''}: "
            f"{number(data.at_iou)} at this IoU, {number(data.mean)} as the mean from .5 to .95."
        )

    def invariants(self, data: DetectionData) -> dict[str, bool]:
        """Check counts and that a stricter IoU never raises AP."""
        objects = int((~self._targets[data.picture - 1]["iscrowd"]).sum())
        right, _, missed = data.counts
        return {
            "every object is found or missed": right + missed == objects,
            "a stricter IoU never raises AP": bool((np.diff(data.per_iou) <= 1e-12).all()),
            "AP lies between 0 and 1": bool(data.per_iou.min() >= 0 and data.per_iou.max() <= 1),
        }


def read_detections(predictions: object, targets: object) -> tuple[list[Detections], list[Detections]]:
    """Return one mapping per image of each, from a mapping, a list of them, or the paths of two COCO files."""
    paths = {"predictions": predictions, "targets": targets}
    if any(isinstance(given, str | PathLike) for given in paths.values()):
        both = all(isinstance(given, str | PathLike) for given in paths.values())
        require(both, "predictions, targets", "a path and something else", "two paths, of COCO results and annotations")
        for argument, path in paths.items():
            require(Path(path).is_file(), argument, str(path), "the path of a file")  # type: ignore[arg-type]
        return load_coco_results(predictions, targets)  # type: ignore[arg-type,return-value]
    return _per_image("predictions", predictions), _per_image("targets", targets)


def read_images(image: Any, count: int) -> list[np.ndarray | None]:
    """Return one picture per image, None where there is none."""
    given = list(image) if isinstance(image, list | tuple) else [image] * (1 if image is not None else count)
    try:
        return [None if item is None else load_image(item) for item in given]
    except ValueError as error:
        raise ValueError(f"image: {error}") from error


def _per_image(argument: str, given: object) -> list[Detections]:
    images = [given] if isinstance(given, Mapping) else given
    fits = isinstance(images, list | tuple) and len(images) > 0 and all(isinstance(i, Mapping) for i in images)
    require(fits, argument, type(given).__name__, "a mapping of boxes, labels and scores, a list of them, or a path")
    return list(images)  # type: ignore[call-overload]


def _tensors(
    argument: str, given: Detections, keys: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, torch.Tensor]:
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


def _directions(count: int) -> torch.Tensor:
    """Return a fixed direction for each box, as unit vectors repeated for both corners, shape (count, 4)."""
    angle = torch.arange(count, dtype=torch.float64) * 2.399963  # the golden angle spreads them evenly
    step = torch.stack([angle.cos(), angle.sin()], 1)
    return torch.cat([step, step], 1)


def _matched(prediction: dict[str, torch.Tensor], target: dict[str, torch.Tensor], iou: float) -> dict[str, np.ndarray]:
    right, wrong = (torch.zeros(len(prediction["boxes"]), dtype=torch.bool) for _ in range(2))
    missed = ~target["iscrowd"]
    for label in torch.cat([prediction["labels"], target["labels"]]).unique():
        ours, theirs = prediction["labels"] == label, target["labels"] == label
        matches = match_detections(
            prediction["boxes"][ours],
            prediction["scores"][ours],
            target["boxes"][theirs],
            iou_threshold=iou,
            crowd=target["iscrowd"][theirs],
        )
        right[ours], wrong[ours] = matches.true_positive, matches.false_positive
        missed[theirs] &= matches.matched_detection < 0
    return {
        "right": prediction["boxes"][right].numpy(),
        "wrong": prediction["boxes"][wrong].numpy(),
        "missed": target["boxes"][missed].numpy(),
    }


def _page(image: np.ndarray | None, target: dict[str, Any]) -> np.ndarray:
    """Return the faded photo, or without one a plain page as large as the boxes ask for."""
    if image is not None:
        return faded(image)
    corners = torch.cat([target["boxes"][:, 2:], torch.full((1, 2), 32.0, dtype=torch.float64)])
    width, height = np.ceil(corners.amax(0).numpy() * 1.05).astype(int)
    return np.full((height, width, 3), pixel(INK, share=0.09), np.uint8)
