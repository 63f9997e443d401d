"""What note 01 shows: a threshold and its price, prevalence, calibration, four averages, boxes that count or do not."""

import numpy as np
import torch

from fpnlib.data import digits, labelled_photo
from fpnlib.data.detections import read_detections, read_images
from fpnlib.explore import explorer
from fpnlib.metrics.arrays import ArrayLike
from fpnlib.notes.precision_recall.experiments.averages import EXAMPLE
from fpnlib.notes.precision_recall.experiments.contact_sheet import contact_sheet, sheet_detections
from fpnlib.notes.precision_recall.experiments.detector import moved_sheet_labels
from fpnlib.notes.precision_recall.experiments.digits import digit_scores
from fpnlib.notes.precision_recall.explorers.calibration import CalibrationExplorer
from fpnlib.notes.precision_recall.explorers.detection import DetectionExplorer
from fpnlib.notes.precision_recall.explorers.examples import Examples
from fpnlib.notes.precision_recall.explorers.interpolations import RankingExplorer
from fpnlib.notes.precision_recall.explorers.operating_point import OperatingPointExplorer
from fpnlib.notes.precision_recall.explorers.precision_recall import ThresholdExplorer
from fpnlib.notes.precision_recall.explorers.prevalence import PrevalenceExplorer
from fpnlib.notes.precision_recall.explorers.scored import Scored


def _scores_or_digits(scores: ArrayLike | None, targets: ArrayLike | None) -> tuple[ArrayLike, ArrayLike]:
    if scores is None and targets is None:
        return digit_scores()
    if scores is None or targets is None:
        raise ValueError("scores, targets: got only one of the two, allowed: both or neither")
    return scores, targets


@explorer
def precision_recall(scores: ArrayLike | None = None, targets: ArrayLike | None = None) -> ThresholdExplorer:
    """Move a threshold over scores: histograms, confusion matrix, PR and ROC curves, and the counts behind them.

    Args:
        scores: one number per example, higher means more likely positive; logits will do. By default the book's.
        targets: True or 1 where the example is positive.
    """
    examples = None
    if scores is None and targets is None:
        examples = Examples(digits()[0].numpy(), *(column.numpy() for column in digit_scores()))
    return ThresholdExplorer(*_scores_or_digits(scores, targets), examples)


@explorer
def prevalence(scores: ArrayLike | None = None, targets: ArrayLike | None = None) -> PrevalenceExplorer:
    """Make positives rarer while the scores stay: precision falls, recall and ROC do not. Arguments as above."""
    return PrevalenceExplorer(*_scores_or_digits(scores, targets))


@explorer
def operating_point(scores: ArrayLike | None = None, targets: ArrayLike | None = None) -> OperatingPointExplorer:
    """Choose a threshold by what a miss and a false alarm cost. Arguments as above.

    The dashed line is where the best threshold of calibrated log odds lies, so it fits scores of that kind.
    """
    return OperatingPointExplorer(*_scores_or_digits(scores, targets))


@explorer
def calibration(scores: ArrayLike | None = None, targets: ArrayLike | None = None) -> CalibrationExplorer:
    """Make log odds more or less sure of themselves: what was said against what came, and the Brier score.

    Args:
        scores: log odds, one per example; of probabilities p give log(p / (1 - p)). By default the book's.
        targets: True or 1 where the example is positive.
    """
    return CalibrationExplorer(*_scores_or_digits(scores, targets))


@explorer
def interpolations(scores: ArrayLike | None = None, targets: ArrayLike | None = None) -> RankingExplorer:
    """Move one item of a ranking: four average precisions, drawn as the areas or samples that they are."""
    if scores is None and targets is None:
        return RankingExplorer(np.array(EXAMPLE, bool))
    return RankingExplorer(Scored(*_scores_or_digits(scores, targets)).ranking)


@explorer
def detection(predictions: object = None, targets: object = None, image: object = None) -> DetectionExplorer:
    """Move the IoU at which a box counts, the score threshold, and the boxes themselves.

    Args:
        predictions: a mapping of boxes (n, 4) as x0 y0 x1 y1, scores (n,) and labels (n,), or a list of these, or
            the path of a COCO results file. By default P-Net's faces on a sheet of real photos.
        targets: mappings of boxes and labels in the same order, or the path of the COCO annotations.
        image: the photo to draw under the boxes, (H, W, 3) or a path, or a list of one per image; grey without.
    """
    if predictions is None and targets is None:
        sheet, boxes = contact_sheet(), sheet_detections()
        found, wanted = read_detections(boxes, sheet.targets)
        return DetectionExplorer(found, wanted, [sheet.image], read_detections(boxes, moved_sheet_labels())[1])
    if predictions is None or targets is None:
        raise ValueError("predictions, targets: got only one of the two, allowed: both or neither")
    found, wanted = read_detections(predictions, targets)
    return DetectionExplorer(found, wanted, read_images(image, wanted))


@explorer
def box_error() -> DetectionExplorer:
    """Move the 19 labelled boxes of the café photo away from themselves: when does a perfect answer stop counting?"""
    cafe = labelled_photo("cafe")
    labels = {"boxes": cafe.boxes, "labels": cafe.labels}
    perfect = labels | {"scores": torch.ones(len(cafe.boxes))}
    return DetectionExplorer(*read_detections(perfect, labels), [cafe.image])


EXPLORERS = (precision_recall, prevalence, operating_point, calibration, interpolations, detection, box_error)
