"""How far away a cue may lie: the object, its cue and what P2 sees, and how often the class is named rightly."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fpnlib.claims import Result
from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import FAINT, GREEN, INK, MUTED, PURPLE, RED
from fpnlib.notes.fpn.cue import CHANCE, DISTANCES, FIELD, SIDE, STRIDE, Weights, cue_pictures
from fpnlib.notes.fpn.pixels import Pixels

BACKBONES: dict[str, Weights] = {"small ResNet, trained with it": "scratch", "ImageNet's weights, frozen": "imagenet"}
PATHS = {"with the top-down path": "full", "without it": "none"}
_COLOURS = {"full": GREEN, "none": PURPLE}
_MARKS = {"full": "o-", "none": "s--"}


@dataclasses.dataclass(frozen=True)
class CueDistanceData:
    """A picture with its object and what P2 sees of it, and accuracies with their intervals.

    picture:   (SIDE, SIDE, 3)
    middle:    row and column of the object's middle
    field:     first and last row, first and last column of what P2 sees there
    curves:    by path, (distances,)
    intervals: by path, (2, distances)
    """

    distance: int
    backbone: str
    path: str
    picture: np.ndarray
    middle: tuple[int, int]
    field: tuple[int, int, int, int]
    curves: dict[str, np.ndarray]
    intervals: dict[str, np.ndarray]
    reach: int
    accuracy: float
    other: float


class CueDistanceExplorer(Explorer[CueDistanceData]):
    """A picture with the field of the cell that is read, and the accuracy at all distances."""

    title = "An object whose class a distant square tells, what a cell of P2 sees of it, and accuracy by distance"
    size = (960, 400)

    def __init__(self) -> None:
        stored, names = Result.load("FP-3"), (*PATHS.values(),)
        keys = {(b, path): [f"{b}_{path}_{one}" for one in DISTANCES] for b in BACKBONES.values() for path in names}
        self._curves = {at: np.array([stored.number(key) for key in these]) for at, these in keys.items()}
        self._intervals = {
            at: np.array([[stored.number(f"{key}_{end}") for key in these] for end in ("low", "high")])
            for at, these in keys.items()
        }
        self._pictures = {one: cue_pictures(one, "test", 1) for one in DISTANCES}
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the distance, the backbone, and whether there is a top-down path."""
        step = DISTANCES[1]
        return {
            "distance": slider("distance of the cue (pixels)", 24, 0, DISTANCES[-1], step),
            "path": choice("P2", list(PATHS), "without it"),
            "backbone": choice("backbone", list(BACKBONES)),
        }

    def compute(self, distance: int, path: str, backbone: str) -> CueDistanceData:
        """Look up the nearest distance that was measured; the field without the path, or all of the picture with it."""
        distance = min(DISTANCES, key=lambda one: abs(one - distance))
        kind, name, made = BACKBONES[backbone], PATHS[path], self._pictures[distance]
        first, last = FIELD[kind]
        y, x = (STRIDE * made.cells[0]).tolist()
        seen = (y + first, y + last, x + first, x + last) if name == "none" else (0, SIDE - 1, 0, SIDE - 1)
        place = DISTANCES.index(distance)
        other = next(one for one in PATHS.values() if one != name)
        return CueDistanceData(
            distance=distance,
            backbone=backbone,
            path=path,
            picture=made.images[0].permute(1, 2, 0).numpy(),
            middle=(y, x),
            field=tuple(min(max(0, edge), SIDE - 1) for edge in seen),  # type: ignore[arg-type]
            curves={one: self._curves[kind, one] for one in PATHS.values()},
            intervals={one: self._intervals[kind, one] for one in PATHS.values()},
            reach=max(-first, last),
            accuracy=float(self._curves[kind, name][place]),
            other=float(self._curves[kind, other][place]),
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the picture and the curves."""
        picture, curves = figure.subplots(1, 2, width_ratios=[1, 1.5])
        picture.set(xticks=[], yticks=[], xlim=(0, SIDE), ylim=(SIDE, 0), aspect="equal")
        picture.set_title("In the frame: what P2 sees at the disc")
        picture.spines[:].set_visible(False)
        self._image = Pixels(picture)
        self._frame = picture.add_patch(Rectangle((0, 0), 1, 1, fill=False, lw=4))
        curves.set(
            title="Test objects named rightly, with 95 % intervals over seeds",
            xlabel="distance of the cue from the object's middle (pixels)",
            ylabel="share",
            xlim=(-1.5, DISTANCES[-1] + 1.5),
            ylim=(0.38, 1.06),
        )
        curves.set_xticks(DISTANCES)
        curves.axhline(CHANCE, color=MUTED, ls=":", lw=1.2)
        curves.text(0, CHANCE - 0.015, "chance", va="top", color=MUTED, fontsize=9)
        self._cliff = curves.axvline(0, color=RED, lw=2, ls="--")
        self._note = curves.text(0, 0.41, "  here the field of P2 alone ends", color=RED, fontsize=9)
        self._lines, self._bars = {}, {}
        for name, label in (("full", "with the top-down path"), ("none", "without it")):
            (self._lines[name],) = curves.plot([], [], _MARKS[name], ms=5, color=_COLOURS[name], label=label)
            self._bars[name] = curves.add_collection(LineCollection([], colors=_COLOURS[name], linewidths=1.5))
        (self._point,) = curves.plot([], [], "o", ms=13, mfc="none", mec=INK, mew=2)
        self.grab(curves, distance=lambda value: (value, None))
        curves.legend(loc="center right", bbox_to_anchor=(1, 0.42))
        curves.grid(color=FAINT, lw=0.6)
        return [
            self._image,
            self._frame,
            self._cliff,
            self._note,
            *self._lines.values(),
            *self._bars.values(),
            self._point,
        ]

    def draw(self, data: CueDistanceData) -> None:
        """Show the picture, the frame, the curves and the point."""
        self._image.show(data.picture, 0, 0, SIDE, SIDE)
        top, bottom, left, right = data.field
        self._frame.set_bounds(left, top, right - left + 1, bottom - top + 1)
        self._frame.set_edgecolor(_COLOURS[PATHS[data.path]])
        self._cliff.set_xdata([data.reach + 0.5] * 2)
        self._note.set_x(data.reach + 0.5)
        for name, line in self._lines.items():
            line.set_data(DISTANCES, data.curves[name])
            self._bars[name].set_segments(
                [[(x, low), (x, high)] for x, low, high in zip(DISTANCES, *data.intervals[name], strict=True)]
            )
        self._point.set_data([data.distance], [data.accuracy])

    def describe(self, data: CueDistanceData) -> str:
        """Say where the cue is, whether P2 alone sees it, and the two shares."""
        sides = sorted(map(abs, FIELD[BACKBONES[data.backbone]]))
        sees = f"{sides[0]} to {sides[1]}" if sides[0] < sides[1] else f"{data.reach}"
        unseen = ", not as far as the square" if data.distance > data.reach else ""
        where = (
            "The object itself has the colour of its class"
            if data.distance == 0
            else f"The square that tells the class begins {data.distance} pixels from the object's middle"
        )
        other = next(one for one in PATHS if one != data.path)
        return (
            f"{where}. P2 alone sees {sees} pixels far{unseen}.\nBackbone: {data.backbone}. Of the test objects "
            f"{number(100 * data.accuracy)} % are named rightly {data.path}, and {number(100 * data.other)} % {other}; "
            f"chance is {number(100 * CHANCE)} %."
        )

    def invariants(self, data: CueDistanceData) -> dict[str, bool]:
        """Check that the object is in the frame, that shares are shares, and that what is not seen is not named."""
        top, bottom, left, right = data.field
        y, x = data.middle
        shares = np.concatenate(list(data.curves.values()))
        unseen = data.curves["none"][np.array(DISTANCES) > data.reach]
        return {
            "the object is in the frame": top <= y <= bottom and left <= x <= right,
            "shares lie between 0 and 1": bool(((shares >= 0) & (shares <= 1)).all()),
            "what P2 alone cannot see it cannot name": bool((np.abs(unseen - CHANCE) < 0.1).all()),
        }
