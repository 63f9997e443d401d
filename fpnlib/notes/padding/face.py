"""A face that leaves through the border of a photo, and what P-Net says of it."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
import torch
from ipywidgets import Widget
from jaxtyping import UInt8
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.models import PNet
from fpnlib.notes.padding.examples import MODES, Mode, overlap, pad_photos, pnet
from fpnlib.validation import require

_FACE = 12  # pixels of a face in the resized photo
_SIDE = 28  # of the crop, in the same pixels
_MOST_PADDING = 12
_OUTSIDE, _INSIDE = 8, 8  # how far the face goes beyond the border, and comes inside


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


@dataclasses.dataclass(frozen=True)
class _Answers:
    """P-Net's answers at every distance: n crops."""

    photos: np.ndarray  # (n, H, W, 3)
    scores: np.ndarray  # (n, h, w)
    best: np.ndarray  # (n,)
    boxes: np.ndarray  # (n, 4)


class FaceExplorer(Explorer[FaceData]):
    """The padded crop with the best boxes, the score map, and the best score against the distance to the border."""

    title = "A face near the border of a photo, P-Net's score map, and the best score against the distance"
    size = (1000, 380)

    def __init__(self, photo: UInt8[np.ndarray, "h w 3"], face: tuple[float, float, float, float]) -> None:
        x0, y0, x1, y1 = face
        height, width = photo.shape[:2]
        require(0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height, "face", face, f"x0 y0 x1 y1 within {width}×{height}")
        scale = 2 * _FACE / (x1 - x0 + y1 - y0)
        small = PNet.preprocess(photo, scale) * 128 + 127.5
        left, middle = round(x0 * scale), round((y0 + y1) / 2 * scale)
        top = max(0, middle - _SIDE // 2)
        self._face = (x1 - x0) * scale, y0 * scale - top, y1 * scale - top  # width, upper and lower edge
        most = min(_INSIDE, left)
        self._distances = np.arange(-_OUTSIDE, most + 1)
        room = small.shape[3] - (left + _OUTSIDE), small.shape[2] - top
        require(
            min(room) > _MOST_PADDING,
            "photo",
            f"{room[0]}×{room[1]} pixels right of and around the face, where it is {_FACE} pixels in size",
            f"more than {_MOST_PADDING} pixels each",
        )
        rows, columns = min(_SIDE, room[1]), min(_SIDE, room[0])
        begins = [left - int(distance) for distance in self._distances]
        self._crops = torch.cat([small[:, :, top : top + rows, x : x + columns] for x in begins])
        self._answers = functools.lru_cache(maxsize=len(MODES) * (_MOST_PADDING + 1))(self._ask)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return how far the face is inside, and the padding."""
        return {
            "distance": slider(
                "left edge of the face to the border (pixels)", -4, -_OUTSIDE, int(self._distances[-1]), 1
            ),
            "padding": slider("padding (pixels)", 6, 0, _MOST_PADDING, PNet.stride),
            "mode": choice("padded with", MODES),
        }

    @torch.inference_mode()
    def _ask(self, padding: int, mode: Mode) -> _Answers:
        padded = pad_photos(self._crops, (padding,) * 4, mode)
        scores, offsets = pnet()((padded - 127.5) / 128)
        best, place = scores.where(self._on_face(scores, padding), 0).flatten(1).max(1)
        rows, columns = place // scores.shape[2], place % scores.shape[2]
        corner = torch.stack([columns, rows], 1) * PNet.stride - padding
        window = torch.cat([corner, corner + PNet.receptive_field], 1)
        boxes = window + PNet.receptive_field * offsets.flatten(2)[torch.arange(len(place)), :, place]
        pictures = padded.permute(0, 2, 3, 1).round().clamp(0, 255).byte()
        return _Answers(pictures.numpy(), scores.numpy(), best.double().numpy(), boxes.numpy())

    def _on_face(self, scores: torch.Tensor, padding: int) -> torch.Tensor:
        """Which windows count: those that cover half of the face's visible part, or are half on it if it is larger."""
        width, top, bottom = self._face
        rows, columns = scores.shape[1:]
        down, counts = overlap(rows, padding, top, bottom)[:, None], []
        for distance in self._distances.tolist():
            visible = (distance + width - max(0, distance)) * (bottom - top)
            covered = down * overlap(columns, padding, max(0, distance), distance + width)
            counts.append(covered >= min(PNet.receptive_field**2, visible) / 2)
        return torch.stack(counts)

    def compute(self, distance: int, padding: int, mode: Mode) -> FaceData:
        """Look up P-Net's answers; without padding, all modes are one."""
        plain = self._answers(0, MODES[0])
        padded = self._answers(padding, mode) if padding else plain
        at = distance + _OUTSIDE
        return FaceData(
            distance=distance,
            padding=padding,
            mode=mode,
            photo=padded.photos[at],
            scores=padded.scores[at],
            best=float(padded.best[at]),
            box=padded.boxes[at],
            plain_best=float(plain.best[at]),
            plain_box=plain.boxes[at],
            curve=padded.best,
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out three panels."""
        crop, scores, curve = figure.subplots(1, 3, width_ratios=[1, 1, 1.25])
        height, width = self._crops.shape[2:]
        span = {"xlim": (-_MOST_PADDING - 1, width + _MOST_PADDING + 1), "ylim": (height + _MOST_PADDING + 1, -13)}
        for panel, title in ((crop, "The photo, padded"), (scores, "Score of the window centred there")):
            panel.set(title=title, aspect="equal", xticks=[], yticks=[], **span)
            panel.spines[:].set_visible(False)
        self._photo = crop.imshow(np.zeros((1, 1, 3), np.uint8), extent=(0, 1, 1, 0))
        self._map = scores.imshow(np.zeros((1, 1)), extent=(0, 1, 1, 0), vmin=0, vmax=1, cmap="cividis")
        for panel in (crop, scores):
            panel.set(**span)
        crop.add_patch(Rectangle((0, 0), width, height, fill=False, ec=MUTED, lw=1.2, zorder=3))
        frame = Rectangle((5, 5), width - 10, height - 10, fill=False, ec="white", ls="--", lw=1.4, zorder=3)
        self._frame = scores.add_patch(frame)
        self._box = crop.add_patch(Rectangle((0, 0), 1, 1, fill=False, ec=ORANGE, lw=2.5, zorder=5))
        self._plain_box = crop.add_patch(Rectangle((0, 0), 1, 1, fill=False, ec=BLUE, lw=2.5, ls=":", zorder=4))
        for panel in (crop, scores):  # the padding's upper edge, the face's left one
            self.grab(panel, padding=lambda value: (None, -value))
            self.grab(panel, distance=lambda value: (value, None))
        crop.set_xlabel("best box on the face:\norange padded, blue dotted not")
        scores.set_xlabel("dashed: all there is without padding")
        curve.axvline(0, color=FAINT, lw=1, zorder=0)
        curve.plot(self._distances, self._answers(0, MODES[0]).best, color=BLUE, ls=":", label="no padding")
        (self._curve,) = curve.plot([], [], color=ORANGE, label="padded")
        (self._plain_point,) = curve.plot([], [], "o", ms=8, color=BLUE, mec=INK)
        (self._point,) = curve.plot([], [], "o", ms=10, color=ORANGE, mec=INK)
        self.grab(curve, distance=lambda value: (value, None))
        curve.set(
            title="Best score of a window on the face",
            xlabel="left edge of the face to the border",
            xlim=(self._distances[0] - 0.5, self._distances[-1] + 0.5),
            ylim=(-0.03, 1.2),
            xticks=range(-_OUTSIDE, int(self._distances[-1]) + 1, 4),
            yticks=np.linspace(0, 1, 6),
        )
        curve.legend(loc="upper left", ncols=2)
        moving = [self._photo, self._map, self._frame, self._plain_box, self._box]
        return [*moving, self._curve, self._plain_point, self._point]

    def draw(self, data: FaceData) -> None:
        """Show crop and map, move boxes and points."""
        self._photo.set_data(data.photo)
        height, width = (side - data.padding for side in data.photo.shape[:2])
        self._photo.set_extent((-data.padding, width, height, -data.padding))
        self._map.set_data(data.scores)
        # A window's centre stands for it, in a cell as wide as the stride.
        first = PNet.receptive_field / 2 - data.padding - PNet.stride / 2
        rows, columns = data.scores.shape
        self._map.set_extent((first, first + PNet.stride * columns, first + PNet.stride * rows, first))
        for patch, (x0, y0, x1, y1) in ((self._box, data.box), (self._plain_box, data.plain_box)):
            patch.set_bounds(x0, y0, x1 - x0, y1 - y0)
        self._curve.set_data(self._distances, data.curve)
        self._point.set_data([data.distance], [data.best])
        self._plain_point.set_data([data.distance], [data.plain_best])

    def describe(self, data: FaceData) -> str:
        """Say both scores."""
        where = f"{abs(data.distance)} pixels {'beyond' if data.distance < 0 else 'inside'} the left border"
        means = f"{number(data.curve.mean())} over all distances"
        padded = f"padded by {data.padding} pixels ({data.mode})" if data.padding else f"no padding yet ({data.mode})"
        return (
            f"The face's left edge is {where}; the face is about {_FACE} pixels in size. Best score without padding "
            f"{number(data.plain_best)}, {padded} {number(data.best)}; the latter on average {means}."
        )

    def invariants(self, data: FaceData) -> dict[str, bool]:
        """Check scores, and that padding by whole strides keeps every old window."""
        kept = data.padding % PNet.stride == 0
        return {
            "scores lie between 0 and 1": bool(data.scores.min() >= 0 and data.scores.max() <= 1),
            "the best score is one of the map's": bool(np.isclose(data.scores, data.best).any()),
            "with whole strides nothing is lost": not kept or data.best >= data.plain_best - 1e-4,
        }
