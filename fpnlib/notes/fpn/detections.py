"""What the detector finds, with and without each part of the pyramid."""

import dataclasses
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from ipywidgets import Widget
from jaxtyping import UInt8
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from fpnlib.claims import Result
from fpnlib.data import load_image, photo
from fpnlib.data.scenes import SCENE_CLASSES, VALIDATION_SEEDS, scene
from fpnlib.explore import Explorer, counted, number, slider
from fpnlib.explore.controls import choice
from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, ORANGE, RED, faded
from fpnlib.metrics import match_detections
from fpnlib.models.detector import AREA_RANGES, Detector
from fpnlib.notes.fpn.pixels import Pixels

LARGER = "larger, trained longer"
NETS = {
    "full pyramid": "full",
    "no top-down path": "no_top_down",
    "no laterals": "no_lateral",
    "no 3×3": "no_smooth",
    "C4 alone": "c4",
    "C5 alone": "c5",
    LARGER: "scenes",
}
PHOTOS = ("astronaut", "cafe", "bin")
SIDE = 128  # the shorter side at which the nets see a photo, as in the scenes
_SCENES, _OBJECTS = 6, 6
_LOWEST, _HIGHEST = 0.05, 0.95
_RIGHT_IOU = 0.5
_SIZES = tuple(AREA_RANGES)
_KINDS: dict[str, dict[str, Any]] = {
    "right": {"colors": GREEN, "linestyles": "solid", "linewidths": 3.0},
    "wrong": {"colors": RED, "linestyles": "solid", "linewidths": 1.0},
    "missed": {"colors": BLUE, "linestyles": "dotted", "linewidths": 3.0},
    "unjudged": {"colors": ORANGE, "linestyles": "solid", "linewidths": 2.0},
}
_NAMES = {
    "right": "right (IoU ≥ .5, class)",
    "wrong": "wrong",
    "missed": "missed object",
    "unjudged": "a photo without labels",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Page:
    """A picture and, for a scene, its objects; a photo has None."""

    name: str
    image: UInt8[np.ndarray, "h w 3"]
    targets: dict[str, Tensor] | None


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """All detections on one page, best first, and which object each found (-1: none); for each object who found it."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    found: np.ndarray
    finder: np.ndarray


@dataclasses.dataclass(frozen=True)
class DetectionsData:
    """The boxes kept on one page by kind; recall by size: as counts here, and as AR over seeds if measured."""

    net: str
    picture: str
    score: float
    boxes: dict[str, np.ndarray]
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
            "score": slider("score from which a box is kept", 0.4, _LOWEST, _HIGHEST, 0.05),
        }

    def compute(self, net: str, picture: str, score: float) -> DetectionsData:
        """Keep the boxes that score enough; what was found by a dropped box is missed."""
        page, judged = self._pages[picture], self._judged[net, picture]
        keep = judged.scores >= score
        nothing = np.zeros((0, 4))
        sizes = dict.fromkeys(_SIZES, 0)
        objects, found = dict(sizes), dict(sizes)
        if page.targets is None:
            boxes = dict.fromkeys(_KINDS, nothing) | {"unjudged": judged.boxes[keep]}
        else:
            wanted = page.targets["boxes"].numpy()
            seen = (judged.finder >= 0) & (np.append(judged.scores, -1.0)[judged.finder] >= score)
            boxes = {
                "right": judged.boxes[keep & (judged.found >= 0)],
                "wrong": judged.boxes[keep & (judged.found < 0)],
                "missed": wanted[~seen],
                "unjudged": nothing,
            }
            for box, hit in zip(wanted, seen, strict=True):
                name = size_of(box)
                objects[name] += 1
                found[name] += int(hit)
        ar, interval = self._recall.get(net, (np.zeros(0), np.zeros((2, 0))))  # of the larger one none was measured
        return DetectionsData(
            net=net,
            picture=picture,
            score=score,
            boxes=boxes,
            labels=judged.labels[keep],
            objects=objects,
            found=found,
            ar=ar,
            ar_interval=interval,
            ar_full=self._recall["full pyramid"][0],
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the picture and the recalls of all nets."""
        picture, recall = figure.subplots(1, 2, width_ratios=[1.25, 1])
        picture.set_axis_off()
        self._picture = Pixels(picture)
        widest = max(page.image.shape[1] / page.image.shape[0] for page in self._pages.values())
        picture.set(xlim=(0, SIDE * max(1.0, widest)), ylim=(SIDE, 0), aspect="equal", anchor="W")
        self._loops = {kind: LineCollection([], **look) for kind, look in _KINDS.items()}
        for loop in self._loops.values():
            picture.add_collection(loop)
        for kind, look in _KINDS.items():
            picture.plot([], [], color=look["colors"], ls=look["linestyles"], lw=look["linewidths"], label=_NAMES[kind])
        picture.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2)
        places = np.arange(len(_SIZES))
        for index, (ar, interval) in enumerate(self._recall.values()):
            x = places + (index - 2.5) / 12
            recall.vlines(x, *interval, color=FAINT, lw=2)
            label = "the other detectors" if index == 0 else None
            recall.plot(x, ar, "o", ms=5, color=FAINT, mec="none", label=label)
        self._spread = LineCollection([], colors=ORANGE, linewidths=3)
        recall.add_collection(self._spread)
        (self._points,) = recall.plot(places, places, "o", ms=9, color=ORANGE, mec=INK, label="this detector")
        recall.set_xticks(places, [f"{size}\n{edges}" for size, edges in zip(_SIZES, _edges(), strict=True)])
        top = max(float(interval.max()) for _, interval in self._recall.values())
        recall.set(
            title="Average recall by object size",
            xlabel="detectors from left to right as in the list",
            ylabel="AR",
            xlim=(-0.5, 2.5),
            ylim=(0, 1.08 * top),
        )
        recall.legend(loc="upper left")
        return [self._picture, *self._loops.values(), self._spread, self._points]

    def draw(self, data: DetectionsData) -> None:
        """Show the picture with its boxes and mark this net's recalls."""
        page = faded(self._pages[data.picture].image, 0.75)
        height, width = page.shape[:2]
        scale = SIDE / height  # every picture fills the panel's height
        self._picture.show(page, 0, 0, width * scale, SIDE)
        for kind, loop in self._loops.items():
            loop.set_segments(scale * data.boxes[kind][:, [[0, 1], [2, 1], [2, 3], [0, 3], [0, 1]]])
        x = np.arange(len(_SIZES)) + (list(NETS).index(data.net) - 2.5) / 12
        known = len(data.ar)
        self._points.set_data(x[:known], data.ar)
        low, high = data.ar_interval
        self._spread.set_segments([[(at, a), (at, b)] for at, a, b in zip(x[:known], low, high, strict=True)])

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
            for size, value, full in zip(_SIZES, data.ar, data.ar_full, strict=False)
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


