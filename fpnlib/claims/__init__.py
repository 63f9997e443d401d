"""The ledger: what the notes say, how each saying was put to the test, and what came out.

`python -m fpnlib.claims` prints it; `--recompute` measures again.
"""

from fpnlib.claims.again import disagreements
from fpnlib.claims.claim import (
    CONFIDENCE,
    VERDICTS,
    Claim,
    Criterion,
    Judgement,
    Measurement,
    OnPhotos,
    Said,
    Verdict,
    all_of,
    exceeds,
    interval_of_mean,
    interval_of_resamples,
    resampled_means,
    stays_within,
    within,
)
from fpnlib.claims.machine import machine
from fpnlib.claims.show import Verdicts, verdicts
from fpnlib.claims.store import RESULTS, Result, Row, all_claims, compute, ledger

__all__ = [
    "CONFIDENCE",
    "RESULTS",
    "VERDICTS",
    "Claim",
    "Criterion",
    "Judgement",
    "Measurement",
    "OnPhotos",
    "Result",
    "Row",
    "Said",
    "Verdict",
    "Verdicts",
    "all_claims",
    "all_of",
    "compute",
    "disagreements",
    "exceeds",
    "interval_of_mean",
    "interval_of_resamples",
    "ledger",
    "machine",
    "resampled_means",
    "stays_within",
    "verdicts",
    "within",
]
