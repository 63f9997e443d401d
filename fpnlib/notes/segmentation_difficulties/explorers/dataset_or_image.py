"""One error in one of several images, and what dataset-mIoU and image-mIoU make of it."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from ipywidgets import Widget
from jaxtyping import Int64
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fpnlib.explore import Explorer, choice, counted, number, slider
from fpnlib.explore.style import MUTED
from fpnlib.metrics import mean_iou
from fpnlib.notes.segmentation_difficulties.experiments.means import boundary_of_one, without
from fpnlib.notes.segmentation_difficulties.experiments.post_processing import CLASS_COLOURS
from fpnlib.notes.segmentation_difficulties.explorers.colours import class_colours
from fpnlib.validation import require

_MOST = len(CLASS_COLOURS)
_ROWS = ("dataset-mIoU", "image-mIoU", "boundary IoU")


@dataclasses.dataclass(frozen=True)
class MeansData:
    """One class lost in part in one image; all else is right."""

    image: int
    name: str
    there: int  # pixels of the class in this image
    everywhere: int  # in all images
    lost: int
    answer: np.ndarray  # (h, w) the labels said of this image
    values: np.ndarray  # dataset-mIoU, image-mIoU, boundary IoU


class MeansExplorer(Explorer[MeansData]):
    """The images' label maps, the one with the error framed, and three bars.

    `targets` (n, h, w) holds 2 to 6 true label maps, `names` the classes, background first.
    """

    title = "Label maps of a few images, one with an error, and dataset-mIoU, image-mIoU and boundary IoU as bars"
    size = (1000, 400)

    def __init__(self, targets: Int64[np.ndarray, "n h w"], names: Sequence[str]) -> None:
        require(targets.ndim == 3 and 2 <= len(targets) <= 6, "targets", f"shape {targets.shape}", "2 to 6 maps (h, w)")
        low, high = int(targets.min()), int(targets.max())
        allowed = f"labels 0 to {len(names) - 1}, for each a name and no more than {_MOST}"
        require(low >= 0 and high < len(names) <= _MOST, "targets", f"labels {low} to {high}", allowed)
        self._targets, self._names = targets, tuple(names)
        self._present = [label for label in range(1, len(names)) if (targets == label).any()]
        require(bool(self._present), "targets", "only background", "one class or more")
        self._boundary = functools.lru_cache(maxsize=512)(self._boundary_of)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return which image, which class, and how much of it is lost."""
        here = [label for label in self._present if (self._targets[0] == label).any()] or self._present
        return {
            "image": slider("image", 1, 1, len(self._targets), 1),
            "lost": choice("class", [self._names[label] for label in self._present], self._names[here[0]]),
            "share": slider("lost to the background (% of its pixels there)", 0, 0, 100, 5),
        }

    def compute(self, image: int, lost: str, share: int) -> MeansData:
        """Lose part of the class."""
        label = self._names.index(lost)
        answer = without(self._targets[image - 1], label, share)
        there = int((self._targets[image - 1] == label).sum())
        answers = [answer if i == image - 1 else one for i, one in enumerate(self._targets)]
        count = len(self._names)
        values = (
            mean_iou(answers, self._targets, count),
            mean_iou(answers, self._targets, count, over="image"),
            self._boundary(image, label, share),
        )
        everywhere = int((self._targets == label).sum())
        gone = there - int((answer == label).sum())
        return MeansData(image, lost, there, everywhere, gone, answer, np.array(values))

    def _boundary_of(self, image: int, label: int, share: int) -> float:
        return boundary_of_one(without(self._targets[image - 1], label, share), self._targets, image - 1)

    def build(self, figure: Figure) -> None:
        """Lay out the maps and the bars."""
        axes, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
        maps, colours = self.panel(axes, bare=True), class_colours()
        # After each class's colour and name come those of what is lost of it.
        names = [*self._names, *[""] * (_MOST - len(self._names)), *(f"{name}, lost" for name in self._names)]
        faint = (0.7 * colours[:1] + 0.3 * colours).astype(np.uint8)
        places, gap = self._places()
        for image, place in enumerate(places):
            maps.classes(functools.partial(self._shown, image), names, np.concatenate([colours, faint]), place)
            maps.text(f"image {image + 1}", place[0], place[1] - gap / 5, color=MUTED, fontsize=9)
        (right_edge, bottom), edge = np.max(places, 0)[2:], gap / 4
        maps.axes.set(xlim=(-edge, right_edge + edge), ylim=(bottom + edge, -gap))
        middles = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in places]
        maps.box(lambda data: places[data.image - 1], lw=3.5, grab={"image": lambda value: middles[value - 1]})
        keys = [Patch(color=colours[label] / 255, label=self._names[label]) for label in (0, *self._present)]
        keys.append(Patch(color=faint[self._present[0]] / 255, label="faint: lost"))
        axes.legend(
            handles=keys,
            loc="upper center",
            bbox_to_anchor=(0.5, 0.02),
            ncols=6,
            fontsize=8,
            handlelength=1,
            columnspacing=1,
        )
        bars = self.panel(right, xlabel="1 is perfect")
        bars.bars(lambda data: data.values, _ROWS, [MUTED] * 3)

    def _places(self) -> tuple[list[tuple[float, float, float, float]], float]:
        """Where the images lie, three in a row, and the gap between them."""
        count, height, width = self._targets.shape
        gap = max(height, width) / 7
        corners = [(image % 3 * (width + gap), image // 3 * (height + gap)) for image in range(count)]
        return [(x, y, x + width, y + height) for x, y in corners], gap

    def _shown(self, image: int, data: MeansData) -> np.ndarray:
        target = self._targets[image]
        return np.where(data.answer == target, target, _MOST + target) if image == data.image - 1 else target

    def describe(self, data: MeansData) -> str:
        """Say what is lost and what it costs."""
        dataset, image, boundary = map(number, data.values)
        if data.there:
            what = (
                f"Image {data.image} has {counted(data.there, 'pixel')} of class {data.name}, of which {data.lost} are "
                f"lost; all images together have {data.everywhere}."
            )
        else:
            what = f"Image {data.image} has no {data.name}, so nothing is lost."
        return f"{what} Dataset-mIoU {dataset}, image-mIoU {image}, mean boundary IoU {boundary}."

    def invariants(self, data: MeansData) -> dict[str, bool]:
        """Check that only a loss costs."""
        return {
            "nothing lost costs nothing": data.lost > 0 or bool((data.values == 1).all()),
            "a loss costs each number something": data.lost == 0 or bool((data.values < 1).all()),
            "no number is below 0": bool((data.values >= 0).all()),
        }
