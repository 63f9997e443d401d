"""A box that is off, and the best mask that still fits into it."""

import dataclasses
import functools

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, number, slider
from fpnlib.explore.style import FAINT, INK, MUTED, faded
from fpnlib.notes.segmentation_difficulties.experiments.boxes import BOXES, Boxed, in_box, random_boxes
from fpnlib.notes.segmentation_difficulties.experiments.masks import tight_box
from fpnlib.notes.segmentation_difficulties.experiments.photos import cafe
from fpnlib.notes.segmentation_difficulties.explorers.colours import over_photo

_LEAST = 0.5  # the chart's left end
_FAIR = 0.7  # boxes that fit worse are not drawn: SD-4 asks nothing of them


@dataclasses.dataclass(frozen=True)
class BoxesData:
    """One instance in a box that is off."""

    instance: int
    name: str
    found: Boxed
    cut: np.ndarray  # (h, w) bool, what the box cuts off
    kept: np.ndarray  # (h, w) bool
    across: int  # per cent, as the controls have them
    down: int
    grown: int


class BoxesExplorer(Explorer[BoxesData]):
    """The instance with both boxes, and the ceiling among those of many random boxes on all instances."""

    title = "An instance in a tight and a shifted box, and the best possible mask IoU against the box's IoU"
    size = (1000, 400)

    def make_controls(self) -> dict[str, Widget]:
        """Return the instance, the shift of the box and the change of its size, in per cent of its sides."""
        return {
            "instance": slider("instance", 15, 0, len(cafe().masks) - 1, 1),
            "across": slider("box moved to the right (% of its width)", 0, -30, 30, 1),
            "down": slider("box moved down (% of its height)", 0, -30, 30, 1),
            "grown": slider("box larger (% of its sides)", 0, -30, 30, 1),
        }

    def compute(self, instance: int, across: int, down: int, grown: int) -> BoxesData:
        """Move the tight box and cut the mask."""
        mask, box = cafe().masks[instance], _box(instance, across, down, grown)
        left, top, right, bottom = np.maximum(box, 0)
        kept = np.zeros(mask.shape, bool)
        kept[top:bottom, left:right] = mask.numpy()[top:bottom, left:right]
        name = cafe().class_names[int(cafe().labels[instance])]
        return BoxesData(instance, name, in_box(mask, box), mask.numpy() & ~kept, kept, across, down, grown)

    def build(self, figure: Figure) -> None:
        """Lay out the photo and the chart."""
        left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
        photo = self.panel(left, bare=True, title="blue: kept, orange: cut off by the box")
        image = cafe().image
        whole = (0, 0, image.shape[1], image.shape[0])
        photo.image(faded(image, 0.5), whole)
        kinds = ("not the instance", "kept", "cut off")
        photo.classes(lambda data: data.kept + 2 * data.cut, kinds, over_photo(0.65, 0.9), whole, zorder=1)
        photo.box(lambda data: _tight(data.instance), ec=INK, ls=":", lw=2)
        # The upper left corner moves the box, the lower right one makes it larger.
        photo.box(
            lambda data: data.found.box,
            grab={
                "across": lambda value, data: (_in_sight(data.instance, value, data.down, data.grown)[0], None),
                "down": lambda value, data: (None, _in_sight(data.instance, data.across, value, data.grown)[1]),
            },
        )
        photo.grab(grown=lambda value, data: _in_sight(data.instance, data.across, data.down, value)[2:])
        photo.grab(instance=_middle)

        every = _random()
        chart = self.panel(right, title="Grey: random boxes, all 19 instances", xlim=(_LEAST, 1.01), ylim=(0.4, 1.01))
        chart.axes.set(xlabel="IoU of the box", ylabel="best possible IoU of the mask")
        chart.axes.grid(color=FAINT, lw=0.6)
        chart.line(([b.box_iou for b in every], [b.ceiling for b in every]), "o", ms=2.5, mew=0, color=MUTED, alpha=0.5)
        chart.dot(lambda data: (max(_LEAST, data.found.box_iou), max(0.4, data.found.ceiling)))

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


def _box(instance: int, across: int, down: int, grown: int) -> tuple[int, int, int, int]:
    """The tight box, moved and made larger by per cent of its sides."""
    x0, y0, x1, y1 = _tight(instance)
    width, height = x1 - x0, y1 - y0
    left = round(x0 + width * (across - grown / 2) / 100)
    top = round(y0 + height * (down - grown / 2) / 100)
    right = max(left + 1, round(x1 + width * (across + grown / 2) / 100))
    bottom = max(top + 1, round(y1 + height * (down + grown / 2) / 100))
    return left, top, right, bottom


def _in_sight(*state: int) -> tuple[float, float, float, float]:
    """`_box`, as far as the photo shows it."""
    height, width = cafe().image.shape[:2]
    x0, y0, x1, y1 = np.clip(_box(*state), 0, (width, height, width, height)).tolist()
    return x0, y0, x1, y1


def _middle(instance: int) -> tuple[float, float]:
    x0, y0, x1, y1 = _tight(instance)
    return (x0 + x1) / 2, (y0 + y1) / 2


@functools.cache
def _tight(instance: int) -> tuple[int, int, int, int]:
    return tight_box(cafe().masks[instance])


@functools.cache
def _random() -> list[Boxed]:
    boxes = (box for seed, mask in enumerate(cafe().masks) for box in random_boxes(mask, BOXES, seed))
    return [box for box in boxes if box.box_iou >= _FAIR]
