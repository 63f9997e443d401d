"""What note 01 says, and the test of each saying."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fpnlib.claims import Claim, Measurement, Said, exceeds, interval_of_resamples, stays_within, within
from fpnlib.data import digits
from fpnlib.metrics import average_precision, match_detections, precision_recall_curve, roc_auc
from fpnlib.notes.precision_recall.examples import digit_scores, sheet_by_photo
from fpnlib.notes.precision_recall.ranking import EXAMPLE, INTERPOLATIONS

RATIOS = (1, 10, 100)
FIXED_RECALL = 0.9  # of the threshold that PR-2 keeps
FEW = 10  # eights in a short ranking of PR-3
_RESAMPLES = 1000
_AP_MATTERS = 0.003
_AP_BECAUSE = (
    "a gap of 0.3 points of AP is within a reasonable range of random variation on COCO: "
    "K. He, github.com/facebookresearch/moco, issue 39"
)


def _with_interval(name: str, value: float, resampled: Sequence[float]) -> dict[str, float]:
    low, high = interval_of_resamples(resampled)
    # What a resample repeats it ties, so the number itself may lie a little outside.
    return {name: value, f"{name}_low": min(low, value), f"{name}_high": max(high, value)}


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


def _averages(scores: Tensor, targets: Tensor) -> dict[str, float]:
    return {name: average_precision(scores, targets, interpolation=name) for name in INTERPOLATIONS}


def _gaps(averages: Mapping[str, float]) -> dict[str, float]:
    """How far the other three lie from the area under the staircase, and the largest from the smallest."""
    gaps = {name: abs(averages["all"] - value) for name, value in averages.items() if name != "all"}
    return gaps | {"largest": max(averages.values()) - min(averages.values())}


def four_averages() -> Measurement:
    """Sum up the digit classifier's ranking four ways, and many short rankings of other digits each."""
    scores, targets = digit_scores()
    rng = np.random.default_rng(0)

    def averages_of(picks: np.ndarray, values: Tensor = scores) -> dict[str, float]:
        return _averages(values[torch.from_numpy(picks)], targets[torch.from_numpy(picks)])

    everything = np.arange(len(scores))
    whole = averages_of(everything)
    again = [rng.integers(len(scores), size=len(scores)) for _ in range(_RESAMPLES)]
    resampled = [_gaps(averages_of(picks)) for picks in again]
    # Each eight and each other digit stands in one short ranking at most.
    eights, others = (rng.permutation(np.flatnonzero(targets == kind)) for kind in (True, False))
    parts = len(eights) // FEW
    per_ranking = len(others) // parts
    short = [
        _gaps(averages_of(np.concatenate([eights[i::parts][:FEW], others[i::parts][:per_ranking]])))
        for i in range(parts)
    ]
    # One in thirty digits gets another's score: a worse classifier beyond doubt.
    mixed, chosen = scores.clone(), rng.choice(len(scores), len(scores) // 30, replace=False)
    mixed[torch.from_numpy(chosen)] = scores[torch.from_numpy(rng.permutation(chosen))]
    lost = [averages_of(picks)["all"] - averages_of(picks, mixed)["all"] for picks in again]
    numbers: dict[str, float] = {f"digits_{name}": value for name, value in whole.items()}
    for name, gap in _gaps(whole).items():
        numbers |= _with_interval(f"gap_{name}", gap, [gaps[name] for gaps in resampled])
        of_short = Measurement.over_seeds({"effect": [gaps[name] for gaps in short]})
        numbers |= {f"short_gap_{name}": of_short.effect}
        numbers |= dict(zip((f"short_gap_{name}_low", f"short_gap_{name}_high"), of_short.interval, strict=True))
    numbers |= _with_interval("lost_to_mixing", whole["all"] - averages_of(everything, mixed)["all"], lost)
    ten = _averages(-torch.arange(len(EXAMPLE), dtype=torch.float64), torch.tensor(EXAMPLE))
    numbers |= {f"ten_{name}": value for name, value in ten.items()}
    numbers |= {"short_rankings": parts, "short_others": per_ranking, "ten_largest": _gaps(ten)["largest"]}
    interval = numbers["gap_largest_low"], numbers["gap_largest_high"]
    return Measurement(numbers["gap_largest"], interval, len(scores), numbers)


def detector_on_photos() -> Measurement:
    """Score P-Net on the contact sheet at two IoU thresholds: how much AP falls from .5 to .75, over photos.

    With the labels as they are, and with each moved to where P-Net draws the other faces.
    """
    found, labels = sheet_by_photo()
    moved = _moved_labels(found, labels)
    rng = np.random.default_rng(0)
    scores = [boxes["scores"].numpy() for boxes in found]
    faces = np.array([len(target["boxes"]) for target in labels])
    # Every score goes to another box: what finds as much, and ranks it no better than chance.
    mixed = np.split(rng.permutation(np.concatenate(scores)), np.cumsum([len(values) for values in scores])[:-1])
    unranked = [boxes | {"scores": other} for boxes, other in zip(found, mixed, strict=True)]
    rankings = {
        "ap_50": (scores, _hits(found, labels, 0.5)),
        "ap_75": (scores, _hits(found, labels, 0.75)),
        "ap_50_labels_moved": (scores, _hits(found, moved, 0.5)),
        "ap_75_labels_moved": (scores, _hits(found, moved, 0.75)),
        "ap_50_mixed": (mixed, _hits(unranked, labels, 0.5)),
    }

    def falls(photos: Sequence[int]) -> dict[str, float]:
        ap = {
            name: average_precision(
                *(np.concatenate([values[i] for i in photos]) for values in ranking),
                interpolation="coco101",
                num_positives=faces[photos].sum(),
            )
            for name, ranking in rankings.items()
        }
        return ap | {
            "fall": ap["ap_50"] - ap["ap_75"],
            "fall_labels_moved": ap["ap_50_labels_moved"] - ap["ap_75_labels_moved"],
            "lost_to_mixing": ap["ap_50"] - ap["ap_50_mixed"],
        }

    whole = falls([*range(len(found))])
    resampled = [falls(rng.integers(len(found), size=len(found)).tolist()) for _ in range(_RESAMPLES)]
    numbers: dict[str, float] = {"faces": faces.sum().item(), "boxes": sum(map(len, scores))}
    for name, value in whole.items():
        numbers |= _with_interval(name, value, [one[name] for one in resampled])
    return Measurement(numbers["fall"], (numbers["fall_low"], numbers["fall_high"]), len(found), numbers)


def _hits(
    found: Sequence[Mapping[str, Any]], labels: Sequence[Mapping[str, Tensor]], iou: float
) -> list[Bool[np.ndarray, " n"]]:
    """Which boxes of each photo find a face."""
    return [
        match_detections(boxes["boxes"], boxes["scores"], target["boxes"], iou_threshold=iou).true_positive.numpy()
        for boxes, target in zip(found, labels, strict=True)
    ]


def _moved_labels(
    found: Sequence[Mapping[str, Tensor]], labels: Sequence[Mapping[str, Tensor]]
) -> list[dict[str, Tensor]]:
    """Move every label by P-Net's mean offset from the other faces that it found, in units of the label's side.

    What this brings back was lost to the label, the edge of a photo, and not to rough boxes.
    """

    def side(boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
        return (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)

    offsets = []
    for detections, target in zip(found, labels, strict=True):
        boxes = target["boxes"]
        matched = match_detections(detections["boxes"], detections["scores"], boxes).matched_detection
        hit = matched >= 0
        offsets.append((detections["boxes"][matched[hit]] - boxes[hit]) / side(boxes[hit]))
    total, count = torch.cat(offsets).sum(0), len(torch.cat(offsets))
    moved = []
    for own, target in zip(offsets, labels, strict=True):
        others = (total - own.sum(0)) / (count - len(own))
        moved.append(dict(target) | {"boxes": target["boxes"] + others * side(target["boxes"])})
    return moved


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
    Claim(
        "PR-3",
        "AP is several different numbers.",
        Said("field", "Everingham et al., The PASCAL VOC Challenge, IJCV 2010, section 4.2, beside the rules of COCO"),
        {
            f"{between}{where}": exceeds(
                _AP_MATTERS, f"the gap {between}{where}", of=f"{key}gap_{name}", because=_AP_BECAUSE
            )
            for key, where in (("", " on all digits"), ("short_", f" on {FEW} eights and their share of the others"))
            for name, between in (
                ("voc11", "between 11 points and all points"),
                ("coco101", "between 101 points and all points"),
                ("none", "between no interpolation and all points"),
            )
        },
        four_averages,
        control=exceeds(_AP_MATTERS, "the AP lost when one in thirty digits gets another's score", of="lost_to_mixing"),
        told={
            "depends": "AP read at eleven points is another number than AP over all points; other ways to sum up the "
            "curve differ too little to matter, or too little to tell."
        },
    ),
    Claim(
        "PR-4",
        "For detection, AP also depends on the IoU at which a box counts.",
        Said("field", "Lin et al., Microsoft COCO, ECCV 2014; the COCO evaluation's ten thresholds"),
        {
            f"with the labels {which}": exceeds(
                _AP_MATTERS,
                f"the fall of a real detector's AP on real photos from IoU .5 to .75, with the labels {which}",
                of=name,
                because=_AP_BECAUSE,
            )
            for which, name in (
                ("as they are", "fall"),
                ("moved to where the detector draws other faces", "fall_labels_moved"),
            )
        },
        detector_on_photos,
        control=exceeds(_AP_MATTERS, "the AP at .5 lost when the boxes get each other's scores", of="lost_to_mixing"),
        told={
            "holds": "The same boxes look excellent when a loose fit counts and useless when a tight one is asked; "
            "much of that is only where the labels draw the edge."
        },
    ),
)
