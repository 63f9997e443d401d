"""What the detector finds, with and without each part of the pyramid."""

import dataclasses
from collections import Counter
from functools import partial
from typing import Any

import numpy as np
from ipywidgets import Widget
from jaxtyping import UInt8
from matplotlib.figure import Figure

from fpnlib.data import load_image
from fpnlib.data.scenes import SCENE_CLASSES
from fpnlib.explore import Explorer, Panel, choice, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, MUTED, ORANGE, PURPLE, RED, faded
from fpnlib.models.detector import AREA_RANGES
from fpnlib.notes.fpn.experiments.judged import (
    LARGER,
    LOWEST,
    NETS,
    SIDE,
    SIZES,
    Page,
    average_recall,
    detect,
    judge,
    judged_pages,
    keep,
    pages,
    small,
)

_KINDS: dict[str, dict[str, Any]] = {
    "right": {"color": GREEN, "ls": "-", "lw": 3.0},
    "wrong": {"color": RED, "ls": "-", "lw": 1.0},
    "missed": {"color": BLUE, "ls": ":", "lw": 3.0},
    "unjudged": {"color": PURPLE, "ls": "-", "lw": 2.0},
}
_NAMES = ("right", "wrong", "missed", "no labels")


@dataclasses.dataclass(frozen=True)
class DetectionsData:
    """What `Kept` says of one page, and AR over seeds, by size, if measured."""

    net: str
    picture: str
    score: float
    image: np.ndarray  # (h, w, 3)
    boxes: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    labels: np.ndarray
    objects: dict[str, int]
    found: dict[str, int]
    ar: np.ndarray
    ar_interval: np.ndarray
    ar_full: np.ndarray


