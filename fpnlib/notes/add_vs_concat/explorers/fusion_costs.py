"""What adding and concatenating cost: the next convolution, and whole pyramids on ResNet-50's maps."""

import dataclasses
import functools
import time
from collections.abc import Iterable

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from torch import nn

from fpnlib.explore import Explorer, number, slider, toggle
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.models import cost
from fpnlib.models.cost import count_parameters
from fpnlib.models.fusion import Add, Concat, tie_concat
from fpnlib.notes.add_vs_concat.experiments.pyramids import RESNET50, map_shapes, whole_pyramids

MAPS = (2, 3, 4, 5)
LEVELS = (2, 3, 4)
NAMES = {
    "fpn": "FPN, adds",
    "global_net": "CPN's GlobalNet, adds",
    "concat": "concat after a 1×1",
    "concat_uncut": "concat of the maps as they are",
}
_SIDE = 512  # pixels at which the pyramids are counted; a convolution's products grow with the area
_PLACES = 64 * 64  # of the next convolution's output
_TIMED_SIDE, _ROUNDS = 16, 3  # places across the maps that are timed, and how often; the least time counts


@dataclasses.dataclass(frozen=True)
class CostsData:
    """The next convolution and whole pyramids."""

    maps: int
    channels: int
    kernel: int
    side: int
    levels: int
    weights: tuple[int, int]  # after an add, after a concat
    macs: np.ndarray  # (2, len(MAPS)) in millions, for every number of maps
    pyramids: dict[str, tuple[float, float]]  # millions of parameters, billions of multiply-adds
    milliseconds: tuple[float, float] | None  # measured here, after an add and after a concat


