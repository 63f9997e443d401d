"""Faces of any size: P-Net over an image pyramid."""

import functools

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from fpnlib.models.pnet import PNet
from fpnlib.ops import nms
from fpnlib.validation import require


@functools.cache
def pnet() -> PNet:
    """P-Net with its real weights, loaded once; see `fpnlib.assets.fetch` for what it may raise."""
    with torch.inference_mode(False):  # whoever asks first, others may want gradients
        return PNet.pretrained()


@torch.inference_mode()
def detect_faces(
    photo: UInt8[np.ndarray, "h w 3"],
    *,
    min_face: int = 20,
    factor: float = 0.709,
    score_threshold: float = 0.5,
    nms_threshold: float = 0.5,
) -> dict[str, Tensor]:
    """Find faces with P-Net at scales `factor` apart.

    Source: Zhang et al., "Joint Face Detection and Alignment Using Multi-task Cascaded Convolutional Networks", IEEE
    Signal Processing Letters 2016, section II; only the first of its three networks.

    Args:
        photo: (H, W, 3) RGB 0…255.
        min_face: side of the smallest face looked for, in pixels.
        factor: from one scale of the pyramid to the next.
        score_threshold: least probability of a face.
        nms_threshold: of two boxes with more IoU than this the lower-scored goes.

    Returns:
        boxes (n, 4) as x0 y0 x1 y1 in pixels of the photo, scores (n,) best first, labels (n,) all 1.

    Raises:
        ValueError: not an RGB photo of bytes, or a size, factor or threshold out of range.
    """
    fits = photo.ndim == 3 and photo.shape[2] == 3 and photo.dtype == np.uint8
    require(fits, "photo", f"{photo.dtype} {photo.shape}", "uint8 (H, W, 3)")
    require(min_face >= 1, "min_face", min_face, "at least 1 pixel")
    require(0 < factor < 1, "factor", factor, "between 0 and 1")
    require(0 <= score_threshold <= 1, "score_threshold", score_threshold, "0 to 1")
    require(0 <= nms_threshold <= 1, "nms_threshold", nms_threshold, "0 to 1")
    boxes, scores = [torch.zeros(0, 4)], [torch.zeros(0)]
    scale = PNet.receptive_field / min_face
    while min(photo.shape[:2]) * scale >= PNet.receptive_field:
        found = pnet()(PNet.preprocess(photo, scale))
        rows, columns = (found.scores[0] >= score_threshold).nonzero(as_tuple=True)
        corner = torch.stack([columns, rows], 1) * PNet.stride
        window = torch.cat([corner, corner + PNet.receptive_field], 1).float()
        offsets = found.offsets[0, :, rows, columns].T * PNet.receptive_field
        boxes.append((window + offsets) / scale)
        scores.append(found.scores[0, rows, columns])
        scale *= factor
    all_boxes, all_scores = torch.cat(boxes), torch.cat(scores)
    keep = nms(all_boxes, all_scores, nms_threshold)
    return {"boxes": all_boxes[keep], "scores": all_scores[keep], "labels": torch.ones(len(keep), dtype=torch.long)}
