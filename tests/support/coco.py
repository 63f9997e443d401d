"""Random detection problems, and pycocotools' answer to them."""

import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def random_files(generator, *, images=4, categories=3, objects=5, detections=12, side=24, levels=6):
    """Return annotations and results as COCO's JSON: corners on a grid, scores on few levels, so ties occur.

    The last category has detections but no objects, the one before only crowds; some images have neither.
    """
    annotations, results = [], []
    for image in range(images):
        for _ in range(generator.integers(0, objects + 1)):
            box = _box(generator, side)
            category = int(generator.integers(1, categories + 1))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": category,
                    "bbox": box,
                    "area": box[2] * box[3] * float(generator.choice([0.5, 1.0])),
                    "iscrowd": int(category == categories or generator.random() < 0.2),
                }
            )
        for _ in range(generator.integers(0, detections + 1)):
            near = [entry for entry in annotations if entry["image_id"] == image]
            box, category = _box(generator, side), int(generator.integers(1, categories + 2))
            if near and generator.random() < 0.8:
                start = near[generator.integers(len(near))]
                box = [max(value + step, 0.25) for value, step in zip(start["bbox"], _steps(generator), strict=True)]
                category = start["category_id"] if generator.random() < 0.8 else category
            results.append(
                {
                    "image_id": image,
                    "category_id": category,
                    "bbox": box,
                    "score": float(generator.integers(levels)) / levels,
                }
            )
    ids = [{"id": image} for image in range(images)]
    kinds = [{"id": category, "name": str(category)} for category in range(1, categories + 2)]
    return {"images": ids, "annotations": annotations, "categories": kinds}, results


def _box(generator, side):
    return [float(value) / 4 for value in generator.integers(1, 4 * side, size=4)]


def _steps(generator):
    return generator.integers(-3, 4, size=4) / 4


def coco_evaluation(annotations, results, *, area_range=None, max_detections=100):
    """Evaluate and accumulate with pycocotools for one area range and one number of detections."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {**annotations, "info": {}}
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.params.areaRng = [list(area_range or (0, 1e10))]
        evaluation.params.maxDets = [max_detections]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def coco_means(evaluation):
    """Return per threshold and class what pycocotools has, nan where it says -1: AP and largest recall."""
    precision = evaluation.eval["precision"][:, :, :, 0, 0].mean(axis=1)
    recall = evaluation.eval["recall"][:, :, 0, 0]
    return np.where(precision < 0, np.nan, precision), np.where(recall < 0, np.nan, recall)


def as_mappings(annotations, results):
    """Return the same problem as predictions and targets for `detection_average_precision`, in NumPy."""
    predictions, targets = [], []
    for image in sorted(entry["id"] for entry in annotations["images"]):
        found = [entry for entry in results if entry["image_id"] == image]
        wanted = [entry for entry in annotations["annotations"] if entry["image_id"] == image]
        predictions.append(
            {
                "boxes": _corners(found),
                "scores": np.array([entry["score"] for entry in found]),
                "labels": np.array([entry["category_id"] for entry in found], dtype=int),
            }
        )
        targets.append(
            {
                "boxes": _corners(wanted),
                "labels": np.array([entry["category_id"] for entry in wanted], dtype=int),
                "iscrowd": np.array([entry["iscrowd"] for entry in wanted], dtype=int),
                "area": np.array([entry["area"] for entry in wanted]),
            }
        )
    return predictions, targets


def _corners(entries):
    boxes = np.array([entry["bbox"] for entry in entries]).reshape(-1, 4)
    return np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1)