class DetectionsExplorer(Explorer[DetectionsData]):
    """Boxes of a detector on a scene or a photo, and its average recall by object size.

    Args:
        own: a picture of the reader's, (H, W, 3) uint8, or None.
    """

    title = "Boxes that a small detector draws on a picture, and its average recall for small, medium, large objects"
    size = (960, 430)

    def __init__(self, own: UInt8[np.ndarray, "h w 3"] | None = None) -> None:
        self._pages = {page.name: page for page in pages()}
        self._judged = {(net, name): found for net in NETS for name, found in judged_pages(net).items()}
        if own is not None:
            page = Page("your photo", small(own), None)
            self._pages = {page.name: page} | self._pages
            self._judged |= {(net, page.name): judge(page, detect(net, page)) for net in NETS}
        self._recall = {net: average_recall(net) for net in NETS if net != LARGER}
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return which net, which picture, and the score from which a box is kept."""
        return {
            "net": choice("detector", list(NETS)),
            "picture": choice("picture", list(self._pages)),
            "score": slider("score from which a box is kept", 0.4, LOWEST, 0.95, 0.05),
        }

    def compute(self, net: str, picture: str, score: float) -> DetectionsData:
        """Keep the boxes that score enough; what was found by a dropped box is missed."""
        page, judged = self._pages[picture], self._judged[net, picture]
        kept = keep(page, judged, score)
        ar, interval = self._recall.get(net, (np.zeros(0), np.zeros((2, 0))))  # of the larger one none was measured
        return DetectionsData(
            net=net,
            picture=picture,
            score=score,
            image=page.image,
            boxes=kept.boxes,
            scores=kept.scores,
            labels=judged.labels[judged.scores >= score],
            objects=kept.objects,
            found=kept.found,
            ar=ar,
            ar_interval=interval,
            ar_full=self._recall["full pyramid"][0],
        )

    def build(self, figure: Figure) -> None:
        """Lay out the picture, the boxes' scores, and the recalls of all nets."""
        axes = figure.subplot_mosaic(
            [["picture", "recall"], ["picture", "scores"]], height_ratios=[2.4, 1], width_ratios=[1.15, 1]
        )
        picture = self.panel(axes["picture"], bare=True)
        # Every picture fills the panel's height.
        picture.image(
            lambda data: (faded(data.image, 0.75), (0, 0, SIDE * data.image.shape[1] / len(data.image), SIDE))
        )
        widest = max(page.image.shape[1] / page.image.shape[0] for page in self._pages.values())
        picture.axes.set(xlim=(0, SIDE * max(1.0, widest)), ylim=(SIDE, 0), anchor="W")
        scores = self.panel(axes["scores"], xlim=(0, 1), xlabel="score; right: IoU ≥ .5 and the class")
        scores.rows(_NAMES)
        for row, kind in enumerate(_KINDS):
            self._kind(kind, row, picture, scores)
        scores.upright(lambda data: data.score, color=ORANGE, grab="score")
        self._draw_recall(self.panel(axes["recall"], title="Average recall by object size", ylabel="AR"))

    @staticmethod
    def _kind(kind: str, row: int, picture: Panel, scores: Panel) -> None:
        """The boxes of a kind, and their scores with their number."""
        look = _KINDS[kind]
        picture.boxes(lambda data: SIDE / len(data.image) * data.boxes[kind], **look)
        colour = look["color"]
        scores.axes.get_yticklabels()[row].set_color(colour)
        scores.line(lambda data: (data.scores[kind], np.full(len(data.scores[kind]), row)), "o", color=colour, ms=4)
        scores.text(lambda data: str(len(data.boxes[kind]) or ""), 1.01, row, va="center", color=colour, weight="bold")

    def _draw_recall(self, panel: Panel) -> None:
        panel.columns([f"{size}\n{edges}" for size, edges in zip(SIZES, _edges(), strict=True)])
        panel.axes.set(ylim=(0, 1.08 * max(float(ends.max()) for _, ends in self._recall.values())))
        panel.axes.set_xlabel("detectors from left to right as in the list")
        for net, (ar, ends) in self._recall.items():
            panel.intervals((_places(net), *ends), color=FAINT, lw=2)
            panel.line((_places(net), ar), "o", ms=5, color=MUTED, mec="none", label=net)
        panel.intervals(lambda data: (_places(data.net)[: len(data.ar)], *data.ar_interval), color=ORANGE, lw=3)
        panel.dot(lambda data: (_places(data.net)[: len(data.ar)], data.ar), ms=9)
        for words, colour, y in (("this detector", ORANGE, 0.97), ("the others", MUTED, 0.88)):
            panel.text(f"● {words}", 0.02, y, va="top", color=colour, transform=panel.axes.transAxes)
        for place in range(len(SIZES)):
            panel.grab(net=partial(_column, place))

    def describe(self, data: DetectionsData) -> str:
        """Say what was found here, and what this net finds on many scenes."""
        if sum(data.objects.values()):
            sizes = ", ".join(f"{data.found[s]} of {n} {s}" for s, n in data.objects.items() if n)
            wrong = counted(len(data.boxes["wrong"]), "box", "boxes")
            here = f"{sizes} objects are found; {wrong} {'is' if wrong.startswith('1 ') else 'are'} wrong."
        else:
            kinds = Counter(SCENE_CLASSES[label] for label in data.labels)
            said = ", ".join(f"{count} {name}" for name, count in kinds.items()) or "none"
            here = f"nothing here is labelled, so none is right or wrong; by class: {said}."
        recalls = ", ".join(
            f"{number(value, 2)} for {size}" + ("" if data.net == "full pyramid" else f" (full {number(full, 2)})")
            for size, value, full in zip(SIZES, data.ar, data.ar_full, strict=False)
        )
        average = f"on 256 scenes, eight trainings: {recalls} objects" if recalls else "of this one was not measured"
        return (
            f"Detector: {data.net}. On {data.picture}, boxes that score {number(data.score, 2)} or more: {here}\n"
            f"Average recall {average}."
        )

    def invariants(self, data: DetectionsData) -> dict[str, bool]:
        """Check that every object is found or missed, and every kept box drawn once."""
        drawn = sum(len(data.boxes[kind]) for kind in ("right", "wrong", "unjudged"))
        missed = sum(data.objects.values()) - sum(data.found.values())
        return {
            "every kept box is drawn once": drawn == len(data.labels),
            "an object is found or missed": missed == len(data.boxes["missed"]),
            "each right box has its own object": len(data.boxes["right"]) == sum(data.found.values()),
        }


def _places(net: str) -> np.ndarray:
    """Where a net's recalls stand, (3,): side by side at each size."""
    return np.arange(len(SIZES)) + (list(NETS).index(net) - 2.5) / 12


def _column(place: int, net: str) -> tuple[float, None]:
    return float(_places(net)[place]), None


def _edges() -> tuple[str, ...]:
    low, high = (round(AREA_RANGES[name][1] ** 0.5) for name in SIZES[:2])
    return f"up to {low}² px", f"to {high}² px", "more"


def own_picture(source: Any) -> UInt8[np.ndarray, "h w 3"] | None:
    """The reader's picture, or None for none; whatever `fpnlib.data.load_image` takes. ValueError for anything else."""
    return None if source is None else load_image(source)
