"""One ranking, four average precisions."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, PAPER
from fpnlib.metrics import average_precision
from fpnlib.metrics.arrays import ArrayLike
from fpnlib.metrics.classification import RECALL_LEVELS, Interpolation
from fpnlib.notes.precision_recall.scored import Scored

# Right and wrong answers, best score first: early hits, a gap, then late hits, so that the four sums come apart.
EXAMPLE = (1, 0, 1, 1, 0, 0, 1, 0, 0, 1)
INTERPOLATIONS: dict[Interpolation, str] = {
    "none": "no interpolation",
    "all": "all points (VOC from 2010)",
    "voc11": "11 points (VOC 2007)",
    "coco101": "101 points (COCO)",
}


@dataclasses.dataclass(frozen=True)
class RankingData:
    """A ranking, its points, and its four average precisions."""

    ranking: np.ndarray
    moved_from: int
    moved_to: int
    moved_is_positive: bool
    num_positives: int
    recall: np.ndarray
    precision: np.ndarray
    envelope: np.ndarray
    samples: dict[str, np.ndarray]
    average_precision: dict[str, float]


class RankingExplorer(Explorer[RankingData]):
    """The ranking as a strip; under it four panels, each with the area or the samples that its AP sums.

    Equal scores keep their order, as in COCO.
    """

    title = "One ranking as a strip, and four ways to turn its precision-recall points into one number"
    size = (1000, 430)

    def __init__(self, scores: ArrayLike | None = None, targets: ArrayLike | None = None) -> None:
        if scores is None or targets is None:
            self._ranking = np.array(EXAMPLE, bool)
        else:
            self._ranking = Scored(scores, targets).ranking
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return which item to take, the rank to put it at, and how many positives were never found."""
        n = len(self._ranking)
        return {
            "item": slider("take the item at rank", n, 1, n, 1),
            "rank": slider("put it at rank", n, 1, n, 1),
            "missed": slider("positives never found", 0, 0, 10, 1),
        }

    def compute(self, item: int, rank: int, missed: int) -> RankingData:
        """Move the item and sum up the ranking four ways."""
        moved = self._ranking[item - 1]
        ranking = np.insert(np.delete(self._ranking, item - 1), rank - 1, moved)
        positives = int(ranking.sum()) + missed
        hits = ranking.cumsum()
        precision, recall = hits / np.arange(1, len(ranking) + 1), hits / positives
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        scores = -torch.arange(len(ranking), dtype=torch.float64)
        return RankingData(
            ranking=ranking,
            moved_from=item,
            moved_to=rank,
            moved_is_positive=bool(moved),
            num_positives=positives,
            recall=recall,
            precision=precision,
            envelope=envelope,
            samples={
                name: np.append(envelope, 0.0)[np.searchsorted(recall, grid, side="left")]
                for name, grid in RECALL_LEVELS.items()
            },
            average_precision={
                name: average_precision(scores, torch.from_numpy(ranking), interpolation=name, num_positives=positives)
                for name in INTERPOLATIONS
            },
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the strip and four panels."""
        panels = figure.subplot_mosaic([["strip"] * 4, list(INTERPOLATIONS)], height_ratios=[0.5, 3])
        n, positives = len(self._ranking), int(self._ranking.sum())
        strip = panels["strip"]
        colours = ListedColormap([FAINT, ORANGE])
        extent = (0.5, n + 0.5, 0, 1)
        self._strip = strip.imshow([self._ranking], cmap=colours, vmin=0, vmax=1, aspect="auto", extent=extent)
        strip.set(title="The ranking, best score first (orange: positive)", yticks=[], ylim=(0, 1.25))
        strip.set_xticks([1, n] if n > 40 else range(1, n + 1))
        strip.tick_params(length=0)
        for side in ("left", "bottom"):
            strip.spines[side].set_visible(False)
        edges = [[(edge + 0.5, 0), (edge + 0.5, 1)] for edge in range(1, n)] if n <= 40 else []
        gaps = strip.add_collection(LineCollection(edges, colors=PAPER, linewidths=2))
        (self._moved_mark,) = strip.plot([], [], "v", color=INK, ms=8, clip_on=False, zorder=6)
        self.grab(strip, rank=lambda value: (value, None))

        self._steps: list[Any] = []
        self._areas: dict[str, Any] = {}
        self._labels: dict[str, Any] = {}
        for name, title in INTERPOLATIONS.items():
            panel = panels[name]
            panel.set(title=title, xlabel="recall", xlim=(-0.03, 1.03), ylim=(0, 1.25))
            panel.set_yticks([0, 0.5, 1])
            if name in RECALL_LEVELS:
                width = 4 if name == "voc11" else 0.9
                self._areas[name] = panel.add_collection(LineCollection([], colors=BLUE, linewidths=width))
            else:
                (self._areas[name],) = panel.fill([0], [0], color=BLUE, alpha=0.45, lw=0)
            self._steps += panel.plot([], [], "o", ms=4, color=MUTED)
            # The last point's recall: what was found of all.
            self.grab(panel, missed=lambda value: (positives / (positives + value), None))
            self._labels[name] = panel.text(0.97, 1.22, "", ha="right", va="top", fontsize=12, weight="bold", color=INK)
        panels["none"].set_ylabel("precision")
        return [self._strip, gaps, self._moved_mark, *self._areas.values(), *self._steps, *self._labels.values()]

    def draw(self, data: RankingData) -> None:
        """Recolour the strip and redraw areas and samples."""
        self._strip.set_data([data.ranking])
        self._moved_mark.set_data([data.moved_to], [1.15])
        for name, heights in (("none", data.precision), ("all", data.envelope)):
            self._areas[name].set_xy(_under_steps(data.recall, heights))
        for name, heights in data.samples.items():
            grid = RECALL_LEVELS[name]
            self._areas[name].set_segments([[(x, 0), (x, y)] for x, y in zip(grid, heights, strict=True)])
        for points in self._steps:
            points.set_data(data.recall, data.precision)
        for name, label in self._labels.items():
            label.set_text(f"AP {number(data.average_precision[name])}")

    def describe(self, data: RankingData) -> str:
        """Say the ranking's four numbers."""
        found = int(data.ranking.sum())
        kind = "positive" if data.moved_is_positive else "negative"
        moved = (
            "none was moved" if data.moved_from == data.moved_to else f"a {kind} one was put at rank {data.moved_to}"
        )
        values = ", ".join(f"{title} {number(data.average_precision[name])}" for name, title in INTERPOLATIONS.items())
        return f"{found} of {data.num_positives} positives are in the ranking; {moved}.\nAverage precision: {values}."

    def invariants(self, data: RankingData) -> dict[str, bool]:
        """Check each number against what its panel draws."""
        ap = data.average_precision
        steps = np.diff(data.recall, prepend=0)
        return {
            "no items are lost": int(data.ranking.sum()) == int(self._ranking.sum()),
            "none: the area of the steps": bool(np.isclose(ap["none"], (steps * data.precision).sum())),
            "all: the area under the envelope": bool(np.isclose(ap["all"], (steps * data.envelope).sum())),
            "samples: their mean": all(bool(np.isclose(ap[name], s.mean())) for name, s in data.samples.items()),
            "the envelope never lowers": ap["all"] >= ap["none"] - 1e-12,
        }


def _under_steps(recall: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Return the outline of the bars between successive recalls, shape (2n + 2, 2)."""
    left = np.concatenate([[0], recall[:-1]])
    x = np.stack([left, recall], 1).ravel()
    y = np.repeat(heights, 2)
    return np.column_stack([np.concatenate([[0], x, [recall[-1]]]), np.concatenate([[0], y, [0]])])
