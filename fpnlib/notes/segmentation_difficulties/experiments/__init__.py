"""What note 08 says, and the test of each saying: a file a claim, or two that share their instrument.

Beside them `photos` and `masks` hold the labelled photos and what is made wrong with them, `nets` the nets that are
trained, `shown` what the explorers show of such nets, `fields` what units of a real net see, and `bounds` the effects
that matter.
"""

from fpnlib.notes.segmentation_difficulties.experiments.boxes import SD_4
from fpnlib.notes.segmentation_difficulties.experiments.context import SD_12
from fpnlib.notes.segmentation_difficulties.experiments.cues import SD_3
from fpnlib.notes.segmentation_difficulties.experiments.finer_strides import SD_13
from fpnlib.notes.segmentation_difficulties.experiments.lines import SD_7
from fpnlib.notes.segmentation_difficulties.experiments.means import SD_8
from fpnlib.notes.segmentation_difficulties.experiments.post_processing import SD_2, SD_11
from fpnlib.notes.segmentation_difficulties.experiments.regions import SD_10
from fpnlib.notes.segmentation_difficulties.experiments.repair import SD_14
from fpnlib.notes.segmentation_difficulties.experiments.strides import SD_9
from fpnlib.notes.segmentation_difficulties.experiments.tasks import SD_5
from fpnlib.notes.segmentation_difficulties.experiments.ties import SD_1
from fpnlib.notes.segmentation_difficulties.experiments.weak_labels import SD_6

CLAIMS = (SD_1, SD_2, SD_3, SD_4, SD_5, SD_6, SD_7, SD_8, SD_9, SD_10, SD_11, SD_12, SD_13, SD_14)
