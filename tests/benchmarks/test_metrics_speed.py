"""Metrics beside scikit-learn, torchmetrics and pycocotools on the same data, one thread each, in turns."""

import contextlib
import io

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn import metrics as reference
from support.coco import as_mappings, random_files
from support.side_by_side import compare, least_seconds
from torchmetrics.functional import classification as torchmetrics

from fpnlib.metrics import average_precision, detection_average_precision, precision_recall_curve, roc_curve

SAMPLES = 10**6
CURVES = {
    "precision_recall_curve": (
        precision_recall_curve,
        reference.precision_recall_curve,
        torchmetrics.binary_precision_recall_curve,
    ),
    "roc_curve": (
        roc_curve,
        lambda targets, scores: reference.roc_curve(targets, scores, drop_intermediate=False),
        torchmetrics.binary_roc,
    ),
    "average_precision": (
        average_precision,
        reference.average_precision_score,
        torchmetrics.binary_average_precision,
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", CURVES)
def test_a_million_scores(benchmark, name, dtype):
    ours, scikit, metric = CURVES[name]
    generator = torch.Generator().manual_seed(0)
    targets = (torch.rand(SAMPLES, generator=generator) < 0.3).long()
    scores = torch.sigmoid(torch.randn(SAMPLES, generator=generator, dtype=dtype) + targets)
    as_numpy = targets.numpy(), scores.numpy()
    mine, *peers = least_seconds(
        lambda: ours(scores, targets), lambda: scikit(*as_numpy), lambda: metric(scores, targets)
    )
    benchmark.pedantic(ours, (scores, targets), rounds=2)
    for peer, taken in zip(("scikit-learn", "torchmetrics"), peers, strict=True):
        compare(benchmark, f"{name}, 10⁶ scores", peer, taken / mine, 1)


def test_detection_average_precision(benchmark):
    annotations, results = random_files(
        np.random.default_rng(0), images=200, categories=20, objects=15, detections=100, side=400, levels=10**6
    )
    predictions, targets = as_mappings(annotations, results)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {**annotations, "info": {}}
        truth.createIndex()
        detections = truth.loadRes(results)

    def pycocotools():
        evaluation = COCOeval(truth, detections, "bbox")
        evaluation.params.areaRng = [[0, 1e10]]  # one area range and limit, as ours evaluates
        evaluation.params.maxDets = [100]
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.evaluate()
            evaluation.accumulate()
        return evaluation.eval["precision"]

    def ours():
        return detection_average_precision(predictions, targets)

    precision = pycocotools()
    assert ours().mean == pytest.approx(precision[precision > -1].mean(), abs=1e-12)
    mine, theirs = least_seconds(ours, pycocotools, rounds=3)
    benchmark.pedantic(ours, rounds=2)
    compare(benchmark, f"detection AP, {len(results)} boxes", "pycocotools", theirs / mine, 1)
