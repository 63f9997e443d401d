import numpy as np
import pytest

from fpnlib import claims
from fpnlib.claims import Claim, Criterion, Measurement, Result, bootstrap_interval, compute, exceeds, within

CALLS = []


def noisy(seeds):
    CALLS.append(tuple(seeds))
    draws = [np.random.default_rng(seed).normal(1, 0.1) for seed in seeds]
    return {"effect": draws, "doubled": [2 * d for d in draws]}


def stumbling(seeds):
    if 8 in seeds and len(CALLS) < 2:
        CALLS.append("stumbled")
        raise KeyboardInterrupt
    return noisy(seeds)


def exact():
    return Measurement.exact(0.0, 12, parts=[1.0, 2.5], total=3.5)


def claim(measure=noisy, seeds=24, criterion=None):
    return Claim("ZZ-1", "a saying", criterion or exceeds(0.5, "the mean"), measure, seeds)


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    CALLS.clear()
    monkeypatch.setattr(claims, "RESULTS", tmp_path)
    monkeypatch.setattr(claims, "PARTIAL", tmp_path / ".partial")


def with_claims(monkeypatch, *declared):
    monkeypatch.setattr(claims, "all_claims", lambda: {c.id: c for c in declared})


def test_a_result_says_where_it_came_from_and_survives_storage():
    result = compute(claim())
    result.save()
    assert Result.load("ZZ-1") == result
    assert result.seeds == tuple(range(24))
    assert result.measurement.n == 24
    assert result.verdict == "holds"
    assert result.versions["torch"].startswith("2.13.0")
    assert result.command == "python -m fpnlib.claims --recompute ZZ-1 --seeds 24"
    assert result.measurement.numbers["doubled"] == pytest.approx(2 * result.measurement.effect)


def test_two_stored_seeds_measured_again_give_the_stored_values():
    stored = compute(claim())
    again = compute(claim(), stored.seeds[3:5])
    assert again.per_seed["effect"] == stored.per_seed["effect"][3:5]


def test_the_interval_covers_the_mean_about_as_often_as_it_says():
    covered = 0
    for trial in range(300):
        low, high = bootstrap_interval(np.random.default_rng(trial).normal(size=32))
        covered += low <= 0 <= high
    assert 0.90 <= covered / 300 <= 0.98


@pytest.mark.parametrize(
    ("interval", "verdict"), [((0.6, 0.9), "holds"), ((0.1, 0.4), "fails"), ((0.4, 0.6), "depends")]
)
def test_exceeds_judges_the_whole_interval(interval, verdict):
    assert exceeds(0.5, "x").judge(Measurement(np.mean(interval), interval, 9)) == verdict


@pytest.mark.parametrize(
    ("effect", "verdict"), [(0.0, "holds"), (1e-6, "holds"), (2e-6, "fails"), (float("nan"), "fails")]
)
def test_within_judges_the_difference(effect, verdict):
    assert within(1e-6, "x").judge(Measurement.exact(effect, 1)) == verdict


def test_an_interrupted_recompute_keeps_what_was_measured(monkeypatch, capsys, tmp_path):
    with_claims(monkeypatch, claim(stumbling))
    assert claims.main(["--recompute", "ZZ-1"]) == 130
    assert "What is measured is kept" in " ".join(capsys.readouterr().out.split())
    assert [tuple(range(8)), "stumbled"] == CALLS
    assert not (tmp_path / "ZZ-1.json").exists()
    assert claims.main(["--recompute", "ZZ-1"]) == 0
    assert CALLS[2:] == [tuple(range(8, 16)), tuple(range(16, 24))]
    resumed = Result.load("ZZ-1")
    assert resumed.per_seed == compute(claim()).per_seed
    assert list((tmp_path / ".partial").iterdir()) == []


def test_without_a_resume_folder_nothing_is_taken_from_before():
    compute(claim())
    compute(claim())
    assert len(CALLS) == 6


