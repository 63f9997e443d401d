"""Real photos and generated, labelled scenes."""

from fpnlib.data.photos import (
    LabelledPhoto,
    image_batch,
    labelled_photo,
    load_image,
    photo,
    photo_credit,
    photo_names,
)

__all__ = [
    "LabelledPhoto",
    "image_batch",
    "labelled_photo",
    "load_image",
    "photo",
    "photo_credit",
    "photo_names",
]
