"""What a stored measurement may ask of another machine.

Sums in another order differ in the last bit, and training at the edge of stability is chaotic: after some hundred steps
that bit decides a seed. So there are three rules, and every claim is under one or two of them:

1. *In full.* Algebra, counting and what a stored net says of stored photos: all numbers, to `Claim.rounding`. By
   default that is what single precision leaves of a score over many pixels.
2. *Seed by seed.* Where training is not chaotic two stored seeds are measured again, or of a long training what
   `recheck` returns: its first steps. Each value has to come back.
3. *As a distribution.* Where it is chaotic (`fresh` > 0) seeds that are not stored are measured in full. Of each
   outcome their mean must lie where the stored seeds say that the mean of so many lies.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from fpnlib.claims.claim import Claim
from fpnlib.claims.store import Result, compute

SAME = 1e-3
"""Relative, of a seed that is measured again: the loss after some steps."""
NOTHING = 1e-5
"""Absolute, for both: differences of rounding are no numbers of their own."""
CHANCE = 1e-3
"""How often a right distribution may look wrong, over all outcomes of a claim together."""


def disagreements(claim: Claim, stored: Result, *, fine_tune: bool = False) -> list[str]:
    """Return a line for each stored number that this machine does not find again as the rules ask; none is good.

    Of a result with a backbone that learns (`fine_tune`) the first seed's `recheck` alone is asked for: without a GPU a
    step of such a training takes seconds.
    """
    if fine_tune:
        assert claim.recheck
        measured = claim.recheck(stored.seeds[:1], fine_tune=True)
        return _unequal(_flat({name: stored.per_seed[name][:1] for name in measured}), _flat(measured), SAME)
    if not claim.seeds:
        again = compute(claim).measurement
        wanted = {"effect": stored.measurement.effect, "n": stored.measurement.n, **_flat(stored.measurement.numbers)}
        found = {"effect": again.effect, "n": again.n, **_flat(again.numbers)}
        return _unequal(wanted, found, claim.rounding)
    faults = []
    if claim.recheck or not claim.fresh:
        places = [0, len(stored.seeds) // 2]
        seeds = [stored.seeds[place] for place in places]
        measured = claim.recheck(seeds) if claim.recheck else compute(claim, seeds).per_seed
        names = measured if claim.recheck else stored.per_seed
        kept = {name: [stored.per_seed[name][place] for place in places] for name in names if name in stored.per_seed}
        seen = _flat({name: list(values) for name, values in measured.items()})
        faults += _unequal(_flat(kept), seen, SAME) if measured else ["recheck returns nothing"]
    if claim.fresh:
        first = max(stored.seeds) + 1
        faults += _unlikely(stored.per_seed, compute(claim, range(first, first + claim.fresh)).per_seed)
    return faults


def _flat(numbers: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{name}[{i}]" if isinstance(values, list) else name: float(value)
        for name, values in numbers.items()
        for i, value in enumerate(values if isinstance(values, list) else [values])
    }


def _unequal(wanted: Mapping[str, float], found: Mapping[str, float], relative: float) -> list[str]:
    lost = [f"{name}: on one side only" for name in sorted(wanted.keys() ^ found.keys())]
    return lost + [
        f"{name}: {found[name]:.6g}, stored is {value:.6g}"
        for name, value in wanted.items()
        if name in found and not math.isclose(value, found[name], rel_tol=relative, abs_tol=NOTHING)
    ]


def _unlikely(stored: Mapping[str, Sequence[float]], fresh: Mapping[str, Sequence[float]]) -> list[str]:
    faults = [f"{name}: on one side only" for name in sorted(stored.keys() ^ fresh.keys())]
    for name in stored.keys() & fresh.keys():
        known, new = np.asarray(stored[name], float), np.asarray(fresh[name], float)
        far = stdtrit(len(known) - 1, 1 - CHANCE / len(stored) / 2)
        reach = far * known.std(ddof=1) * math.sqrt(1 / len(known) + 1 / len(new)) + NOTHING
        mean = float(new.mean())
        if abs(mean - known.mean()) > reach:
            faults.append(f"{name}: {mean:.6g} over {len(new)} fresh seeds, stored is {known.mean():.6g} ± {reach:.2g}")
    return faults
