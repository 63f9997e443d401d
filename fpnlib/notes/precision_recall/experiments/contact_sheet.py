"""A real detector's boxes on a page of real photos."""

import dataclasses
import functools

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from fpnlib.models.face_detector import detect_faces

_COLUMNS, _ROWS, _CELL = 10, 8, 64  # photos across and down the contact sheet, and pixels from one to the next
_MOST_BOXES = 100  # of one page, by COCO's rules


@dataclasses.dataclass(frozen=True)
class ContactSheet:
    """Small photos on one page: `image` (H, W, 3), and `targets` with the boxes of those that show a face."""

    image: UInt8[np.ndarray, "h w 3"]
    targets: dict[str, Tensor]


@functools.cache
def contact_sheet() -> ContactSheet:
    """Lay out 80 of scikit-image's LFW photos, 40 faces and 40 without, each at a side of 28 to 60 pixels.

    The box of a face is the edge of its photo, as the makers of the set cut it. Photos from Labeled Faces in the Wild
    (Huang et al. 2007), in scikit-image under "no known restrictions".
    """
    import skimage.data

    photos = (skimage.data.lfw_subset() * 255).astype(np.uint8)  # 100 faces, then 100 others
    rng = np.random.default_rng(0)
    chosen = np.concatenate([rng.choice(100, 40, replace=False), 100 + rng.choice(100, 40, replace=False)])
    rng.shuffle(chosen)
    page = np.full((_ROWS * _CELL, _COLUMNS * _CELL), 128, np.uint8)
    boxes = []
    for place, index in enumerate(chosen):
        side = int(rng.integers(28, 61))
        y, x = np.array(divmod(place, _COLUMNS)) * _CELL + rng.integers(0, _CELL - side + 1, 2)
        resized = Image.fromarray(photos[index]).resize((side, side), Image.Resampling.BILINEAR)
        page[y : y + side, x : x + side] = np.asarray(resized)
        if index < 100:
            boxes.append([x, y, x + side, y + side])
    targets = {"boxes": torch.tensor(np.array(boxes), dtype=torch.float32), "labels": torch.ones(len(boxes)).long()}
    return ContactSheet(np.repeat(page[:, :, None], 3, 2), targets)


@functools.cache
def sheet_detections() -> dict[str, Tensor]:
    """What P-Net finds on the contact sheet: boxes, scores, labels."""
    return detect_faces(contact_sheet().image)


def sheet_by_photo() -> tuple[list[dict[str, Tensor]], list[dict[str, Tensor]]]:
    """P-Net's boxes and the labels of the contact sheet, photo by photo, so that photos can be drawn again.

    Of the boxes the 100 with the best scores, as COCO's rules count them on one page.
    """
    found = sheet_detections()
    best = found["scores"].argsort(descending=True, stable=True)[:_MOST_BOXES]
    return _by_photo({name: values[best] for name, values in found.items()}), _by_photo(contact_sheet().targets)


def _by_photo(values: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    x, y = ((values["boxes"][:, :2] + values["boxes"][:, 2:]) / 2 // _CELL).long().unbind(1)
    place = y * _COLUMNS + x
    return [{name: value[place == i] for name, value in values.items()} for i in range(_ROWS * _COLUMNS)]
