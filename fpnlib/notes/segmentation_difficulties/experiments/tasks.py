"""SD-5: what an answer made from the truth loses as a semantic, an instance or a panoptic one."""

import functools
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from scipy import ndimage

from fpnlib.claims import Claim, Measurement, Said, all_of, within
from fpnlib.data import labelled_photo
from fpnlib.metrics import PanopticQuality, panoptic_quality
from fpnlib.notes.segmentation_difficulties.experiments.masks import shifted_boundaries
from fpnlib.notes.segmentation_difficulties.experiments.photos import cafe

PHOTOS = {"cafe": 2, "bin": 3}  # every second or third pixel of every second or third row
TASKS = (
    "semantic, a class is one segment",
    "semantic, a connected piece is one segment",
    "instance, nothing for the background",
    "panoptic",
)
MOST = 4  # pixels of error


class Answer(NamedTuple):
    """What is said of a photo, and how well."""

    ids: Int64[np.ndarray, "h w"]  # segments, 0 where nothing is said
    kinds: Int64[np.ndarray, "h w"]  # categories, 0 for the background, −1 where nothing is said
    names: tuple[str, ...]  # of the categories
    quality: PanopticQuality


@functools.cache
def _truth(photo: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The ids, 0 for the background, each id's category, numbered from 0 as they occur, and their names."""
    known = cafe() if photo == "cafe" else labelled_photo(photo)
    masks = known.masks[:, :: PHOTOS[photo], :: PHOTOS[photo]]
    ids = (masks * torch.arange(1, len(masks) + 1)[:, None, None]).amax(0).numpy()
    labels = np.array([0, *known.labels.tolist()])
    there, categories = np.unique(labels, return_inverse=True)
    return ids, categories, tuple(known.class_names[label].replace("_", " ") for label in there)


@functools.lru_cache(maxsize=len(PHOTOS) * len(TASKS) * (2 * MOST + 1))
def answered(photo: str, task: str, grown: int) -> Answer:
    """The truth as far as a task can say it, things too large by so many pixels."""
    true, categories, names = _truth(photo)
    moved = shifted_boundaries(torch.from_numpy(true), grown).numpy()
    kinds = categories[moved]
    if task == TASKS[0]:
        ids, said = 1 + kinds, {1 + kind: kind for kind in range(len(names))}
    elif task == TASKS[1]:
        ids, said = _pieces(kinds)
    else:
        # The background, id 0, becomes one segment more; the instance task has no answer for it.
        background = len(categories)
        ids = np.where(moved == 0, background, moved)
        said = {number: int(kind) for number, kind in enumerate(categories) if number} | {background: 0}
        if task == TASKS[2]:
            ids, kinds = np.where(moved == 0, 0, moved), np.where(moved == 0, -1, kinds)
    wanted, wanted_categories = _wanted(photo)
    found = panoptic_quality(ids, wanted, said, wanted_categories)
    return Answer(ids, kinds, names, found)


@functools.cache
def _wanted(photo: str) -> tuple[np.ndarray, dict[int, int]]:
    """The true segments, the background among them, and their categories."""
    true, categories, _ = _truth(photo)
    background = len(categories)
    known = {number: int(kind) for number, kind in enumerate(categories) if number}
    return np.where(true == 0, background, true), known | {background: 0}


def _pieces(kinds: np.ndarray) -> tuple[np.ndarray, dict[int, int]]:
    """An id for each connected piece of a class, by eight neighbours, one for all background, and classes."""
    ids, said = np.ones(kinds.shape, np.int64), {1: 0}
    for kind in range(1, int(kinds.max()) + 1):
        pieces, count = ndimage.label(kinds == kind, np.ones((3, 3)))
        first = len(said)
        ids[pieces > 0] = pieces[pieces > 0] + first
        said |= {first + piece: kind for piece in range(1, count + 1)}
    return ids, said


def measure_tasks() -> Measurement:
    """Three answers to one photo. Each is made from the truth, so what is lost is what the task cannot say."""
    photo = cafe()
    # Truth: the instances; the background is one segment of stuff.
    ids = 1 + (photo.masks * torch.arange(1, len(photo.masks) + 1)[:, None, None]).sum(0)
    categories = {1: 0} | {i + 2: int(label) for i, label in enumerate(photo.labels)}
    kinds = sorted(set(categories.values()))
    classes = torch.zeros_like(ids)
    for one, label in categories.items():
        classes[ids == one] = label
    semantic = panoptic_quality(1 + classes, ids, {1 + kind: kind for kind in kinds}, categories)
    instance = panoptic_quality(ids.where(ids > 1, 0), ids, {k: v for k, v in categories.items() if k > 1}, categories)
    perfect = panoptic_quality(ids, ids, categories, categories)
    people = int((photo.labels == photo.class_names.index("person")).sum())
    return Measurement.exact(
        1 - perfect.pq,
        len(categories),
        people=float(people),
        person_semantic=semantic.per_category[photo.class_names.index("person")].pq,
        semantic=semantic.pq,
        instance=instance.pq,
        stuff_instance=instance.per_category[0].pq,
    )


SD_5 = Claim(
    "SD-5",
    "Semantic segmentation merges the instances, instance segmentation drops the stuff; the panoptic task wants both",
    Said(
        "source",
        "语义分割本身就是一个退而求其次的课题",
        "semantic segmentation is itself a topic one settles for",
        "in part an opinion",
    ),
    {
        "": all_of(
            within(0, "PQ that a panoptic answer made from the truth loses"),
            within(0, "PQ of people in a semantic answer made from the truth", of="person_semantic"),
            within(0, "PQ of stuff in an instance answer made from the truth", of="stuff_instance"),
        )
    },
    measure_tasks,
    check="what an answer made from the truth loses is what its task leaves out by definition",
    told={"holds": "A semantic answer cannot tell one person from the next, an instance answer is silent on the rest."},
)
