"""What note 02 shows: a strip, an RoI on a photo, a face at the border, receptive fields, padding inside a net."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from fpnlib.data.photos import load_image, photo
from fpnlib.explore import explorer
from fpnlib.models.face_detector import detect_faces
from fpnlib.notes.padding.experiments.faces import ASTRONAUT_FACE
from fpnlib.notes.padding.experiments.inside import BordersInside, lite0_borders
from fpnlib.notes.padding.explorers.face_at_border import FaceExplorer
from fpnlib.notes.padding.explorers.geometry import GeometryExplorer
from fpnlib.notes.padding.explorers.padding_in import PaddingInExplorer
from fpnlib.notes.padding.explorers.receptive_fields import FieldsExplorer
from fpnlib.notes.padding.explorers.roi_on_photo import RoiExplorer
from fpnlib.validation import require


@explorer
def geometry() -> GeometryExplorer:
    """Slide an RoI along a strip of pixels to the border: on the feature map it becomes a point."""
    return GeometryExplorer()


@explorer
def roi_on_photo(image: Any = None) -> RoiExplorer:
    """Move an RoI over a photo and its feature map: the pooled 7×7 crop without and with padding.

    Args:
        image: your photo, an array (H, W, 3) or a path; by default the coffee cup.
    """
    return RoiExplorer(photo("coffee") if image is None else load_image(image))


@explorer
def face_at_border(image: Any = None, face: Sequence[float] | None = None) -> FaceExplorer:
    """Let a face leave through the border of the photo, and see what P-Net makes of it with and without padding.

    Args:
        image: your photo, an array (H, W, 3) or a path; by default the astronaut.
        face: its box, x0 y0 x1 y1 in pixels; by default where P-Net is most certain of one.

    Raises:
        ValueError: no face found, a box outside the photo, or too little photo right of the face.
    """
    if image is None:
        return FaceExplorer(photo("astronaut"), ASTRONAUT_FACE if face is None else _box(face))
    pixels = load_image(image)
    if face is not None:
        return FaceExplorer(pixels, _box(face))
    found = detect_faces(pixels)["boxes"]
    require(len(found) > 0, "image", "a photo without a face that P-Net finds", "a photo with a face, or `face`")
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = found[0].tolist()
    return FaceExplorer(pixels, (max(0, x0), max(0, y0), min(width, x1), min(height, y1)))


def _box(face: Sequence[float]) -> tuple[float, float, float, float]:
    require(len(face) == 4, "face", f"{len(face)} numbers", "x0 y0 x1 y1")
    x0, y0, x1, y1 = face
    return x0, y0, x1, y1


@explorer
def receptive_fields() -> FieldsExplorer:
    """Add layers and watch size, stride and start grow, and how much two units share."""
    return FieldsExplorer()


@explorer
def padding_in(
    network: Callable[[Tensor], Any] | None = None,
    image: Any = None,
    *,
    preprocess: Callable[[Tensor], Tensor] | None = None,
) -> PaddingInExplorer:
    """See how far the padding inside a network reaches: the same crop of a photo alone and within the photo.

    Args:
        network: yours: a module or a function, from a batch to a map, to a list or dict of maps, or a module with maps
            inside, such as a classifier. By default EfficientNet-Lite0 with ImageNet's weights.
        image: your photo, an array (H, W, 3) or a path, of 128 pixels or more each way; by default the astronaut.
        preprocess: what your network wants of a batch (1, 3, H, W) 0…255; by default ImageNet's mean and spread.

    Raises:
        ValueError: a small photo, something that is no network or has no maps, a map whose cells do not lie in a grid
            of at most 32 pixels, a preprocess without a network.
    """
    require(preprocess is None or network is not None, "preprocess", "one without a network", "only with your network")
    pixels = photo("astronaut") if image is None else load_image(image)
    return PaddingInExplorer(lite0_borders(pixels) if network is None else BordersInside(network, pixels, preprocess))


EXPLORERS = (geometry, roi_on_photo, face_at_border, receptive_fields, padding_in)
