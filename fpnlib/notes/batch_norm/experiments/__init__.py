"""What note 06 says, and the test of each saying."""

from fpnlib.notes.batch_norm.experiments import (
    batch_sizes,
    bookkeeping,
    folding,
    gradients,
    learning_rates,
    scale_and_bias,
)

CLAIMS = (
    *gradients.CLAIMS,
    *bookkeeping.CLAIMS,
    *scale_and_bias.CLAIMS,
    *batch_sizes.CLAIMS,
    *folding.CLAIMS,
    *learning_rates.CLAIMS,
)
