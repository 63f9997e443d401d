"""One ranking, four average precisions."""

import dataclasses
from typing import Any

import numpy as np
import torch
from ipywidgets import Widget
from jaxtyping import Bool
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, Panel, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, PAPER
from fpnlib.metrics.classification import RECALL_LEVELS, Interpolation
from fpnlib.notes.precision_recall.experiments.averages import INTERPOLATIONS, averages, samples


@dataclasses.dataclass(frozen=True)
class RankingData:
    """A ranking, its points, and its four average precisions."""

    ranking: np.ndarray
    moved_from: int
    moved_to: int
    num_positives: int
    recall: np.ndarray
    precision: np.ndarray
    envelope: np.ndarray
    samples: dict[str, np.ndarray]
    average_precision: dict[str, float]


class RankingExplorer(Explorer[RankingData]):
    """The ranking as a strip, equal scores in their order; under it what each of four AP sums: an area or samples."""

    title = "One ranking as a strip, and four ways to turn its precision-recall points into one number"
    size = (1000, 430)

    def __init__(self, ranking: Bool[np.ndarray, " n"]) -> None:
        self._ranking = ranking
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
        return RankingData(
            ranking=ranking,
            moved_from=item,
            moved_to=rank,
            num_positives=positives,
            recall=recall,
            precision=precision,
            envelope=envelope,
            samples=samples(recall, envelope),
            average_precision=averages(-torch.arange(len(ranking)), torch.from_numpy(ranking), positives),
        )

    def build(self, figure: Figure) -> None:
        """Lay out the strip and four panels."""
        axes = figure.subplot_mosaic([["strip"] * 4, list(INTERPOLATIONS)], height_ratios=[0.6, 3])
        n, positives = len(self._ranking), int(self._ranking.sum())
        title = "The ranking, best score first; in each positive (orange) the precision down to it"
        strip = self.panel(axes["strip"], bare=True, title=title, xlim=(0.5, n + 0.5), ylim=(-0.4, 1.4))
        strip.axes.set_xticks([1, n] if n > 40 else range(1, n + 1))
        strip.axes.tick_params(length=0)
        colours = {"cmap": ListedColormap([FAINT, ORANGE]), "vmin": 0, "vmax": 1}
        strip.image(lambda data: data.ranking[None].astype(float), (0.5, 0, n + 0.5, 1), aspect="auto", **colours)
        if n <= 40:
            strip.strokes(lambda data: [[(edge + 0.5, 0), (edge + 0.5, 1)] for edge in range(1, n)], colors=PAPER)
            strip.table(_precisions, range(1, n + 1), [0.5], ha="center", weight="bold")
        pointer: dict[str, Any] = {"color": INK, "ms": 8, "clip_on": False}
        strip.line(lambda data: (data.moved_from, -0.2), "^", grab={"item": lambda item: (item, -0.2)}, **pointer)
        strip.line(lambda data: (data.moved_to, 1.2), "v", grab={"rank": lambda rank: (rank, 1.2)}, **pointer)

        for name, title in INTERPOLATIONS.items():
            sums = self.panel(axes[name], title=title, xlabel="recall", xlim=(-0.03, 1.03), ylim=(0, 1.25))
            sums.axes.set(ylabel="precision", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
            if name != "none":
                sums.axes.yaxis.label.set_visible(False)
                sums.axes.tick_params(labelleft=False)
            self._show_sum(sums, name)
            sums.line(lambda data: (data.recall, data.precision), "o", ms=4, color=MUTED)
            sums.upright(  # what was found of all
                lambda data: data.recall[-1],
                color=ORANGE,
                ls=":",
                grab={"missed": lambda missed: (positives / (positives + missed), None)},
            )

    @staticmethod
    def _show_sum(panel: Panel, name: Interpolation) -> None:
        """The area or the samples that one average precision is, and its value."""
        if name in RECALL_LEVELS:
            grid = RECALL_LEVELS[name]
            panel.intervals(
                lambda data: (grid, 0 * grid, data.samples[name]),
                colors=BLUE,
                linewidths=4 if name == "voc11" else 0.9,
                snap=False,  # a hundred lines at whole pixels would stand in bundles
            )
        else:
            panel.steps(
                lambda data: (data.precision if name == "none" else data.envelope, np.append(0, data.recall)),
                color=BLUE,
                alpha=0.45,
                lw=0,
            )
        panel.text(
            lambda data: f"AP {number(data.average_precision[name])}", 0.97, 1.22, ha="right", va="top", weight="bold"
        )

    def describe(self, data: RankingData) -> str:
        """Say the ranking's four numbers."""
        kind = "positive" if data.ranking[data.moved_to - 1] else "negative"
        still = data.moved_from == data.moved_to
        moved = "none was moved" if still else f"a {kind} one was put at rank {data.moved_to}"
        values = ", ".join(f"{title} {number(data.average_precision[name])}" for name, title in INTERPOLATIONS.items())
        ranked = f"{data.ranking.sum()} of {data.num_positives} positives are in the ranking"
        return f"{ranked}; {moved}.\nAverage precision: {values}."

    def invariants(self, data: RankingData) -> dict[str, bool]:
        """Check each number against what its panel draws."""
        ap = data.average_precision
        steps = np.diff(data.recall, prepend=0)
        return {
            "none: the area of the steps": bool(np.isclose(ap["none"], (steps * data.precision).sum())),
            "all: the area under the envelope": bool(np.isclose(ap["all"], (steps * data.envelope).sum())),
            "samples: their mean": all(bool(np.isclose(ap[name], s.mean())) for name, s in data.samples.items()),
            "the envelope never lowers": ap["all"] >= ap["none"] - 1e-12,
        }


def _precisions(data: RankingData) -> list[list[str]]:
    """In each positive's place, how many are positive down to it, and of how many."""
    return [[f"{data.ranking[:k].sum()}/{k}" if right else "" for k, right in enumerate(data.ranking, 1)]]
