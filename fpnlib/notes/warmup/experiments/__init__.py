"""What note 05 says, and the test of each saying."""

from fpnlib.notes.warmup.experiments import factor, kin, limits, rates, why

CLAIMS = tuple(
    sorted((*factor.CLAIMS, *kin.CLAIMS, *limits.CLAIMS, *rates.CLAIMS, *why.CLAIMS), key=lambda claim: claim.id)
)
