"""Every stored result is measured again, as `fpnlib.claims.again` says what may be asked of another machine."""

import math

import pytest

from fpnlib.claims import CONFIDENCE, RESULTS, VERDICTS, Result, all_claims, disagreements, ledger
from fpnlib.claims.store import DATA, SECOND, TUNED, is_stored

CLAIMS = all_claims()
IDS = sorted(CLAIMS)
STORED = [(id, folder) for id in IDS for folder in ("", SECOND, TUNED) if is_stored(CLAIMS[id], folder)]


@pytest.mark.ledger
@pytest.mark.parametrize("id", IDS)
def test_the_stored_result_is_measured_again(id):
    assert disagreements(CLAIMS[id], Result.load(id)) == []


@pytest.mark.ledger
@pytest.mark.parametrize("id", [id for id, folder in STORED if folder == TUNED])
def test_the_first_steps_of_backbones_that_learn_are_measured_again(id):
    assert disagreements(CLAIMS[id], Result.load(id, TUNED), fine_tune=True) == []


@pytest.mark.parametrize(("id", "folder"), STORED)
def test_the_stored_verdict_follows_from_the_stored_numbers(id, folder):
    claim, stored = CLAIMS[id], Result.load(id, folder)
    again = stored.judged_again(claim)
    assert (stored.criteria, stored.verdict, stored.parts) == (again.criteria, again.verdict, again.parts)
    assert stored.control == again.control
    assert stored.measurement.effect == pytest.approx(again.measurement.effect)
    assert stored.measurement.interval == pytest.approx(again.measurement.interval)
    assert stored.measurement.interval[0] <= stored.measurement.effect <= stored.measurement.interval[1]
    assert math.isfinite(stored.measurement.effect)
    if claim.seeds:
        first = Result.load(id)
        assert len(first.seeds) >= 8
        assert len(stored.seeds) >= 2
        assert set(stored.seeds) <= set(first.seeds)
        if claim.fresh:
            assert stored.seeds == first.seeds  # a few seeds of a chaotic training say nothing of the others
        assert len(stored.seeds) == stored.measurement.n


def test_no_result_is_stored_without_its_claim():
    assert sorted(path.stem for path in RESULTS.glob("*.json")) == IDS
    for folder in (SECOND, TUNED):
        assert {path.stem for path in (RESULTS / folder).glob("*.json")} <= set(IDS)


def test_what_readers_found_on_their_photos_is_judged_as_the_claims_stand():
    for file in RESULTS.glob(f"{DATA}/*/*.json"):
        claim, stored = all_claims()[file.stem], Result.load(file.stem, f"{DATA}/{file.parent.name}")
        assert claim.on, file
        again = stored.judged_again(claim)
        assert (stored.criteria, stored.verdict, stored.parts) == (again.criteria, again.verdict, again.parts)
        assert stored.data["kind"] == file.parent.name


def test_intervals_say_what_they_are():
    assert CONFIDENCE == 0.95


@pytest.mark.parametrize("id", IDS)
def test_what_is_told_of_a_verdict_is_told_of_the_verdict_found(id):
    (row,) = ledger([id])
    assert set(row.claim.told) <= set(VERDICTS)
    assert not row.claim.told or row.verdict in row.claim.told
