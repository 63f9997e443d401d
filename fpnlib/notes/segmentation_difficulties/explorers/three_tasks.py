"""One photo, three tasks: a class for each pixel, a mask for each thing, or both; and the panoptic quality of each."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, MUTED, PAPER, on_paper, pixel
from fpnlib.notes.segmentation_difficulties.experiments.post_processing import CLASS_COLOURS
from fpnlib.notes.segmentation_difficulties.experiments.tasks import MOST, PHOTOS, TASKS, answered
from fpnlib.notes.segmentation_difficulties.explorers.colours import class_colours

_MOST_ROWS = 9
_NAME, _COLUMNS = 0.035, (0.5, 1.0)  # where names begin, where columns end
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
            answered(*state)
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
        ids, kinds, names, quality = answered(photo, task, grown)
        each = [quality.per_category[kind] for kind in range(len(names))]
        rows = np.array([(one.sq, one.rq, one.pq) for one in each])
        counts = np.array([(one.tp, one.fp, one.fn) for one in each])
        return TasksData(task, ids, kinds, len(np.unique(ids[ids > 0])), names, rows, counts, quality.pq)

    def build(self, figure: Figure) -> None:
        """Lay out the picture and the table."""
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
        nothing, colours = on_paper("white", "black"), class_colours()
        picture = self.panel(left, bare=True, xlim=(0, 250), ylim=(188, 0))
        picture.axes.set_title(f"dark lines: between segments; {nothing}: no answer")
        picture.classes(_kinds, _names, np.stack([pixel(PAPER), *colours, np.full(3, 30)]))

        table = self.panel(right, bare=True, xlim=(0, 1), ylim=(-_MOST_ROWS - 0.5, 1.3))
        look: dict[str, Any] = {"va": "center", "fontsize": 10}
        for x, name in zip(_COLUMNS, ("TP, FP, FN", "SQ × RQ = PQ"), strict=True):
            table.text(name, x, 1, ha="right", color=MUTED, va="center")
        table.text("mean PQ over the categories", _NAME, 0, weight="bold", **look)
        table.text(lambda data: number(data.pq), _COLUMNS[-1], 0, ha="right", weight="bold", **look)
        table.line(([0, 1], [-0.5, -0.5]), color=FAINT, lw=1)
        rows = range(-1, -_MOST_ROWS - 1, -1)
        table.areas(
            lambda data: [_bar(0, row, 0.02, 0.17) for row in rows[: len(data.names)]], facecolors=colours / 255
        )
        table.table(lambda data: [[name] for name in data.names], [_NAME], rows, ha="left", fontsize=10)
        table.areas(
            lambda data: [_bar(0.53, row, _BAR * pq, 0.25) for row, (_, _, pq) in zip(rows, data.rows, strict=False)],
            color=BLUE,
        )
        table.table(_cells, _COLUMNS, rows, fontsize=10)

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


def _bar(x: float, y: float, width: float, half: float) -> list[tuple[float, float]]:
    return [(x, y - half), (x + width, y - half), (x + width, y + half), (x, y + half)]


def _cells(data: TasksData) -> Iterator[tuple[str, str]]:
    for (sq, rq, pq), (tp, fp, fn) in zip(data.rows, data.counts, strict=True):
        yield f"{tp}, {fp}, {fn}", f"{number(sq, 2)} × {number(rq, 2)} = {number(pq, 2)}"


def _names(data: TasksData) -> list[str]:
    return ["no answer", *data.names, *[""] * (len(CLASS_COLOURS) - len(data.names)), "between segments"]


def _kinds(data: TasksData) -> tuple[np.ndarray, tuple[float, ...]]:
    """What the answer says of each pixel, by place in `_names`; and where in the picture it lies."""
    kinds, edges = 1 + data.kinds, np.zeros(data.ids.shape, bool)
    edges[:, 1:] |= data.ids[:, 1:] != data.ids[:, :-1]
    edges[1:] |= data.ids[1:] != data.ids[:-1]
    return np.where(edges, 1 + len(CLASS_COLOURS), kinds), (0, 0, 188 * kinds.shape[1] / kinds.shape[0], 188)
