"""Claims BN-6 and BN-7: how large a learning rate is good, at which initial weights, and what is gained by it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from fpnlib.claims import Claim, Result, Said, exceeds
from fpnlib.notes.batch_norm.experiments import digits


def rates_and_scales(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train digit nets at many learning rates and initial scales: how large a rate is good, and what is gained."""
    outcomes = {name: np.array(values) for name, values in digits.rates_and_scales(seeds).items()}
    scales, usual = len(digits.SCALES), digits.USUAL
    largest, decades = {}, {}
    for kind in ("norm", "plain"):
        errors = _usual_errors(outcomes, kind)
        largest[kind] = largest_near_best(errors)
        tuned = np.stack([outcomes[f"{kind}_tuned_{k}"] for k in range(scales)])
        decades[kind] = (tuned <= digits.LEARNS).sum(0) * math.log10(digits.SCALES[1] / digits.SCALES[0])
    tuned_gain = outcomes[f"plain_tuned_{usual}"] - outcomes[f"norm_tuned_{usual}"]
    found = {
        "effect": largest["norm"] - largest["plain"],
        **{f"{kind}_largest": values for kind, values in largest.items()},
        **{f"{kind}_decades_of_scale": values for kind, values in decades.items()},
        "decades_of_scale_more": decades["norm"] - decades["plain"],
        "tuned_gain": tuned_gain,
        "tuning_matters": outcomes[f"norm_error_{usual}_0"] - outcomes[f"norm_tuned_{usual}"],
    }
    return {name: values.tolist() for name, values in (found | outcomes).items()}


def largest_near_best(errors: np.ndarray) -> np.ndarray:
    """Return of each seed log10 of the largest rate whose error (rates, seeds) is near its best."""
    near = errors <= digits.NEAR * errors.min(0)
    return np.log10(digits.RATES)[len(errors) - 1 - near[::-1].argmax(0)]


def stored_errors() -> dict[str, np.ndarray]:
    """Return by kind of net the errors that BN-6 has stored, (scales, rates, seeds)."""
    stored = Result.load("BN-6").per_seed
    scales, rates = range(len(digits.SCALES)), range(len(digits.RATES))
    return {
        kind: np.array([[stored[f"{kind}_error_{k}_{i}"] for i in rates] for k in scales]) for kind in ("norm", "plain")
    }


def _usual_errors(outcomes: Mapping[str, np.ndarray], kind: str) -> np.ndarray:
    """Test errors (rates, seeds) at He's initial scale."""
    return np.stack([outcomes[f"{kind}_error_{digits.USUAL}_{i}"] for i in range(len(digits.RATES))])


def at_usual_scale(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The errors of `rates_and_scales` at He's initial scale alone."""
    return digits.rates_and_scales(seeds, [digits.USUAL])


def which_gain(seeds: Sequence[int]) -> dict[str, list[float]]:
    """What batch norm gains at the plain net's own rate, and what by going from there to its own."""
    return split_gain(at_usual_scale(seeds))


def split_gain(errors: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """The gain of `which_gain` from the errors of `at_usual_scale`."""
    outcomes = {name: np.array(values) for name, values in errors.items()}
    norm, plain = (outcomes[f"{kind}_tuned_{digits.USUAL}"] for kind in ("norm", "plain"))
    at_plains = outcomes[f"plain_best_{digits.USUAL}"].astype(int)
    there = _usual_errors(outcomes, "norm")[at_plains, np.arange(len(norm))]
    found = {
        "effect": (plain - there) - (there - norm),
        "same_rate_gain": plain - there,
        "other_rate_gain": there - norm,
        "tuning_matters": outcomes[f"norm_error_{digits.USUAL}_0"] - norm,
    }
    return {name: values.tolist() for name, values in (found | outcomes).items()}


_SEED = "another seed moves a tuned error with batch norm by about so much: a standard deviation of 0.016"
_TUNED = exceeds(
    0.02,
    "test error at the smallest rate less that at the tuned one, with batch norm",
    of="tuning_matters",
)


CLAIMS = (
    Claim(
        "BN-6",
        "Batch norm allows larger learning rates and makes the initial weights matter less.",
        Said("field", "Ioffe and Szegedy, Batch Normalization, ICML 2015, abstract and section 3.3"),
        {
            "for the learning rate": exceeds(
                0.3,
                "decades between the largest rates whose test error is within twice the net's own best, with and "
                "without batch norm",
                because="a factor of two is the least by which one tunes a rate",
            ),
            "for the initial scale": exceeds(
                0.39,
                "decades of initial scale at which a tuned net learns (test error at most 0.2), with batch norm less "
                "without",
                of="decades_of_scale_more",
                because="torch's and He's initial weights are a factor of √6, 0.39 decades, apart",
            ),
            "for the error, tuned against tuned": exceeds(
                0.02,
                "test error without batch norm less that with it, rates chosen on other digits",
                of="tuned_gain",
                because=_SEED,
            ),
        },
        rates_and_scales,
        seeds=8,
        control=_TUNED,
        recheck=digits.first_losses,
        told={
            "holds": "With batch norm a net forgives you: a learning rate that is several times too large, or initial "
            "weights that are ten times too small."
        },
    ),
    Claim(
        "BN-7",
        "Most of what batch norm gains in this small net needs no larger rate.",
        Said("us"),
        {
            "": exceeds(
                0.02,
                "test error gained at the plain net's own rate less that gained by going on to batch norm's",
                because=_SEED,
            )
        },
        which_gain,
        seeds=16,
        control=_TUNED,
        recheck=digits.first_losses,
        told={
            "holds": "In a shallow net batch norm already helps at the rate at which the plain net is best.",
            "depends": "In a shallow net batch norm already helps at the plain net's own rate; whether that is most of "
            "what it gains depends on the processor.",
        },
    ),
)
