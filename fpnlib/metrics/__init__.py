"""Metrics that take tensors, arrays or sequences and answer in plain numbers and float64 tensors."""

from fpnlib.metrics.calibration import CalibrationCurve, brier_score, calibration_curve
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
    coco_summary,
    detection_average_precision,
    match_detections,
)
from fpnlib.metrics.edges import BoundaryReference, EdgeCurve, instance_boundaries, one_to_one_edges, thin_edges
from fpnlib.metrics.panoptic import CategoryQuality, PanopticQuality, panoptic_quality
from fpnlib.metrics.segmentation import boundary_iou, confusion_matrix, iou_per_class, mean_iou, trimap_iou

__all__ = [
    "COCO_AREA_RANGES",
    "COCO_IOU_THRESHOLDS",
    "BoundaryReference",
    "CalibrationCurve",
    "CategoryQuality",
    "ConfusionCounts",
    "DetectionAveragePrecision",
    "EdgeCurve",
    "Matches",
    "PanopticQuality",
    "PrecisionRecallCurve",
    "ROCCurve",
    "Ranking",
    "average_precision",
    "boundary_iou",
    "brier_score",
    "calibration_curve",
    "coco_summary",
    "confusion_counts",
    "confusion_matrix",
    "detection_average_precision",
    "f_score",
    "instance_boundaries",
    "iou_per_class",
    "match_detections",
    "mean_iou",
    "one_to_one_edges",
    "panoptic_quality",
    "precision_recall_curve",
    "roc_auc",
    "roc_curve",
    "thin_edges",
    "trimap_iou",
]
