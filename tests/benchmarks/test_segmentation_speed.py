"""Mean IoU of 1000 label maps of 375×500 pixels, 21 classes: ours beside torchmetrics, one thread, in one run."""

import time

import numpy as np
import pytest
import torch
from support.side_by_side import compare, least_seconds
from torchmetrics.classification import MulticlassJaccardIndex

from fpnlib.metrics import mean_iou

IMAGES, HEIGHT, WIDTH, CLASSES = 1000, 375, 500, 21


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(CLASSES, size=(IMAGES, HEIGHT // 25, WIDTH // 25), dtype=np.uint8)
    target = coarse.repeat(25, 1).repeat(25, 2)
    return torch.from_numpy(np.roll(target, 3, axis=2)), torch.from_numpy(target)


def theirs(predictions: torch.Tensor, targets: torch.Tensor) -> float:
    metric = MulticlassJaccardIndex(CLASSES, validate_args=False)
    for prediction, target in zip(predictions.split(50), targets.split(50), strict=True):
        metric.update(prediction.long(), target.long())
    return metric.compute().item()


@pytest.mark.parametrize("over", ["dataset", "image"])
def test_mean_iou(benchmark, over):
    predictions, targets = scene()

    def ours() -> float:
        return mean_iou(predictions, targets, CLASSES, over=over)

    if over == "dataset":
        assert ours() == pytest.approx(theirs(predictions, targets), abs=1e-6)
    mine, metric = least_seconds(ours, lambda: theirs(predictions, targets), rounds=2, clock=time.process_time)
    benchmark.pedantic(ours, rounds=2)
    compare(benchmark, f"mean IoU by {over}, 1000 maps of 375×500", "torchmetrics, by dataset", metric / mine, 1)
