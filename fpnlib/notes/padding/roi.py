"""An RoI on a photo, on P-Net's feature map, and pooled to 7×7, with and without padding."""

import dataclasses
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import Widget
from jaxtyping import UInt8
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fpnlib.data.photos import image_batch
from fpnlib.explore import Explorer, number, slider
from fpnlib.explore.style import BLUE, INK, MUTED, ORANGE, faded
from fpnlib.notes.padding.examples import pad_photos, pnet_features, pnet_field
from fpnlib.ops import project_box, roi_align
from fpnlib.validation import require

_LONGEST = 120  # pixels of the resized photo
_MOST_PADDING = 12
BINS = 7


@dataclasses.dataclass(frozen=True)
class PooledRoi:
    """An RoI on one feature map; units count from the first unit of the map without padding."""

    box: np.ndarray  # x0 y0 x1 y1
    kept: tuple[float, float]  # width and height that lie on the map
    pooled: np.ndarray  # (7, 7)
    off_map: int  # bins whose centre lies beyond the outermost units' centres


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

    title = "An RoI on a photo, on the feature map, and pooled to 7×7 cells without and with padding"
    size = (1000, 400)

    def __init__(self, photo: UInt8[np.ndarray, "h w 3"]) -> None:
        batch = image_batch(photo)
        scale = _LONGEST / max(batch.shape[2:])
        # Even sides, so that no window reaches beyond the image.
        sides = [round(side * scale) // 2 * 2 for side in batch.shape[2:]]
        require(min(sides) >= 24, "photo", f"sides {photo.shape[:2]}", "sides of at most 5 to 1")
        self._image = F.interpolate(batch, sides, mode="bilinear", antialias=True)
        # Padded by whole strides, the map of less padding is a part of that of more.
        padded = pad_photos(self._image, (_MOST_PADDING,) * 4, "zero")
        with torch.inference_mode():
            self._features = pnet_features()((padded - 127.5) / 128)
        self._strength = self._features[0].square().mean(0).sqrt().numpy()
        self._field = pnet_field()
        super().__init__()

    @property
    def _stride(self) -> int:
        return self._field.horizontal.stride

    def make_controls(self) -> dict[str, Widget]:
        """Return the RoI and the padding."""
        height, width = self._image.shape[2:]
        return {
            "x": slider("left edge (pixels)", 0, 0, width - 1, 1),
            "y": slider("upper edge (pixels)", height // 4, 0, height - 1, 1),
            "width": slider("width (pixels)", 6, 1, 60, 1),
            "height": slider("height (pixels)", min(40, height // 2), 1, 60, 1),
            "padding": slider("padding, black (pixels)", 6, 0, _MOST_PADDING, self._stride),
        }

    def compute(self, x: int, y: int, width: int, height: int, padding: int) -> RoiData:
        """Pool the RoI, which ends at the photo's border, from both maps."""
        rows, columns = self._image.shape[2:]
        padding -= padding % self._stride
        roi = (x, y, min(x + width, columns), min(y + height, rows))
        x0, y0, x1, y1 = project_box(torch.tensor(roi, dtype=torch.float32), self._field).tolist()
        return RoiData(roi, padding, (x1 - x0, y1 - y0), self._pool(roi, 0), self._pool(roi, padding))

    def _map(self, padding: int) -> torch.Tensor:
        cut = (_MOST_PADDING - padding) // self._stride
        return self._features[:, :, cut : self._features.shape[2] - cut, cut : self._features.shape[3] - cut]

    @torch.inference_mode()
    def _pool(self, roi: tuple[int, int, int, int], padding: int) -> PooledRoi:
        features = self._map(padding)
        size = (features.shape[2], features.shape[3])
        box = torch.tensor(roi, dtype=torch.float32)[None] + padding
        on_map = project_box(box, self._field)
        kept = project_box(box, self._field, clip_to=size)[0]
        pooled = roi_align(features, [on_map], BINS, sampling_ratio=2, aligned=True)
        x0, y0, x1, y1 = on_map[0].tolist()
        bins = (np.arange(BINS) + 0.5) / BINS
        off = [
            (begin + bins * (end - begin) < 0.5) | (begin + bins * (end - begin) > length - 0.5)
            for begin, end, length in ((x0, x1, size[1]), (y0, y1, size[0]))
        ]
        return PooledRoi(
            box=(on_map[0] - padding / self._stride).numpy(),
            kept=((kept[2] - kept[0]).item(), (kept[3] - kept[1]).item()),
            pooled=pooled[0].square().mean(0).sqrt().numpy(),
            off_map=int((off[0][None] | off[1][:, None]).sum()),
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out four panels."""
        panels = figure.subplot_mosaic(
            [["photo", "map", "plain"], ["photo", "map", "padded"]], width_ratios=[1, 1, 0.5]
        )
        for panel in panels.values():
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
        height, width = self._image.shape[2:]
        pixels = self._image[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()
        panels["photo"].imshow(faded(pixels, 0.7), extent=(0, width, height, 0))
        panels["photo"].set(title="RoI on the photo", xlim=(-2, width + 2), ylim=(height + 2, -2))
        self._roi = panels["photo"].add_patch(Rectangle((0, 0), 1, 1, fill=False, ec=ORANGE, lw=2.5))
        self.grab(panels["photo"], x=lambda value: (value, None), y=lambda value: (None, value))

        rows, columns = self._strength.shape
        beyond = _MOST_PADDING // self._stride
        top = float(np.quantile(self._strength, 0.98))
        self._whole_map = panels["map"].imshow(
            self._strength,
            cmap="cividis",
            vmin=0,
            vmax=top,
            extent=(-beyond, columns - beyond, rows - beyond, -beyond),
        )
        panels["map"].set(title="RoI on the feature map")
        # A place is on the map between the centres of the outermost units.
        sides = columns - 2 * beyond - 1, rows - 2 * beyond - 1
        inner = Rectangle((0.5, 0.5), *sides, fill=False, ec="white", ls="--", lw=1.4)
        panels["map"].add_patch(inner)
        panels["map"].set_xlabel("centres of the outermost units,\ndashed: without padding, solid: with it")
        self._edge = panels["map"].add_patch(Rectangle((0, 0), 1, 1, fill=False, ec="white", lw=1.4))
        self._on_map = panels["map"].add_patch(Rectangle((0, 0), 1, 1, fill=False, ec=ORANGE, lw=2.5))
        self.grab(panels["map"], padding=lambda value: (0.5 - value // self._stride, None))
        corner = {"x": lambda value: (self._on_map_at(value), None), "y": lambda value: (None, self._on_map_at(value))}
        self.grab(panels["map"], **corner)
        empty = np.zeros((BINS, BINS))
        self._pooled = {}
        for key, title, colour in (("plain", "7×7 without padding", BLUE), ("padded", "7×7 with padding", ORANGE)):
            panels[key].set_title(title, color=INK)
            self._pooled[key] = panels[key].imshow(empty, cmap="cividis", vmin=0, vmax=top)
            self._pooled[key].axes.add_patch(
                Rectangle((-0.5, -0.5), BINS, BINS, fill=False, ec=colour, lw=3, clip_on=False)
            )
        place = {"ha": "center", "va": "top", "fontsize": 9.5, "color": MUTED}
        self._counts = {
            key: panels[key].text(0.5, -0.06, "", transform=panels[key].transAxes, **place) for key in self._pooled
        }
        return [
            self._whole_map,
            inner,
            self._roi,
            self._edge,
            self._on_map,
            *self._pooled.values(),
            *self._counts.values(),
        ]

    def _on_map_at(self, pixel: int) -> float:
        return float(project_box(torch.full((4,), float(pixel)), self._field)[0])

    def draw(self, data: RoiData) -> None:
        """Move the boxes and show both crops."""
        for patch, (x0, y0, x1, y1) in ((self._roi, data.roi), (self._on_map, data.plain.box)):
            patch.set_bounds(x0, y0, x1 - x0, y1 - y0)
        rows, columns = self._strength.shape
        beyond, more = _MOST_PADDING // self._stride, data.padding // self._stride
        sides = columns - 2 * (beyond - more) - 1, rows - 2 * (beyond - more) - 1
        self._edge.set_bounds(0.5 - more, 0.5 - more, *sides)
        seen = np.full(self._strength.shape, 0.35)
        seen[beyond - more : rows - beyond + more, beyond - more : columns - beyond + more] = 1
        self._whole_map.set_alpha(seen)
        for key, roi in (("plain", data.plain), ("padded", data.padded)):
            self._pooled[key].set_data(roi.pooled)
            self._counts[key].set_text(f"{roi.off_map} of {BINS * BINS} off the map")

    def describe(self, data: RoiData) -> str:
        """Say what each map keeps."""
        x0, y0, x1, y1 = data.roi
        return (
            f"The RoI of {x1 - x0}×{y1 - y0} pixels at ({x0}, {y0}) should be {_by(data.whole)} units. Without padding "
            f"the map keeps {_by(data.plain.kept)}, {_shape(data.plain.kept)}; {data.plain.off_map} of its "
            f"{BINS * BINS} pooled cells lie off the map.\nWith {data.padding} black pixels around the photo it keeps "
            f"{_by(data.padded.kept)}, {_shape(data.padded.kept)}; {data.padded.off_map} lie off the map."
        )

    def invariants(self, data: RoiData) -> dict[str, bool]:
        """Check that padding only gains, and that half the receptive field is enough."""
        enough = data.padding >= self._field.horizontal.size / 2
        return {
            "padding loses nothing": data.padded.off_map <= data.plain.off_map,
            "half the receptive field is enough": not enough or data.padded.off_map == 0,
            "inside, padding changes nothing": data.plain.off_map > 0
            or _reaches_out(data.plain.kept, data.whole)
            or bool(np.allclose(data.plain.pooled, data.padded.pooled, atol=1e-4)),
        }


def _reaches_out(kept: tuple[float, float], whole: tuple[float, float]) -> bool:
    return min(k - w for k, w in zip(kept, whole, strict=True)) < -1e-4


def _by(sides: tuple[float, float]) -> str:
    return "×".join(number(round(side, 6)) for side in sides)


def _shape(kept: tuple[float, float]) -> str:
    return ("a box", "a line", "a point")[sum(side < 1e-5 for side in kept)]
