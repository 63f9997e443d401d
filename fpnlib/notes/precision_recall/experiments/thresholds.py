"""PR-1: what every threshold of a classifier does to precision and recall."""

from fpnlib.claims import Claim, Measurement, Said, within
from fpnlib.metrics import precision_recall_curve
from fpnlib.notes.precision_recall.experiments.digits import digit_scores


def every_threshold() -> Measurement:
    """Walk up all thresholds of the digit classifier and compare each step with what drops out there."""
    scores, targets = digit_scores()
    curve = precision_recall_curve(scores, targets)
    # The last point belongs to no threshold.
    recall_steps, precision_steps = curve.recall[:-1].diff(), curve.precision[:-1].diff()
    dropped = scores[None] == curve.thresholds[:-1, None]
    share_dropped = (dropped & targets).sum(1) / dropped.sum(1)
    foreseen = share_dropped > curve.precision[:-2]
    recall_rises, surprises = int((recall_steps > 0).sum()), int((foreseen != (precision_steps < 0)).sum())
    above = curve.thresholds[:-1] >= 0
    return Measurement.exact(
        recall_rises + surprises,
        n=len(precision_steps),
        examples=len(scores),
        positives=int(targets.sum()),
        prevalence=targets.double().mean().item(),
        accuracy_of_never=1 - targets.double().mean().item(),
        thresholds=len(curve.thresholds),
        recall_rises=recall_rises,
        surprises=surprises,
        precision_falls=int((precision_steps < 0).sum()),
        precision_rises=int((precision_steps > 0).sum()),
        precision_falls_above_zero=int((precision_steps[above] < 0).sum()),
        precision_rises_above_zero=int((precision_steps[above] > 0).sum()),
    )


CLAIMS = (
    Claim(
        "PR-1",
        "Moving the threshold trades precision for recall. Recall is monotone, precision is not.",
        Said("field", "Manning, Raghavan, Schütze, Introduction to Information Retrieval, 2008, section 8.4"),
        {
            "for recall": within(0, "steps at which recall rises with the threshold", of="recall_rises"),
            "for precision": within(
                0,
                "steps at which precision falls though what drops out is no richer in positives, or the reverse",
                of="surprises",
            ),
        },
        every_threshold,
        check="It follows from counting: no example comes back when the threshold rises, so recall cannot grow, and "
        "precision falls just where what drops out is richer in positives than what was flagged",
        told={"holds": "Raise the threshold and recall can only fall; precision mostly rises, but not always."},
    ),
)
