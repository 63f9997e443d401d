"""COCO's files: results and annotations as `fpnlib.metrics.detection_average_precision` takes them, and photos."""

import functools
import json
import warnings
from collections.abc import Collection
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor

from fpnlib.data.voc import VOID, LabelledMaps, UnreadPhoto, rgb
from fpnlib.validation import require


def load_coco_results(
    results_path: str | PathLike[str], annotations_path: str | PathLike[str]
) -> tuple[list[dict[str, Tensor]], list[dict[str, Tensor]]]:
    """Read a COCO results file (boxes) and its annotations file into predictions and targets, one each per image.

    Images come in the order of their ids, as pycocotools evaluates them; labels are category ids. COCO's x y width
    height becomes x0 y0 x1 y1 (n, 4), in pixels, float64. Targets carry `iscrowd` and `area` (square pixels).
    ValueError for files that are not JSON or not of this form, a missing key, an image or category id that the
    annotations do not list, a box that is not four numbers or has a negative side.
    """
    annotations = _read(annotations_path)
    require(isinstance(annotations, dict), str(annotations_path), type(annotations).__name__, "a JSON object")
    images, entries, categories = (_list(annotations, key) for key in ("images", "annotations", "categories"))
    results = _read(results_path)
    require(isinstance(results, list), str(results_path), type(results).__name__, "a JSON list of detections")

    image_ids, category_ids = sorted(set(_ids("images", images))), set(_ids("categories", categories))
    detections = _by_image("results", results, "score", image_ids, category_ids)
    objects = _by_image("annotations", entries, "area", image_ids, category_ids)
    predictions = [
        {"boxes": _boxes(found), "scores": _numbers(found, "score"), "labels": _labels(found)} for found in detections
    ]
    targets = [
        {
            "boxes": _boxes(wanted),
            "labels": _labels(wanted),
            "iscrowd": torch.tensor([entry.get("iscrowd", 0) for entry in wanted], dtype=torch.int64),
            "area": _numbers(wanted, "area"),
        }
        for wanted in objects
    ]
    return predictions, targets


class _Segment(NamedTuple):
    """One annotation: its class's place, its outline as COCO writes it, and whether it is a crowd."""

    place: int
    outline: Any
    crowd: bool


def coco_photos(folder: str | PathLike[str], split: str = "val2017") -> list[UnreadPhoto]:
    """The photos with outlined objects in a folder in COCO's layout, in the order of their ids.

    `split` names both the photos' folder and annotations/instances_<split>.json. Classes are numbered from 1 in the
    order of the category ids, 0 is the background. Where objects overlap the smaller lies in front, since a tabletop's
    outline runs around all that stands on it. A crowd is VOID, but for the objects that are outlined in it. Photos
    without an object that is no crowd are passed over. ValueError for a folder, file or photo that is not there, and
    for annotations of another form.
    """
    root = Path(folder)
    file = root / "annotations" / f"instances_{split}.json"
    there = sorted(other.stem.removeprefix("instances_") for other in file.parent.glob("instances_*.json"))
    known = f"one with annotations/instances_{split}.json; it has {', '.join(there) or 'none'}"
    require(file.is_file(), "folder", f"{root}, split {split!r}", known)
    require((root / split).is_dir(), "folder", f"{root} without {split}/", "one with the photos of the split")
    annotations = _read(file)
    require(isinstance(annotations, dict), str(file), type(annotations).__name__, "a JSON object")
    images, entries, categories = (_list(annotations, key) for key in ("images", "annotations", "categories"))
    places = {number: place for place, number in enumerate(sorted(_ids("categories", categories)), 1)}
    require(len(places) < VOID, "categories", len(places), f"fewer than {VOID}")
    segments: dict[int, list[_Segment]] = {number: [] for number in _ids("images", images)}
    for number, entry in enumerate(entries):
        name = f"annotations[{number}]"
        require(isinstance(entry, dict), name, type(entry).__name__, "a JSON object")
        for key, ids in (("image_id", segments), ("category_id", places)):
            is_known = isinstance(entry.get(key), int) and entry[key] in ids
            require(is_known, f"{name}: {key}", repr(entry.get(key)), "an id that the annotations file lists")
        require("segmentation" in entry, name, f"the keys {sorted(entry)}", "one named 'segmentation' too")
        crowd = bool(entry.get("iscrowd", 0))
        segments[entry["image_id"]].append(_Segment(places[entry["category_id"]], entry["segmentation"], crowd))
    found = []
    for number, entry in enumerate(sorted(images, key=lambda entry: entry["id"])):
        outlined = segments[entry["id"]]
        if all(segment.crowd for segment in outlined):
            continue
        fits = isinstance(entry.get("file_name"), str) and all(isinstance(entry.get(k), int) for k in _SIZE)
        require(fits, f"image {entry['id']}", entry, "file_name, height and width")
        photo = root / split / entry["file_name"]
        require(photo.is_file(), "folder", f"{file.name} names {photo}, which is not there", "photos that are there")
        height, width = (entry[key] for key in _SIZE)
        read = functools.partial(_read_photo, photo, height, width, tuple(outlined))
        found.append(UnreadPhoto(photo.stem, number, read))
    require(bool(found), "folder", f"{file} without an outlined object", "one object or more")
    return found


