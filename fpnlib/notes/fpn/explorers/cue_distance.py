"""How far away a cue may lie: the object, its cue and what P2 sees, and how often the class is named rightly."""

import dataclasses
from typing import Any

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.claims import Result
from fpnlib.explore import Explorer, Panel, choice, number, slider
from fpnlib.explore.style import FAINT, GREEN, MUTED, PURPLE, RED
from fpnlib.notes.fpn.experiments.cue import CHANCE, DISTANCES, FIELD, SIDE, STRIDE, Weights, cue_pictures

BACKBONES: dict[str, Weights] = {"small ResNet, trained with it": "scratch", "ImageNet's weights, frozen": "imagenet"}
PATHS = {"with the top-down path": "full", "without it": "none"}
_ENDS = "here the field of P2 alone ends"
_COLOURS = {"full": GREEN, "none": PURPLE}
_LOOKS: dict[str, dict[str, Any]] = {"full": {"marker": "o"}, "none": {"marker": "s", "ls": "--"}}


@dataclasses.dataclass(frozen=True)
class CueDistanceData:
    """A picture with its object and what P2 sees of it, and accuracies with their intervals.

    picture:   (SIDE, SIDE, 3)
    middle:    row and column of the object's middle
    field:     first and last row, first and last column of what P2 sees there
    curves:    by path, (distances, 3): the share of objects named rightly, and its interval; shown up to `distance`
    """

    distance: int
    backbone: str
    path: str
    picture: np.ndarray
    middle: tuple[int, int]
    field: tuple[int, int, int, int]
    curves: dict[str, np.ndarray]
    reach: int
    accuracy: float

    @property
    def beyond(self) -> bool:
        """Whether P2 alone does not see the square."""
        return self.distance > self.reach


