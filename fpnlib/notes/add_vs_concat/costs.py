"""What adding and concatenating cost: the next convolution, and whole pyramids on ResNet-50's maps."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.models import cost
from fpnlib.notes.add_vs_concat.pyramids import map_shapes, whole_pyramids

MAPS = (2, 3, 4, 5)
NAMES = {
    "fpn": "FPN, adds",
    "global_net": "CPN's GlobalNet, adds",
    "concat": "concat after a 1×1",
    "concat_uncut": "concat of the maps as they are",
}
_SIDE = 512  # pixels at which the pyramids are counted; a convolution's products grow with the area
_PLACES = 64 * 64  # of the next convolution's output


@dataclasses.dataclass(frozen=True)
class CostsData:
    """The next convolution and whole pyramids."""

    maps: int
    channels: int
    kernel: int
    side: int
    weights: tuple[int, int]  # after an add, after a concat
    macs: np.ndarray  # (2, len(MAPS)) in millions, for every number of maps
    pyramids: dict[str, tuple[float, float]]  # millions of parameters, billions of multiply-adds


class CostsExplorer(Explorer[CostsData]):
    """Multiply-adds of the next convolution against the number of maps, and four pyramids as bars."""

    title = "Multiply-adds of the convolution after an add and after a concat, and four pyramids on ResNet-50 compared"
    size = (1000, 380)

    def make_controls(self) -> dict[str, Widget]:
        """Return the maps, their channels, the kernel, and the image's side for the pyramids."""
        return {
            "maps": slider("maps that are joined", 2, MAPS[0], MAPS[-1], 1),
            "channels": slider("channels of each map, and of the output", 256, 8, 512, 8),
            "kernel": slider("kernel", 3, 1, 7, 1),
            "side": slider("pyramids: side of the image in 32 pixels", 16, 4, 32, 1),
        }

    def compute(self, maps: int, channels: int, kernel: int, side: int) -> CostsData:
        """Count."""
        one = channels * channels * kernel**2
        macs = np.array([[one] * len(MAPS), [count * one for count in MAPS]]) * _PLACES / 1e6
        area = (32 * side / _SIDE) ** 2
        pyramids = {name: (parameters, area * products) for name, (parameters, products) in _counted().items()}
        return CostsData(maps, channels, kernel, 32 * side, (one, maps * one), macs, pyramids)

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the chart and the bars."""
        chart, bars = figure.subplots(1, 2, width_ratios=[1, 1.25])
        chart.set(xlim=(1.8, 5.2), xticks=MAPS, xlabel="maps that are joined", ylim=(-0.15, 5.6), yticks=range(6))
        chart.set_ylabel("multiply-adds, add = 1")
        chart.set_title("The next convolution")
        chart.grid(color=FAINT, lw=0.6)
        chart.plot(MAPS, [1] * len(MAPS), color=BLUE, marker="o", label="after an add")
        chart.plot(MAPS, MAPS, "--", color=ORANGE, marker="s", label="after a concat")
        chart.legend(loc="upper left")
        (self._now,) = chart.plot([], [], "o", color=INK, ms=11, mfc="none", mew=2)
        texts = {"fontsize": 10, "va": "center", "color": INK, "weight": "bold"}
        self._counts = [chart.text(5.15, y, "", ha="right", **texts) for y in (0.55, 5.3)]
        bars.set(xscale="log", xlim=(0.05, 2000), ylim=(len(NAMES) - 0.4, -0.7))
        bars.set_yticks(range(len(NAMES)), NAMES.values())
        bars.set_xlabel("billions of multiply-adds")
        bars.set_title("Pyramids of 256 channels on ResNet-50")
        (self._bars,) = bars.plot([], [], "o", color=BLUE, ms=11)
        self._amounts = [bars.text(0, row - 0.3, "", ha="center", **texts) for row in range(len(NAMES))]
        for row, (parameters, _) in enumerate(_counted().values()):
            bars.axhline(row, color=FAINT, lw=1, zorder=0)
            bars.text(0.06, row + 0.28, f"{number(parameters)} million weights", fontsize=8, color=MUTED)
        return [self._now, self._bars, *self._counts, *self._amounts]

    def draw(self, data: CostsData) -> None:
        """Move the marks and write the counts."""
        self._now.set_data([data.maps] * 2, [1, data.maps])
        place = MAPS.index(data.maps)
        for text, macs in zip(self._counts, data.macs[:, place], strict=True):
            text.set_text(f"{number(float(macs))} million")
        self._bars.set_data([products for _, products in data.pyramids.values()], range(len(NAMES)))
        for text, (_, products) in zip(self._amounts, data.pyramids.values(), strict=True):
            text.set_x(products)
            text.set_text(number(products))

    def describe(self, data: CostsData) -> str:
        """Say both costs and the pyramids'."""
        add, concat = map(number, data.macs[:, MAPS.index(data.maps)].tolist())
        products = {name: number(macs) for name, (_, macs) in data.pyramids.items()}
        return (
            f"{data.maps} maps of {data.channels} channels, {data.kernel}×{data.kernel}, 64×64 places: after an add "
            f"{number(data.weights[0])} weights and {add} million multiply-adds, after a concat "
            f"{number(data.weights[1])} and {concat} million, {data.maps} times as many. Pyramids at "
            f"{data.side}×{data.side}: FPN {products['fpn']} billion, GlobalNet {products['global_net']}, concat "
            f"{products['concat']}, uncut {products['concat_uncut']}."
        )

    def invariants(self, data: CostsData) -> dict[str, bool]:
        """Check the factor, and that concatenating costs more in every pyramid."""
        products = {name: macs for name, (_, macs) in data.pyramids.items()}
        return {
            "concat costs maps times as much": data.weights[1] == data.maps * data.weights[0],
            "concat pyramids cost more": products["fpn"] < products["concat"] < products["concat_uncut"],
        }


@functools.cache
def _counted() -> dict[str, tuple[float, float]]:
    """Return millions of parameters and billions of multiply-adds of each pyramid at `_SIDE`."""
    counts = {name: cost(net, map_shapes(_SIDE, _SIDE)) for name, net in whole_pyramids().items()}
    return {name: (counts[name].parameters / 1e6, counts[name].macs / 1e9) for name in NAMES}
