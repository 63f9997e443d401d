"""A face that leaves through the border of a photo, and what P-Net says of it."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from jaxtyping import UInt8
from matplotlib.figure import Figure

from fpnlib.claims import Result
from fpnlib.explore import Explorer, choice, number, slider, toggle
from fpnlib.explore.style import BLUE, FAINT, ORANGE
from fpnlib.models import PNet
from fpnlib.notes.padding.experiments.leaving_face import FACE, MOST_PADDING, OUTSIDE, LeavingFace
from fpnlib.notes.padding.experiments.padded import MODES, Mode

_SQUARES = "squares: a hundred faces, area under ROC,\nwithout padding and with six black pixels"


@dataclasses.dataclass(frozen=True)
class FaceData:
    """P-Net's answer on one crop, with and without padding. Pixels are those of the resized photo."""

    distance: int
    padding: int
    mode: Mode
    photo: np.ndarray  # (H + 2p, W + 2p, 3) uint8
    scores: np.ndarray  # (h, w)
    best: float
    box: np.ndarray  # x0 y0 x1 y1 from the crop's corner
    plain_best: float
    plain_box: np.ndarray
    curve: np.ndarray  # best score at every distance
    hundred: bool  # whether the hundred faces are shown


class FaceExplorer(Explorer[FaceData]):
    """The padded crop with the best boxes, the score map, and the best score against the distance to the border."""

    title = "A face near the border of a photo, P-Net's score map, and the best score against the distance"
    size = (1000, 380)

    def __init__(self, photo: UInt8[np.ndarray, "h w 3"], face: tuple[float, float, float, float]) -> None:
        self._leaving = LeavingFace(photo, face)
        numbers = Result.load("PD-3").measurement.numbers
        self._hidden, *self._areas = (np.array(numbers[name]) for name in ("hidden", "area_plain", "area_padded"))
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return how far the face is inside, and the padding."""
        return {
            "distance": slider(
                "left edge of the face to the border (pixels)", -4, -OUTSIDE, int(self._leaving.distances[-1]), 1
            ),
            "padding": slider("padding (pixels)", 6, 0, MOST_PADDING, PNet.stride),
            "mode": choice("padded with", MODES),
            "hundred": toggle("a hundred faces too"),
        }

    def compute(self, distance: int, padding: int, mode: Mode, hundred: bool) -> FaceData:
        """Look up P-Net's answers; without padding, all modes are one."""
        plain = self._leaving.answers(0, MODES[0])
        padded = self._leaving.answers(padding, mode) if padding else plain
        at = distance + OUTSIDE
        return FaceData(
            *(distance, padding, mode),
            photo=padded.photos[at],
            scores=padded.scores[at],
            best=float(padded.best[at]),
            box=padded.boxes[at],
            plain_best=float(plain.best[at]),
            plain_box=plain.boxes[at],
            curve=padded.best,
            hundred=hundred,
        )

    def build(self, figure: Figure) -> None:
        """Lay out three panels."""
        left, middle, right = figure.subplots(1, 3, width_ratios=[1.2, 1.2, 1.1])
        height, width = self._leaving.crops.shape[2:]
        most = MOST_PADDING + 1
        span = {"xlim": (-most, width + most), "ylim": (height + most, -most)}
        crop = self.panel(left, bare=True, title="The photo, padded", **span)
        crop.axes.set_xlabel("best box on the face:\norange padded, blue dotted not")
        scores = self.panel(middle, bare=True, title="Score of the window centred there", **span)
        scores.axes.set_xlabel("dashed: all there is without padding")
        crop.image(_padded_photo)
        crop.box(lambda data: (0, 0, width, height), ec="white", ls="--", lw=1.4)
        crop.box(lambda data: data.plain_box.tolist(), ec=BLUE, ls=":")
        crop.box(lambda data: data.box.tolist())
        scores.image(_cells, vmin=0, vmax=1, cmap="cividis")
        scores.box(lambda data: (5, 5, width - 5, height - 5), ec="white", ls="--", lw=1.4)
        for panel in (crop, scores):  # the padding's upper edge, the face's left one
            panel.grab(padding=lambda value: (None, -value))
            panel.grab(distance=lambda value: (value, None))

        distances = self._leaving.distances
        curve = self.panel(right, title="Best score of a window on the face", ylim=(-0.15, 1.2), ylabel="best score")
        curve.axes.set(xlabel="left edge of the face to the border", xlim=(distances[0] - 0.5, distances[-1] + 0.5))
        curve.axes.set(xticks=range(-OUTSIDE, int(distances[-1]) + 1, 4), yticks=np.linspace(0, 1, 6))
        curve.upright(0, color=FAINT, lw=1, zorder=0)
        curve.line((distances, self._leaving.answers(0, MODES[0]).best), ":", color=BLUE, label="no padding")
        curve.line(lambda data: (distances, data.curve), color=ORANGE, label="padded")
        curve.dot(lambda data: (data.distance, data.plain_best), ms=8, color=BLUE)
        curve.dot(lambda data: (data.distance, data.best))
        curve.line(lambda data: self._squares(data, 0), "s", color=BLUE)
        curve.line(lambda data: self._squares(data, 1), "s", color=ORANGE)
        curve.text(lambda data: _SQUARES * data.hundred, -OUTSIDE, -0.12, fontsize=8.5)
        # Each beside its dot, where the curves leave room.
        curve.text("padded", at=lambda data: (max(data.distance - 0.4, -5), data.best + 0.04), ha="right")
        curve.text("no padding", at=lambda data: (min(data.distance + 0.5, 4), data.plain_best - 0.04), va="top")
        curve.grab(distance=lambda value: (value, None))

    def _squares(self, data: FaceData, way: int) -> tuple[np.ndarray, np.ndarray]:
        shown = slice(None if data.hundred else 0)
        return -FACE * self._hidden[shown], self._areas[way][shown]

    def describe(self, data: FaceData) -> str:
        """Say both scores, and what a hundred faces say."""
        plain, six = (number(areas[-2]) for areas in self._areas)
        faces = f"\nA hundred faces, 40% cut off: area under ROC {plain} without padding, {six} with six black pixels."
        where = f"{abs(data.distance)} pixels {'beyond' if data.distance < 0 else 'inside'} the left border"
        means = f"{number(data.curve.mean())} over all distances"
        padded = f"padded by {data.padding} pixels ({data.mode})" if data.padding else f"no padding yet ({data.mode})"
        return (
            f"The face's left edge is {where}; the face is about {FACE} pixels in size. Best score without padding "
            f"{number(data.plain_best)}, {padded} {number(data.best)}; the latter on average {means}."
        ) + (faces if data.hundred else "")

    def invariants(self, data: FaceData) -> dict[str, bool]:
        """Check scores, and that padding by whole strides keeps every old window."""
        kept = data.padding % PNet.stride == 0
        return {
            "scores lie between 0 and 1": bool(data.scores.min() >= 0 and data.scores.max() <= 1),
            "the best score is one of the map's": bool(np.isclose(data.scores, data.best).any()),
            "with whole strides nothing is lost": not kept or data.best >= data.plain_best - 1e-4,
        }


def _padded_photo(data: FaceData) -> tuple[np.ndarray, tuple[int, ...]]:
    height, width = (side - data.padding for side in data.photo.shape[:2])
    return data.photo, (-data.padding, -data.padding, width, height)


def _cells(data: FaceData) -> tuple[np.ndarray, tuple[float, ...]]:
    """The scores; a window's centre stands for it, in a cell as wide as the stride."""
    first = PNet.receptive_field / 2 - data.padding - PNet.stride / 2
    rows, columns = data.scores.shape
    return data.scores, (first, first, first + PNet.stride * columns, first + PNet.stride * rows)
