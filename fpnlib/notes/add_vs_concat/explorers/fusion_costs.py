"""What adding and concatenating cost: the next convolution, and whole pyramids on ResNet-50's maps."""

import dataclasses
from typing import Any

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, Panel, number, slider
from fpnlib.explore.style import BLUE, FAINT, ORANGE, PURPLE
from fpnlib.notes.add_vs_concat.experiments.counts import convolution_weights, counted_pyramids

MAPS, LEVELS = (2, 3, 4, 5), (2, 3, 4)
NAMES = {
    "fpn": "FPN, adds",
    "concat_cut": "concat, cut back to 256 at each level",
    "concat": "concat that piles up",
    "concat_uncut": "concat that piles up, maps not cut by a 1×1 first",
}
_PLACES = 64 * 64  # of the next convolution's output


@dataclasses.dataclass(frozen=True)
class CostsData:
    """The next convolution and whole pyramids."""

    maps: int
    channels: int
    kernel: int
    levels: int
    weights: tuple[int, int]  # after an add, after a concat
    macs: np.ndarray  # (2, len(MAPS)) in millions, for every number of maps
    pyramids: dict[str, tuple[float, float]]  # millions of parameters, billions of multiply-adds


class CostsExplorer(Explorer[CostsData]):
    """Multiply-adds of the next convolution against the number of maps, and four pyramids as bars."""

    title = "Multiply-adds of the convolution after an add and after a concat, and four pyramids on ResNet-50 compared"
    size = (1000, 380)
    groups = (("the next convolution", ("maps", "channels", "kernel")), ("pyramids", ("levels",)))

    def make_controls(self) -> dict[str, Widget]:
        """Return the maps, their channels, the kernel, and the pyramids' levels."""
        return {
            "maps": slider("maps that are joined", 2, MAPS[0], MAPS[-1], 1),
            "channels": slider("channels of each map, and of the output", 128, 8, 256, 8),
            "kernel": slider("kernel", 3, 1, 7, 1),
            "levels": slider("pyramids: levels, finest first", LEVELS[-1], LEVELS[0], LEVELS[-1], 1),
        }

    def compute(self, maps: int, channels: int, kernel: int, levels: int) -> CostsData:
        """Count."""
        one, *rest = (convolution_weights(count, channels, kernel) for count in (1, *MAPS))
        return CostsData(
            maps=maps,
            channels=channels,
            kernel=kernel,
            levels=levels,
            weights=(one, rest[MAPS.index(maps)]),
            macs=np.array([[one] * len(MAPS), rest]) * _PLACES / 1e6,
            pyramids=counted_pyramids(levels),
        )

    def build(self, figure: Figure) -> None:
        """Lay out the chart and the pyramids."""
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
        chart = self.panel(left, title="The next convolution", xlim=(1.8, 5.2), ylim=(-0.15, 5.6))
        chart.axes.set(xlabel="maps that are joined", ylabel="multiply-adds, add = 1", xticks=MAPS, yticks=range(6))
        chart.axes.grid(color=FAINT, lw=0.6)
        self._path(chart, 0, "after an add", color=BLUE, marker="o")
        self._path(chart, 1, "after a concat", color=PURPLE, marker="s", ls="--")
        chart.dot(lambda data: ([data.maps] * 2, [1, data.maps]), ms=13, mfc="none", mec=ORANGE, mew=2.5)
        chart.grab(maps=lambda value: (value, None))
        pyramids = self.panel(right, title="Pyramids of 256 channels on ResNet-50, 512×512 pixels", yticks=[])
        pyramids.axes.set(xlim=(0, 16), ylim=(len(NAMES) - 0.4, -0.7), xlabel="multiply-adds, FPN = 1")
        pyramids.axes.spines["left"].set_visible(False)
        for row, key in enumerate(NAMES):
            self._pyramid(pyramids, row, key, PURPLE if "concat" in key else BLUE)

    @staticmethod
    def _path(chart: Panel, path: int, name: str, **look: Any) -> None:
        """A line of the chart, and below it its name with the count at the chosen maps."""
        chart.line((MAPS, MAPS if path else [1] * len(MAPS)), label=name, **look)
        chart.text(
            lambda data: f"{name}: {_amount(data.macs[path, MAPS.index(data.maps)])}",
            5.15,
            2.5 if path else 0.75,
            ha="right",
            va="top",
            color=look["color"],
            weight="bold",
        )

    @staticmethod
    def _pyramid(pyramids: Panel, row: int, key: str, colour: str) -> None:
        """A row: a bar up to its multiply-adds, and its name and weights."""

        def macs(data: CostsData) -> float:
            return data.pyramids[key][1] / data.pyramids["fpn"][1]

        pyramids.strokes(lambda data: [[(0, row), (macs(data), row)]], colors=colour, linewidths=9)
        pyramids.text(
            lambda data: f"{NAMES[key]}: {number(data.pyramids[key][0])} million weights",
            0.1,
            row - 0.38,
            va="center",
            color=colour,
        )
        pyramids.text(
            lambda data: f"{number(data.pyramids[key][1])} billion",
            at=lambda data: (macs(data) + 0.15, row),
            va="center",
            weight="bold",
        )

    def describe(self, data: CostsData) -> str:
        """Say both costs and the pyramids'."""
        add, concat = map(_amount, data.macs[:, MAPS.index(data.maps)])
        products = {name: number(macs) for name, (_, macs) in data.pyramids.items()}
        after_add, after_concat = (number(count / 1e3) for count in data.weights)
        return (
            f"{data.maps} maps of {data.channels} channels, {data.kernel}×{data.kernel}, 64×64 places: after an add "
            f"{after_add} thousand weights and {add} multiply-adds, after a concat {after_concat} thousand "
            f"and {concat}, {data.maps} times as many.\n"
            f"Pyramids of {data.levels} levels at 512×512, in billions: FPN {products['fpn']}; concat "
            f"cut back {products['concat_cut']}, piling up {products['concat']}, "
            f"without the first 1×1 {products['concat_uncut']}."
        )

    def invariants(self, data: CostsData) -> dict[str, bool]:
        """Check the factor, and that concatenating costs more in every pyramid."""
        products = {name: macs for name, (_, macs) in data.pyramids.items()}
        return {
            "concat costs maps times as much": data.weights[1] == data.maps * data.weights[0],
            "concat pyramids cost more": products["fpn"]
            < products["concat_cut"]
            < products["concat"]
            < products["concat_uncut"],
        }


def _amount(millions: float) -> str:
    return f"{number(millions)} million" if millions < 1000 else f"{number(millions / 1000)} billion"
