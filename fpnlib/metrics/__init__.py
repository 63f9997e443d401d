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
from fpnlib.metrics.edges import BoundaryReference, EdgeCurve, instance_boundaries, one_to_one_edges, thin_edges

__all__ = [
    "COCO_AREA_RANGES",
    "COCO_IOU_THRESHOLDS",
    "BoundaryReference",
    "ConfusionCounts",
    "DetectionAveragePrecision",
    "EdgeCurve",
    "Matches",
    "PrecisionRecallCurve",
    "ROCCurve",
    "Ranking",
    "average_precision",
    "confusion_counts",
    "detection_average_precision",
    "f_score",
    "instance_boundaries",
    "match_detections",
    "one_to_one_edges",
    "precision_recall_curve",
    "roc_auc",
    "roc_curve",
    "thin_edges",
]
