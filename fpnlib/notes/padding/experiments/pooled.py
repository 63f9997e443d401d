"""An RoI pooled from P-Net's feature map of a photo, with any padding around the photo."""

import dataclasses

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8

from fpnlib.data import image_batch
from fpnlib.notes.padding.experiments.padded import pad_photos, pnet_features, pnet_field
from fpnlib.ops import project_box, roi_align
from fpnlib.validation import require

LONGEST = 120  # pixels of the resized photo
MOST_PADDING = 12
BINS = 7


@dataclasses.dataclass(frozen=True)
class PooledRoi:
    """An RoI on one feature map; units count from the first unit of the map without padding."""

    box: np.ndarray  # x0 y0 x1 y1
    kept: tuple[float, float]  # width and height that lie on the map
    pooled: np.ndarray  # (7, 7)
    off_map: int  # bins whose centre lies beyond the outermost units' centres


class PaddedMap:
    """The feature map of a photo, resized, with any padding by whole strides up to `MOST_PADDING` black pixels.

    Attributes:
        pixels: the resized photo, (H, W, 3).
        strength: of the features with the most padding, (h, w).
        field: P-Net's.

    Raises:
        ValueError: a photo that is too narrow.
    """

    def __init__(self, photo: UInt8[np.ndarray, "h w 3"]) -> None:
        batch = image_batch(photo)
        scale = LONGEST / max(batch.shape[2:])
        # Even sides, so that no window reaches beyond the image.
        sides = [round(side * scale) // 2 * 2 for side in batch.shape[2:]]
        require(min(sides) >= 24, "photo", f"sides {photo.shape[:2]}", "sides of at most 5 to 1")
        image = F.interpolate(batch, sides, mode="bilinear", antialias=True)
        # Padded by whole strides, the map of less padding is a part of that of more.
        padded = pad_photos(image, (MOST_PADDING,) * 4, "zero")
        with torch.inference_mode():
            self._features = pnet_features()((padded - 127.5) / 128)
        self.strength = self._features[0].square().mean(0).sqrt().numpy()
        self.field = pnet_field()
        self.pixels = image[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()

    @property
    def stride(self) -> int:
        """Pixels from one unit to the next."""
        return self.field.horizontal.stride

    def on_map(self, pixel: float) -> float:
        """Where a pixel's edge lies on the map, in units from the first unit without padding."""
        return float(project_box(torch.full((4,), float(pixel)), self.field)[0])

    def _map(self, padding: int) -> torch.Tensor:
        cut = (MOST_PADDING - padding) // self.stride
        return self._features[:, :, cut : self._features.shape[2] - cut, cut : self._features.shape[3] - cut]

    @torch.inference_mode()
    def pool(self, roi: tuple[int, int, int, int], padding: int) -> PooledRoi:
        """Pool an RoI x0 y0 x1 y1, in pixels of the photo, from the map with so much padding."""
        features = self._map(padding)
        size = (features.shape[2], features.shape[3])
        box = torch.tensor(roi, dtype=torch.float32)[None] + padding
        on_map = project_box(box, self.field)
        kept = project_box(box, self.field, clip_to=size)[0]
        pooled = roi_align(features, [on_map], BINS, sampling_ratio=2, aligned=True)
        x0, y0, x1, y1 = on_map[0].tolist()
        bins = (np.arange(BINS) + 0.5) / BINS
        off = [
            (begin + bins * (end - begin) < 0.5) | (begin + bins * (end - begin) > length - 0.5)
            for begin, end, length in ((x0, x1, size[1]), (y0, y1, size[0]))
        ]
        return PooledRoi(
            box=(on_map[0] - padding / self.stride).numpy(),
            kept=((kept[2] - kept[0]).item(), (kept[3] - kept[1]).item()),
            pooled=pooled[0].square().mean(0).sqrt().numpy(),
            off_map=int((off[0][None] | off[1][:, None]).sum()),
        )
