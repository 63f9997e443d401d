"""One photo, three tasks: a class for each pixel, a mask for each thing, or both; and the panoptic quality of each."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from scipy import ndimage

from fpnlib.data import labelled_photo
from fpnlib.explore import Explorer, choice, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, PAPER, on_paper, pixel
from fpnlib.metrics import PanopticQuality, panoptic_quality
from fpnlib.notes.segmentation_difficulties.colours import class_colours
from fpnlib.notes.segmentation_difficulties.masks import cafe, shifted_boundaries

PHOTOS = {"cafe": 2, "bin": 3}  # every second or third pixel of every second or third row
TASKS = (
    "semantic, a class is one segment",
    "semantic, a connected piece is one segment",
    "instance, nothing for the background",
    "panoptic",
)
MOST = 4
_MOST_ROWS = 9
_BAR = 0.16  # width of PQ 1


@dataclasses.dataclass(frozen=True)
class TasksData:
    """One answer: what it says of each pixel, and its panoptic quality by category."""

    task: str
    ids: np.ndarray  # (h, w) segments of the answer, 0 where it says nothing
    kinds: np.ndarray  # (h, w) the class said, 0 for the background, −1 where nothing is said
    segments: int
    names: tuple[str, ...]  # of the categories
    rows: np.ndarray  # (categories, 3) SQ, RQ, PQ
    counts: np.ndarray  # (categories, 3) found, false, missed
    pq: float


class TasksExplorer(Explorer[TasksData]):
    """The answer as a picture with its segments' outlines, and SQ, RQ and PQ for each category."""

    title = "A photo's pixels as one of three tasks answers them, and a table of SQ, RQ and PQ by category"
    size = (1000, 380)

    def __init__(self) -> None:
        # All states at once, as a slider waits for them.
        for state in itertools.product(PHOTOS, TASKS, range(-MOST, MOST + 1)):
            _answered(*state)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the photo, the task, and an error of the boundaries."""
        return {
            "photo": choice("photo", list(PHOTOS)),
            "task": choice("task", TASKS),
            "grown": slider("things too large (below 0: too small) by (pixels)", 0, -MOST, MOST, 1),
        }

    def compute(self, photo: str, task: str, grown: int) -> TasksData:
        """Answer with the truth as far as the task can say it, its boundaries moved."""
        return _answered(photo, task, grown)

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the picture and the table."""
        picture, table = figure.subplots(1, 2, width_ratios=[1, 1.15])
        height, width = _truth("cafe")[0].shape
        self._shown = picture.imshow(np.zeros((height, width, 3), np.uint8))
        self._picture = picture
        picture.set_axis_off()
        nothing = on_paper("white", "black")
        picture.set_title(f"colours: classes; dark lines: between segments; {nothing}: no answer")
        table.set(xlim=(0, 1), ylim=(-_MOST_ROWS - 0.6, 1.2))
        table.set_axis_off()
        columns = ((0.5, "TP, FP, FN"), (1.0, "SQ × RQ = PQ"))
        for x, name in columns:
            table.text(x, 0.6, name, ha="right", color=MUTED, fontsize=10)
        self._keys = table.scatter([0.01] * _MOST_ROWS, -np.arange(_MOST_ROWS), s=70, marker="s")
        place = {"va": "center", "fontsize": 10, "color": INK}
        self._names = [table.text(0.035, -row, "", **place) for row in range(_MOST_ROWS)]
        self._cells = [[table.text(x, -row, "", ha="right", **place) for x, _ in columns] for row in range(_MOST_ROWS)]
        self._bars = table.add_collection(LineCollection([], colors=BLUE, linewidths=13, capstyle="butt"))
        table.plot([0, 1], [-_MOST_ROWS + 0.45] * 2, color=FAINT, lw=1)
        table.text(0.035, -_MOST_ROWS - 0.05, "mean PQ over the categories", weight="bold", **place)
        self._mean = table.text(1.0, -_MOST_ROWS - 0.05, "", ha="right", weight="bold", **place)
        texts = [text for row in self._cells for text in row]
        return [self._shown, self._keys, *self._names, *texts, self._bars, self._mean]

    def draw(self, data: TasksData) -> None:
        """Colour the answer and fill the table."""
        pixels = _colours(data)
        height, width = pixels.shape[:2]
        self._shown.set_data(pixels)
        self._shown.set_extent((-0.5, width - 0.5, height - 0.5, -0.5))
        count = len(data.names)
        colours = np.zeros((_MOST_ROWS, 4))
        colours[:count, :3], colours[:count, 3] = class_colours()[:count] / 255, 1
        self._keys.set_facecolors(colours)
        for row in range(_MOST_ROWS):
            there = row < count
            self._names[row].set_text(data.names[row] if there else "")
            if there:
                sq, rq, pq = data.rows[row]
                tp, fp, fn = data.counts[row]
                texts = (f"{tp}, {fp}, {fn}", f"{number(sq, 2)} × {number(rq, 2)} = {number(pq, 2)}")
            else:
                texts = ("", "")
            for text, said in zip(self._cells[row], texts, strict=True):
                text.set_text(said)
        self._bars.set_segments([[(0.53, -row), (0.53 + _BAR * pq, -row)] for row, pq in enumerate(data.rows[:, 2])])
        self._mean.set_text(number(data.pq))

    def describe(self, data: TasksData) -> str:
        """Say the qualities, first the mean, then by category."""
        each = "; ".join(
            f"{name} {number(sq, 2)} × {number(rq, 2)} = {number(pq, 2)}"
            for name, (sq, rq, pq) in zip(data.names, data.rows, strict=True)
        )
        return (
            f"{data.task.capitalize()}: {counted(data.segments, 'segment')}, mean PQ {number(data.pq)}. "
            f"SQ × RQ = PQ by category: {each}."
        )

    def invariants(self, data: TasksData) -> dict[str, bool]:
        """Check the product and the counts."""
        sq, rq, pq = data.rows.T
        return {
            "PQ = SQ × RQ": bool(np.allclose(sq * rq, pq)),
            "the mean is the rows'": bool(np.isclose(pq.mean(), data.pq)),
            "no quality above 1": bool((data.rows <= 1).all()),
        }


