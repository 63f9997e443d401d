"""What note 01 says, and the test of each saying."""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fpnlib.claims import Claim, Criterion, Measurement, Said, Verdict, exceeds
from fpnlib.metrics import (
    average_precision,
    detection_average_precision,
    match_detections,
    precision_recall_curve,
    roc_auc,
)
from fpnlib.notes.precision_recall.detection import COCO_THRESHOLDS
from fpnlib.notes.precision_recall.examples import contact_sheet, digit_scores, sheet_detections
from fpnlib.notes.precision_recall.ranking import EXAMPLE, INTERPOLATIONS

RATIOS = (1, 3, 10, 30, 100)
FIXED_RECALL = 0.9  # of the threshold that PR-2 keeps


def every_threshold() -> Measurement:
    """Walk up all thresholds of the digit classifier: the largest rise of recall, and where precision falls."""
    scores, targets = digit_scores()
    curve = precision_recall_curve(scores, targets)
    # The last point belongs to no threshold.
    recall_steps, precision_steps = curve.recall[:-1].diff(), curve.precision[:-1].diff()
    return Measurement.exact(
        max(0.0, recall_steps.max().item()),
        n=len(curve.thresholds),
        examples=len(scores),
        positives=int(targets.sum()),
        thresholds=len(curve.thresholds),
        precision_falls=int((precision_steps < 0).sum()),
        precision_rises=int((precision_steps > 0).sum()),
        deepest_fall=-precision_steps.min().item(),
    )


def _judge_every_threshold(measurement: Measurement) -> Verdict:
    trades = measurement.effect == 0 and measurement.numbers["precision_falls"] > 0
    return "holds" if trades else "fails"


