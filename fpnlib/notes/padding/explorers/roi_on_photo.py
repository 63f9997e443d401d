"""An RoI on a photo, on P-Net's feature map, and pooled to 7×7, with and without padding."""

import dataclasses
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from ipywidgets import Widget
from jaxtyping import UInt8
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, number, slider
from fpnlib.explore.style import BLUE, MUTED, ORANGE, faded
from fpnlib.notes.padding.experiments.pooled import BINS, MOST_PADDING, PaddedMap, PooledRoi
from fpnlib.ops import project_box


@dataclasses.dataclass(frozen=True)
class RoiData:
    """The same RoI without and with padding."""

    roi: tuple[int, int, int, int]  # pixels
    padding: int
    whole: tuple[float, float]  # width and height in units
    plain: PooledRoi
    padded: PooledRoi


class RoiExplorer(Explorer[RoiData]):
    """Photo, feature map, and two pooled crops."""

    title = "An RoI on a photo, on the feature map, and pooled to 7×7 bins without and with padding"
    size = (1000, 400)
    groups = (("the box", ("x", "y", "width", "height")),)

    def __init__(self, photo: UInt8[np.ndarray, "h w 3"]) -> None:
        self._map = PaddedMap(photo)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the RoI and the padding."""
        height, width = self._map.pixels.shape[:2]
        return {
            "x": slider("left edge (pixels)", 0, 0, width - 1, 1),
            "y": slider("upper edge (pixels)", height // 4, 0, height - 1, 1),
            "width": slider("width (pixels)", 6, 1, 60, 1),
            "height": slider("height (pixels)", min(40, height // 2), 1, 60, 1),
            "padding": slider("padding, black (pixels)", 6, 0, MOST_PADDING, self._map.stride),
        }

    def compute(self, x: int, y: int, width: int, height: int, padding: int) -> RoiData:
        """Pool the RoI, which ends at the photo's border, from both maps."""
        rows, columns = self._map.pixels.shape[:2]
        padding -= padding % self._map.stride
        roi = (x, y, min(x + width, columns), min(y + height, rows))
        x0, y0, x1, y1 = project_box(torch.tensor(roi, dtype=torch.float32), self._map.field).tolist()
        return RoiData(roi, padding, (x1 - x0, y1 - y0), self._map.pool(roi, 0), self._map.pool(roi, padding))

    def build(self, figure: Figure) -> None:
        """Lay out four panels; photo and map are drawn to one scale."""
        axes = figure.subplot_mosaic(
            [["photo", "map", "plain"], ["photo", "map", "padded"]], width_ratios=[1.2, 1.2, 0.5]
        )
        height, width = self._map.pixels.shape[:2]
        # Black, which fading would turn grey.
        pixels = np.pad(faded(self._map.pixels, 0.7), [(MOST_PADDING, MOST_PADDING)] * 2 + [(0, 0)])
        margin = MOST_PADDING + 1
        photo = self.panel(axes["photo"], bare=True, title="RoI on the photo, padded")
        photo.axes.set(xlim=(-margin, width + margin), ylim=(height + margin, -margin))

        def page(data: RoiData) -> tuple[np.ndarray, tuple[int, ...]]:
            return _cut(pixels, MOST_PADDING - data.padding, -data.padding)

        photo.image(page)
        photo.box(lambda data: page(data)[1], ec=MUTED, lw=1)
        photo.box(lambda data: data.roi)
        photo.grab(padding=lambda value: (None, -value))
        photo.grab(
            width=lambda width, data: (data.roi[0] + width, None), height=lambda high, data: (None, data.roi[1] + high)
        )
        photo.dot(lambda data: data.roi[2:], ms=6)
        photo.grab(x=lambda value: (value, None), y=lambda value: (None, value))

        strength, stride = self._map.strength, self._map.stride
        beyond = MOST_PADDING // stride
        look: dict[str, Any] = {"cmap": "cividis", "vmin": 0, "vmax": float(np.quantile(strength, 0.98))}
        units = self.panel(axes["map"], bare=True, title="RoI on the feature map")
        units.axes.set(xlim=np.divide(photo.axes.get_xlim(), stride), ylim=np.divide(photo.axes.get_ylim(), stride))
        units.axes.set_xlabel("centres of the outermost units,\ndashed: without padding, solid: with it")
        units.image(lambda data: _cut(strength, beyond - data.padding // stride, -(data.padding // stride)), **look)
        units.box(lambda data: self._outermost(0), ec="white", ls="--", lw=1.4)
        units.box(lambda data: self._outermost(data.padding), ec="white", lw=1.4)
        units.box(lambda data: data.plain.box.tolist())
        units.grab(padding=lambda value: (0.5 - value // stride, None))
        units.grab(x=lambda value: (self._map.on_map(value), None), y=lambda value: (None, self._map.on_map(value)))
        for key, title, colour in (("plain", "7×7, not padded", BLUE), ("padded", "7×7, padded", ORANGE)):
            bins = self.panel(axes[key], bare=True, title=title, xlim=(-0.5, BINS - 0.5), ylim=(BINS - 0.5, -0.5))
            bins.image(operator.attrgetter(f"{key}.pooled"), **look)
            bins.box(lambda data: (-0.5, -0.5, BINS - 0.5, BINS - 0.5), ec=colour, lw=3, clip_on=False)
            bins.axes.set_xlabel(" ", labelpad=8)  # room for the words that follow
            bins.text(_off_map(key), BINS / 2 - 0.5, BINS - 0.1, ha="center", va="top")

    def _outermost(self, padding: int) -> tuple[float, ...]:
        """The box of the outermost units' centres, between which a place is on the map."""
        more, beyond = padding // self._map.stride, MOST_PADDING // self._map.stride
        rows, columns = self._map.strength.shape
        return 0.5 - more, 0.5 - more, columns - 2 * beyond + more - 0.5, rows - 2 * beyond + more - 0.5

    def describe(self, data: RoiData) -> str:
        """Say what each map keeps."""
        x0, y0, x1, y1 = data.roi
        return (
            f"The RoI of {x1 - x0}×{y1 - y0} pixels at ({x0}, {y0}) should be {_by(data.whole)} units. Without padding "
            f"the map keeps {_by(data.plain.kept)}, {_shape(data.plain.kept)}; {data.plain.off_map} of its "
            f"{BINS * BINS} bins lie off the map.\nWith {data.padding} black pixels around the photo it keeps "
            f"{_by(data.padded.kept)}, {_shape(data.padded.kept)}; {data.padded.off_map} lie off the map."
        )

    def invariants(self, data: RoiData) -> dict[str, bool]:
        """Check that padding only gains, and that half the receptive field is enough."""
        enough = data.padding >= self._map.field.horizontal.size / 2
        return {
            "padding loses nothing": data.padded.off_map <= data.plain.off_map,
            "half the receptive field is enough": not enough or data.padded.off_map == 0,
            "inside, padding changes nothing": data.plain.off_map > 0
            or bool(np.subtract(data.plain.kept, data.whole).min() < -1e-4)
            or bool(np.allclose(data.plain.pooled, data.padded.pooled, atol=1e-4)),
        }


def _by(sides: tuple[float, float]) -> str:
    return "×".join(number(round(side, 6)) for side in sides)


def _shape(kept: tuple[float, float]) -> str:
    return ("a box", "a line", "a point")[sum(side < 1e-5 for side in kept)]


def _cut(pixels: np.ndarray, by: int, corner: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """An image less `by` pixels on each side, and where it then lies."""
    shown = pixels[by : len(pixels) - by, by : pixels.shape[1] - by]
    return shown, (corner, corner, corner + shown.shape[1], corner + shown.shape[0])


def _off_map(key: str) -> Callable[[RoiData], str]:
    return lambda data: f"{getattr(data, key).off_map} of {BINS * BINS} off the map"
