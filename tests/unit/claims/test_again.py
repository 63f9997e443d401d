"""What a stored measurement may ask of another machine: a wrong measure is noticed, another last bit is not."""

import numpy as np
import pytest

from fpnlib.claims import Claim, Measurement, Said, compute, disagreements, exceeds, within
from fpnlib.claims.again import CHANCE


def seeded(mean=1.0, spread=0.1, last_bit=0.0):
    def measure(seeds):
        draws = [mean + spread * np.random.default_rng(seed).normal() + last_bit for seed in seeds]
        return {"effect": draws, "loss": [2 * d for d in draws]}

    return measure


def chaotic(machine, mean=1.0, spread=0.1):
    """What a machine makes of a seed is another draw of the same distribution."""

    def measure(seeds):
        return {"effect": [mean + spread * np.random.default_rng([machine, seed]).normal() for seed in seeds]}

    return measure


def exact(effect=0.25, count=7, parts=(1.0, 2.5)):
    return lambda: Measurement.exact(effect, count, parts=list(parts), total=sum(parts))


def claim(measure, seeds=24, **more):
    return Claim(
        "ZZ-1", "a saying", Said("us"), {"": exceeds(0.5, "x") if seeds else within(1, "x")}, measure, seeds, **more
    )


@pytest.mark.parametrize("measure", [seeded(), seeded(last_bit=1e-7)])
def test_seeds_come_back_to_rounding(measure):
    assert disagreements(claim(measure), compute(claim(seeded()))) == []


@pytest.mark.parametrize(
    "measure", [seeded(mean=1.01), seeded(spread=0.2), lambda s: {"effect": seeded()(s)["effect"]}]
)
def test_another_measure_does_not_give_the_stored_seeds(measure):
    assert disagreements(claim(measure), compute(claim(seeded()))) != []


def test_of_a_long_training_the_beginning_has_to_come_back():
    def beginning(seeds):
        return {"loss": seeded()(seeds)["loss"]}

    stored = compute(claim(seeded()))
    unaffordable = claim(lambda seeds: 1 / 0, recheck=beginning)
    assert disagreements(unaffordable, stored) == []
    wrong = claim(lambda seeds: 1 / 0, recheck=lambda seeds: {"loss": seeded(mean=1.1)(seeds)["loss"]})
    assert len(disagreements(wrong, stored)) == 2
    unknown = claim(lambda seeds: 1 / 0, recheck=lambda seeds: {"other": [0.0] * len(seeds)})
    assert "on one side only" in disagreements(unknown, stored)[0]
    assert disagreements(claim(lambda seeds: 1 / 0, recheck=lambda seeds: {}), stored) == ["recheck returns nothing"]


def test_a_chaotic_training_need_not_repeat_its_seeds_but_its_distribution():
    stored = compute(claim(chaotic(machine=1), seeds=32))
    elsewhere = claim(chaotic(machine=2), seeds=32, fresh=4)
    assert elsewhere.measure([0]) != claim(chaotic(machine=1)).measure([0])
    assert disagreements(elsewhere, stored) == []
    for other in (chaotic(2, mean=1.4), chaotic(2, mean=0.6)):
        assert "fresh seeds, stored is" in disagreements(claim(other, seeds=32, fresh=4), stored)[0]


def test_fresh_seeds_are_not_among_the_stored():
    seen = []

    def measure(seeds):
        seen.extend(seeds)
        return seeded()(seeds)

    stored = compute(claim(seeded()), range(10, 20))
    disagreements(claim(measure, fresh=3), stored)
    assert seen == [20, 21, 22]


def test_the_right_distribution_is_called_wrong_as_seldom_as_said():
    # 400 machines; of the mean of 4 fresh seeds beside 32 stored ones.
    wrong = sum(
        disagreements(claim(chaotic(m + 1000), seeds=32, fresh=4), compute(claim(chaotic(m), seeds=32))) != []
        for m in range(400)
    )
    assert wrong <= 400 * CHANCE + 3


@pytest.mark.parametrize(
    ("measure", "fault"),
    [
        (exact(effect=0.26), "effect: 0.26, stored is 0.25"),
        (exact(count=8), "n: 8, stored is 7"),
        (exact(parts=(1.0, 2.6)), "parts[1]: 2.6, stored is 2.5"),
        (exact(parts=(1.0, 2.5, 0.0)), "parts[2]: on one side only"),
    ],
)
def test_exact_numbers_come_back_in_full(measure, fault):
    stored = compute(claim(exact(), 0))
    assert disagreements(claim(exact(effect=0.25 + 1e-9), 0), stored) == []
    assert fault in disagreements(claim(measure, 0), stored)
