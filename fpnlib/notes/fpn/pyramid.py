"""One photo, every level: C, M and P as pictures, and the values under a cursor."""

import dataclasses
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, ORANGE, PAPER, faded
from fpnlib.notes.fpn.colours import components, heat, heat_range, preview
from fpnlib.notes.fpn.photo_pyramid import LONGEST, STAGES, Library, Pyramid, Stage, is_stride
from fpnlib.notes.fpn.pixels import Pixels

Shown = Literal["colours", "mean", "one channel"]
SHOWN: tuple[Shown, ...] = ("colours", "mean", "one channel")
_NAMES = {"C": "backbone", "M": "merged", "P": "after the 3×3"}
_GAP = 6  # pixels between the small maps
_PREVIEW = 240  # pixels of the photo's longest side on the page
# Left, bottom, width, height of each panel in pixels.
_PLACES = {
    "photo": (10, 200, 240, 240),
    "map": (270, 100, 340, 340),
    "all": (650, 20, 300, 420),
    "values": (55, 20, 555, 50),
}


@dataclasses.dataclass(frozen=True)
class PyramidData:
    """One map of the pyramid, all of them small, and what stands under the cursor.

    page:    (h, w, 3), the photo
    picture: (rows, columns, 3), the chosen map in colours
    all:     (h, w, 4), every map at one pixel a cell, transparent between them
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
    picture: np.ndarray
    all: np.ndarray
    frame: tuple[int, int, int, int]
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
        self._pages: dict[str, np.ndarray] = {}
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
        everything, frames = _side_by_side(pyramid, shown, channel)
        height, width = pyramid.photo.shape[:2]
        cursor = (round(x / 100 * (width - 1)), round(y / 100 * (height - 1)))
        down, across = pyramid.strides[place]
        rows, columns = chosen.shape[1:]
        cell = (min(int(cursor[1] // down), rows - 1), min(int(cursor[0] // across), columns - 1))
        values = chosen[:, cell[0], cell[1]].double().numpy()
        flat = _flat(chosen, shown, channel)
        middle, reach = heat_range(flat)
        return PyramidData(
            photo=image,
            backbone=net,
            weights=pyramid.backbone.weights,
            stage=stage,
            level=pyramid.levels[place],
            shown=shown,
            channel=channel,
            size=(height, width),
            page=self._page(image, pyramid),
            picture=_coloured(pyramid, stage, place, shown, channel),
            all=everything,
            frame=frames[stage, place],
            stride=(down, across),
            cursor=cursor,
            cell=cell,
            values=values,
            span=(middle - reach, middle + reach),
        )

    def _page(self, name: str, pyramid: Pyramid) -> np.ndarray:
        if name not in self._pages:
            self._pages[name] = preview(pyramid.photo, _PREVIEW)
        return self._pages[name]

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out four panels, by hand, so that a cell of the small maps is a pixel of the screen."""
        figure.set_layout_engine("none")
        self._images = {}
        small = _scale(_side_by_side(self._first, "mean", 1)[0]) < 1
        for name, title in (
            ("photo", "The photo"),
            ("map", "The chosen map"),
            ("all", f"All maps, {'made smaller' if small else 'a pixel a cell'}: rows C, M, P"),
        ):
            panel = _panel(figure, *_PLACES[name])
            panel.set(title=title, xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
            side = (_PLACES[name][2], _PLACES[name][3]) if name == "all" else (LONGEST, LONGEST)
            panel.set(xlim=(0, side[0]), ylim=(side[1], 0))
            self._images[name] = Pixels(panel)
        shown = [self._images[name].axes for name in ("photo", "map")]
        halo = [withStroke(linewidth=5, foreground=PAPER)]
        look: dict[str, Any] = {"ms": 16, "mew": 2.5, "color": ORANGE, "clip_on": False, "path_effects": halo}
        self._crosses = [panel.plot([], [], "+", **look)[0] for panel in shown]
        self._cell = shown[1].add_patch(Rectangle((0, 0), 1, 1, fill=False, ec=ORANGE, lw=2))
        self._chosen = self._images["all"].axes.add_patch(Rectangle((0, 0), 1, 1, fill=False, ec=ORANGE, lw=2.5))
        self._chosen.set_clip_on(False)
        values = _panel(figure, *_PLACES["values"])
        values.set(title="Every channel of the chosen map at the cursor", xlim=(0, 1), ylim=(-1.1, 1.1), xticks=[])
        values.set_yticks([-1, 0, 1], ["−max", "0", "max"])
        values.axhline(0, color=FAINT, lw=1)
        (self._line,) = values.plot([], [], color=BLUE, lw=1, drawstyle="steps-mid")
        (self._point,) = values.plot([], [], "o", ms=8, color=ORANGE, mec=INK)
        self._name = shown[1].text(1, 1.02, "", transform=shown[1].transAxes, ha="right", weight="bold", fontsize=12)
        return [*self._images.values(), self._cell, self._chosen, *self._crosses, self._line, self._point, self._name]

    def draw(self, data: PyramidData) -> None:
        """Show the maps, move cursor and frames."""
        height, width = data.size
        rows, columns = data.picture.shape[:2]
        high, broad = data.stride
        self._images["photo"].show(faded(data.page, 0.7), 0, 0, width, height)
        self._images["map"].show(data.picture, 0, 0, columns * broad, rows * high)
        tall, wide = data.all.shape[:2]
        scale = _scale(data.all)
        self._images["all"].show(data.all, 0, 0, wide * scale, tall * scale)
        for cross in self._crosses:
            cross.set_data([data.cursor[0] + 0.5], [data.cursor[1] + 0.5])
        self._cell.set_bounds(data.cell[1] * broad, data.cell[0] * high, broad, high)
        x, y, across, down = data.frame
        self._chosen.set_bounds((x - 2) * scale, (y - 2) * scale, (across + 4) * scale, (down + 4) * scale)
        count = len(data.values)
        top = float(np.abs(data.values).max()) or 1.0
        self._line.set_data((np.arange(count) + 0.5) / count, data.values / top)
        self._point.set_data([(data.channel - 0.5) / count], [data.values[data.channel - 1] / top])
        self._name.set_text(f"{data.stage}{data.level}")

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


def _panel(figure: Figure, left: int, bottom: int, width: int, height: int) -> Axes:
    across, up = PyramidExplorer.size
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _scale(sheet: np.ndarray) -> float:
    """Pixels of the screen to a cell, so that the sheet of all maps fits."""
    tall, wide = sheet.shape[:2]
    return min(1.0, _PLACES["all"][2] / wide, _PLACES["all"][3] / tall)


def _flat(one: Tensor, shown: Shown, channel: int) -> Tensor:
    return one[channel - 1] if shown == "one channel" else one.mean(0)


def _coloured(pyramid: Pyramid, stage: Stage, place: int, shown: Shown, channel: int) -> np.ndarray:
    if shown == "colours":
        return components(pyramid.colours(stage)[place])
    one = pyramid.maps[stage][place]
    flat = _flat(one, shown, min(channel, len(one)))
    return heat(flat, *heat_range(flat))


def _side_by_side(
    pyramid: Pyramid, shown: Shown, channel: int
) -> tuple[np.ndarray, dict[tuple[Stage, int], tuple[int, int, int, int]]]:
    """All maps on one sheet, a row for each stage, and where each stands: x, y, width, height."""
    sizes = [one.shape[1:] for one in pyramid.maps["C"]]
    row = max(size[0] for size in sizes) + _GAP
    sheet = np.zeros((row * len(STAGES), sum(size[1] + _GAP for size in sizes), 4), np.uint8)
    frames: dict[tuple[Stage, int], tuple[int, int, int, int]] = {}
    for number_of_row, stage in enumerate(STAGES):
        x, y = 0, number_of_row * row
        for place, (rows, columns) in enumerate(sizes):
            part = sheet[y : y + rows, x : x + columns]
            part[..., :3], part[..., 3] = _coloured(pyramid, stage, place, shown, channel), 255
            frames[stage, place] = (x, y, columns, rows)
            x += columns + _GAP
    return sheet, frames
