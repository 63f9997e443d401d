"""What the claims about batch norm that are exact share: their bound, how many instances, and how far off is."""

from torch import Tensor

EXACT = 1e-10
WRONG = 1e-3  # a wrong derivation must be off by more
INSTANCES = 40
LARGE = 5000
EPS = 1e-5
SEEN = "the difference of a wrong variant, at least"


def off(ours: Tensor, truth: Tensor) -> float:
    """Largest difference, in units of the largest value where that is above 1."""
    return ((ours - truth).abs().max() / truth.abs().max().clamp(min=1)).item()
