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
_WHOLE = {"xlim": (0, SIDE), "ylim": (SIDE, 0)}
_COLOURS = {"full": GREEN, "none": PURPLE}
_LOOKS: dict[str, dict[str, Any]] = {"full": {"marker": "o"}, "none": {"marker": "s", "ls": "--"}}


@dataclasses.dataclass(frozen=True)
class CueDistanceData:
    """A picture with its object and what P2 sees of it, and accuracies with their intervals.

    picture:   (SIDE, SIDE, 3)
    middle:    row and column of the object's middle
    field:     first and last row, first and last column of what P2 sees there
    curves:    by path, (distances, 3): the share of objects named rightly, and its interval
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
    other: float


class CueDistanceExplorer(Explorer[CueDistanceData]):
    """A picture with the field of the cell that is read, and the accuracy at all distances."""

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
            reach=max(-first, last),
            accuracy=float(self._curves[kind, name][place, 0]),
            other=float(self._curves[kind, other][place, 0]),
        )

    def build(self, figure: Figure) -> None:
        """Lay out the picture and the curves."""
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.5])
        picture = self.panel(left, bare=True, title="In the frame: what P2 sees at the disc", **_WHOLE)
        picture.image(lambda data: (data.picture, (0, 0, SIDE, SIDE)))
        curves = self.panel(right, title="Test objects classified correctly, mean over seeds", ylabel="share")
        right.set(xlim=(-1.5, DISTANCES[-1] + 1.5), ylim=(0.38, 1.09), xticks=DISTANCES)
        right.set_xlabel("distance of the cue from the object's middle (pixels)")
        right.grid(color=FAINT, lw=0.6)
        curves.level(CHANCE, color=MUTED, ls=":", lw=1.2)
        curves.text("chance", 0, CHANCE - 0.015, va="top", color=MUTED, fontsize=9)
        curves.upright(lambda data: data.reach + 0.5, color=RED, lw=2, ls="--")
        curves.text("here the field of P2 alone ends", at=lambda data: (data.reach + 1, 0.41), color=RED, fontsize=9)
        for words, name in PATHS.items():
            self._path(words, name, picture, curves)
        curves.dot(lambda data: (data.distance, data.accuracy), grab={"distance": lambda value: (value, None)})

    @staticmethod
    def _path(words: str, name: str, picture: Panel, curves: Panel) -> None:
        """What is seen with the path or without it, and how often the class is then named rightly."""

        def frame(data: CueDistanceData) -> tuple[int, ...] | None:
            top, bottom, left, right = data.field
            return (left, top, right + 1, bottom + 1) if PATHS[data.path] == name else None

        look: dict[str, Any] = {"color": _COLOURS[name]}
        picture.box(frame, ec=_COLOURS[name], lw=4)
        curves.means(lambda data: (DISTANCES, data.curves[name]), **look).set(**_LOOKS[name], label=words)
        end = {"ha": "right", "va": "bottom", "fontsize": 9, "weight": "bold"}
        curves.text(words, at=lambda data: (DISTANCES[-1], data.curves[name][-1, 2] + 0.01), **look | end)

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
            f"{number(100 * data.accuracy)} % are classified correctly {data.path}, and {number(100 * data.other)} % "
            f"{other}; chance is {number(100 * CHANCE)} %."
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