def resampled_negatives(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Draw negatives with replacement, 1 to 100 per positive, and measure at one fixed threshold."""
    scores, targets = digit_scores()
    positives, negatives = scores[targets], scores[~targets]
    threshold = positives.quantile(1 - FIXED_RECALL)
    tp = (positives >= threshold).sum().item()
    rows = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        row: dict[str, float] = {}
        for ratio in RATIOS:
            drawn = negatives[torch.randint(len(negatives), (ratio * len(positives),), generator=generator)]
            fp = (drawn >= threshold).sum().item()
            both = torch.cat([positives, drawn]), torch.cat([torch.ones(len(positives)), torch.zeros(len(drawn))])
            row |= {
                f"precision_{ratio}": tp / (tp + fp),
                f"false_positive_rate_{ratio}": fp / len(drawn),
                f"roc_auc_{ratio}": roc_auc(*both),
                f"average_precision_{ratio}": average_precision(*both),
            }
        first, last = RATIOS[0], RATIOS[-1]
        row["effect"] = row[f"precision_{first}"] - row[f"precision_{last}"]
        row["roc_auc_change"] = row[f"roc_auc_{first}"] - row[f"roc_auc_{last}"]
        row["false_positive_rate_change"] = row[f"false_positive_rate_{first}"] - row[f"false_positive_rate_{last}"]
        row["recall"] = tp / len(positives)
        rows.append(row)
    return {name: [row[name] for row in rows] for name in rows[0]}


def _judge_prevalence(measurement: Measurement) -> Verdict:
    numbers = measurement.numbers
    still = max(abs(numbers["roc_auc_change"]), abs(numbers["false_positive_rate_change"])) < 0.02
    falls = exceeds(0.1, "").judge(measurement)
    return falls if still else "fails"


def four_averages() -> Measurement:
    """Sum up one ranking four ways: the digit classifier's, and the note's ten items. The smallest gap between two."""
    scores, targets = digit_scores()
    ten = -torch.arange(len(EXAMPLE), dtype=torch.float64), torch.tensor(EXAMPLE)
    numbers: dict[str, float] = {}
    for name in INTERPOLATIONS:
        numbers[f"digits_{name}"] = average_precision(scores, targets, interpolation=name)
        numbers[f"ten_{name}"] = average_precision(*ten, interpolation=name)
    gaps = {
        ranking: [
            abs(numbers[f"{ranking}_{a}"] - numbers[f"{ranking}_{b}"])
            for a, b in itertools.combinations(INTERPOLATIONS, 2)
        ]
        for ranking in ("digits", "ten")
    }
    spread = {f"{ranking}_spread": max(values) for ranking, values in gaps.items()}
    return Measurement.exact(min(gaps["digits"]), n=len(scores), **numbers, **spread)


def detector_on_photos() -> Measurement:
    """Score P-Net on the contact sheet at ten IoU thresholds: how much AP falls from .5 to .75."""
    targets = contact_sheet().targets
    ap = detection_average_precision([sheet_detections()], [targets], iou_thresholds=COCO_THRESHOLDS)
    per_iou = dict(zip(COCO_THRESHOLDS, ap.per_iou.tolist(), strict=True))
    steps = np.diff(list(per_iou.values()))
    shifted = [targets | {"boxes": _shifted_labels()}]
    ap_shifted = detection_average_precision([sheet_detections()], shifted, iou_thresholds=[0.75])
    return Measurement.exact(
        per_iou[0.5] - per_iou[0.75],
        n=len(targets["boxes"]),
        boxes=len(sheet_detections()["boxes"]),
        largest_rise=max(0.0, float(steps.max())),
        ap_75_labels_shifted=ap_shifted.mean,
        mean=float(np.mean(list(per_iou.values()))),
        **{f"ap_{round(100 * threshold)}": value for threshold, value in per_iou.items()},
    )


def _shifted_labels() -> Float[Tensor, "n 4"]:
    """Move every label by P-Net's mean offset from it, in units of the label's side, over the faces that it found.

    What this brings back was lost to the label, the edge of a photo, and not to rough boxes.
    """
    labels, found = contact_sheet().targets["boxes"], sheet_detections()
    matched = match_detections(found["boxes"], found["scores"], labels).matched_detection
    hit = matched >= 0
    side = (labels[:, 2:] - labels[:, :2]).repeat(1, 2)
    offset = ((found["boxes"][matched[hit]] - labels[hit]) / side[hit]).mean(0)
    return labels + offset * side


def _judge_detector(measurement: Measurement) -> Verdict:
    return "holds" if measurement.effect > 0.1 and measurement.numbers["largest_rise"] == 0 else "fails"


CLAIMS = (
    Claim(
        "PR-1",
        "Moving the threshold trades precision for recall. Recall is monotone, precision is not.",
        Said("field", "Manning, Raghavan, Schütze, Introduction to Information Retrieval, 2008, section 8.4"),
        {
            "": Criterion(
                "over every threshold of a real classifier recall never rises, and precision falls at one or more",
                _judge_every_threshold,
            )
        },
        every_threshold,
    ),
    Claim(
        "PR-2",
        "Precision depends on how rare the positives are; recall and ROC do not.",
        Said("field", "Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 2006, section 4.2"),
        {
            "": Criterion(
                "from 1 to 100 negatives per positive, scores fixed, precision at one threshold falls by more than 0.1 "
                "(whole interval) while ROC area and false positive rate move by less than 0.02 on average",
                _judge_prevalence,
            )
        },
        resampled_negatives,
        seeds=32,
    ),
    Claim(
        "PR-3",
        "AP is several different numbers.",
        Said("field", "Everingham et al., The PASCAL VOC Challenge, IJCV 2010, section 4.2, beside the rules of COCO"),
        {"": exceeds(0.001, "the smallest gap between two of four interpolations on one real ranking")},
        four_averages,
    ),
    Claim(
        "PR-4",
        "For detection, AP also depends on the IoU at which a box counts.",
        Said("field", "Lin et al., Microsoft COCO, ECCV 2014; the COCO evaluation's ten thresholds"),
        {
            "": Criterion(
                "for a real detector on real photos AP falls by more than 0.1 from IoU .5 to .75 and never rises "
                "from .5 to .95",
                _judge_detector,
            )
        },
        detector_on_photos,
    ),
)
