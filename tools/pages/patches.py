"""Pictures as what differs from a plate: rectangles, each stored once however many states show it."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8, UInt32
from PIL import Image
from scipy import ndimage

Pixels = UInt32[np.ndarray, "h w"]
"""A picture with a pixel's four bytes in one number, as Matplotlib's canvas has them: red, green, blue, 255."""
Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""

_CELL = 16  # pixels; rectangles begin and end at multiples of it
_TOUCHING = np.ones((3, 3))
_LARGE = 12_000  # bytes; a rectangle that takes more without loss may be stored with loss, if that halves it
_QUALITY = 80  # of what is stored with loss: WebP's scale to 100


def packed(picture: UInt8[np.ndarray, "h w 4"]) -> Pixels:
    """Return a picture with one number a pixel."""
    picture[..., 3] = 255
    return picture.view(np.uint32)[..., 0]


def plate(pictures: Sequence[Pixels], background: Pixels) -> Pixels:
    """Return what to draw pictures on: the background where any picture shows it, else what most pictures show."""
    stack = np.stack([picture.view(np.uint8) for picture in pictures])
    stack.partition(len(pictures) // 2, axis=0)
    usual = stack[len(pictures) // 2].view(np.uint32)
    seen = np.logical_or.reduce([picture == background for picture in pictures])
    return np.where(seen, background, usual)


def boxes(changed: Bool[np.ndarray, "h w"]) -> list[Box]:
    """Return rectangles that hold every changed pixel and do not overlap."""
    height, width = changed.shape
    padded = np.pad(changed, ((0, -height % _CELL), (0, -width % _CELL)))
    cells: Any = padded.reshape(padded.shape[0] // _CELL, _CELL, -1, _CELL).any(axis=(1, 3))
    found: list[tuple[slice, slice]] = []
    while len(found) != len(found := ndimage.find_objects(ndimage.label(cells, _TOUCHING)[0])):
        for part in found:  # the rectangles of two regions may overlap: then one rectangle takes both
            cells[part] = True
    made = []
    for rows, columns in found:
        left, top = columns.start * _CELL, rows.start * _CELL
        made.append((left, top, min(columns.stop * _CELL, width) - left, min(rows.stop * _CELL, height) - top))
    return made


def differences(picture: Pixels, under: Pixels) -> Iterator[tuple[Box, Pixels]]:
    """Yield the rectangles in which a picture differs from what lies under it, unchanged pixels transparent."""
    changed = picture != under
    for box in boxes(changed):
        left, top, width, height = box
        part = np.s_[top : top + height, left : left + width]
        yield box, np.where(changed[part], picture[part], np.uint32(0))


def encoded(part: Pixels, *, photographic: bool) -> bytes:
    """Return a rectangle as WebP: without loss, unless it is large, of a photo, and twice as large as with some."""
    exact = _webp(part, lossless=True, quality=40, method=2)
    if not photographic or len(exact) < _LARGE:
        return exact
    near = _webp(part, quality=_QUALITY, method=2)
    return near if len(near) < len(exact) / 2 else exact


def _webp(part: Pixels, **options: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(part.view(np.uint8).reshape(*part.shape, 4), "RGBA").save(stream, format="WEBP", **options)
    return stream.getvalue()
