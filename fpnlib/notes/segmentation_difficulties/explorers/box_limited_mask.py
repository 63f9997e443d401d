"""A box that is off, and the best mask that still fits into it."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fpnlib.explore import Explorer, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, PAPER, faded
from fpnlib.notes.segmentation_difficulties.exact import BOXES
from fpnlib.notes.segmentation_difficulties.masks import Boxed, cafe, in_box, random_boxes, tight_box

_MARGIN = 0.35  # of the box's side, shown around it


@dataclasses.dataclass(frozen=True)
class BoxesData:
    """One instance in a box that is off."""

    instance: int
    name: str
    found: Boxed
    cut: np.ndarray  # (h, w) bool, what the box cuts off
    kept: np.ndarray  # (h, w) bool


class BoxesExplorer(Explorer[BoxesData]):
    """The instance with both boxes, and the ceiling among those of many random boxes on all instances."""

    title = "An instance in a tight and a shifted box, and the best possible mask IoU against the box's IoU"
    size = (1000, 400)

    def make_controls(self) -> dict[str, Widget]:
        """Return the instance, the shift of the box and the change of its size, in per cent of its sides."""
        return {
            "instance": slider("instance", 15, 0, len(cafe().masks) - 1, 1),
            "across": slider("box moved to the right (% of its width)", 10, -30, 30, 1),
            "down": slider("box moved down (% of its height)", 0, -30, 30, 1),
            "grown": slider("box larger (% of its sides)", 0, -30, 30, 1),
        }

    def compute(self, instance: int, across: int, down: int, grown: int) -> BoxesData:
        """Move the tight box and cut the mask."""
        mask = cafe().masks[instance]
        x0, y0, x1, y1 = tight_box(mask)
        width, height = x1 - x0, y1 - y0
        left = round(x0 + width * (across - grown / 2) / 100)
        top = round(y0 + height * (down - grown / 2) / 100)
        right = max(left + 1, round(x1 + width * (across + grown / 2) / 100))
        bottom = max(top + 1, round(y1 + height * (down + grown / 2) / 100))
        found = in_box(mask, (left, top, right, bottom))
        kept = np.zeros(mask.shape, bool)
        inside = (slice(max(0, top), max(0, bottom)), slice(max(0, left), max(0, right)))
        kept[inside] = mask.numpy()[inside]
        name = cafe().class_names[int(cafe().labels[instance])]
        return BoxesData(instance, name, found, mask.numpy() & ~kept, kept)

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the photo and the chart."""
        self._photo, chart = figure.subplots(1, 2, width_ratios=[1.2, 1])
        image = faded(cafe().image, 0.5)
        self._photo.imshow(image)
        self._photo.set(xticks=[], yticks=[])
        self._photo.set_title("blue: kept, orange: cut off by the box")
        self._overlay = np.zeros((*image.shape[:2], 4), np.uint8)
        self._marks = self._photo.imshow(self._overlay)
        self._tight = self._photo.add_patch(Rectangle((0, 0), 1, 1, fill=False, ec=INK, ls=":", lw=2))
        self._box = self._photo.add_patch(Rectangle((0, 0), 1, 1, fill=False, ec=ORANGE, lw=2.5))
        self.grab(self._photo, instance=_middle)
        every = _random()
        chart.scatter([b.box_iou for b in every], [b.ceiling for b in every], s=6, color=MUTED, alpha=0.45, lw=0)
        chart.set(xlim=(0.2, 1.01), ylim=(0.4, 1.01), xlabel="IoU of the box", ylabel="best possible IoU of the mask")
        chart.set_title("Grey: random boxes on all 19 instances")
        chart.grid(color=FAINT, lw=0.6)
        (self._now,) = chart.plot([], [], "o", color=BLUE, ms=11, mec=PAPER, mew=1.5)
        return [self._marks, self._tight, self._box, self._now]

    def draw(self, data: BoxesData) -> None:
        """Colour the mask, move both boxes and the dot."""
        self._overlay[:] = 0
        self._overlay[data.kept] = [0, 114, 178, 170]
        self._overlay[data.cut] = [230, 120, 0, 230]
        self._marks.set_data(self._overlay)
        for patch, (x0, y0, x1, y1) in (
            (self._tight, tight_box(cafe().masks[data.instance])),
            (self._box, data.found.box),
        ):
            patch.set_bounds(x0 - 0.5, y0 - 0.5, x1 - x0, y1 - y0)
        self._now.set_data([max(0.2, data.found.box_iou)], [max(0.4, data.found.ceiling)])

    def describe(self, data: BoxesData) -> str:
        """Say what the box allows."""
        pixels = int(data.kept.sum() + data.cut.sum())
        return (
            f"Instance {data.instance}, a {data.name} of {pixels} pixels. The box has IoU "
            f"{number(data.found.box_iou)} with the tight one; the best mask inside it has IoU "
            f"{number(data.found.ceiling)}."
        )

    def invariants(self, data: BoxesData) -> dict[str, bool]:
        """Check the parts, and that a tight box allows everything."""
        whole = int(data.kept.sum() + data.cut.sum())
        return {
            "what is kept over the whole is the ceiling": abs(int(data.kept.sum()) / whole - data.found.ceiling) < 1e-6,
            "a tight box allows the whole mask": data.found.box_iou < 1 or data.found.ceiling == 1,
        }


def _middle(instance: int) -> tuple[float, float]:
    x0, y0, x1, y1 = tight_box(cafe().masks[instance])
    return (x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2


@functools.cache
def _random() -> list[Boxed]:
    return [box for seed, mask in enumerate(cafe().masks) for box in random_boxes(mask, BOXES // 10, seed)]
