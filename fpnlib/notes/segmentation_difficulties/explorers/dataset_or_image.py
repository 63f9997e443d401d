"""One error in one of several images, and what dataset-mIoU and image-mIoU make of it."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence

import numpy as np
from ipywidgets import Widget
from jaxtyping import Int64
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from fpnlib.data.scenes import SCENE_CLASSES, scene
from fpnlib.explore import Explorer, choice, counted, number, slider
from fpnlib.explore.style import FAINT, INK, MUTED, RED
from fpnlib.metrics import boundary_iou, mean_iou
from fpnlib.notes.segmentation_difficulties.colours import CLASS_COLOURS, class_colours
from fpnlib.validation import require

SEEDS = (1_000_030, 1_000_049, 1_000_009, 1_000_054, 1_000_045, 1_000_013)  # small and large objects of each class
DISTANCE = 2  # of boundary IoU, in pixels
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
        allowed = f"labels 0 to {len(names) - 1}, for each a name and no more than {len(CLASS_COLOURS)}"
        require(low >= 0 and high < len(names) <= len(CLASS_COLOURS), "targets", f"labels {low} to {high}", allowed)
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
            "share": slider("lost to the background (% of its pixels there)", 100, 0, 100, 5),
        }

    def compute(self, image: int, lost: str, share: int) -> MeansData:
        """Lose part of the class, from its top row down."""
        label = self._names.index(lost)
        target = self._targets[image - 1]
        places = np.flatnonzero(target == label)
        gone = places[: round(len(places) * share / 100)]
        answer = target.copy()
        answer.flat[gone] = 0
        answers = [answer if i == image - 1 else one for i, one in enumerate(self._targets)]
        count = len(self._names)
        values = (
            mean_iou(answers, self._targets, count),
            mean_iou(answers, self._targets, count, over="image"),
            self._boundary(image, label, share),
        )
        everywhere = int((self._targets == label).sum())
        return MeansData(image, lost, len(places), everywhere, len(gone), answer, np.array(values))

    def _boundary_of(self, image: int, label: int, share: int) -> float:
        """Mean boundary IoU over images and classes; where an image and a class are right it is 1."""
        target = self._targets[image - 1]
        answer = target.copy()
        places = np.flatnonzero(target == label)
        answer.flat[places[: round(len(places) * share / 100)]] = 0
        right = sum(len(np.unique(one)) for one in self._targets)
        wrong = [boundary_iou(answer == one, target == one, distance=DISTANCE) for one in {0, label} & set(target.flat)]
        return 1 - sum(1 - value for value in wrong) / right

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the maps and the bars."""
        left, right = figure.subfigures(1, 2, width_ratios=[1.15, 1])
        panels = left.subplots(2, 3).ravel()
        self._frames = []
        self._maps = []
        height, width = self._targets.shape[1:]
        for place, panel in enumerate(panels):
            panel.set_axis_off()
            if place >= len(self._targets):
                continue
            self._maps.append(panel.imshow(class_colours()[self._targets[place]]))
            panel.set_title(f"image {place + 1}", fontsize=9, color=MUTED)
            frame = Rectangle((-0.5, -0.5), width, height, fill=False, ec=RED, lw=4)
            self._frames.append(panel.add_patch(frame))
        keys = [Patch(color=class_colours()[label] / 255, label=self._names[label]) for label in (0, *self._present)]
        left.legend(handles=keys, loc="outside lower center", ncols=5, fontsize=8, handlelength=1.2, columnspacing=1)
        bars = right.subplots()
        bars.set(xlim=(0, 1.18), ylim=(-0.6, 2.6), xlabel="1 is perfect")
        bars.set_yticks([2, 1, 0], _ROWS)
        bars.tick_params(axis="y", length=0, labelsize=11, labelcolor=INK)
        bars.set_xticks(np.linspace(0, 1, 6))
        bars.barh([2, 1, 0], [1, 1, 1], height=0.5, color=FAINT)
        self._bars = bars.barh([2, 1, 0], [1, 1, 1], height=0.5, color=["#0072B2", "#E69F00", "#009E73"])
        self._texts = [bars.text(1.02, y, "", va="center", fontsize=11, color=INK) for y in (2, 1, 0)]
        return [*self._maps, *self._frames, *self._bars, *self._texts]

    def draw(self, data: MeansData) -> None:
        """Colour the image with the error, move the frame and the bars."""
        for place, (shown, frame) in enumerate(zip(self._maps, self._frames, strict=True)):
            chosen = place == data.image - 1
            frame.set_visible(chosen)
            shown.set_data(class_colours()[data.answer if chosen else self._targets[place]])
        for bar, text, value in zip(self._bars, self._texts, data.values, strict=True):
            bar.set_width(value)
            text.set_text(number(value))

    def describe(self, data: MeansData) -> str:
        """Say what is lost and what it costs."""
        dataset, image, boundary = map(number, data.values)
        if data.there:
            what = (
                f"In image {data.image} {data.lost} of the {counted(data.there, 'pixel')} of class {data.name} are "
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


@functools.cache
def scene_maps() -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the label maps of six scenes, and the classes' names."""
    return np.stack([scene(seed, size=96).semantic.numpy() for seed in SEEDS]), SCENE_CLASSES
