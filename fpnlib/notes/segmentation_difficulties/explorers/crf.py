"""A fully connected CRF after a trained net: labels before and after, and what the scores make of it."""

import dataclasses
import functools

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from fpnlib.data.collages import COLLAGE_CLASSES
from fpnlib.explore import Explorer, Panel, choice, number, slider
from fpnlib.explore.style import ORANGE
from fpnlib.notes.segmentation_difficulties.experiments.post_processing import CRF, CRFS, with_crf
from fpnlib.notes.segmentation_difficulties.experiments.shown import NETS, SCENES, SIDE, Scores, logits_of, score, shown
from fpnlib.notes.segmentation_difficulties.explorers.colours import class_colours

_TITLES = ("scene; ring: σ of near", "true labels", "net alone", "after the CRF")


@dataclasses.dataclass(frozen=True)
class CRFData:
    """Labels before and after, of one scene."""

    scene: int
    net: str
    iterations: int
    place: float  # σ of near, in pixels
    labels: tuple[np.ndarray, np.ndarray]
    scores: tuple[Scores, Scores]
    changed: float  # share of the pixels
    total: float  # the largest difference of a pixel's probabilities from 1


class CRFExplorer(Explorer[CRFData]):
    """A scene, its true labels, the net's, and those after mean field."""

    title = "A scene, its true labels, a net's labels, and the labels after a fully connected CRF"
    size = (1000, 300)
    groups = (("near alone", ("smooth", "spread")),)

    def make_controls(self) -> dict[str, Widget]:
        """Return scene, net and settings: those tuned for the net of stride 8, before the first iteration."""
        tuned = CRFS[8]
        return {
            "scene": slider("scene", 4, 1, SCENES, 1),
            "iterations": slider("iterations", 0, 0, 10, 1),
            "weight": slider("weight of near and alike", tuned.bilateral_weight, 0.0, 24.0, 0.5),
            "color": slider("σ of alike (grey values)", tuned.bilateral_color_sigma, 2.0, 40.0, 1.0),
            "place": slider("σ of near (pixels)", tuned.bilateral_spatial_sigma, 4.0, 64.0, 2.0),
            "smooth": slider("weight of near alone", 0.0, 0.0, 6.0, 0.5),
            "spread": slider("σ of near alone (pixels)", tuned.spatial_sigma, 1.0, 8.0, 0.5),
            "strength": slider("strength of the net's word", 1.0, 0.2, 3.0, 0.1),
            "net": choice("net", tuple(NETS), tuple(NETS)[-1]),
        }

    def compute(
        self, scene: int, net: str, strength: float, iterations: int, place: float, **kernels: float
    ) -> CRFData:
        """Run mean field on one scene."""
        stride = NETS[net]
        settings = CRF(iterations, kernels["spread"], kernels["smooth"], place, kernels["color"], kernels["weight"])
        before, plain = _plain(stride, scene - 1)
        after, scores, total = _after(stride, scene - 1, strength, settings)
        changed = float((before != after).mean())
        return CRFData(scene, net, iterations, place, (before, after), (plain, scores), changed, total)

    def build(self, figure: Figure) -> None:
        """Lay out four maps."""
        scene, truth, before, after = (
            self.panel(axes, bare=True, title=title) for axes, title in zip(figure.subplots(1, 4), _TITLES, strict=True)
        )
        scene.image(lambda data: shown()[data.scene - 1].picture.numpy())
        middle = SIDE / 2
        scene.add(
            scene.axes.add_patch(Circle((middle, middle), 1, fill=False, ec=ORANGE, lw=2.5)),
            lambda ring, data: ring.set_radius(data.place),
            grab={"place": lambda value: (middle + value, middle)},
        )
        truth.classes(lambda data: shown()[data.scene - 1].classes.numpy(), COLLAGE_CLASSES, class_colours())
        self._answer(before, 0)
        self._answer(after, 1)

    @staticmethod
    def _answer(panel: Panel, place: int) -> None:
        panel.classes(lambda data: data.labels[place], COLLAGE_CLASSES, class_colours())
        panel.text(lambda data: _words(data.scores[place]), 0, -0.04, va="top", transform=panel.axes.transAxes)

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


def _words(scores: Scores) -> str:
    return f"mIoU {number(scores.miou, 2)}, boundary IoU {number(scores.boundary, 2)}"


@functools.lru_cache(maxsize=len(NETS) * SCENES)
def _plain(stride: int, place: int) -> tuple[np.ndarray, Scores]:
    logits = logits_of(stride)[place]
    return logits.argmax(0).numpy(), score(logits, place)


@functools.lru_cache(maxsize=256)
def _after(stride: int, place: int, strength: float, settings: CRF) -> tuple[np.ndarray, Scores, float]:
    probabilities = with_crf(strength * logits_of(stride)[place], shown()[place].picture, settings)
    off = float((probabilities.sum(0) - 1).abs().max())
    return probabilities.argmax(0).numpy(), score(probabilities, place), off