_SIZE = ("height", "width")


def _read_photo(photo: Path, height: int, width: int, segments: tuple[_Segment, ...]) -> LabelledMaps:
    image = rgb(photo)
    require(image.shape[:2] == (height, width), str(photo), image.shape[:2], f"{(height, width)}, as annotated")
    masks = [_mask(f"{photo.name}, object {i}", one.outline, height, width) for i, one in enumerate(segments)]
    classes = torch.zeros(height, width, dtype=torch.int64)
    instances = torch.zeros_like(classes)
    # What is drawn later lies in front: crowds first, then the objects from large to small.
    order = sorted(range(len(masks)), key=lambda i: (not segments[i].crowd, -int(masks[i].sum())))
    for i in order:
        number = i + 1 + (i + 1 >= VOID)
        classes[masks[i]] = VOID if segments[i].crowd else segments[i].place
        instances[masks[i]] = VOID if segments[i].crowd else number
    return LabelledMaps(image, classes, instances)


def _mask(name: str, outline: Any, height: int, width: int) -> Bool[Tensor, "h w"]:
    """The pixels of polygons, or of a run-length code, compressed or not."""
    from pycocotools import mask as codes

    if isinstance(outline, dict):
        runs = outline.get("counts")
        fits = outline.get("size") == [height, width] and isinstance(runs, str | list)
        require(fits, name, f"a code of size {outline.get('size')}", f"counts, and the size {[height, width]}")
        packed = outline
        if isinstance(runs, list):
            whole = all(isinstance(run, int) and run >= 0 for run in runs) and sum(runs) == height * width
            require(whole, name, "counts of another sum", f"{height * width}, all pixels")
            packed = codes.frPyObjects(outline, height, width)
    else:
        # Four numbers pycocotools would take for a box.
        fits = isinstance(outline, list) and len(outline) > 0
        fits = fits and all(isinstance(one, list) and len(one) >= 6 and len(one) % 2 == 0 for one in outline)
        require(fits, name, outline, "polygons of three corners or more, x y x y …, or a run-length code")
        packed = codes.merge(codes.frPyObjects(outline, height, width))
    with warnings.catch_warnings():  # of pycocotools 2.0.11, about a keyword of NumPy 2
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.from_numpy(codes.decode(packed).astype(bool))


def _read(path: str | PathLike[str]) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: got no JSON ({error}), allowed: a JSON file") from error


def _list(annotations: dict[str, Any], key: str) -> list[Any]:
    require(key in annotations, "annotations", f"the keys {sorted(annotations)}", f"one named {key!r} too")
    require(isinstance(annotations[key], list), key, type(annotations[key]).__name__, "a list")
    return annotations[key]


def _ids(argument: str, entries: list[Any]) -> list[int]:
    for number, entry in enumerate(entries):
        is_entry = isinstance(entry, dict) and isinstance(entry.get("id"), int)
        require(is_entry, f"{argument}[{number}]", entry, "an object whose 'id' is an integer")
    return [entry["id"] for entry in entries]


def _by_image(
    argument: str, entries: list[Any], number_key: str, image_ids: Collection[int], category_ids: Collection[int]
) -> list[list[dict[str, Any]]]:
    """Check all entries and sort them by image; within one image they keep the file's order."""
    by_image: dict[int, list[dict[str, Any]]] = {image: [] for image in image_ids}
    known = {"image_id": by_image, "category_id": category_ids}
    for number, entry in enumerate(entries):
        name = f"{argument}[{number}]"
        require(isinstance(entry, dict), name, type(entry).__name__, "a JSON object")
        for key in ("image_id", "category_id", "bbox", number_key):
            require(key in entry, name, f"the keys {sorted(entry)}", f"one named {key!r} too")
        require(_is_number(entry[number_key]), f"{name}: {number_key}", repr(entry[number_key]), "a number")
        for key, ids in known.items():
            is_known = isinstance(entry[key], int) and entry[key] in ids
            require(is_known, f"{name}: {key}", repr(entry[key]), "an id that the annotations file lists")
        box = entry["bbox"]
        is_box = isinstance(box, list) and len(box) == 4 and all(map(_is_number, box)) and min(box[2:]) >= 0
        require(is_box, f"{name}: bbox", box, "x, y, width, height, no side negative")
        require(entry.get("iscrowd", 0) in (0, 1), f"{name}: iscrowd", entry.get("iscrowd"), "0 or 1")
        by_image[entry["image_id"]].append(entry)
    return list(by_image.values())


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _boxes(entries: list[dict[str, Any]]) -> Tensor:
    boxes = torch.tensor([entry["bbox"] for entry in entries], dtype=torch.float64).reshape(-1, 4)
    return torch.cat((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), dim=1)


def _labels(entries: list[dict[str, Any]]) -> Tensor:
    return torch.tensor([entry["category_id"] for entry in entries], dtype=torch.int64)


def _numbers(entries: list[dict[str, Any]], key: str) -> Tensor:
    return torch.tensor([entry[key] for entry in entries], dtype=torch.float64)
