"""Operations on boxes, regions and feature maps."""

from fpnlib.ops.batch_norm import BatchNormCache, batch_norm_backward, batch_norm_forward, fold_batch_norm
from fpnlib.ops.boxes import box_iou, nms
from fpnlib.ops.projection import degenerate_width, least_padding, project_box
from fpnlib.ops.receptive_field import Add, AxisField, Concat, ReceptiveField, receptive_field
from fpnlib.ops.roi import roi_align, roi_pool

__all__ = [
    "Add",
    "AxisField",
    "BatchNormCache",
    "Concat",
    "ReceptiveField",
    "batch_norm_backward",
    "batch_norm_forward",
    "box_iou",
    "degenerate_width",
    "fold_batch_norm",
    "least_padding",
    "nms",
    "project_box",
    "receptive_field",
    "roi_align",
    "roi_pool",
]