class CueDistanceExplorer(Explorer[CueDistanceData]):
    """A picture with the field of the cell that is read, and the accuracy at all distances up to the square's."""

    title = "An object whose class a distant square tells, what a cell of P2 sees of it, and accuracy by distance"
    size = (960, 400)

    def __init__(self) -> None:
        stored = Result.load("FP-3")
        self._curves = {
            (kind, path): np.array([stored.with_interval(f"{kind}_{path}_{one}") for one in DISTANCES])
            for kind in BACKBONES.values()
            for path in PATHS.values()
        }
        self._pictures = {one: cue_pictures(one, "test", 1) for one in DISTANCES}
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the distance, the backbone, and whether there is a top-down path."""
        return {
            "distance": slider("distance of the cue (pixels)", 12, 0, DISTANCES[-1], DISTANCES[1]),
            "path": choice("P2", list(PATHS), "without it"),
            "backbone": choice("backbone", list(BACKBONES)),
        }

    def compute(self, distance: int, path: str, backbone: str) -> CueDistanceData:
        """Look up the nearest distance that was measured; the field without the path, or all of the picture with it."""
        distance = min(DISTANCES, key=lambda one: abs(one - distance))
        kind, name, made, place = BACKBONES[backbone], PATHS[path], self._pictures[distance], DISTANCES.index(distance)
        first, last = FIELD[kind]
        y, x = (STRIDE * made.cells[0]).tolist()
        seen = (y + first, y + last, x + first, x + last) if name == "none" else (0, SIDE - 1, 0, SIDE - 1)
        return CueDistanceData(
            *(distance, backbone, path),
            picture=made.images[0].permute(1, 2, 0).numpy(),
            middle=(y, x),
            field=tuple(min(max(0, edge), SIDE - 1) for edge in seen),  # type: ignore[arg-type]
            curves={one: self._curves[kind, one] for one in PATHS.values()},
            reach=max(-first, last),
            accuracy=float(self._curves[kind, name][place, 0]),
        )

    def build(self, figure: Figure) -> None:
        """Lay out the picture and the curves."""
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.5])
        picture = self.panel(left, bare=True, title="In the frame: what P2 sees at the disc")
        picture.axes.set(xlim=(0, SIDE), ylim=(SIDE, 0))
        picture.image(lambda data: (data.picture, (0, 0, SIDE, SIDE)))
        curves = self.panel(right, title="Test objects classified correctly, mean over seeds", ylabel="share")
        curves.axes.set_xlabel("distance of the cue from the object's middle (pixels)")
        right.set(xlim=(-1.5, DISTANCES[-1] + 1.5), ylim=(0.38, 1.09), xticks=DISTANCES)
        right.grid(color=FAINT, lw=0.6)
        curves.level(CHANCE, color=MUTED, ls=":", lw=1.2)
        curves.text("chance", 0, CHANCE - 0.015, va="top", color=MUTED, fontsize=9)
        curves.upright(lambda data: data.reach + 0.5 if data.beyond else np.nan, color=RED, lw=2, ls="--")
        curves.text(lambda data: _ENDS * data.beyond, at=lambda data: (data.reach + 1, 0.41), color=RED, fontsize=9)
        for words, name in PATHS.items():
            self._path(words, name, picture, curves)
        curves.dot(lambda data: (data.distance, data.accuracy), grab={"distance": lambda value: (value, None)})

    @staticmethod
    def _path(words: str, name: str, picture: Panel, curves: Panel) -> None:
        """What is seen with the path or without it, and how often the class is named rightly up to that distance."""

        def frame(data: CueDistanceData) -> tuple[int, ...] | None:
            top, bottom, left, right = data.field
            return (left, top, right + 1, bottom + 1) if PATHS[data.path] == name else None

        def so_far(data: CueDistanceData) -> tuple[tuple[int, ...], np.ndarray]:
            known = DISTANCES.index(data.distance) + 1
            return DISTANCES[:known], data.curves[name][:known]

        look: dict[str, Any] = {"color": _COLOURS[name]}
        picture.box(frame, ec=_COLOURS[name], lw=4)
        curves.means(so_far, **look).set(**_LOOKS[name], label=words)
        sign, height = ("●", 0.34) if name == "full" else ("■", 0.26)
        curves.text(f"{sign} {words}", 0.02, height, transform=curves.axes.transAxes, weight="bold", **look)

    def describe(self, data: CueDistanceData) -> str:
        """Say where the cue is, whether P2 alone sees it, and the two shares."""
        sees = " to ".join(map(str, sorted({*map(abs, FIELD[BACKBONES[data.backbone]])})))
        unseen = ", not as far as the square" if data.beyond else ""
        where = f"The square that tells the class begins {data.distance} pixels from the object's middle"
        where = where if data.distance else "The object itself has the colour of its class"
        shares = {path: data.curves[name][DISTANCES.index(data.distance), 0] for path, name in PATHS.items()}
        order = sorted(PATHS, key=lambda path: path != data.path)  # the chosen one first
        right = ", ".join(f"{number(100 * shares[path])} % {path}" for path in order)
        return (
            f"{where}. P2 alone sees {sees} pixels in each direction{unseen}.\nBackbone: {data.backbone}. Test objects "
            f"classified correctly: {right}; chance is {number(100 * CHANCE)} %."
        )

    def invariants(self, data: CueDistanceData) -> dict[str, bool]:
        """Check that the object is in the frame, that shares are shares, and that what is not seen is not named."""
        top, bottom, left, right = data.field
        y, x = data.middle
        shares = np.concatenate([curve[:, 0] for curve in data.curves.values()])
        unseen = data.curves["none"][:, 0][np.array(DISTANCES) > data.reach]
        return {
            "the object is in the frame": top <= y <= bottom and left <= x <= right,
            "shares lie between 0 and 1": bool(((shares >= 0) & (shares <= 1)).all()),
            "what P2 alone cannot see it cannot name": bool((np.abs(unseen - CHANCE) < 0.1).all()),
        }
