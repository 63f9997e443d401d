"""A fully connected CRF after a trained net: labels before and after, and what the scores make of it."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.notes.segmentation_difficulties.colours import class_colours
from fpnlib.notes.segmentation_difficulties.nets import SHOWN
from fpnlib.notes.segmentation_difficulties.shown import NETS, SIDE, Scores, logits_of, score, shown
from fpnlib.notes.segmentation_difficulties.trained import CRF, CRFS, with_crf

_TITLES = ("scene", "true labels", "net alone", "after the CRF")


@dataclasses.dataclass(frozen=True)
class CRFData:
    """Labels before and after, of one scene."""

    scene: int
    net: str
    iterations: int
    labels: tuple[np.ndarray, np.ndarray]
    scores: tuple[Scores, Scores]
    changed: float  # share of the pixels
    total: float  # the largest difference of a pixel's probabilities from 1


class CRFExplorer(Explorer[CRFData]):
    """A scene, its true labels, the net's, and those after mean field."""

    title = "A scene, its true labels, a net's labels, and the labels after a fully connected CRF"
    size = (1000, 300)

    def make_controls(self) -> dict[str, Widget]:
        """Return scene, net and settings: those tuned for the net of stride 8, and a little weight of near alone."""
        tuned = CRFS[8]
        return {
            "scene": slider("scene", 1, 1, SHOWN, 1),
            "iterations": slider("iterations", tuned.iterations, 0, 10, 1),
            "weight": slider("weight of near and alike", tuned.bilateral_weight, 0.0, 24.0, 0.5),
            "color": slider("σ of alike (grey values)", tuned.bilateral_color_sigma, 2.0, 40.0, 1.0),
            "place": slider("σ of near (pixels)", tuned.bilateral_spatial_sigma, 4.0, 64.0, 2.0),
            "smooth": slider("weight of near alone", 0.5, 0.0, 6.0, 0.5),
            "spread": slider("σ of near alone (pixels)", tuned.spatial_sigma, 1.0, 8.0, 0.5),
            "strength": slider("strength of the net's word", 1.0, 0.2, 3.0, 0.1),
            "net": choice("net", tuple(NETS), tuple(NETS)[-1]),
        }

    def compute(
        self,
        iterations: int,
        weight: float,
        color: float,
        place: float,
        smooth: float,
        spread: float,
        strength: float,
        net: str,
        scene: int,
    ) -> CRFData:
        """Run mean field on one scene."""
        stride = NETS[net]
        settings = CRF(iterations, spread, smooth, place, color, weight)
        before, plain = _plain(stride, scene - 1)
        after, scores, total = _after(stride, scene - 1, strength, settings)
        return CRFData(scene, net, iterations, (before, after), (plain, scores), float((before != after).mean()), total)

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out four maps."""
        self._maps = []
        for panel, title in zip(figure.subplots(1, 4), _TITLES, strict=True):
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
            panel.set_title(title)
            self._maps.append(panel.imshow(np.zeros((SIDE, SIDE, 3), np.uint8)))
        return self._maps

    def draw(self, data: CRFData) -> None:
        """Show the maps."""
        scene, colours = shown()[data.scene - 1], class_colours()
        self._maps[0].set_data(scene.picture.numpy())
        for image, labels in zip(self._maps[1:], (scene.classes.numpy(), *data.labels), strict=True):
            image.set_data(colours[labels])

    def describe(self, data: CRFData) -> str:
        """Say what the scores were and are."""
        before, after = data.scores
        return (
            f"Scene {data.scene}, the net of {data.net}, {data.iterations} iterations: "
            f"{number(100 * data.changed, 2)} % of the labels change. mIoU {number(before.miou)} before, "
            f"{number(after.miou)} after; boundary IoU {number(before.boundary)} before, "
            f"{number(after.boundary)} after."
        )

    def invariants(self, data: CRFData) -> dict[str, bool]:
        """Check probabilities and the documented identity."""
        return {
            "probabilities sum to one": data.total < 1e-4,
            "no iteration changes nothing": data.iterations > 0 or data.changed == 0,
            "scores are scores": all(0 <= value <= 1 for pair in data.scores for value in pair),
        }


@functools.lru_cache(maxsize=len(NETS) * SHOWN)
def _plain(stride: int, place: int) -> tuple[np.ndarray, Scores]:
    logits = logits_of(stride)[place]
    return logits.argmax(0).numpy(), score(logits, place)


@functools.lru_cache(maxsize=256)
def _after(stride: int, place: int, strength: float, settings: CRF) -> tuple[np.ndarray, Scores, float]:
    probabilities = with_crf(strength * logits_of(stride)[place], shown()[place].picture, settings)
    off = float((probabilities.sum(0) - 1).abs().max())
    return probabilities.argmax(0).numpy(), score(probabilities, place), off
