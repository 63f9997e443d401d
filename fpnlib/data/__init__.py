"""Real photos and digits; generated, labelled scenes are in `fpnlib.data.scenes`."""

from fpnlib.data.digits import digits
from fpnlib.data.photos import (
    LabelledPhoto,
    image_batch,
    labelled_photo,
    load_image,
    photo,
    photo_credit,
    photo_names,
    shrunk,
)

__all__ = [
    "LabelledPhoto",
    "digits",
    "image_batch",
    "labelled_photo",
    "load_image",
    "photo",
    "photo_credit",
    "photo_names",
    "shrunk",
]
