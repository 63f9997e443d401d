"""Operations on boxes, regions and feature maps."""

from fpnlib.ops.batch_norm import BatchNormCache, batch_norm_backward, batch_norm_forward, fold_batch_norm
from fpnlib.ops.boxes import box_iou, nms
from fpnlib.ops.dense_crf import dense_crf
from fpnlib.ops.graph_cut import graph_cut, potts_energy
from fpnlib.ops.normalization import Normalized, normalize
from fpnlib.ops.permutohedral import PermutohedralLattice
from fpnlib.ops.projection import degenerate_width, least_padding, project_box
from fpnlib.ops.receptive_field import Add, AxisField, Concat, ReceptiveField, receptive_field
from fpnlib.ops.roi import roi_align, roi_pool
from fpnlib.ops.superpixels import achievable_accuracy, pool_segments

__all__ = [
    "Add",
    "AxisField",
    "BatchNormCache",
    "Concat",
    "Normalized",
    "PermutohedralLattice",
    "ReceptiveField",
    "achievable_accuracy",
    "batch_norm_backward",
    "batch_norm_forward",
    "box_iou",
    "degenerate_width",
    "dense_crf",
    "fold_batch_norm",
    "graph_cut",
    "least_padding",
    "nms",
    "normalize",
    "pool_segments",
    "potts_energy",
    "project_box",
    "receptive_field",
    "roi_align",
    "roi_pool",
]
