"""One photo, every level: C, M and P as pictures, and the values under a cursor."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from torch import Tensor

from fpnlib.explore import Explorer, Panel, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, MUTED, ORANGE, PAPER, faded
from fpnlib.notes.fpn.experiments.photo_pyramid import STAGES, Library, Stage, is_stride
from fpnlib.notes.fpn.explorers.colours import heat_range
from fpnlib.notes.fpn.explorers.sheet import SHOWN, Frames, Shown, coloured, flat, side_by_side

_NAMES = {"C": "backbone", "M": "merged", "P": "after the 3×3"}
# Left, bottom, width, height of each panel in pixels.
_PLACES = {
    "photo": (10, 245, 195, 195),
    "map": (225, 115, 420, 325),
    "all": (665, 20, 285, 420),
    "values": (55, 20, 590, 60),
}


@dataclasses.dataclass(frozen=True)
class PyramidData:
    """One map of the pyramid, all of them small, and what stands under the cursor.

    page:    (h, w, 3), the photo
    flat:    (rows, columns), the mean of the chosen map's channels, or the channel shown
    picture: (rows, columns, 3), the chosen map in colours
    all:     (h, w, 4), every map at one pixel a cell, transparent between them
    frame:   where the chosen one stands there, as in `frames`
    stride:  pixels that a cell of the chosen map is high and wide
    values:  (channels,) at the cursor's cell
    """

    photo: str
    backbone: str
    weights: str
    stage: Stage
    level: int
    shown: Shown
    channel: int
    size: tuple[int, int]
    page: np.ndarray
    flat: np.ndarray
    picture: np.ndarray
    all: np.ndarray
    frame: tuple[int, int, int, int]
    frames: Frames
    stride: tuple[float, float]
    cursor: tuple[int, int]
    cell: tuple[int, int]
    values: np.ndarray
    span: tuple[float, float]


class PyramidExplorer(Explorer[PyramidData]):
    """The photo with a cursor, one map large, all maps at their true relative size, all channels at the cursor."""

    title = "A photo, one level of its feature pyramid, all levels at true relative size, and the channels at a cursor"
    size = (960, 470)

    def __init__(self, library: Library) -> None:
        self._library = library
        self._first = library.get(library.photos[0], library.backbones[0])
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return what to show, and where the cursor is."""
        channels = max(len(one) for name in self._library.backbones for one in self._maps_of(name))
        low, high = self._first.levels[0], self._first.levels[-1]
        return {
            "image": choice("photo", self._library.photos),
            "net": choice("backbone", self._library.backbones),
            "stage": choice("stage", STAGES, "P"),
            "level": slider("level", min(max(3, low), high), low, high, 1),
            "shown": choice("show", SHOWN),
            "channel": slider("channel (the last where a map has fewer)", 1, 1, channels, 1),
            "x": slider("cursor across (%)", 50, 0, 100, 1),
            "y": slider("cursor down (%)", 50, 0, 100, 1),
        }

    def _maps_of(self, backbone: str) -> tuple[Tensor, ...]:
        return self._library.get(self._library.photos[0], backbone).maps["C"]

    def compute(
        self, image: str, net: str, stage: Stage, level: int, shown: Shown, channel: int, x: int, y: int
    ) -> PyramidData:
        """Look the maps up and colour them."""
        pyramid = self._library.get(image, net)
        place = pyramid.place(level)
        chosen = pyramid.maps[stage][place]
        channel = min(channel, len(chosen))
        everything, frames = side_by_side(pyramid, shown, channel)
        height, width = pyramid.photo.shape[:2]
        cursor = (round(x / 100 * (width - 1)), round(y / 100 * (height - 1)))
        down, across = pyramid.strides[place]
        rows, columns = chosen.shape[1:]
        cell = (min(int(cursor[1] // down), rows - 1), min(int(cursor[0] // across), columns - 1))
        values = chosen[:, cell[0], cell[1]].double().numpy()
        one = flat(chosen, shown, channel)
        middle, reach = heat_range(one)
        return PyramidData(
            photo=image,
            backbone=net,
            weights=pyramid.backbone.weights,
            stage=stage,
            level=pyramid.levels[place],
            shown=shown,
            channel=channel,
            size=(height, width),
            page=pyramid.page,
            flat=one.numpy(),
            picture=coloured(pyramid, stage, place, shown, channel),
            all=everything,
            frame=frames[stage, pyramid.levels[place]],
            frames=frames,
            stride=(down, across),
            cursor=cursor,
            cell=cell,
            values=values,
            span=(middle - reach, middle + reach),
        )

    def build(self, figure: Figure) -> None:
        """Lay out four panels, by hand, so that a cell of the small maps is a pixel of the screen."""
        figure.set_layout_engine("none")
        photo = self._bare(figure, "photo", "The photo")
        photo.image(lambda data: (faded(data.page, 0.7), _extent("photo", data.size)))
        chosen = self._bare(figure, "map", "The chosen map")
        chosen.image(
            lambda data: (data.picture, _extent("map", (*np.multiply(data.flat.shape, data.stride),), data.size)),
            says=lambda data, row, column: f"{data.stage}{data.level}: {number(data.flat[row, column])}",
        )
        chosen.box(_cell, lw=2)
        self._cursor("photo", photo)
        self._cursor("map", chosen)
        below: dict[str, Any] = {"at": lambda data: (0, _extent("photo", data.size)[3] + 14), "va": "top"}
        photo.text(lambda data: f"{data.stage}{data.level}", weight="bold", fontsize=20, **below)
        photo.text(lambda data: "\n\n" + _size(data), fontsize=9, color=MUTED, **below)

        small = _sheet_scale(side_by_side(self._first, "mean", 1)[0]) < 1
        title = f"All maps, {'made smaller' if small else 'a pixel a cell'}: rows C, M, P"
        everything = self._bare(figure, "all", title)
        everything.image(lambda data: (data.all, (0, 0, *np.multiply(data.all.shape[1::-1], _sheet_scale(data.all)))))
        everything.box(
            lambda data: _on_sheet(data, (data.stage, data.level)),
            clip_on=False,
            grab={
                "level": lambda level, data: (np.mean(_on_sheet(data, (data.stage, level))[::2]), None),
                "stage": lambda stage, data: (None, np.mean(_on_sheet(data, (stage, data.level))[1::2])),
            },
        )

        values = self._panel(figure, "values", title="Every channel of the chosen map at the cursor", xticks=[])
        values.axes.set(xlim=(0, 1), ylim=(-1.1, 1.1))
        values.axes.set_yticks([-1, 0, 1], ["−max", "0", "max"])
        values.level(0, color=FAINT, lw=1)
        values.line(
            lambda data: (_across(data, np.arange(len(data.values)) + 1), data.values / _top(data)),
            color=BLUE,
            lw=1,
            drawstyle="steps-mid",
            says=lambda data, channel: f"channel {channel + 1}: {number(data.values[channel])}",
        )
        values.dot(
            lambda data: (_across(data, data.channel), data.values[data.channel - 1] / _top(data)),
            ms=8,
            grab={"channel": lambda channel, data: (_across(data, min(channel, len(data.values))), None)},
        )

    def _panel(self, figure: Figure, name: str, **settings: Any) -> Panel:
        across, up = self.size
        left, bottom, width, height = _PLACES[name]
        return self.panel(figure.add_axes((left / across, bottom / up, width / across, height / up)), **settings)

    def _bare(self, figure: Figure, name: str, title: str) -> Panel:
        """A panel whose units are the screen's pixels, y down."""
        width, height = _PLACES[name][2:]
        return self._panel(figure, name, bare=True, title=title, xlim=(0, width), ylim=(height, 0))

    @staticmethod
    def _cursor(name: str, panel: Panel) -> None:
        def at(data: PyramidData, x: float, y: float) -> tuple[float, float]:
            scale = _extent(name, data.size)[2] / data.size[1]
            return (x + 0.5) * scale, (y + 0.5) * scale

        (cross,) = panel.axes.plot([0], [0], "+", ms=16, mew=2.5, color=ORANGE, clip_on=False)
        cross.set_path_effects([withStroke(linewidth=5, foreground=PAPER)])
        panel.add(
            cross,
            lambda cross, data: cross.set_data(*([one] for one in at(data, *data.cursor))),
            grab={
                "x": lambda x, data: (at(data, round(x / 100 * (data.size[1] - 1)), 0)[0], None),
                "y": lambda y, data: (None, at(data, 0, round(y / 100 * (data.size[0] - 1)))[1]),
            },
        )

    def describe(self, data: PyramidData) -> str:
        """Say which map this is, and the values at the cursor."""
        rows, columns = data.picture.shape[:2]
        down, across = (number(stride, 4) for stride in data.stride)
        stride = f"stride {down}" if down == across else f"strides {down} down and {across} across"
        count = len(data.values)
        largest = int(np.abs(data.values).argmax())
        if data.shown == "colours":
            colours = "shown are the first three principal components as red, green and blue"
        else:
            what = "the mean of all channels" if data.shown == "mean" else f"channel {data.channel}"
            colours = f"shown is {what}, dark to bright from {number(data.span[0])} to {number(data.span[1])}"
        return (
            f"{data.stage}{data.level} ({_NAMES[data.stage]}) of {data.photo}, {data.backbone}: {count} channels of "
            f"{rows}×{columns} cells, {stride}; {colours}. {data.weights[0].upper()}"
            f"{data.weights[1:]}.\nThe cursor is at pixel ({data.cursor[0]}, {data.cursor[1]}), in row {data.cell[0]}, "
            f"column {data.cell[1]}: channel {data.channel} is {number(data.values[data.channel - 1])}, the mean "
            f"{number(data.values.mean())}, the largest in size channel {largest + 1}, {number(data.values[largest])}."
        )

    def invariants(self, data: PyramidData) -> dict[str, bool]:
        """Check sizes and the cursor's cell."""
        rows, columns = data.picture.shape[:2]
        sides = list(zip(data.size, (rows, columns), data.stride, data.cursor[::-1], data.cell, strict=True))
        return {
            "the map has side / stride cells, rounded": all(is_stride(*side[:3]) for side in sides),
            # What a backbone rounded off lies beyond the last cell.
            "the cursor lies in its cell": all(
                cell * stride <= at and (at < (cell + 1) * stride or cell == cells - 1)
                for _, cells, stride, at, cell in sides
            ),
            "every channel has a finite value": bool(np.isfinite(data.values).all()),
            "the frame shows the chosen map": data.frame[2:] == (columns, rows),
        }


def _extent(name: str, size: Sequence[float], of: Sequence[float] = ()) -> tuple[float, float, float, float]:
    """Where a picture of this size (rows, columns) lies in its panel, as large as it or the one it belongs to fits."""
    width, height = _PLACES[name][2:]
    down, across = of or size
    scale = min(width / across, height / down)
    return 0, 0, size[1] * scale, size[0] * scale


def _cell(data: PyramidData) -> tuple[float, ...]:
    """The cursor's cell on the chosen map."""
    down, across = np.multiply(data.stride, _extent("map", data.size)[3] / data.size[0])
    row, column = data.cell
    return column * across, row * down, (column + 1) * across, (row + 1) * down


def _size(data: PyramidData) -> str:
    rows, columns = data.flat.shape
    return f"{rows}×{columns} cells\n{len(data.values)} channels"


def _across(data: PyramidData, channel: Any) -> Any:
    """Where channels stand, as shares of the panel."""
    return (channel - 0.5) / len(data.values)


def _top(data: PyramidData) -> float:
    return float(np.abs(data.values).max()) or 1.0


def _sheet_scale(sheet: np.ndarray) -> float:
    """Pixels of the screen to a cell, so that the sheet of all maps fits."""
    tall, wide = sheet.shape[:2]
    return min(1.0, _PLACES["all"][2] / wide, _PLACES["all"][3] / tall)


def _on_sheet(data: PyramidData, which: tuple[Stage, int]) -> tuple[float, float, float, float]:
    """The frame x0 y0 x1 y1 around a map, or around that of the nearest level there is."""
    stage, level = which
    known = min((one for name, one in data.frames if name == stage), key=lambda one: abs(one - level))
    x, y, width, height = data.frames[stage, known]
    scale = _sheet_scale(data.all)
    return (x - 2) * scale, (y - 2) * scale, (x + width + 2) * scale, (y + height + 2) * scale