def test_a_failed_write_leaves_the_old_result(monkeypatch, tmp_path):
    compute(claim(), range(8)).save()
    old = (tmp_path / "ZZ-1.json").read_text()
    monkeypatch.setattr(claims.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        compute(claim()).save()
    assert (tmp_path / "ZZ-1.json").read_text() == old
    assert [p.name for p in tmp_path.iterdir()] == ["ZZ-1.json"]


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_backends_agree(backend):
    assert compute(claim(), backend=backend).per_seed == compute(claim()).per_seed


def test_dask_runs_the_same_call_on_a_cluster(monkeypatch):
    from distributed import LocalCluster

    with_claims(monkeypatch, claim())
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        assert claims.main(["--recompute", "ZZ-1", "--backend", "dask", "--scheduler", address]) == 0
    assert Result.load("ZZ-1").per_seed == compute(claim()).per_seed


def test_the_table_names_claim_effect_interval_and_verdict(monkeypatch, capsys):
    with_claims(monkeypatch, claim(), Claim("ZZ-2", "exactly", within(0, "it"), exact))
    monkeypatch.setenv("COLUMNS", "160")
    compute(claim()).save()
    assert claims.main([]) == 0
    printed = capsys.readouterr().out
    assert "ZZ-1" in printed
    assert "holds" in printed
    assert "not measured yet" in printed


def test_missing_measures_only_what_has_no_result(monkeypatch):
    with_claims(monkeypatch, claim(), Claim("ZZ-2", "exactly", within(0, "it"), exact))
    compute(claim()).save()
    CALLS.clear()
    assert claims.main(["--recompute", "--missing"]) == 0
    assert CALLS == []
    assert Result.load("ZZ-2").verdict == "holds"


@pytest.mark.parametrize(
    ("path", "value"), [("effect", 0.0), ("n", 12), ("total", 3.5), ("parts[1]", 2.5), ("seeds", 0), ("high", 0.0)]
)
def test_numbers_by_name(path, value):
    assert compute(Claim("ZZ-2", "exactly", within(0, "it"), exact)).number(path) == value


@pytest.mark.parametrize(
    ("path", "message"), [("nonsense", "allowed: effect"), ("parts", "a single number"), ("parts[9]", "an entry of")]
)
def test_a_number_that_is_not_there_is_an_error(path, message):
    with pytest.raises(ValueError, match=message):
        compute(Claim("ZZ-2", "exactly", within(0, "it"), exact)).number(path)


def test_bad_input_is_named(monkeypatch, capsys, tmp_path):
    with pytest.raises(ValueError, match="backend: got 'cloud', allowed: 'sequential'"):
        compute(claim(), backend="cloud")
    with pytest.raises(ValueError, match=r"seeds: got \[1, 1\], allowed: each seed once"):
        compute(claim(), [1, 1])
    with pytest.raises(ValueError, match=r"seeds: got \[1\], allowed: none, since ZZ-2 is exact"):
        compute(Claim("ZZ-2", "exactly", within(0, "it"), exact), [1])
    with pytest.raises(ValueError, match=r"ZZ-1 effect: got 1 values, allowed: 8"):
        compute(claim(lambda seeds: {"effect": [1.0]}, 8))
    with pytest.raises(ValueError, match="not finite"):
        compute(claim(lambda seeds: {"effect": [float("nan")] * len(seeds)}, 8))
    with pytest.raises(ValueError, match=r"run `python -m fpnlib\.claims --recompute ZZ-9`"):
        Result.load("ZZ-9")
    (tmp_path / "ZZ-8.json").write_text('{"id": "ZZ-8"')
    with pytest.raises(ValueError, match=r"ZZ-8.json: not a stored result .* --recompute ZZ-8"):
        Result.load("ZZ-8")
    with_claims(monkeypatch, claim())
    (tmp_path / "ZZ-1.json").write_text("[/oh]")
    assert claims.main([]) == 2
    assert "not a stored result" in " ".join(capsys.readouterr().out.split())
    assert claims.main(["--recompute"]) == 0  # a damaged result is measured anew
    assert "ZZ-1" in capsys.readouterr().out
    for arguments, message in (
        (["ZZ-7"], "id: got 'ZZ-7', allowed: ZZ-1"),
        (["--recompute", "--seeds", "1"], "seeds: got 1, allowed: 2 or more"),
        (["--recompute", "--backend", "dask"], "scheduler: got None"),
    ):
        assert claims.main(arguments) == 2
        assert message in capsys.readouterr().out


def test_a_criterion_has_words_and_a_judge():
    criterion = Criterion("at least two", lambda m: "holds" if m.effect >= 2 else "fails")
    result = compute(claim(criterion=criterion))
    assert (result.criterion, result.verdict) == ("at least two", "fails")
