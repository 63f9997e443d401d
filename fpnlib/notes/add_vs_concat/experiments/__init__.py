"""What note 07 says, and the test of each saying."""

from fpnlib.notes.add_vs_concat.experiments import alignment, counts, edges, gradients, identities, skips

CLAIMS = tuple(
    sorted(
        (*identities.CLAIMS, *counts.CLAIMS, *alignment.CLAIMS, *edges.CLAIMS, *gradients.CLAIMS, *skips.CLAIMS),
        key=lambda claim: int(claim.id.partition("-")[2]),
    )
)
