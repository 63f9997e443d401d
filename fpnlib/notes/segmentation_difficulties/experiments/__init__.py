"""What note 08 says, and the test of each saying."""

from fpnlib.notes.segmentation_difficulties.context import CONTEXT
from fpnlib.notes.segmentation_difficulties.cues import CUES
from fpnlib.notes.segmentation_difficulties.exact import EXACT
from fpnlib.notes.segmentation_difficulties.scores import SCORES
from fpnlib.notes.segmentation_difficulties.trained import TRAINED
from fpnlib.notes.segmentation_difficulties.weak import WEAK

CLAIMS = tuple(
    sorted((*EXACT, *TRAINED, *SCORES, *CUES, *WEAK, *CONTEXT), key=lambda claim: int(claim.id.split("-")[1]))
)
