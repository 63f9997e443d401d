"""A face that leaves a photo through its left border, and P-Net's answer at every distance."""

import dataclasses
import functools

import numpy as np
import torch
from jaxtyping import UInt8

from fpnlib.models import PNet
from fpnlib.models.face_detector import pnet
from fpnlib.notes.padding.experiments.faces import overlap
from fpnlib.notes.padding.experiments.padded import MODES, Mode, pad_photos
from fpnlib.validation import require

FACE = 12  # pixels of a face in the resized photo
MOST_PADDING = 12
OUTSIDE, _INSIDE = 8, 8  # how far the face goes beyond the border, and comes inside
_SIDE = 28  # of the crop, in the same pixels


@dataclasses.dataclass(frozen=True)
class Answers:
    """P-Net's answers at every distance: n crops."""

    photos: np.ndarray  # (n, H, W, 3)
    scores: np.ndarray  # (n, h, w)
    best: np.ndarray  # (n,)
    boxes: np.ndarray  # (n, 4)


class LeavingFace:
    """Crops of a photo whose left border cuts into a face, each a pixel further; all in pixels of the resized photo.

    Attributes:
        distances: from the border to the face's left edge, below zero outside.
        crops: (distances, 3, H, W).

    Raises:
        ValueError: a box outside the photo, or too little photo right of and around the face.
    """

    def __init__(self, photo: UInt8[np.ndarray, "h w 3"], face: tuple[float, float, float, float]) -> None:
        x0, y0, x1, y1 = face
        height, width = photo.shape[:2]
        require(0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height, "face", face, f"x0 y0 x1 y1 within {width}×{height}")
        scale = 2 * FACE / (x1 - x0 + y1 - y0)
        small = PNet.preprocess(photo, scale) * 128 + 127.5
        left, middle = round(x0 * scale), round((y0 + y1) / 2 * scale)
        top = max(0, middle - _SIDE // 2)
        self._face = (x1 - x0) * scale, y0 * scale - top, y1 * scale - top  # width, upper and lower edge
        most = min(_INSIDE, left)
        self.distances = np.arange(-OUTSIDE, most + 1)
        room = small.shape[3] - (left + OUTSIDE), small.shape[2] - top
        require(
            min(room) > MOST_PADDING,
            "photo",
            f"{room[0]}×{room[1]} pixels right of and around the face, where it is {FACE} pixels in size",
            f"more than {MOST_PADDING} pixels each",
        )
        rows, columns = min(_SIDE, room[1]), min(_SIDE, room[0])
        begins = [left - int(distance) for distance in self.distances]
        self.crops = torch.cat([small[:, :, top : top + rows, x : x + columns] for x in begins])
        self.answers = functools.lru_cache(maxsize=len(MODES) * (MOST_PADDING + 1))(self._ask)

    @torch.inference_mode()
    def _ask(self, padding: int, mode: Mode) -> Answers:
        padded = pad_photos(self.crops, (padding,) * 4, mode)
        scores, offsets = pnet()((padded - 127.5) / 128)
        best, place = scores.where(self._on_face(scores, padding), 0).flatten(1).max(1)
        rows, columns = place // scores.shape[2], place % scores.shape[2]
        corner = torch.stack([columns, rows], 1) * PNet.stride - padding
        window = torch.cat([corner, corner + PNet.receptive_field], 1)
        boxes = window + PNet.receptive_field * offsets.flatten(2)[torch.arange(len(place)), :, place]
        pictures = padded.permute(0, 2, 3, 1).round().clamp(0, 255).byte()
        return Answers(pictures.numpy(), scores.numpy(), best.double().numpy(), boxes.numpy())

    def _on_face(self, scores: torch.Tensor, padding: int) -> torch.Tensor:
        """Which windows count: those that cover half of the face's visible part, or are half on it if it is larger."""
        width, top, bottom = self._face
        rows, columns = scores.shape[1:]
        down, counts = overlap(rows, padding, top, bottom)[:, None], []
        for distance in self.distances.tolist():
            visible = (distance + width - max(0, distance)) * (bottom - top)
            covered = down * overlap(columns, padding, max(0, distance), distance + width)
            counts.append(covered >= min(PNet.receptive_field**2, visible) / 2)
        return torch.stack(counts)
