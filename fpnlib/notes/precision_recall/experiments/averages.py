"""PR-3: four ways to sum up one ranking."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from fpnlib.claims import Claim, Measurement, Said, exceeds, interval_of_resamples
from fpnlib.metrics import average_precision
from fpnlib.metrics.classification import RECALL_LEVELS, Interpolation
from fpnlib.notes.precision_recall.experiments.digits import digit_scores

# Right and wrong answers, best score first: early hits, a gap, then late hits, so that the four sums come apart.
EXAMPLE = (1, 0, 1, 1, 0, 0, 1, 0, 0, 1)
INTERPOLATIONS: dict[Interpolation, str] = {
    "none": "no interpolation",
    "all": "all points (VOC from 2010)",
    "voc11": "11 points (VOC 2007)",
    "coco101": "101 points (COCO)",
}
FEW = 10  # eights in a short ranking
RESAMPLES = 1000
AP_MATTERS = 0.003
AP_BECAUSE = (
    "a gap of 0.3 points of AP is within a reasonable range of random variation on COCO: "
    "K. He, github.com/facebookresearch/moco, issue 39"
)


def with_interval(name: str, value: float, resampled: Sequence[float]) -> dict[str, float]:
    """A number by name, with the ends of its bootstrap interval."""
    low, high = interval_of_resamples(resampled)
    # What a resample repeats it ties, so the number itself may lie a little outside.
    return {name: value, f"{name}_low": min(low, value), f"{name}_high": max(high, value)}


def averages(scores: Tensor, targets: Tensor, num_positives: int | None = None) -> dict[str, float]:
    """Average precision of one ranking in each of the four ways; as for `fpnlib.metrics.average_precision`."""
    return {
        name: average_precision(scores, targets, interpolation=name, num_positives=num_positives)
        for name in INTERPOLATIONS
    }


def samples(recall: np.ndarray, envelope: np.ndarray) -> dict[str, np.ndarray]:
    """The envelope of a ranking, (n,) each, at the recalls that VOC 2007 and COCO read it at."""
    return {
        name: np.append(envelope, 0.0)[np.searchsorted(recall, grid, side="left")]
        for name, grid in RECALL_LEVELS.items()
    }


def _gaps(found: Mapping[str, float]) -> dict[str, float]:
    """How far the other three lie from the area under the staircase, and the largest from the smallest."""
    gaps = {name: abs(found["all"] - value) for name, value in found.items() if name != "all"}
    return gaps | {"largest": max(found.values()) - min(found.values())}


def four_averages() -> Measurement:
    """Sum up the digit classifier's ranking four ways, and many short rankings of other digits each."""
    scores, targets = digit_scores()
    rng = np.random.default_rng(0)

    def averages_of(picks: np.ndarray, values: Tensor = scores) -> dict[str, float]:
        return averages(values[torch.from_numpy(picks)], targets[torch.from_numpy(picks)])

    everything = np.arange(len(scores))
    whole = averages_of(everything)
    again = [rng.integers(len(scores), size=len(scores)) for _ in range(RESAMPLES)]
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
        numbers |= with_interval(f"gap_{name}", gap, [gaps[name] for gaps in resampled])
        of_short = Measurement.over_seeds({"effect": [gaps[name] for gaps in short]})
        numbers |= {f"short_gap_{name}": of_short.effect}
        numbers |= dict(zip((f"short_gap_{name}_low", f"short_gap_{name}_high"), of_short.interval, strict=True))
    numbers |= with_interval("lost_to_mixing", whole["all"] - averages_of(everything, mixed)["all"], lost)
    ten = averages(-torch.arange(len(EXAMPLE), dtype=torch.float64), torch.tensor(EXAMPLE))
    numbers |= {f"ten_{name}": value for name, value in ten.items()}
    numbers |= {"short_rankings": parts, "short_others": per_ranking, "ten_largest": _gaps(ten)["largest"]}
    interval = numbers["gap_largest_low"], numbers["gap_largest_high"]
    return Measurement(numbers["gap_largest"], interval, len(scores), numbers)


CLAIMS = (
    Claim(
        "PR-3",
        "AP is several different numbers.",
        Said("field", "Everingham et al., The PASCAL VOC Challenge, IJCV 2010, section 4.2, beside the rules of COCO"),
        {
            f"{between}{where}": exceeds(
                AP_MATTERS, f"the gap {between}{where}", of=f"{key}gap_{name}", because=AP_BECAUSE
            )
            for key, where in (("", " on all digits"), ("short_", f" on {FEW} eights and their share of the others"))
            for name, between in (
                ("voc11", "between 11 points and all points"),
                ("coco101", "between 101 points and all points"),
                ("none", "between no interpolation and all points"),
            )
        },
        four_averages,
        control=exceeds(AP_MATTERS, "the AP lost when one in thirty digits gets another's score", of="lost_to_mixing"),
        told={
            "depends": "AP read at eleven points is another number than AP over all points; other ways to sum up the "
            "curve differ too little to matter, or too little to tell."
        },
    ),
)
