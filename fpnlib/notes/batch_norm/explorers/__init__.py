"""What note 06 shows: a distribution, the graph, the norms' family, running statistics, learning rates, folding."""

from typing import Any

import torch

from fpnlib.data.photos import load_image, photo
from fpnlib.explore import explorer
from fpnlib.notes.batch_norm.experiments.family import PHOTOS, family_maps
from fpnlib.notes.batch_norm.explorers.distribution import DistributionExplorer
from fpnlib.notes.batch_norm.explorers.folding import FoldedExplorer
from fpnlib.notes.batch_norm.explorers.learning_rates import RatesExplorer
from fpnlib.notes.batch_norm.explorers.norm_family import FamilyExplorer
from fpnlib.notes.batch_norm.explorers.passes import PassesExplorer
from fpnlib.notes.batch_norm.explorers.running_statistics import RunningExplorer


@explorer
def distribution(values: Any = None) -> DistributionExplorer:
    """Draw batches from a distribution and normalise them: γ, β, ε and the batch size.

    Args:
        values: your own numbers, any array; by default the brightness of the pixels of a photo of a coffee cup.
    """
    return DistributionExplorer(photo("coffee").mean(2)[::4, ::4] if values is None else values)


@explorer
def passes() -> PassesExplorer:
    """Follow four numbers forward through batch norm and their gradients back, rightly and wrongly."""
    return PassesExplorer()


@explorer
def norm_family(maps: Any = None) -> FamilyExplorer:
    """See which maps batch, layer, instance and group norm average, and what depends on the rest of the batch.

    Args:
        maps: your own activations, (N, C, H, W), 2 to 16 images of 2 to 32 channels; by default what eight photos send
            into the third batch norm of a trained EfficientNet-Lite0.
    """
    given = family_maps() if maps is None else torch.as_tensor(maps)
    return FamilyExplorer(given, PHOTOS if len(given) == len(PHOTOS) else ())


@explorer
def running_statistics() -> RunningExplorer:
    """Watch the running mean and variance follow the batches: momentum, batch size, and a mean that still moves."""
    return RunningExplorer()


@explorer
def learning_rates() -> RatesExplorer:
    """See at which learning rates the digit nets of claim BN-6 learn, with batch norm and without."""
    return RatesExplorer()


@explorer
def folding(image: Any = None) -> FoldedExplorer:
    """Fold batch norm into the convolution before it, and compare the two outputs.

    Args:
        image: your photo, an array (H, W, 3) or a path; by default Chelsea the cat.
    """
    return FoldedExplorer(photo("chelsea") if image is None else load_image(image))


EXPLORERS = (distribution, passes, norm_family, running_statistics, learning_rates, folding)
