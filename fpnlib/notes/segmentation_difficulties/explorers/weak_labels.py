"""Scribbles, points or a box on an instance, and the mask that the image gives for them."""

import dataclasses
import functools

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.claims import Result
from fpnlib.explore import Explorer, choice, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, MUTED, ORANGE, PAPER, faded, pixel
from fpnlib.notes.segmentation_difficulties.experiments.photos import class_names
from fpnlib.notes.segmentation_difficulties.experiments.weak_labels import (
    COUNTS,
    KINDS,
    METHODS,
    Crop,
    counted_iou,
    crops,
    draw_labels,
    mask_from,
)
from fpnlib.notes.segmentation_difficulties.explorers.colours import ANSWERS, answer_colours, answer_key

_SIDE = 72  # pixels of a panel
_LINES = dict(zip(METHODS, ((MUTED, ":"), (BLUE, "-"), (GREEN, "--")), strict=False))


@dataclasses.dataclass(frozen=True)
class LabelsData:
    """One mask from a few labels."""

    instance: int
    name: str
    kind: str
    method: str
    count: int  # labelled pixels, or a box's four numbers
    crop: np.ndarray  # (side, side, 3)
    marks: np.ndarray  # (side, side) 1 on the object, 2 off, 3 off by a box, 4 beyond the crop, 0 none of these
    picture: np.ndarray  # (side, side) 0 neither, 1 missed, 2 false, 3 right
    value: float  # IoU


class LabelsExplorer(Explorer[LabelsData]):
    """A crop with its labels, the mask they give, and the ledger's means over the labelled pixels."""

    title = "An instance with a few labels, the mask that a method makes of them, and the mean IoU by number of labels"
    size = (1000, 330)

    def make_controls(self) -> dict[str, Widget]:
        """Return what is labelled how, and the method."""
        return {
            "count": slider("labelled pixels", 16, 2, 128, 2),
            "kind": choice("labels", KINDS),
            "method": choice("method", METHODS, "random walker"),
            "instance": slider("instance", 0, 0, len(crops()) - 1, 1),
            "hand": slider("annotator", 0, 0, 9, 1),
        }

    def compute(self, count: int, kind: str, method: str, instance: int, hand: int) -> LabelsData:
        """Label, and let the method do the rest."""
        return _answer(instance, kind, method, 4 if kind == "box" else count, hand)

    def build(self, figure: Figure) -> None:
        """Lay out two pictures and a chart."""
        left, middle, right = figure.subplots(1, 3, width_ratios=[1.15, 1.15, 1.5])
        crop = self.panel(left, bare=True)
        crop.axes.set_title("blue on the object, orange off", fontsize=10)
        crop.image(_painted)
        mask = self.panel(middle, bare=True)
        mask.axes.set_title(answer_key(), fontsize=10)
        mask.classes(lambda data: data.picture, ANSWERS, answer_colours())

        chart = self.panel(right, xscale="log", xlim=(1.8, 140), ylim=(0, 1.03), xlabel="labelled pixels", ylabel="IoU")
        chart.axes.set_xticks(COUNTS, COUNTS)
        chart.axes.minorticks_off()
        chart.axes.set_title("lines: scribbles, mean over instances, 16 annotators", fontsize=10)
        chart.axes.grid(color=FAINT, lw=0.6)
        for method, (colour, style) in _LINES.items():
            chart.line((COUNTS, _stored(method)), f"o{style}", color=colour, ms=4, label=method)
        colours = [colour for colour, _ in _LINES.values()]
        chart.names(lambda data: [_stored(method)[-1] for method in _LINES], [*_LINES], colours)
        chart.dot(lambda data: (data.count, data.value), grab={"count": lambda value: (value, None)})

    def describe(self, data: LabelsData) -> str:
        """Say what was labelled and how good the mask is."""
        labels = "a box" if data.kind == "box" else f"{counted(data.count, 'pixel')} labelled by {data.kind}"
        what = f"Instance {data.instance}, a {data.name}, {labels}"
        return f"{what}: {data.method} gives a mask of IoU {number(data.value)}."

    def invariants(self, data: LabelsData) -> dict[str, bool]:
        """Check ranges, and that the number is the picture's."""
        counts = np.bincount(data.picture.ravel(), minlength=4)
        return {
            "the value is an IoU": 0 <= data.value <= 1,
            "the picture has it": abs(counts[3] / max(1, counts[1:].sum()) - data.value) < 1e-9,
        }


def _painted(data: LabelsData) -> np.ndarray:
    """The crop, faded, under its labels."""
    pixels = faded(data.crop, 0.7)
    pixels[data.marks == 1] = pixel(BLUE)
    pixels[data.marks == 2] = pixel(ORANGE)
    pixels[data.marks == 3] = pixels[data.marks == 3] // 2 + pixel(ORANGE) // 2
    pixels[data.marks == 4] = pixel(PAPER)
    return pixels


@functools.cache
def _stored(method: str) -> list[float]:
    return [Result.load("SD-6").number(f"scribbles_{count}_{method.replace(' ', '_')}") for count in COUNTS]


@functools.lru_cache(maxsize=512)
def _answer(instance: int, kind: str, method: str, count: int, hand: int) -> LabelsData:
    crop: Crop = crops()[instance]
    labels = draw_labels(kind, crop.mask, count, hand, crop.void)
    found = mask_from(method, crop.image, labels)
    marks = np.where(labels.on, 1, np.where(labels.off, 3 if kind == "box" else 2, 0))
    kinds = (crop.mask & ~found) + 2 * (found & ~crop.mask) + 3 * (found & crop.mask)
    value = counted_iou(found, crop)
    kinds[crop.void] = 0
    pictures = _square(crop.image, 0), _square(marks, 4), _square(kinds, 0)
    return LabelsData(instance, class_names()[crop.label], kind, method, labels.pixels, *pictures, value)


def _square(picture: np.ndarray, fill: int) -> np.ndarray:
    """Put a picture in the middle of a square."""
    height, width = picture.shape[:2]
    square = np.full((_SIDE, _SIDE, *picture.shape[2:]), fill, picture.dtype)
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    square[top : top + height, left : left + width] = picture
    return square
