"""FP-7: what FP-3 found on a frozen backbone, asked again with a backbone that learns with the pyramid.

The criterion was committed before any seed of the claim was trained. Before that nets of seed 100 were, and scored on
the test pictures: with the cue at 24 pixels at three rates, of which the smaller two learnt, and without the path at 6
and 24; on collages two frozen ones and a tuned one with the path.
"""

from collections.abc import Sequence

import numpy as np

from fpnlib.claims import Claim, Said, all_of, exceeds, stays_within
from fpnlib.notes.fpn.experiments import levels
from fpnlib.notes.fpn.experiments.cue import CHANCE, accuracy, train

SEEDS = 8
DISTANCES = (6, 24)
"""Pixels to the cue, which P2 alone sees, and does not."""
_PATHS = {"full": True, "none": False}  # with the top-down path and without


def tuned_and_frozen(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Accuracies `cue_<path>_<distance>` of tuned nets; of tuned and frozen ones what P2 says of collages.

    `tuned_<path>_<score>` and `frozen_<path>_<score>` have the scores of `levels.scores`.
    """
    found: dict[str, list[float]] = {}
    for name in _PATHS:
        for distance in DISTANCES:
            found[f"cue_{name}_{distance}"] = accuracy(seeds, "tuned", name, distance)
    found["leak"] = [one - CHANCE for one in accuracy(seeds, "tuned", "full", None)]
    for seed in seeds:
        for name, top_down in _PATHS.items():
            for kind, net in (("tuned", levels.tuned), ("frozen", levels.trained)):
                for score, value in levels.scores(net(seed, top_down=top_down)).items():
                    found.setdefault(f"{kind}_{name}_{score}", []).append(value)

    def less(one: str, other: str) -> list[float]:
        difference: list[float] = np.subtract(found[one], found[other]).tolist()
        return difference

    found["within"] = less("cue_full_6", "cue_none_6")
    for kind in ("tuned", "frozen"):
        found[f"{kind}_gain"] = less(f"{kind}_full_small", f"{kind}_none_small")
    found["gain_of_tuning"] = less("tuned_gain", "frozen_gain")
    found["miou_of_tuning"] = less("tuned_full_miou", "frozen_full_miou")
    return {"effect": less("cue_full_24", "cue_none_24"), **found, **first_losses(seeds)}


def first_losses(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The loss of the first step, cue at 24 pixels."""
    return {"early_cue": train(seeds, "tuned", "full", 24, stop=1).losses[-1].tolist()}


_BECAUSE = "as for FP-3: so much may two nets that guess differ by chance on as many objects"
_SMALL, _SMALL_BECAUSE = 0.05, "as for FP-3: a third of what small objects lose in the paper's table"
_MIOU = 0.025

CLAIMS = (
    Claim(
        "FP-7",
        "What the top-down path was worth on a frozen backbone it is worth on one that learns with the pyramid.",
        Said("us"),
        {
            "where the cue lies beyond what the fine level sees, that the path is needed": exceeds(
                0.06,
                "accuracy with the cue at 24 pixels, with the path less without, backbone tuned",
                because=_BECAUSE,
            ),
            "where the cue lies within, that it is not": stays_within(
                0.06,
                "accuracy with the cue at 6 pixels, with the path less without, backbone tuned",
                of="within",
                because=_BECAUSE,
            ),
            "for small objects that need no cue, that the path pays": exceeds(
                _SMALL,
                "share of small objects' cells named rightly at P2, with the path less without, backbone tuned",
                of="tuned_gain",
                because=_SMALL_BECAUSE,
            ),
            "that it pays as much for these": stays_within(
                _SMALL,
                "that gain less the same gain on the frozen backbone, seed by seed",
                of="gain_of_tuning",
                because=_SMALL_BECAUSE,
            ),
        },
        tuned_and_frozen,
        seeds=SEEDS,
        control=all_of(
            exceeds(0.95, "accuracy with the cue at 6 pixels, with the path", of="cue_full_6"),
            exceeds(0.95, "accuracy with the cue at 6 pixels, without it", of="cue_none_6"),
            stays_within(0.06, "accuracy less chance where nothing tells the class", of="leak"),
            exceeds(_MIOU, "mIoU at P2 that tuning the backbone adds", of="miou_of_tuning"),
        ),
        recheck=first_losses,
        told={
            "depends": "When the backbone learns with it, the top-down path is needed and not needed in the same "
            "places as before, and to small objects it is worth even more than on a frozen one."
        },
    ),
)
