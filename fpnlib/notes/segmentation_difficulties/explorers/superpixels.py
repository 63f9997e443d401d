"""Superpixels: how well they could label a scene, and what a net's logits gain when they are pooled over them."""

import dataclasses
import functools

import numpy as np
import torch.nn.functional as F
from ipywidgets import Widget
from matplotlib.figure import Figure
from skimage.segmentation import find_boundaries

from fpnlib.data.collages import COLLAGE_CLASSES
from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, GREEN, MUTED, ORANGE, PAPER, pixel
from fpnlib.notes.segmentation_difficulties.experiments.post_processing import (
    SUPERPIXELS,
    Superpixels,
    elsewhere,
    superpixels,
)
from fpnlib.notes.segmentation_difficulties.experiments.shown import NETS, SCENES, SIDE, logits_of, score, shown
from fpnlib.notes.segmentation_difficulties.explorers.colours import class_colours
from fpnlib.ops import achievable_accuracy, pool_segments

_COMPACTNESS = (3, 10, 30, 100)
_TITLES = ("superpixels; frame: side", "net, pooled over them", "true labels")
_BARS = ("net alone", "pooled", "regions from\nelsewhere", "most frequent\nlabel of each")


@dataclasses.dataclass(frozen=True)
class RegionsData:
    """One scene cut into superpixels."""

    scene: int
    side: int  # of a superpixel, as asked for
    found: int  # SLIC gives about as many as asked for
    borders: np.ndarray  # (h, w)
    labels: np.ndarray  # (h, w) of the pooled logits
    values: np.ndarray  # mIoU: plain, pooled, pooled over regions from elsewhere, with the most frequent label of each
    possible: float  # share of pixels right with these


class RegionsExplorer(Explorer[RegionsData]):
    """The scene under its superpixels, the pooled labels, the true ones, and four bars."""

    title = "A scene cut into superpixels, a net's labels pooled over them, the true labels, and four scores as bars"
    size = (1000, 300)

    def make_controls(self) -> dict[str, Widget]:
        """Return the superpixels' settings, the net and the scene."""
        tuned = SUPERPIXELS[8]
        return {
            "side": slider("side of a superpixel (pixels)", tuned.side, 6, 48, 2),
            "compactness": choice("compactness", _COMPACTNESS, int(tuned.compactness)),
            "net": choice("net", tuple(NETS), tuple(NETS)[-1]),
            "scene": slider("scene", 4, 1, SCENES, 1),
        }

    def compute(self, side: int, compactness: int, net: str, scene: int) -> RegionsData:
        """Cut the scene and pool."""
        return _pooled(NETS[net], scene - 1, Superpixels(side, compactness))

    def build(self, figure: Figure) -> None:
        """Lay out three maps and the bars."""
        axes = figure.subplots(1, 4, width_ratios=[1, 1, 1, 0.85])
        cut, pooled, truth = (
            self.panel(one, bare=True, title=title) for one, title in zip(axes[:3], _TITLES, strict=True)
        )
        cut.image(_cut, (0, 0, SIDE, SIDE))
        cut.box(lambda data: (0, 0, data.side, data.side), grab={"side": lambda value: (value, value)})
        pooled.classes(lambda data: data.labels, COLLAGE_CLASSES, class_colours())
        truth.classes(lambda data: shown()[data.scene - 1].classes.numpy(), COLLAGE_CLASSES, class_colours())
        bars = self.panel(axes[3], xlabel="mIoU")
        bars.bars(lambda data: data.values, _BARS, (BLUE, ORANGE, MUTED, GREEN), digits=2)
        bars.axes.set_xlim(0, 1.3)

    def describe(self, data: RegionsData) -> str:
        """Say what pooling does and what is possible at best."""
        plain, pooled, control, best = map(number, data.values.tolist())
        return (
            f"Scene {data.scene} in {data.found} superpixels: mIoU {plain} for the net alone, {pooled} pooled over "
            f"them, {control} pooled over the same regions from elsewhere, {best} if each took its most frequent true "
            f"label; {number(data.possible)} of the pixels would be right then."
        )

    def invariants(self, data: RegionsData) -> dict[str, bool]:
        """Check ranges."""
        right = float((data.labels == shown()[data.scene - 1].classes.numpy()).mean())
        return {
            "scores are scores": bool(((data.values >= 0) & (data.values <= 1)).all()),
            "nothing beats the best possible": right <= data.possible + 1e-9,
            "there are superpixels": data.found > 0,
        }


def _cut(data: RegionsData) -> np.ndarray:
    """The scene under the borders of its superpixels."""
    pixels = shown()[data.scene - 1].picture.numpy().copy()
    pixels[data.borders] = pixel(PAPER)
    return pixels


@functools.lru_cache(maxsize=256)
def _pooled(stride: int, place: int, settings: Superpixels) -> RegionsData:
    logits = logits_of(stride)[place]
    segments = superpixels(shown()[place].picture, settings)
    truth = shown()[place].classes.long()
    known = F.one_hot(truth, len(COLLAGE_CLASSES)).movedim(-1, 0).float()
    cuts = ((logits, segments), (logits, elsewhere(segments)), (known, segments))
    ways = (logits, *(pool_segments(*each) for each in cuts))
    return RegionsData(
        scene=place + 1,
        side=settings.side,
        found=len(segments.unique()),
        borders=find_boundaries(segments.numpy(), mode="inner"),
        labels=ways[1].argmax(0).numpy(),
        values=np.array([score(way, place).miou for way in ways]),
        possible=achievable_accuracy(segments, truth),
    )
