"""Networks, each in one short file; those with real weights have a `pretrained` constructor."""

from fpnlib.models.efficientnet import EfficientNetLite0
from fpnlib.models.pnet import PNet, PNetOutput

__all__ = ["EfficientNetLite0", "PNet", "PNetOutput"]
