"""PR-2: precision at one threshold when positives are rarer."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fpnlib.claims import Claim, Said, exceeds, stays_within
from fpnlib.data import digits
from fpnlib.metrics import average_precision, roc_auc
from fpnlib.notes.precision_recall.experiments.digits import digit_scores

RATIOS = (1, 10, 100)
FIXED_RECALL = 0.9  # of the threshold that PR-2 keeps


def precision_at_ratio(recall: np.ndarray, false_positive_rate: np.ndarray, ratio: float) -> np.ndarray:
    """Return the precision when there are `ratio` negatives per positive, from the two rates that do not depend on it.

    Of one positive and `ratio` negatives, recall + ratio · FPR are flagged, and recall of them rightly. Where nothing
    is flagged the precision is 1, as in scikit-learn's curve.
    """
    flagged = recall + ratio * false_positive_rate
    return np.divide(recall, flagged, out=np.ones_like(flagged), where=flagged > 0)


def resampled_negatives(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Draw negatives with replacement, 1 to 100 per positive, and measure at one fixed threshold."""
    scores, targets = digit_scores()
    positives, negatives, ones = scores[targets], scores[~targets], scores[digits()[1] == 1]
    threshold = positives.quantile(1 - FIXED_RECALL)
    tp = (positives >= threshold).sum().item()
    recall, false_positive_rate = tp / len(positives), (negatives >= threshold).double().mean().item()
    rows = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)

        def draw(pool: Tensor, ratio: int, generator: torch.Generator = generator) -> Tensor:
            return pool[torch.randint(len(pool), (ratio * len(positives),), generator=generator)]

        def both(drawn: Tensor) -> tuple[Tensor, Tensor]:
            return torch.cat([positives, drawn]), torch.cat([torch.ones(len(positives)), torch.zeros(len(drawn))])

        row: dict[str, float] = {}
        for ratio in RATIOS:
            drawn = draw(negatives, ratio)
            fp = (drawn >= threshold).sum().item()
            row |= {
                f"precision_{ratio}": tp / (tp + fp),
                f"false_positive_rate_{ratio}": fp / len(drawn),
                f"roc_auc_{ratio}": roc_auc(*both(drawn)),
                f"average_precision_{ratio}": average_precision(*both(drawn)),
            }
        first, last = RATIOS[0], RATIOS[-1]
        row["effect"] = row[f"precision_{first}"] - row[f"precision_{last}"]
        row["precision_error"] = row[f"precision_{last}"] - recall / (recall + last * false_positive_rate)
        row["roc_auc_change"] = row[f"roc_auc_{first}"] - row[f"roc_auc_{last}"]
        row["false_positive_rate_change"] = row[f"false_positive_rate_{first}"] - row[f"false_positive_rate_{last}"]
        row["roc_auc_lost_to_ones"] = row[f"roc_auc_{first}"] - roc_auc(*both(draw(ones, last)))
        row["recall"] = recall
        rows.append(row)
    return {name: [row[name] for row in rows] for name in rows[0]}


CLAIMS = (
    Claim(
        "PR-2",
        "Precision depends on how rare the positives are; recall and ROC do not, if each class keeps its scores.",
        Said("field", "Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 2006, section 4.2"),
        {
            "for precision": exceeds(
                0.1,
                "the fall of precision at one threshold from 1 to 100 negatives per positive",
                because="of ten that are flagged one more is wrong, which a user notices",
            ),
            "for the formula of precision": stays_within(
                0.005,
                "precision at 100 negatives per positive less recall / (recall + 100 FPR)",
                of="precision_error",
                because="the second digit of a precision, the last that is usually printed",
            ),
            "for the area under ROC": stays_within(
                0.008,
                "the change of the area under ROC from 1 to 100 negatives per positive",
                of="roc_auc_change",
                because="another sample of as many digits moves it by so much, half the interval of a bootstrap",
            ),
            "for the false positive rate": stays_within(
                0.011,
                "the change of the false positive rate at that threshold",
                of="false_positive_rate_change",
                because="another sample of as many digits moves it by so much, half the binomial interval",
            ),
        },
        resampled_negatives,
        seeds=64,
        control=exceeds(
            0.008,
            "the area under ROC lost when the added negatives are all ones, so that the negatives' scores change too",
            of="roc_auc_lost_to_ones",
        ),
        check="Scores are fixed and negatives drawn from the same ones: under that assumption (label shift) recall and "
        "the false positive rate are each one class's, and precision = recall / (recall + r · FPR)",
        told={
            "holds": "The rarer the positives, the lower the precision of the same classifier; its recall and its ROC "
            "curve stay, as long as each class keeps its scores."
        },
    ),
)
