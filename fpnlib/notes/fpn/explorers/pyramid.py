"""One photo, every level: C, M and P as pictures, and the values under a cursor."""

import dataclasses
from typing import Any

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, Panel, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, faded
from fpnlib.notes.fpn.experiments.photo_pyramid import STAGES, Library, Stage
from fpnlib.notes.fpn.experiments.reading import SHOWN, Reading, Shown, pixel_at, read
from fpnlib.notes.fpn.explorers.sheet import ROOM, Sheet, in_words, sheet_of

_NAMES = {"C": "backbone", "M": "merged", "P": "after the 3×3"}
# Left, bottom, width, height of each panel in pixels; the photo's and the map's are of one shape.
_PLACES = {"photo": (10, 286, 200, 154), "map": (225, 115, 420, 325), "values": (55, 20, 590, 60)}
_PLACES["all"] = (665, 20, *ROOM)
_TALL = _PLACES["map"][3] / _PLACES["map"][2]


@dataclasses.dataclass(frozen=True)
class PyramidData:
    """One map of the pyramid and what it says under the cursor, and all maps, small; `page` is the photo as shown."""

    photo: str
    backbone: str
    weights: str
    shown: Shown
    page: np.ndarray
    read: Reading
    sheet: Sheet

    @property
    def picture(self) -> np.ndarray:
        """The chosen map in colours, (rows, columns, 3)."""
        return self.sheet.picture(self.read.stage, self.read.level)

    @property
    def scale(self) -> float:
        """What a pixel of the photo is in panels 1 wide and _TALL high."""
        return min(1 / self.read.size[1], _TALL / self.read.size[0])


class PyramidExplorer(Explorer[PyramidData]):
    """The photo with a cursor, one map large, all maps up to its stage at true relative size, channels at a cursor."""

    title = "A photo, one level of its feature pyramid, all levels at true relative size, and the channels at a cursor"
    size = (960, 470)
    groups = (("cursor", ("x", "y")),)

    def __init__(self, library: Library) -> None:
        self._library = library
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return what to show, and where the cursor is."""
        first, *others = (self._library.get(self._library.photos[0], name) for name in self._library.backbones)
        low, high = first.levels[0], first.levels[-1]
        channels = max(len(one) for made in (first, *others) for one in made.maps["C"])
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

    def compute(
        self, image: str, net: str, stage: Stage, level: int, shown: Shown, channel: int, x: int, y: int
    ) -> PyramidData:
        """Look the maps up and colour them."""
        pyramid = self._library.get(image, net)
        found = read(pyramid, stage, level, shown, channel, x, y)
        sheet = sheet_of(pyramid, shown, channel if shown == "one channel" else 1)
        return PyramidData(image, net, pyramid.origin, shown, pyramid.page, found, sheet)

    def build(self, figure: Figure) -> None:
        """Lay out four panels, by hand, so that a cell of the small maps is a point of the screen."""
        figure.set_layout_engine("none")
        axes = {name: figure.add_axes(np.divide(place, self.size * 2)) for name, place in _PLACES.items()}
        alike: dict[str, Any] = {"bare": True, "xlim": (0, 1), "ylim": (_TALL, 0)}
        photo = self.panel(axes["photo"], title="The photo", **alike)
        photo.image(lambda data: (faded(data.page, 0.7), (0, 0, *np.multiply(data.scale, data.read.size[::-1]))))
        photo.text(lambda data: data.read.name, 0, 0.9, va="top", weight="bold", fontsize=20)
        photo.text(lambda data: f"{data.read.cells} cells\n{len(data.read.values)} channels", 0, 1.1, va="top")
        chosen = self.panel(axes["map"], title="The chosen map", **alike)
        chosen.image(
            lambda data: (data.picture, data.scale * data.read.pixels(0, 0, *data.read.flat.shape)),
            says=lambda data, *place: f"{data.read.name}: {number(data.read.flat[place])}",
        )
        chosen.box(lambda data: data.scale * data.read.pixels(*data.read.cell), lw=2)
        cursor = {
            "x": lambda x, data: (data.scale * (pixel_at(x, data.read.size[1]) + 0.5), None),
            "y": lambda y, data: (None, data.scale * (pixel_at(y, data.read.size[0]) + 0.5)),
        }
        for panel in (photo, chosen):
            panel.cross(lambda data: data.scale * (np.array(data.read.cursor) + 0.5), grab=cursor)
        everything = self.panel(axes["all"], bare=True, title="All maps so far at one scale: C, M, P")
        everything.axes.set(xlim=(0, ROOM[0]), ylim=(ROOM[1], 0))
        everything.image(lambda data: (data.sheet.up_to(data.read.stage), data.sheet.extent))
        framed = {
            "level": lambda level, data: (data.sheet.around(data.read.stage, level)[::2].mean(), None),
            "stage": lambda stage, data: (None, data.sheet.around(stage, data.read.level)[1::2].mean()),
        }
        everything.box(lambda data: data.sheet.around(data.read.stage, data.read.level), clip_on=False, grab=framed)
        self._draw_values(self.panel(axes["values"], title="Every channel of the chosen map at the cursor", xticks=[]))

    @staticmethod
    def _draw_values(panel: Panel) -> None:
        """All channels from 0 to 1 across, with a dot on the chosen one."""
        panel.axes.set(xlim=(0, 1), ylim=(-1.1, 1.1), yticks=[-1, 0, 1], yticklabels=["−max", "0", "max"])
        panel.level(0, color=FAINT, lw=1)

        def across(channel: Any, data: PyramidData) -> tuple[Any, None]:
            return (channel - 0.5) / len(data.read.values), None

        panel.line(
            lambda data: (across(np.arange(len(data.read.values)) + 1, data)[0], data.read.heights),
            color=BLUE,
            lw=1,
            drawstyle="steps-mid",
            says=lambda data, channel: f"channel {channel + 1}: {number(data.read.values[channel])}",
        )
        panel.dot(
            lambda data: (across(data.read.channel, data)[0], data.read.heights[data.read.channel - 1]),
            ms=8,
            grab={"channel": lambda channel, data: across(min(channel, len(data.read.values)), data)},
        )

    def describe(self, data: PyramidData) -> str:
        """Say which map this is, and the values at the cursor."""
        read, values = data.read, data.read.values
        largest = int(values.abs().argmax())
        return (
            f"{read.name} ({_NAMES[read.stage]}) of {data.photo}, {data.backbone}: {len(values)} channels of "
            f"{read.cells} cells, {in_words(read, data.shown)}. {data.weights[0].upper()}{data.weights[1:]}.\n"
            f"The cursor is at pixel {read.cursor}, in row {read.cell[0]}, column {read.cell[1]}: channel "
            f"{read.channel} is {number(values[read.channel - 1])}, the mean {number(values.mean())}, the largest in "
            f"size channel {largest + 1}, {number(values[largest])}."
        )

    def invariants(self, data: PyramidData) -> dict[str, bool]:
        """Check the reading, and that the frame shows its map."""
        framed = data.picture.shape[:2] == tuple(data.read.flat.shape)
        return data.read.invariants() | {"the frame shows the chosen map": framed}
