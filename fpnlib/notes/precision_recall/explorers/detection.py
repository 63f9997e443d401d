"""When does a box count?"""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, counted, number, slider, toggle
from fpnlib.explore.controls import scale
from fpnlib.explore.style import BLUE, GREEN, INK, ORANGE, RED, faded
from fpnlib.notes.precision_recall.experiments import moved_boxes
from fpnlib.notes.precision_recall.experiments.moved_boxes import Boxes
from fpnlib.notes.precision_recall.explorers.detected import Detected, DetectionData

_LOOKS: dict[str, dict[str, Any]] = {
    "right": {"colors": GREEN, "linewidths": 3.0},
    "wrong": {"colors": RED, "linewidths": 1.0},
    "missed": {"colors": BLUE, "linestyles": "dotted", "linewidths": 3.0},
}


class DetectionExplorer(Explorer[DetectionData]):
    """Boxes on a picture, coloured by what they count as, and average precision against the IoU threshold.

    Takes what `fpnlib.data.detections` reads, and other labels for the same pictures if there are such. Of the box with
    the best score the area that it shares with its label is filled, and the rest of the area that both cover.
    """

    title = "Detected boxes on a picture, right, wrong and missed, and average precision against the IoU threshold"
    size = (960, 430)

    def __init__(
        self,
        predictions: Sequence[Boxes],
        targets: Sequence[Boxes],
        images: Sequence[np.ndarray],
        shifted: Sequence[Boxes] | None = None,
    ) -> None:
        self._detected = Detected(predictions, targets, shifted)
        self._predictions, self._targets, self._images = predictions, targets, images
        self._can_shift = shifted is not None
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the IoU threshold and the box error; which picture and which scores, where there are several."""
        controls: dict[str, Widget] = {}
        if len(self._images) > 1:
            controls["picture"] = slider("picture", 1, 1, len(self._images), 1)
        controls["iou"] = slider("IoU at which a box counts", 0.5, 0.05, 0.95, 0.05)
        scores = torch.cat([prediction["scores"] for prediction in self._predictions]).double()
        if len(scores.unique()) > 1:
            low, high, step = scale(float(scores.min()), float(scores.max()), 50)
            start = low + int((float(scores.quantile(0.75)) - low) / step) * step
            controls["score"] = slider("score from which a box is kept", start, low, high, step)
        if self._can_shift:
            controls["shifted"] = toggle("move the labels to where the detector draws")
        return controls | {"error": slider("move every box by (px)", 0, 0, 40, 1)}

    def compute(self, **state: Any) -> DetectionData:
        """Move the boxes, match those that are kept class by class, and sum up the whole ranking."""
        return self._detected.data(**state)

    def build(self, figure: Figure) -> None:
        """Lay out the picture, the curve and the counts."""
        axes = figure.subplot_mosaic(
            [["photo", "curve"], ["photo", "words"]], width_ratios=[1.3, 1], height_ratios=[2.6, 1]
        )
        pages = [faded(image, 0.75) for image in self._images]
        height, width = np.max([page.shape[:2] for page in pages], 0).tolist()
        photo = self.panel(axes["photo"], bare=True, xlim=(0, width), ylim=(height, 0))

        def page(data: DetectionData) -> tuple[np.ndarray, tuple[int, ...]]:
            shown = pages[data.picture - 1]
            return shown, (0, 0, *shown.shape[1::-1])

        photo.image(page if len(pages) > 1 else pages[0], (0, 0, width, height))
        photo.boxes(lambda data: data.labels, colors=INK, linewidths=0.7)
        photo.areas(lambda data: data.overlaps.best_pair, color=ORANGE, alpha=0.3, lw=0)
        photo.areas(lambda data: data.overlaps.best_shared, color=ORANGE, alpha=0.5, lw=0)
        words = self.panel(axes["words"], bare=True, xlim=(0, 1), ylim=(3.5, -0.5))
        for row, (kind, look) in enumerate(_LOOKS.items()):
            photo.boxes(operator.attrgetter(f"boxes.{kind}"), **look)
            words.strokes([[(0, row), (0.07, row)]], **look)
        words.strokes(
            lambda data: [[(0, 3), (0.07, 3)]] if data.overlaps.best_pair else [], colors=ORANGE, linewidths=9
        )
        words.table(self._in_words, (0.1, 0.46), range(4), ha="left")
        if len(pages) == 1 and len(self._predictions[0]["boxes"]):
            # All boxes move with the one with the best score, which is always kept.
            middle = self._detected.middle_of_best
            photo.dot(lambda data: middle(data.error), ms=6, grab={"error": middle})
        photo.line(lambda data: data.overlaps.middles, ".", ms=1, color=INK, says=_iou)

        curve = self.panel(axes["curve"], title="Average precision", xlabel="IoU at which a box counts", ylabel="AP")
        curve.axes.set(xlim=(0.03, 0.97), ylim=(-0.02, 1.05))
        curve.line(lambda data: (moved_boxes.IOU_THRESHOLDS, data.per_iou), "o-", ms=4, color=BLUE)
        curve.upright(lambda data: data.iou, color=ORANGE, lw=1.5, zorder=0, grab="iou")
        curve.dot(lambda data: (data.iou, data.at_iou))

    @staticmethod
    def _in_words(data: DetectionData) -> list[tuple[str, str]]:
        right, wrong, missed = data.boxes.counts
        return [
            (f"{right} right (TP)", f"precision {number(data.boxes.precision)}"),
            (f"{wrong} wrong (FP)", f"recall {number(data.boxes.recall)}"),
            (f"{missed} missed (FN)", f"AP {number(data.at_iou)} at this IoU"),
            (_pair(data), f"AP {number(data.mean)}, mean of .5 to .95"),
        ]

    def describe(self, data: DetectionData) -> str:
        """Say the counts and the average precision."""
        right, wrong, missed = data.boxes.counts
        pair = f" The filled pair has IoU {number(data.overlaps.best_iou)}." if data.overlaps.best_pair else ""
        by = f", each box moved by {counted(data.error, 'pixel')}" if data.error else ""
        where = f"On picture {data.picture}, with" if len(self._images) > 1 else "With"
        return (
            f"{where} IoU {number(data.iou)} asked for{by}, {counted(right, 'box', 'boxes')} of those kept "
            f"{'is' if right == 1 else 'are'} right and {wrong} wrong; {counted(missed, 'object')} "
            f"{'is' if missed == 1 else 'are'} missed. Precision {number(data.boxes.precision)}, recall "
            f"{number(data.boxes.recall)}.{pair}\nAverage precision, whatever the score"
            f"{', over all pictures' if len(self._images) > 1 else ''}: {number(data.at_iou)} at this IoU, "
            f"{number(data.mean)} as the mean from .5 to .95."
        )

    def invariants(self, data: DetectionData) -> dict[str, bool]:
        """Check counts and that a stricter IoU never raises AP."""
        crowd, (right, _, missed) = self._targets[data.picture - 1]["iscrowd"], data.boxes.counts
        return {
            "every object is found or missed": right + missed == int((~crowd).sum()),
            "a stricter IoU never raises AP": bool((np.diff(data.per_iou) <= 1e-12).all()),
            "AP lies between 0 and 1": bool(data.per_iou.min() >= 0 and data.per_iou.max() <= 1),
        }


def _pair(data: DetectionData) -> str:
    return f"filled: IoU {number(data.overlaps.best_iou)}" if data.overlaps.best_pair else ""


def _iou(data: DetectionData, place: int) -> str:
    return f"IoU {number(data.overlaps.ious[place])}"
