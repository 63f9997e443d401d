"""The COCO results reader against pycocotools reading the same two files."""

import contextlib
import copy
import io
import json

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from support.coco import random_files

from fpnlib.data.coco import load_coco_results
from fpnlib.metrics import detection_average_precision


def write(folder, annotations, results):
    paths = folder / "results.json", folder / "annotations.json"
    for path, content in zip(paths, (results, annotations), strict=True):
        path.write_text(json.dumps(content), encoding="utf-8")
    return paths


@pytest.mark.parametrize("seed", range(5))
def test_round_trip_is_pycocotools(tmp_path, seed):
    annotations, results = random_files(np.random.default_rng(seed), images=9)
    annotations["images"].reverse()
    results_path, annotations_path = write(tmp_path, annotations, results)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(annotations_path)
        evaluation = COCOeval(truth, truth.loadRes(str(results_path)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    ours = detection_average_precision(*load_coco_results(results_path, annotations_path))
    numbers = [ours.mean, ours.per_iou[0].item(), ours.per_iou[5].item()]
    np.testing.assert_allclose(numbers, evaluation.stats[:3], atol=1e-12)


def small():
    annotations = {
        "images": [{"id": 7}, {"id": 3}],
        "categories": [{"id": 18, "name": "dog"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 18, "bbox": [1.5, 2, 3, 4], "area": 9.0, "iscrowd": 1}],
    }
    return annotations, [{"image_id": 7, "category_id": 18, "bbox": [1, 2, 3, 4], "score": 0.25}]


def test_images_come_by_id_and_boxes_as_corners(tmp_path):
    predictions, targets = load_coco_results(*write(tmp_path, *small()))
    assert [len(each["scores"]) for each in predictions] == [0, 1]
    assert predictions[0]["boxes"].shape == targets[0]["boxes"].shape == (0, 4)
    assert predictions[1]["boxes"].tolist() == [[1.0, 2.0, 4.0, 6.0]]
    assert targets[1]["boxes"].tolist() == [[1.5, 2.0, 4.5, 6.0]]
    assert (predictions[1]["scores"].tolist(), predictions[1]["labels"].tolist()) == ([0.25], [18])
    assert {key: value.tolist() for key, value in targets[1].items() if key != "boxes"} == {
        "labels": [18],
        "iscrowd": [1],
        "area": [9.0],
    }
    assert predictions[1]["boxes"].dtype == predictions[1]["scores"].dtype == torch.float64


def test_no_results_at_all(tmp_path):
    predictions, targets = load_coco_results(*write(tmp_path, small()[0], []))
    assert [len(each["boxes"]) for each in predictions] == [0, 0]
    assert len(targets) == 2


def broken(change):
    annotations, results = copy.deepcopy(small())
    replaced = change(annotations, results)
    return replaced or (annotations, results)


FAULTS = {
    "results no list": (lambda a, r: (a, {"detections": r}), "results.json: got dict"),
    "annotations no object": (lambda a, r: ([a], r), "annotations.json: got list"),
    "no categories": (lambda a, r: a.pop("categories") and None, "annotations: got the keys"),
    "images no list": (lambda a, r: a.update(images={}), "images: got dict"),
    "image without id": (lambda a, r: a["images"].append({"file_name": "x"}), r"images\[2\]: got"),
    "no score": (lambda a, r: r[0].pop("score") and None, r"results\[0\]: got the keys"),
    "no box": (lambda a, r: r[0].pop("bbox") and None, r"results\[0\]: got the keys .*'bbox'"),
    "no area": (lambda a, r: a["annotations"][0].pop("area") and None, r"annotations\[0\]: got the keys .*'area'"),
    "unknown image": (lambda a, r: r[0].update(image_id=8), r"results\[0\]: image_id: got 8"),
    "unknown category": (lambda a, r: r[0].update(category_id=1), r"results\[0\]: category_id: got 1"),
    "image id a list": (lambda a, r: r[0].update(image_id=[7]), r"results\[0\]: image_id: got \[7\]"),
    "three numbers": (lambda a, r: r[0].update(bbox=[1, 2, 3]), r"results\[0\]: bbox: got"),
    "negative width": (lambda a, r: r[0].update(bbox=[1, 2, -3, 4]), r"results\[0\]: bbox: got"),
    "text in the box": (lambda a, r: r[0].update(bbox=[1, 2, "3", 4]), r"results\[0\]: bbox: got"),
    "score a text": (lambda a, r: r[0].update(score="high"), r"results\[0\]: score: got"),
    "half a crowd": (lambda a, r: a["annotations"][0].update(iscrowd=0.5), r"annotations\[0\]: iscrowd: got"),
    "detection a number": (lambda a, r: r.append(4), r"results\[1\]: got int"),
}


@pytest.mark.bad_input
@pytest.mark.parametrize(("change", "message"), FAULTS.values(), ids=FAULTS)
def test_faults_are_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        load_coco_results(*write(tmp_path, *broken(change)))


@pytest.mark.bad_input
def test_text_that_is_no_json_is_named(tmp_path):
    results_path, annotations_path = write(tmp_path, *small())
    results_path.write_text("[1,", encoding="utf-8")
    with pytest.raises(ValueError, match=r"results\.json: got no JSON"):
        load_coco_results(results_path, annotations_path)
