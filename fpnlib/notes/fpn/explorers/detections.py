"""What the detector finds, with and without each part of the pyramid."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
from ipywidgets import Widget
from jaxtyping import UInt8
from matplotlib.figure import Figure

from fpnlib.data.scenes import SCENE_CLASSES
from fpnlib.explore import Explorer, Panel, choice, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, MUTED, ORANGE, PURPLE, RED, faded
from fpnlib.models.detector import AREA_RANGES
from fpnlib.notes.fpn.experiments.judged import LARGER, LOWEST, NETS, SIDE, SIZES, WHOLE, Album, Kept, average_recall

_KINDS: dict[str, dict[str, Any]] = {
    "right": {"color": GREEN, "ls": "-", "lw": 3.0},
    "wrong": {"color": RED, "ls": "-", "lw": 1.0},
    "missed": {"color": BLUE, "ls": ":", "lw": 3.0},
    "unjudged": {"color": PURPLE, "ls": "-", "lw": 2.0},
}


_PLACES = np.arange(len(SIZES))


@dataclasses.dataclass(frozen=True)
class DetectionsData:
    """What is kept of one page, (h, w, 3), and AR and its interval by size over seeds, if measured."""

    net: str
    picture: str
    score: float
    image: np.ndarray
    kept: Kept
    ar: np.ndarray
    ar_interval: np.ndarray


class DetectionsExplorer(Explorer[DetectionsData]):
    """Boxes of a detector on a scene, a photo or the reader's `own` picture, and its average recall by object size."""

    title = "Boxes that a small detector draws on a picture, and its average recall for small, medium, large objects"
    size = (960, 430)

    def __init__(self, own: UInt8[np.ndarray, "h w 3"] | None = None) -> None:
        self._album = Album(own)
        self._recall = {net: average_recall(net) for net in NETS if net != LARGER}
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return which net, which picture, and the score from which a box is kept."""
        return {
            "net": choice("detector", list(NETS)),
            "picture": choice("picture", list(self._album.pages)),
            "score": slider("score from which a box is kept", 0.4, LOWEST, 0.95, 0.05),
        }

    def compute(self, net: str, picture: str, score: float) -> DetectionsData:
        """Keep the boxes that score enough; what was found by a dropped box is missed."""
        recall = self._recall.get(net, (np.zeros(0), np.zeros((2, 0))))  # of the larger one none was measured
        kept = self._album.keep(net, picture, score)
        return DetectionsData(net, picture, score, self._album.pages[picture].image, kept, *recall)

    def build(self, figure: Figure) -> None:
        """Lay out the picture, the boxes' scores, and the recall of this net and of the full pyramid."""
        axes = figure.subplot_mosaic(
            [["picture", "recall"], ["picture", "scores"]], height_ratios=[2.4, 1], width_ratios=[1.15, 1]
        )
        picture = self.panel(axes["picture"], bare=True)
        # Every picture fills the panel's height.
        picture.image(
            lambda data: (faded(data.image, 0.75), (0, 0, SIDE * data.image.shape[1] / len(data.image), SIDE))
        )
        widest = max(page.image.shape[1] / page.image.shape[0] for page in self._album.pages.values())
        picture.axes.set(xlim=(0, SIDE * max(1.0, widest)), ylim=(SIDE, 0), anchor="W")
        scores = self.panel(axes["scores"], xlim=(0, 1), xlabel="score; right: IoU ≥ .5 and the class")
        scores.rows(["no labels" if kind == "unjudged" else kind for kind in _KINDS])
        for row, kind in enumerate(_KINDS):
            self._kind(kind, row, picture, scores)
        scores.upright(lambda data: data.score, color=ORANGE, grab="score")
        self._draw_recall(self.panel(axes["recall"], title="Average recall by object size", ylabel="AR"))

    @staticmethod
    def _kind(kind: str, row: int, picture: Panel, scores: Panel) -> None:
        """The boxes of a kind, and their scores with their number."""
        colour = _KINDS[kind]["color"]
        picture.boxes(lambda data: SIDE / len(data.image) * data.kept.boxes[kind], **_KINDS[kind])
        scores.axes.get_yticklabels()[row].set_color(colour)
        scores.line(lambda data: (data.kept.scores[kind], 0 * data.kept.scores[kind] + row), "o", color=colour, ms=4)
        count = {"va": "center", "weight": "bold", "color": colour}
        scores.text(lambda data: str(len(data.kept.boxes[kind]) or ""), 0.99, row, ha="right", **count)

    def _draw_recall(self, panel: Panel) -> None:
        """Average recall of the chosen detector beside the full pyramid's; the others' stay hidden, to guess at."""
        panel.columns([f"{size}\n{edges}" for size, edges in zip(SIZES, _edges(), strict=True)])
        panel.axes.set(ylim=(0, 1.25 * max(float(ends.max()) for _, ends in self._recall.values())))
        full, ends = self._recall[WHOLE]
        panel.intervals((_PLACES - 0.06, *ends), color=FAINT, lw=2)
        panel.line((_PLACES - 0.06, full), "o", ms=8, color=MUTED, mec="none", label=WHOLE)
        panel.intervals(lambda data: (_PLACES[: len(data.ar)] + 0.06, *data.ar_interval), color=ORANGE, lw=3)
        panel.dot(lambda data: (_PLACES[: len(data.ar)] + 0.06, data.ar), ms=9)
        look = {"va": "top", "transform": panel.axes.transAxes}
        panel.text(
            lambda data: f"● {data.net}" + ("" if len(data.ar) else ": not measured"), 0.02, 0.97, color=ORANGE, **look
        )
        panel.text(f"● to compare: {WHOLE}", 0.02, 0.88, color=MUTED, **look)

    def describe(self, data: DetectionsData) -> str:
        """Say what was found here, and what this net finds on many scenes."""
        kept, (full, _) = data.kept, self._recall[WHOLE]
        if any(kept.objects.values()):
            sizes = ", ".join(f"{kept.found[size]} of {count} {size}" for size, count in kept.objects.items() if count)
            wrong = len(kept.boxes["wrong"])
            here = f"{sizes} objects are found; {counted(wrong, 'box is', 'boxes are')} wrong."
        else:
            kinds = Counter(SCENE_CLASSES[label] for label in kept.labels)
            said = ", ".join(f"{count} {name}" for name, count in kinds.items()) or "none"
            here = f"nothing here is labelled, so none is right or wrong; by class: {said}."
        recalls = ", ".join(
            f"{number(value, 2)} for {size}" + ("" if data.net == WHOLE else f" (full {number(whole, 2)})")
            for size, value, whole in zip(SIZES, data.ar, full, strict=False)
        )
        average = f"on 256 scenes, eight trainings: {recalls} objects" if recalls else "of this one was not measured"
        return (
            f"Detector: {data.net}. On {data.picture}, boxes that score {number(data.score, 2)} or more: {here}\n"
            f"Average recall {average}."
        )

    def invariants(self, data: DetectionsData) -> dict[str, bool]:
        """Check that every object is found or missed, and every kept box drawn once."""
        kept = data.kept
        counts = {kind: len(boxes) for kind, boxes in kept.boxes.items()}
        objects, found = sum(kept.objects.values()), sum(kept.found.values())
        return {
            "every kept box is drawn once": sum(counts.values()) - counts["missed"] == len(kept.labels),
            "an object is found or missed": objects - found == counts["missed"],
            "each right box has its own object": counts["right"] == found,
        }


def _edges() -> tuple[str, ...]:
    low, high = (round(AREA_RANGES[name][1] ** 0.5) for name in SIZES[:2])
    return f"up to {low}² px", f"to {high}² px", "more"