@functools.cache
def _truth(photo: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return the ids, 0 for the background, each id's category, numbered from 0 as they occur, and their names."""
    known = cafe() if photo == "cafe" else labelled_photo(photo)
    masks = known.masks[:, :: PHOTOS[photo], :: PHOTOS[photo]]
    ids = (masks * torch.arange(1, len(masks) + 1)[:, None, None]).amax(0).numpy()
    labels = np.array([0, *known.labels.tolist()])
    there, categories = np.unique(labels, return_inverse=True)
    return ids, categories, tuple(known.class_names[label].replace("_", " ") for label in there)


@functools.lru_cache(maxsize=len(PHOTOS) * len(TASKS) * (2 * MOST + 1))
def _answered(photo: str, task: str, grown: int) -> TasksData:
    true, categories, names = _truth(photo)
    moved = shifted_boundaries(torch.from_numpy(true), grown).numpy()
    kinds = categories[moved]
    if task == TASKS[0]:
        ids, said = 1 + kinds, {1 + kind: kind for kind in range(len(names))}
    elif task == TASKS[1]:
        ids, said = _pieces(kinds)
    else:
        # The background, id 0, becomes one segment more; the instance task has no answer for it.
        background = len(categories)
        ids = np.where(moved == 0, background, moved)
        said = {number: int(kind) for number, kind in enumerate(categories) if number} | {background: 0}
        if task == TASKS[2]:
            ids, kinds = np.where(moved == 0, 0, moved), np.where(moved == 0, -1, kinds)
    wanted, wanted_categories = _wanted(photo)
    found = panoptic_quality(ids, wanted, said, wanted_categories)
    return TasksData(task, ids, kinds, len(np.unique(ids[ids > 0])), names, *_rows(found, len(names)), found.pq)


@functools.cache
def _wanted(photo: str) -> tuple[np.ndarray, dict[int, int]]:
    """Return the true segments, the background among them, and their categories."""
    true, categories, _ = _truth(photo)
    background = len(categories)
    known = {number: int(kind) for number, kind in enumerate(categories) if number}
    return np.where(true == 0, background, true), known | {background: 0}


def _pieces(kinds: np.ndarray) -> tuple[np.ndarray, dict[int, int]]:
    """Return an id for each connected piece of a class, by eight neighbours, one for all background, and classes."""
    ids, said = np.ones(kinds.shape, np.int64), {1: 0}
    for kind in range(1, int(kinds.max()) + 1):
        pieces, count = ndimage.label(kinds == kind, np.ones((3, 3)))
        first = len(said)
        ids[pieces > 0] = pieces[pieces > 0] + first
        said |= {first + piece: kind for piece in range(1, count + 1)}
    return ids, said


def _rows(found: PanopticQuality, count: int) -> tuple[np.ndarray, np.ndarray]:
    each = [found.per_category[kind] for kind in range(count)]
    return np.array([(one.sq, one.rq, one.pq) for one in each]), np.array([(one.tp, one.fp, one.fn) for one in each])


def _colours(data: TasksData) -> np.ndarray:
    pixels = np.vstack([class_colours(), pixel(PAPER)])[data.kinds]  # the last, at −1, says nothing
    edges = np.zeros(data.ids.shape, bool)
    edges[:, 1:] |= data.ids[:, 1:] != data.ids[:, :-1]
    edges[1:] |= data.ids[1:] != data.ids[:-1]
    pixels[edges] = 30
    return pixels
