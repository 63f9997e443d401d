"""The reader's own labelled photos: a folder of PASCAL VOC or of COCO, and a sample of it."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from fpnlib.data.coco import coco_photos
from fpnlib.data.voc import UnreadPhoto, voc_photos
from fpnlib.validation import require, require_choice

KINDS = {"voc": (voc_photos, "val"), "coco": (coco_photos, "val2017")}
"""How each kind of folder is read, and which split by default."""
PHOTOS = 200
"""How many photos are taken where nobody says how many."""


@dataclass(frozen=True)
class LabelledFolder:
    """Photos of a data set: `photos` are those taken, `of` says how many there are."""

    kind: str
    folder: Path
    split: str
    photos: tuple[UnreadPhoto, ...]
    of: int


def labelled_folder(
    kind: str, folder: str | PathLike[str], split: str | None = None, count: int = PHOTOS
) -> LabelledFolder:
    """Find the photos of a folder in the official layout of "voc" or "coco", and take `count` of them, 0 for all.

    Which are taken is drawn with seed 0, and a larger count takes those of a smaller one too. No photo is opened here.
    ValueError for another kind, a negative count, and as `voc_photos` and `coco_photos` say.
    """
    require_choice("data", kind, KINDS)
    require(count >= 0, "photos", count, "0 for all, or how many")
    root = Path(folder).expanduser().resolve()
    require(root.is_dir(), "data", str(root), "a folder that is there")
    find, usual = KINDS[kind]
    listed = find(root, split or usual)
    taken = np.sort(np.random.default_rng(0).permutation(len(listed))[: count or None])
    return LabelledFolder(kind, root, split or usual, tuple(listed[place] for place in taken), len(listed))
