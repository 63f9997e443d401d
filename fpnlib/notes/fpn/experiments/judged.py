"""What FP-6's small detectors find on scenes and photos, and what of it is right."""

import dataclasses
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from fpnlib.claims import Result
from fpnlib.data import photo
from fpnlib.data.scenes import VALIDATION_SEEDS, scene
from fpnlib.metrics import match_detections
from fpnlib.models.detector import AREA_RANGES, Detector

WHOLE, LARGER = "full pyramid", "larger, trained longer"
NETS = {
    WHOLE: "full",
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
LOWEST = 0.05  # a box that scores less is dropped
_RIGHT_IOU = 0.5
KINDS = ("right", "wrong", "missed", "unjudged")
SIZES = tuple(AREA_RANGES)


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


@dataclasses.dataclass(frozen=True, eq=False)
class Kept:
    """Boxes kept and objects missed, by kind; the scores of all boxes, by kind; objects and those found, by size.

    labels: of the boxes kept
    """

    labels: np.ndarray
    boxes: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    objects: dict[str, int]
    found: dict[str, int]


def size_of(box: np.ndarray) -> str:
    """Small, medium or large, by `AREA_RANGES`."""
    area = float((box[2] - box[0]) * (box[3] - box[1]))
    return next(name for name, (_, high) in AREA_RANGES.items() if area <= high)


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
    return Detector.pretrained(NETS[net]).detect(batch, score_threshold=LOWEST)[0]


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


def keep(page: Page, judged: Judged, score: float) -> Kept:
    """Keep the boxes that score enough; what was found by a dropped one is missed."""
    good, right = judged.scores >= score, judged.found >= 0
    boxes, scores = dict.fromkeys(KINDS, np.zeros((0, 4))), dict.fromkeys(KINDS, np.zeros(0))
    objects, found = dict.fromkeys(SIZES, 0), dict.fromkeys(SIZES, 0)
    if page.targets is None:
        boxes["unjudged"], scores["unjudged"] = judged.boxes[good], judged.scores
    else:
        wanted = page.targets["boxes"].numpy()
        seen = (judged.finder >= 0) & (np.append(judged.scores, -1.0)[judged.finder] >= score)
        boxes |= {
            "right": judged.boxes[good & right],
            "wrong": judged.boxes[good & ~right],
            "missed": wanted[~seen],
        }
        scores |= {"right": judged.scores[right], "wrong": judged.scores[~right]}
        for box, hit in zip(wanted, seen, strict=True):
            objects[size_of(box)] += 1
            found[size_of(box)] += int(hit)
    return Kept(judged.labels[good], boxes, scores, objects, found)


@lru_cache(maxsize=len(NETS))
def judged_pages(net: str) -> dict[str, Judged]:
    """A net's detections on every page, by the page's name."""
    return {page.name: judge(page, detect(net, page)) for page in pages()}


class Album:
    """The pages, by name, first the reader's own picture (H, W, 3) if there is one; every net's detections on them."""

    def __init__(self, own: UInt8[np.ndarray, "h w 3"] | None = None) -> None:
        mine = [] if own is None else [Page("your photo", small(own), None)]
        self.pages = {page.name: page for page in (*mine, *pages())}
        self._judged = {
            net: judged_pages(net) | {page.name: judge(page, detect(net, page)) for page in mine} for net in NETS
        }

    def keep(self, net: str, page: str, score: float) -> Kept:
        """Keep the boxes that score enough; what was found by a dropped one is missed."""
        return keep(self.pages[page], self._judged[net][page], score)


def average_recall(net: str) -> tuple[np.ndarray, np.ndarray]:
    """AR by size, (3,), and its interval, (2, 3), as measured for FP-6."""
    result = Result.load("FP-6")
    keys = [f"{NETS[net]}_ar_{size}" for size in SIZES]
    ar, low, high = (np.array([result.number(key + end) for key in keys]) for end in ("", "_low", "_high"))
    return ar, np.stack([low, high])