class CostsExplorer(Explorer[CostsData]):
    """Multiply-adds of the next convolution against the number of maps, and four pyramids as bars."""

    title = "Multiply-adds of the convolution after an add and after a concat, and four pyramids on ResNet-50 compared"
    size = (1000, 380)

    def make_controls(self) -> dict[str, Widget]:
        """Return the maps, their channels, the kernel, and the image's side for the pyramids."""
        return {
            "maps": slider("maps that are joined", 2, MAPS[0], MAPS[-1], 1),
            "channels": slider("channels of each map, and of the output", 128, 8, 256, 8),
            "kernel": slider("kernel", 3, 1, 7, 1),
            "timed": toggle("measure the time on this machine (slower)"),
            "levels": slider("pyramids: levels, finest first", LEVELS[-1], LEVELS[0], LEVELS[-1], 1),
            "side": slider("pyramids: side of the image in 32 pixels", 16, 4, 32, 1),
        }

    def compute(self, maps: int, channels: int, kernel: int, timed: bool, levels: int, side: int) -> CostsData:
        """Count, and measure where that is asked for."""
        with torch.device("meta"):  # to be counted, not run
            one, *rest = (
                count_parameters(nn.Conv2d(count * channels, channels, kernel, bias=False)) for count in (1, *MAPS)
            )
        macs = np.array([[one] * len(MAPS), rest]) * _PLACES / 1e6
        area = (32 * side / _SIDE) ** 2
        return CostsData(
            maps=maps,
            channels=channels,
            kernel=kernel,
            side=32 * side,
            levels=levels,
            weights=(one, rest[MAPS.index(maps)]),
            macs=macs,
            pyramids={name: (weights, area * products) for name, (weights, products) in _counted(levels).items()},
            milliseconds=measured_milliseconds(maps, channels, kernel) if timed else None,
        )

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
        self.grab(chart, maps=lambda value: (value, None))
        texts = {"fontsize": 10, "va": "center", "color": INK, "weight": "bold"}
        self._counts = [chart.text(0, 0, "", **texts) for _ in range(2)]
        bars.set(xscale="log", xlim=(0.05, 2000), ylim=(len(NAMES) - 0.4, -0.7))
        bars.set_yticks(range(len(NAMES)), NAMES.values())
        bars.set_xlabel("billions of multiply-adds")
        bars.set_title("Pyramids of 256 channels on ResNet-50")
        (self._bars,) = bars.plot([], [], "o", color=BLUE, ms=11)
        self._amounts = [bars.text(0, row - 0.3, "", ha="center", **texts) for row in range(len(NAMES))]
        small = {"fontsize": 9, "color": MUTED}
        self._weights = [bars.text(0.06, row + 0.28, "", **small) for row in range(len(NAMES))]
        for row in range(len(NAMES)):
            bars.axhline(row, color=FAINT, lw=1, zorder=0)
        self._times = [chart.text(0, 0, "", va="center", **small) for _ in range(2)]
        return [self._now, self._bars, *self._counts, *self._times, *self._amounts, *self._weights]

    def draw(self, data: CostsData) -> None:
        """Move the marks and write the counts."""
        self._now.set_data([data.maps] * 2, [1, data.maps])
        place = MAPS.index(data.maps)
        for text, macs in zip(self._counts, data.macs[:, place], strict=True):
            text.set_text(_amount(float(macs)))
        measured = [f"{number(taken, 2)} ms on 16×16" for taken in data.milliseconds or ()]
        for text, words in zip(self._times, measured or ("", ""), strict=True):
            text.set_text(words)
        left = min(data.maps + 0.12, MAPS[-1] - 1.1)  # inside the chart, and below both lines
        for texts, fall in ((self._counts, 0.0), (self._times, 0.35)):
            for text, line in zip(texts, (1.0, left), strict=True):
                text.set_position((left, line - 0.42 - fall))
        self._bars.set_data([products for _, products in data.pyramids.values()], range(len(NAMES)))
        for text, (_, products) in zip(self._amounts, data.pyramids.values(), strict=True):
            text.set_x(products)
            text.set_text(number(products))
        for text, (parameters, _) in zip(self._weights, data.pyramids.values(), strict=True):
            text.set_text(f"{number(parameters)} million weights")

    def describe(self, data: CostsData) -> str:
        """Say both costs and the pyramids'."""
        add, concat = map(_amount, data.macs[:, MAPS.index(data.maps)].tolist())
        products = {name: number(macs) for name, (_, macs) in data.pyramids.items()}
        # Measured times differ from run to run, so they stand in the picture alone.
        measured = " The times measured here, on 16×16 places, stand in the picture." if data.milliseconds else ""
        after_add, after_concat = (number(count / 1e3) for count in data.weights)
        return (
            f"{data.maps} maps of {data.channels} channels, {data.kernel}×{data.kernel}, 64×64 places: after an add "
            f"{after_add} thousand weights and {add} multiply-adds, after a concat {after_concat} thousand "
            f"and {concat}, {data.maps} times as many.{measured}\n"
            f"Pyramids of {data.levels} levels at {data.side}×{data.side}: FPN {products['fpn']} billion, GlobalNet "
            f"{products['global_net']}, concat {products['concat']}, uncut {products['concat_uncut']}."
        )

    def invariants(self, data: CostsData) -> dict[str, bool]:
        """Check the factor, and that concatenating costs more in every pyramid."""
        products = {name: macs for name, (_, macs) in data.pyramids.items()}
        return {
            "concat costs maps times as much": data.weights[1] == data.maps * data.weights[0],
            "concat pyramids cost more": products["fpn"] < products["concat"] < products["concat_uncut"],
        }


def _amount(millions: float) -> str:
    return f"{number(millions)} million" if millions < 1000 else f"{number(millions / 1000)} billion"


@functools.cache
def _counted(levels: int) -> dict[str, tuple[float, float]]:
    """Return millions of parameters and billions of multiply-adds of each pyramid at `_SIDE`."""
    maps = RESNET50[:levels]
    with torch.device("meta"):  # to be counted, not run
        nets = whole_pyramids(maps=maps)
    counts = {name: cost(net, map_shapes(_SIDE, _SIDE, maps)) for name, net in nets.items()}
    return {name: (counts[name].parameters / 1e6, counts[name].macs / 1e9) for name in NAMES}


@functools.lru_cache(maxsize=256)
def measured_milliseconds(maps: int, channels: int, kernel: int) -> tuple[float, float]:
    """Time the convolution after an add and after a concat, joining included; measured once for each shape."""
    conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
    inputs = torch.randn(maps, 1, channels, _TIMED_SIDE, _TIMED_SIDE)
    paths = ((Add(), conv), (Concat(), tie_concat(conv, maps)))
    best = [float("inf")] * len(paths)
    with torch.inference_mode():
        for _ in range(_ROUNDS):  # in turn, so that a busy moment meets both
            for place, (join, following) in enumerate(paths):
                begin = time.perf_counter()
                following(join(*inputs))
                best[place] = min(best[place], 1e3 * (time.perf_counter() - begin))
    return best[0], best[1]
