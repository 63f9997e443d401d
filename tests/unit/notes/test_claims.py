"""Every stored result is measured again: exact claims in full, claims with chance at two of their seeds.

Of a claim that trains for long only what its `recheck` returns is measured again here.
"""

import math

import pytest

from fpnlib.claims import CONFIDENCE, RESULTS, Measurement, Result, all_claims, compute

IDS = sorted(all_claims())


def flat(numbers):
    return {
        (name, i): value
        for name, values in numbers.items()
        for i, value in enumerate(values if isinstance(values, list) else [values])
    }


@pytest.mark.parametrize("id", IDS)
def test_the_stored_result_is_measured_again(id):
    claim, stored = all_claims()[id], Result.load(id)
    if claim.seeds:
        picked = [0, len(stored.seeds) // 2]
        seeds = [stored.seeds[i] for i in picked]
        again = claim.recheck(seeds) if claim.recheck else compute(claim, seeds).per_seed
        assert again.keys() == stored.per_seed.keys() if not claim.recheck else again.keys() <= stored.per_seed.keys()
        assert len(again) > 0
        for name, values in again.items():
            kept = stored.per_seed[name]
            assert values == pytest.approx([kept[i] for i in picked], rel=1e-3, abs=1e-5), name
    else:
        again = compute(claim)
        assert again.measurement.n == stored.measurement.n
        assert again.measurement.effect == pytest.approx(stored.measurement.effect, rel=1e-3, abs=1e-5)
        assert flat(again.measurement.numbers) == pytest.approx(flat(stored.measurement.numbers), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("id", IDS)
def test_the_stored_verdict_follows_from_the_stored_numbers(id):
    claim, stored = all_claims()[id], Result.load(id)
    assert stored.criterion == claim.criterion.text
    assert stored.verdict == claim.criterion.judge(stored.measurement)
    if claim.seeds:
        assert len(stored.seeds) >= 8
        again = Measurement.over_seeds(stored.per_seed)
        assert again.effect == pytest.approx(stored.measurement.effect)
        assert again.interval == pytest.approx(stored.measurement.interval)
    assert stored.measurement.interval[0] <= stored.measurement.effect <= stored.measurement.interval[1]
    assert math.isfinite(stored.measurement.effect)


def test_no_result_is_stored_without_its_claim():
    assert sorted(path.stem for path in RESULTS.glob("*.json")) == IDS


def test_intervals_say_what_they_are():
    assert CONFIDENCE == 0.95
