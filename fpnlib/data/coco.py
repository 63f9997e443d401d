"""A COCO results file and its annotations, as `fpnlib.metrics.detection_average_precision` takes them."""

import json
from collections.abc import Collection
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

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
