"""Superpixels: how well they could label a scene, and what a net's logits gain when they are pooled over them."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from skimage.segmentation import find_boundaries

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PAPER, pixel
from fpnlib.notes.segmentation_difficulties.colours import class_colours
from fpnlib.notes.segmentation_difficulties.nets import SHOWN
from fpnlib.notes.segmentation_difficulties.shown import NETS, SIDE, logits_of, score, shown
from fpnlib.notes.segmentation_difficulties.trained import SUPERPIXELS, Superpixels, elsewhere, superpixels
from fpnlib.ops import achievable_accuracy, pool_segments

_COMPACTNESS = (3, 10, 30, 100)
_BARS = ("net alone, mIoU", "pooled, mIoU", "regions from elsewhere, mIoU", "best possible, pixels right")


@dataclasses.dataclass(frozen=True)
class RegionsData:
    """One scene cut into superpixels."""

    scene: int
    found: int  # SLIC gives about as many as asked for
    borders: np.ndarray  # (h, w)
    labels: np.ndarray  # (h, w) of the pooled logits
    values: np.ndarray  # mIoU plain, pooled, pooled over regions from elsewhere; achievable accuracy


class RegionsExplorer(Explorer[RegionsData]):
    """The scene under its superpixels, the pooled labels, the true ones, and four bars."""

    title = "A scene cut into superpixels, a net's labels pooled over them, the true labels, and four scores as bars"
    size = (1000, 330)

    def make_controls(self) -> dict[str, Widget]:
        """Return the superpixels' settings, the net and the scene."""
        tuned = SUPERPIXELS[8]
        return {
            "side": slider("side of a superpixel (pixels)", tuned.side, 6, 48, 2),
            "compactness": choice("compactness", _COMPACTNESS, int(tuned.compactness)),
            "net": choice("net", tuple(NETS), tuple(NETS)[-1]),
            "scene": slider("scene", 1, 1, SHOWN, 1),
        }

    def compute(self, side: int, compactness: int, net: str, scene: int) -> RegionsData:
        """Cut the scene and pool."""
        return _pooled(NETS[net], scene - 1, Superpixels(side, compactness))

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out three maps and the bars."""
        grid = figure.add_gridspec(1, 4, width_ratios=[1, 1, 1, 1.1])
        self._maps = []
        for place, title in enumerate(("superpixels", "net, pooled over them", "true labels")):
            panel = figure.add_subplot(grid[0, place])
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
            panel.set_title(title)
            self._maps.append(panel.imshow(np.zeros((SIDE, SIDE, 3), np.uint8)))
        bars = figure.add_subplot(grid[0, 3])
        bars.set(xlim=(0, 1.15), ylim=(-0.5, 3.9), yticks=[], xlabel="1 is perfect")
        bars.barh(range(4), [1] * 4, height=0.35, color=FAINT)
        self._bars = bars.barh(range(4), [0] * 4, height=0.35, color=[GREEN, MUTED, ORANGE, BLUE])
        for place, name in enumerate(reversed(_BARS)):
            bars.text(0, place + 0.27, name, fontsize=9, color=INK)
        self._texts = [bars.text(1.02, place, "", va="center", fontsize=9, color=INK) for place in range(4)]
        return [*self._maps, *self._bars, *self._texts]

    def draw(self, data: RegionsData) -> None:
        """Show the maps and move the bars."""
        scene, colours = shown()[data.scene - 1], class_colours()
        cut = scene.picture.numpy().copy()
        cut[data.borders] = pixel(PAPER)
        for image, pixels in zip(self._maps, (cut, colours[data.labels], colours[scene.classes.numpy()]), strict=True):
            image.set_data(pixels)
        for bar, text, value in zip(self._bars, self._texts, data.values[::-1].tolist(), strict=True):
            bar.set_width(value)
            text.set_text(number(value, 2))

    def describe(self, data: RegionsData) -> str:
        """Say what pooling does and what is possible at best."""
        plain, pooled, control, possible = map(number, data.values.tolist())
        return (
            f"Scene {data.scene} in {data.found} superpixels: mIoU {plain} for the net alone, {pooled} pooled over "
            f"them, {control} pooled over the same regions from elsewhere. With the best label for each, {possible} of "
            "the pixels would be right."
        )

    def invariants(self, data: RegionsData) -> dict[str, bool]:
        """Check ranges."""
        right = float((data.labels == shown()[data.scene - 1].classes.numpy()).mean())
        return {
            "scores are scores": bool(((data.values >= 0) & (data.values <= 1)).all()),
            "nothing beats the best possible": right <= data.values[3] + 1e-9,
            "there are superpixels": data.found > 0,
        }


@functools.lru_cache(maxsize=256)
def _pooled(stride: int, place: int, settings: Superpixels) -> RegionsData:
    logits = logits_of(stride)[place]
    segments = superpixels(shown()[place].picture, settings)
    ways = (logits, pool_segments(logits, segments), pool_segments(logits, elsewhere(segments)))
    possible = achievable_accuracy(segments, shown()[place].classes.long())
    return RegionsData(
        scene=place + 1,
        found=len(segments.unique()),
        borders=find_boundaries(segments.numpy(), mode="inner"),
        labels=ways[1].argmax(0).numpy(),
        values=np.array([*(score(way, place).miou for way in ways), possible]),
    )
