"""What note 03 says, and the test of it."""

from fpnlib.notes.segmentation_head.experiments.last_layer import CLAIMS

__all__ = ["CLAIMS"]
