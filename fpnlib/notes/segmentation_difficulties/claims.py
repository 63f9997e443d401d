"""What note 08 says, and the test of each saying."""

from fpnlib.notes.segmentation_difficulties.context import CONTEXT
from fpnlib.notes.segmentation_difficulties.exact import EXACT

CLAIMS = (*EXACT, *CONTEXT)
