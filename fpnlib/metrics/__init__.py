"""Metrics that take tensors, arrays or sequences and answer in plain numbers and float64 tensors."""

from fpnlib.metrics.classification import (
    ConfusionCounts,
    PrecisionRecallCurve,
    ROCCurve,
    average_precision,
    confusion_counts,
    f_score,
    precision_recall_curve,
    roc_auc,
    roc_curve,
)
from fpnlib.metrics.detection import (
    COCO_AREA_RANGES,
    COCO_IOU_THRESHOLDS,
    DetectionAveragePrecision,
    Matches,
    Ranking,
    detection_average_precision,
    match_detections,
)

__all__ = [
    "COCO_AREA_RANGES",
    "COCO_IOU_THRESHOLDS",
    "ConfusionCounts",
    "DetectionAveragePrecision",
    "Matches",
    "PrecisionRecallCurve",
    "ROCCurve",
    "Ranking",
    "average_precision",
    "confusion_counts",
    "detection_average_precision",
    "f_score",
    "match_detections",
    "precision_recall_curve",
    "roc_auc",
    "roc_curve",
]
