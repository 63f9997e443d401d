"""Claim BN-4: batches of two, with batch norm and with group norm."""

import functools
from collections.abc import Sequence

import numpy as np

from fpnlib.claims import Claim, Said, exceeds
from fpnlib.notes.batch_norm.experiments import digits


def small_batches(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train digit nets at two batch sizes on the same number of images; errors and how far the two modes differ."""
    outcomes = {name: np.array(values) for name, values in digits.batch_sizes(seeds).items()}
    small, large = digits.BATCH_SIZES[0], digits.REFERENCE_SIZE
    costs = {kind: outcomes[f"{kind}_error_{small}"] - outcomes[f"{kind}_error_{large}"] for kind in digits.KINDS}
    found = {
        "effect": costs["norm"],
        **{f"cost_{kind}": values for kind, values in costs.items()},
        "cost_more_than_group": costs["norm"] - costs["group"],
        "gain_group": -costs["group"],
        "modes_differ_more": outcomes[f"norm_modes_differ_{small}"] - outcomes[f"norm_modes_differ_{large}"],
        "trained_on": outcomes[f"norm_early_error_{large}"] - outcomes[f"norm_error_{large}"],
        "at_end": np.mean([outcomes[f"{kind}_at_end_{size}"] for kind in digits.KINDS for size in (small, large)], 0),
    }
    return {name: values.tolist() for name, values in (found | outcomes).items()}


def first_small_batches(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The nets of `small_batches` after the first quarter of their training, at a batch size of 32."""
    size = digits.REFERENCE_SIZE
    ensemble = digits.train(
        seeds, digits.SIZE_RATES, functools.partial(digits.DigitNet, 2, "norm"), size, digits.EARLY // size
    )
    return {f"norm_early_error_{size}": digits.tuned_errors(ensemble, len(seeds))[0].tolist()}


_TENTH = "a tenth of the 10.6 points of ImageNet error that Wu and He measured at a batch of two"


CLAIMS = (
    Claim(
        "BN-4",
        "Small batches hurt: batch norm's error rises when the batch gets small, group norm's does not.",
        Said("field", "Wu and He, Group Normalization, ECCV 2018"),
        {
            "that batches of two cost accuracy, with batch norm": exceeds(
                0.01, "tuned test error at batches of 2 less that at 32, 4096 digits seen", because=_TENTH
            ),
            "that they cost more than with group norm": exceeds(
                0.01, "that cost with batch norm less that with group norm", of="cost_more_than_group", because=_TENTH
            ),
            "that the two modes disagree more": exceeds(
                0.01,
                "share of test digits that training and eval mode name differently, at 2 less at 32",
                of="modes_differ_more",
                because=_TENTH,
            ),
            "that they cost nothing with group norm": exceeds(
                -0.01,
                "tuned test error at batches of 32 less that at 2, with group norm",
                of="gain_group",
                because=_TENTH,
            ),
        },
        small_batches,
        seeds=16,
        control=exceeds(
            0.01, "test error after 1024 digits less that after 4096, batches of 32, batch norm", of="trained_on"
        ),
        recheck=first_small_batches,
        told={
            "holds": "With two images to a batch, batch norm loses accuracy at the best of learning rates; group norm, "
            "which looks at one image at a time, does not.",
        },
    ),
)
