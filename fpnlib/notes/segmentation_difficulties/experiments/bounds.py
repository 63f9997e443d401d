"""The smallest effects that matter, each with its reason; and the means of what is measured on many photos."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from fpnlib.claims import Criterion, Measurement, exceeds, interval_of_mean

POINT = 0.01
A_POINT = "a point, one in a hundred, is the unit of the field's tables"
CRF_GAIN = 0.0539
LESS_THAN_A_CRF = (
    "a CRF, the classical repair of boundaries, raised DeepLab's mIoU on VOC from .6225 to .6764; a smaller cost is "
    "less than what the field found worth repairing"
)
STEP = 0.05
COCO_STEP = "COCO averages AP over IoU thresholds .05 apart: a mask that loses more falls below the next one"
BAND = 7
"""Pixels of boundary IoU: 2 % of the short side."""


def rises(what: str, of: str) -> Criterion:
    """The criterion that a score of nets rises by more than a point."""
    return exceeds(POINT, f"gain in {what}", of=of, because=f"涨点: {A_POINT}")


def spread(name: str, values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """The mean of one value per photo or instance, with its interval, as `Measurement.numbers` holds them."""
    low, high = interval_of_mean(values)
    return {name: float(np.mean(values)), f"{name}_low": low, f"{name}_high": high}


def with_effect(effect: str, n: int, numbers: dict[str, float]) -> Measurement:
    """A measurement of `n` whose effect is one of its numbers."""
    return Measurement(numbers[effect], (numbers[f"{effect}_low"], numbers[f"{effect}_high"]), n, numbers)


def together(found: Iterable[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    """The values of many photos under one name."""
    joined: dict[str, list[float]] = {}
    for outcomes in found:
        for name, values in outcomes.items():
            joined.setdefault(name, []).extend(values)
    return joined
