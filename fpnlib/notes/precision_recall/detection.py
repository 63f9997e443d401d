"""When does a box count?"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from fpnlib.data.coco import load_coco_results
from fpnlib.data.photos import load_image
from fpnlib.explore import Explorer, number, slider
from fpnlib.explore.controls import step_for
from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, RED
from fpnlib.metrics import detection_average_precision, match_detections
from fpnlib.metrics.arrays import ArrayLike
from fpnlib.validation import require

Detections = Mapping[str, ArrayLike]
IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
_LOOKS: dict[str, dict[str, Any]] = {
    "right": {"colors": GREEN, "linestyles": "solid", "linewidths": 3.0},
    "wrong": {"colors": RED, "linestyles": "solid", "linewidths": 1.0},
    "missed": {"colors": BLUE, "linestyles": "dotted", "linewidths": 3.0},
}
_NAMES = {"right": "right (TP)", "wrong": "wrong (FP)", "missed": "missed object (FN)"}


@dataclasses.dataclass(frozen=True)
class DetectionData:
    """The boxes of one picture by what they count as, and the average precision over all pictures."""

    picture: int
    iou: float
    error: int
    boxes: dict[str, np.ndarray]
    precision: float
    recall: float
    per_iou: np.ndarray
    at_iou: float

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
        self._targets = [_tensors("targets", target, ("boxes", "labels")) for target in targets]
        self._predictions = [_tensors("predictions", given, ("boxes", "labels", "scores")) for given in predictions]
        got = f"{len(predictions)} images"
        require(len(predictions) == len(targets), "predictions", got, f"{len(targets)}, as targets")
        # The metric's own checks, before anything is drawn.
        detection_average_precision(self._predictions, self._targets, iou_thresholds=[0.5])
        require(len(images) == len(self._targets), "image", f"{len(images)}", f"{len(self._targets)}, as targets")
        objects = sum(len(target["boxes"]) for target in self._targets)
        require(objects > 0, "targets", "no boxes", "at least one box in all")
        self._images = images
        super().__init__()

    def controls(self) -> dict[str, Widget]:
        """Return the IoU threshold and the box error; which picture and which scores, where there are several."""
        controls: dict[str, Widget] = {}
        if len(self._images) > 1:
            controls["picture"] = slider("picture", 1, 1, len(self._images), 1)
        controls["iou"] = slider("IoU at which a box counts", 0.5, 0.05, 0.95, 0.05)
        scores = torch.cat([prediction["scores"] for prediction in self._predictions])
        if len(scores.unique()) > 1:
            span = float(scores.max() - scores.min())
            step = step_for(span, 50)
            low = float(torch.floor(scores.min() / step) * step)
            stops = int((float(scores.max()) - low) / step)
            start = low + int((float(scores.median()) - low) / step) * step
            controls["score"] = slider("score from which a box is kept", start, low, low + stops * step, step)
        return controls | {"error": slider("move every box by (px)", self._error, 0, 40, 1)}

    def compute(self, iou: float, error: int, score: float = -math.inf, picture: int = 1) -> DetectionData:
        """Move and cut the boxes, match them class by class, and sum up."""
        kept = []
        for prediction in self._predictions:
            keep = prediction["scores"] >= score
            moved = prediction["boxes"] + error * _directions(len(keep))
            kept.append(
                {"boxes": moved[keep], "labels": prediction["labels"][keep], "scores": prediction["scores"][keep]}
            )
        shown = _matched(kept[picture - 1], self._targets[picture - 1], iou)
        right, wrong, missed = (len(shown[kind]) for kind in _LOOKS)
        thresholds = sorted({*IOU_THRESHOLDS, round(iou, 2)})
        ap = detection_average_precision(kept, self._targets, iou_thresholds=thresholds)
        per_iou = dict(zip(thresholds, ap.per_iou.tolist(), strict=True))
        return DetectionData(
            picture=picture,
            iou=iou,
            error=error,
            boxes=shown,
            precision=right / (right + wrong) if right + wrong else 1.0,
            recall=right / (right + missed) if right + missed else 1.0,
            per_iou=np.array([per_iou[threshold] for threshold in IOU_THRESHOLDS]),
            at_iou=per_iou[round(iou, 2)],
        )

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
        self._photo = photo.imshow(self._pages[0], extent=extent, cmap="gray", vmin=0, vmax=255)
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
        self._text = panels["text"].text(0, 1, "", va="top", fontsize=10, color=INK, linespacing=1.6)
        moving = [self._photo] if len(self._pages) > 1 else []
        return [*moving, *self._loops.values(), self._line, self._curve, self._point, self._text]

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
            f"precision {number(data.precision)}, recall {number(data.recall)}\n"
            f"AP {number(data.at_iou)}, mean of .5 to .95: {number(data.per_iou.mean())}"
        )

    def describe(self, data: DetectionData) -> str:
        """Say the counts and the average precision."""
        right, wrong, missed = data.counts
        moved = f", each moved by {data.error} pixels" if data.error else ""
        return (
            f"With IoU {number(data.iou)} asked for{moved}, {right} boxes count as right and {wrong} as wrong; "
            f"{missed} objects are missed. Precision {number(data.precision)}, recall {number(data.recall)}.\n"
            f"Average precision {number(data.at_iou)} at this IoU, {number(data.per_iou.mean())} as the mean from "
            ".5 to .95."
        )

    def invariants(self, data: DetectionData) -> dict[str, bool]:
        """Check counts and that a stricter IoU never raises AP."""
        objects = {len(target["boxes"]) for target in self._targets}
        right, _, missed = data.counts
        return {
            "every object is found or missed": right + missed in objects,
            "a stricter IoU never raises AP": bool((np.diff(data.per_iou) <= 1e-12).all()),
            "AP lies between 0 and 1": bool(data.per_iou.min() >= 0 and data.per_iou.max() <= 1),
        }


def read_detections(predictions: object, targets: object) -> tuple[list[Detections], list[Detections]]:
    """Return one mapping per image of each, from a mapping, a list of them, or the paths of two COCO files."""
    if isinstance(predictions, str | PathLike) or isinstance(targets, str | PathLike):
        both = isinstance(predictions, str | PathLike) and isinstance(targets, str | PathLike)
        require(both, "predictions, targets", "a path and something else", "two paths, of COCO results and annotations")
        return load_coco_results(predictions, targets)  # type: ignore[arg-type,return-value]
    return _per_image("predictions", predictions), _per_image("targets", targets)


def read_images(image: Any, count: int) -> list[np.ndarray | None]:
    """Return one picture per image, None where there is none."""
    given = list(image) if isinstance(image, list | tuple) else [image] * (1 if image is not None else count)
    return [None if item is None else load_image(item) for item in given]


def _per_image(argument: str, given: object) -> list[Detections]:
    images = [given] if isinstance(given, Mapping) else given
    fits = isinstance(images, list | tuple) and len(images) > 0 and all(isinstance(i, Mapping) for i in images)
    require(fits, argument, type(given).__name__, "a mapping of boxes, labels and scores, a list of them, or a path")
    return list(images)  # type: ignore[call-overload]


def _tensors(argument: str, given: Detections, keys: tuple[str, ...]) -> dict[str, torch.Tensor]:
    for key in keys:
        require(key in given, argument, f"keys {sorted(given)}", f"mappings with {', '.join(keys)}")
    made = {key: torch.as_tensor(np.asarray(given[key])) for key in keys}
    shape = tuple(made["boxes"].shape)
    require(shape == (0,) or (len(shape) == 2 and shape[1] == 4), argument, f"boxes of shape {shape}", "shape (n, 4)")
    made["boxes"] = made["boxes"].double().reshape(-1, 4)
    for key in keys:
        length = f"{len(made[key])} {key}"
        require(len(made[key]) == len(made["boxes"]), argument, length, f"{len(made['boxes'])}, as boxes")
    return made


def _directions(count: int) -> torch.Tensor:
    """Return a fixed direction for each box, as unit vectors repeated for both corners, shape (count, 4)."""
    angle = torch.arange(count, dtype=torch.float64) * 2.399963  # the golden angle spreads them evenly
    step = torch.stack([angle.cos(), angle.sin()], 1)
    return torch.cat([step, step], 1)


def _matched(prediction: dict[str, torch.Tensor], target: dict[str, torch.Tensor], iou: float) -> dict[str, np.ndarray]:
    right = torch.zeros(len(prediction["boxes"]), dtype=torch.bool)
    found = torch.zeros(len(target["boxes"]), dtype=torch.bool)
    for label in torch.cat([prediction["labels"], target["labels"]]).unique():
        ours, theirs = prediction["labels"] == label, target["labels"] == label
        matches = match_detections(
            prediction["boxes"][ours], prediction["scores"][ours], target["boxes"][theirs], iou_threshold=iou
        )
        right[ours] = matches.true_positive
        found[theirs] = matches.matched_detection >= 0
    return {
        "right": prediction["boxes"][right].numpy(),
        "wrong": prediction["boxes"][~right].numpy(),
        "missed": target["boxes"][~found].numpy(),
    }


def _page(image: np.ndarray | None, target: dict[str, Any]) -> np.ndarray:
    """Return a pale grey page, so that the boxes' colours are the only ones."""
    if image is not None:
        return (image.mean(2) * 0.6 + 100).astype(np.uint8)
    width, height = np.ceil(target["boxes"][:, 2:].amax(0).clamp(min=32).numpy() * 1.05).astype(int)
    return np.full((height, width), 235, np.uint8)