def size_of(box: np.ndarray) -> str:
    """Small, medium or large, by `AREA_RANGES`."""
    area = float((box[2] - box[0]) * (box[3] - box[1]))
    return next(name for name, (_, high) in AREA_RANGES.items() if area <= high)


def _edges() -> tuple[str, ...]:
    low, high = (round(AREA_RANGES[name][1] ** 0.5) for name in _SIZES[:2])
    return f"up to {low}² px", f"to {high}² px", "more"


@lru_cache(maxsize=1)
def pages() -> tuple[Page, ...]:
    """The pictures there are: validation scenes with many objects that no score was measured on, and real photos."""
    made: list[Page] = []
    for seed in VALIDATION_SEEDS[256:]:
        one = scene(seed, size=SIDE)
        if len(one.boxes) >= _OBJECTS:
            targets = {"boxes": one.boxes, "labels": one.classes}
            made.append(Page(f"scene {len(made) + 1}", one.image.permute(1, 2, 0).numpy(), targets))
        if len(made) == _SCENES:
            break
    return (*made, *(Page(name, small(photo(name)), None) for name in PHOTOS))


def small(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A photo at the scale of the scenes, its shorter side 128; the longer is cut to at most twice that."""
    height, width = image.shape[:2]
    scale = SIDE / min(height, width)
    size = max(SIDE, round(width * scale)), max(SIDE, round(height * scale))
    pixels = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    top, left = (max(0, (side - 2 * SIDE) // 2) for side in pixels.shape[:2])
    return pixels[top : top + 2 * SIDE, left : left + 2 * SIDE]


def detect(net: str, page: Page) -> dict[str, Tensor]:
    """The detections of a net, by its name in the explorer, on one page."""
    batch = torch.tensor(page.image).permute(2, 0, 1)[None].float() / 255
    return Detector.pretrained(NETS[net]).detect(batch, score_threshold=_LOWEST)[0]


def judge(page: Page, said: dict[str, Tensor]) -> Judged:
    """Match detections with the page's objects, class by class.

    Matching goes from the best score down, so that leaving out those below a threshold changes no other match.
    """
    found = torch.full((len(said["boxes"]),), -1)
    finder = torch.zeros(0, dtype=torch.int64)
    if page.targets is not None:
        wanted_labels = page.targets["labels"]
        finder = torch.full((len(wanted_labels),), -1)
        for label in wanted_labels.unique():
            ours, theirs = ((all_labels == label).nonzero()[:, 0] for all_labels in (said["labels"], wanted_labels))
            wanted = page.targets["boxes"][theirs]
            matches = match_detections(said["boxes"][ours], said["scores"][ours], wanted, iou_threshold=_RIGHT_IOU)
            hit, seen = matches.matched_target >= 0, matches.matched_detection >= 0
            found[ours[hit]] = theirs[matches.matched_target[hit]]
            finder[theirs[seen]] = ours[matches.matched_detection[seen]]
    boxes, scores, labels = (said[key].numpy() for key in ("boxes", "scores", "labels"))
    return Judged(boxes, scores, labels, found.numpy(), finder.numpy())


@lru_cache(maxsize=len(NETS))
def judged_pages(net: str) -> dict[str, Judged]:
    """A net's detections on every page, by the page's name."""
    return {page.name: judge(page, detect(net, page)) for page in pages()}


def average_recall(net: str) -> tuple[np.ndarray, np.ndarray]:
    """AR by size, (3,), and its interval, (2, 3), as measured for FP-6."""
    result = Result.load("FP-6")
    keys = [f"{NETS[net]}_ar_{size}" for size in _SIZES]
    ar, low, high = (np.array([result.number(key + end) for key in keys]) for end in ("", "_low", "_high"))
    return ar, np.stack([low, high])


def own_picture(source: Any) -> UInt8[np.ndarray, "h w 3"] | None:
    """The reader's picture, or None for none; whatever `fpnlib.data.load_image` takes. ValueError for anything else."""
    return None if source is None else load_image(source)
