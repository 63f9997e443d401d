import dataclasses
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import stats

from fpnlib.claims import (
    Claim,
    Criterion,
    Measurement,
    Result,
    Row,
    Said,
    all_of,
    compute,
    disagreements,
    exceeds,
    interval_of_mean,
    machine,
    resampled_means,
    show,
    stays_within,
    store,
    verdicts,
    within,
)
from fpnlib.claims.__main__ import main

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


def claim(measure=noisy, seeds=24, criterion=None, **more):
    parts = criterion if isinstance(criterion, dict) else {"": criterion or exceeds(0.5, "the mean")}
    return Claim("ZZ-1", "a saying", Said("us"), parts, measure, seeds, **more)


def exact_claim():
    return Claim("ZZ-2", "exactly", Said("us"), {"": within(0, "it")}, exact)


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    CALLS.clear()
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    monkeypatch.setattr(store, "PARTIAL", tmp_path / ".partial")


def with_claims(monkeypatch, *declared):
    monkeypatch.setattr(store, "all_claims", lambda: {c.id: c for c in declared})


def test_a_result_says_where_it_came_from_and_survives_storage():
    result = compute(claim())
    result.save()
    assert Result.load("ZZ-1") == result
    assert result.seeds == tuple(range(24))
    assert result.measurement.n == 24
    assert result.verdict == "holds"
    assert result.versions["torch"].startswith("2.13.0")
    assert result.command == "python -m fpnlib.claims --recompute ZZ-1 --seeds 24"
    mean, low, high = result.with_interval("doubled")
    assert low < mean < high
    assert mean == result.number("doubled")
    assert result.measurement.numbers["doubled"] == pytest.approx(2 * result.measurement.effect)


def test_two_stored_seeds_measured_again_give_the_stored_values():
    stored = compute(claim())
    again = compute(claim(), stored.seeds[3:5])
    assert again.per_seed["effect"] == stored.per_seed["effect"][3:5]


@pytest.mark.parametrize("size", [4, 8, 16, 32])
def test_the_interval_covers_the_mean_about_as_often_as_it_says(size):
    covered = 0
    for trial in range(400):
        low, high = interval_of_mean(np.random.default_rng(trial).normal(size=size))
        covered += low <= 0 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_few_values_get_students_interval():
    values = np.random.default_rng(0).normal(size=8)
    assert interval_of_mean(values) == pytest.approx(stats.t.interval(0.95, 7, values.mean(), stats.sem(values)))


def test_drawing_again_in_blocks_is_drawing_at_once():
    sample = np.random.default_rng(1).normal(size=30_001)
    at_once = sample[np.random.default_rng(0).integers(sample.size, size=(50, sample.size))].mean(1)
    assert (resampled_means(sample, 50, np.random.default_rng(0)) == at_once).all()


@pytest.mark.parametrize(
    ("interval", "verdict"), [((0.6, 0.9), "holds"), ((0.1, 0.4), "fails"), ((0.4, 0.6), "not shown")]
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
    assert main(["--recompute", "ZZ-1"]) == 130
    assert "What is measured is kept" in " ".join(capsys.readouterr().out.split())
    assert [tuple(range(8)), "stumbled"] == CALLS
    assert not (tmp_path / "ZZ-1.json").exists()
    assert main(["--recompute", "ZZ-1"]) == 0
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
    monkeypatch.setattr(store.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
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
        assert main(["--recompute", "ZZ-1", "--backend", "dask", "--scheduler", address]) == 0
    assert Result.load("ZZ-1").per_seed == compute(claim()).per_seed


def test_the_table_names_claim_effect_interval_and_verdict(monkeypatch, capsys):
    with_claims(monkeypatch, claim(), exact_claim())
    monkeypatch.setenv("COLUMNS", "160")
    compute(claim()).save()
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert "ZZ-1" in printed
    assert "holds" in printed
    assert "not measured yet" in printed


def test_missing_measures_only_what_has_no_result(monkeypatch):
    with_claims(monkeypatch, claim(), exact_claim())
    compute(claim()).save()
    CALLS.clear()
    assert main(["--recompute", "--missing"]) == 0
    assert CALLS == []
    assert Result.load("ZZ-2").verdict == "holds"


@pytest.mark.parametrize(
    ("path", "value"), [("effect", 0.0), ("n", 12), ("total", 3.5), ("parts[1]", 2.5), ("seeds", 0), ("high", 0.0)]
)
def test_numbers_by_name(path, value):
    assert compute(exact_claim()).number(path) == value


@pytest.mark.parametrize(
    ("path", "message"), [("nonsense", "allowed: effect"), ("parts", "a single number"), ("parts[9]", "an entry of")]
)
def test_a_number_that_is_not_there_is_an_error(path, message):
    with pytest.raises(ValueError, match=message):
        compute(exact_claim()).number(path)


def test_bad_input_is_named(monkeypatch, capsys, tmp_path):
    with pytest.raises(ValueError, match="backend: got 'cloud', allowed: 'sequential'"):
        compute(claim(), backend="cloud")
    with pytest.raises(ValueError, match=r"seeds: got \[1, 1\], allowed: each seed once"):
        compute(claim(), [1, 1])
    with pytest.raises(ValueError, match=r"seeds: got \[1\], allowed: none, since ZZ-2 is exact"):
        compute(exact_claim(), [1])
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
    assert main([]) == 2
    assert "not a stored result" in " ".join(capsys.readouterr().out.split())
    assert main(["--recompute"]) == 0  # a damaged result is measured anew
    assert "ZZ-1" in capsys.readouterr().out
    for arguments, message in (
        (["ZZ-7"], "id: got 'ZZ-7', allowed: ZZ-1"),
        (["--recompute", "--seeds", "1"], "seeds: got 1, allowed: 2 or more"),
        (["--recompute", "--backend", "dask"], "scheduler: got None"),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().out


def test_a_criterion_has_words_and_a_judge():
    criterion = Criterion("at least two", lambda m: "holds" if m.effect >= 2 else "fails", ("effect",))
    result = compute(claim(criterion=criterion))
    assert (result.criteria, result.verdict) == ({"": "at least two"}, "not shown")


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((-0.1, 0.2), "holds"), ((0.3, 0.6), "fails"), ((-0.9, -0.3), "fails"), ((0.1, 0.4), "not shown")],
)
def test_stays_within_judges_both_ends(interval, verdict):
    assert stays_within(0.3, "x").judge(Measurement(np.mean(interval), interval, 9)) == verdict


def test_a_criterion_may_judge_another_outcome_than_the_effect():
    m = Measurement(0.0, (0.0, 0.0), 9, {"gain": 0.5, "gain_low": 0.4, "gain_high": 0.6, "count": 3})
    assert exceeds(0.3, "x", of="gain").judge(m) == "holds"
    assert exceeds(0.5, "x", of="gain").judge(m) == "not shown"
    assert within(2, "x", of="count").judge(m) == "fails"
    with pytest.raises(ValueError, match="outcome: got 'nothing', allowed: effect, gain"):
        exceeds(0, "x", of="nothing").judge(m)


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ({"here": 0.5, "there": 0.6}, "holds"),
        ({"here": 0.5, "there": 1.5}, "depends"),
        ({"here": 1.5, "there": 1.6}, "fails"),
        ({"here": 0.5, "there": 1.0}, "depends"),
        ({"here": 1.0, "there": 1.5}, "depends"),
    ],
)
def test_parts_have_verdicts_of_their_own(parts, verdict):
    criteria = {name: exceeds(bound, name) for name, bound in parts.items()}
    result = compute(claim(criterion=criteria, control=exceeds(0, "anything at all")))
    assert result.verdict == verdict
    assert result.control == "holds"
    assert result.parts.keys() == parts.keys()


@pytest.mark.parametrize(("bound", "verdict"), [(0.5, "fails"), (1.5, "not shown"), (None, "not shown")])
def test_nothing_fails_without_a_positive_control(bound, verdict):
    control = None if bound is None else exceeds(bound, "an effect beyond doubt")
    assert compute(claim(criterion=exceeds(2, "x"), control=control)).verdict == verdict


def test_a_counterexample_needs_no_control():
    wrong = Claim("ZZ-3", "x", Said("us"), {"": within(0.5, "x")}, lambda: Measurement.exact(1.0, 3))
    assert compute(wrong).verdict == "fails"


def test_a_control_may_ask_for_several_things():
    assert (
        compute(claim(criterion=exceeds(2, "x"), control=all_of(exceeds(0, "a"), exceeds(0.5, "b")))).verdict == "fails"
    )
    both = all_of(exceeds(0, "a", because="why a"), exceeds(3, "b", because="why b"))
    assert (both.text, both.because) == (
        "a: the whole interval above 0; and b: the whole interval above 3",
        "why a; why b",
    )
    assert compute(claim(criterion=exceeds(2, "x"), control=both)).verdict == "not shown"


def test_a_result_names_its_machine():
    found = compute(claim()).machine
    assert found == machine()
    assert found["instruction_set"] == torch.backends.cpu.get_cpu_capability()
    assert all(found.values())
    assert found["threads"] == str(torch.get_num_threads())


def test_the_instruction_set_asked_for_is_the_one_named():
    script = "from fpnlib.claims import machine; m = machine(); print(m['instruction_set'], '|', m['onednn'])"
    bounded = os.environ | {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    said = subprocess.run(
        [sys.executable, "-c", script], env=bounded, capture_output=True, text=True, check=True
    ).stdout
    assert said.strip().endswith("| on, at most SSE41")
    assert said.split(" | ")[0] in ("DEFAULT", "NO AVX")


def test_two_instruction_sets_stand_side_by_side(monkeypatch, capsys):
    with_claims(monkeypatch, claim(), exact_claim())
    assert main(["--recompute"]) == 0
    assert main(["--recompute", "--second"]) == 0
    assert Result.load("ZZ-1", "second").per_seed == Result.load("ZZ-1").per_seed
    with pytest.raises(ValueError, match="--recompute ZZ-2 --second"):
        Result.load("ZZ-2", "second")  # exact claims are the same everywhere
    assert "on two instruction sets" in capsys.readouterr().out
    (line,) = show.instruction_sets().lines
    seeds = len(Result.load("ZZ-1").seeds)
    assert line[:1] + line[2:5:2] + line[6:] == ("ZZ-1", "holds", "holds", f"{seeds} of {seeds}")


def on_a_backbone(seeds, *, fine_tune=False):
    shift = -0.6 if fine_tune else 0.0
    return {"effect": [1 + shift + seed / 100 for seed in seeds], "early": [shift + seed for seed in seeds]}


def on_a_backbone_at_first(seeds, *, fine_tune=False):
    return {"early": on_a_backbone(seeds, fine_tune=fine_tune)["early"]}


def test_a_frozen_backbone_and_one_that_learns_stand_side_by_side(monkeypatch, capsys):
    parts = {"in this": exceeds(0.5, "x"), "in that": exceeds(0.1, "x")}
    both = claim(on_a_backbone, 4, parts, control=exceeds(0, "any"), tunes=True, recheck=on_a_backbone_at_first)
    with_claims(monkeypatch, both, exact_claim())
    assert main(["--recompute"]) == 0
    assert [line[-1] for line in show.backbones().lines] == ["not measured yet"]
    with pytest.raises(ValueError, match="--recompute ZZ-1 --fine-tune"):
        Result.load("ZZ-1", "tuned")
    assert main(["--recompute", "--fine-tune", "--seeds", "3"]) == 0
    assert "one that learns" in capsys.readouterr().out
    assert not store.is_stored(exact_claim(), "tuned")
    tuned = Result.load("ZZ-1", "tuned")
    assert tuned.command == "python -m fpnlib.claims --recompute ZZ-1 --seeds 3 --fine-tune"
    whole, *rest = show.backbones().lines
    assert whole[:2] + whole[3:5] + whole[6:] == ("ZZ-1", "", "4", "holds", "3", "depends")
    assert [line[1::3] for line in rest] == [("in this", "holds", "fails"), ("in that", "holds", "holds")]
    assert disagreements(both, tuned, fine_tune=True) == []
    tuned.per_seed["early"][0] = 0.1
    assert disagreements(both, tuned, fine_tune=True) == ["early[0]: -0.6, stored is 0.1"]


def test_a_backbone_learns_only_where_a_claim_has_one(capsys):
    with pytest.raises(ValueError, match="fine_tune: got True for ZZ-1, allowed: a claim about nets on a backbone"):
        compute(claim(), fine_tune=True)
    assert main(["--recompute", "--second", "--fine-tune"]) == 2
    assert "not with --fine-tune" in capsys.readouterr().out
    with pytest.raises(ValueError, match="folder: got 'third'"):
        Result.load("ZZ-1", "third")


def test_few_seeds_of_another_instruction_set_move_all_seeds_of_the_first():
    def measure(shift):
        return lambda seeds: {"effect": [1 + s / 100 + shift(s) for s in seeds], "other": [s / 10 for s in seeds]}

    one = claim(measure(lambda seed: 0), control=exceeds(0, "any"))
    first = compute(one)
    few = compute(claim(measure(lambda seed: (-0.6, -0.8)[seed % 2]), control=exceeds(0, "any")), range(2))
    assert few.carried_to(few, one) is few
    carried = few.carried_to(first, one)
    assert carried.per_seed["effect"] == pytest.approx([value - 0.7 for value in first.per_seed["effect"]])
    assert carried.per_seed["other"] == pytest.approx(first.per_seed["other"])
    assert (first.verdict, carried.verdict) == ("holds", "fails")
    assert carried.seeds == few.seeds


@pytest.mark.parametrize(
    ("kind", "words"),
    [("AVX2", "on a processor with AVX2"), ("DEFAULT", "on a processor without AVX")],
)
def test_a_processor_in_words(kind, words):
    assert dataclasses.replace(compute(claim()), machine={"instruction_set": kind}).processor == words


def test_a_verdict_that_differs_between_instruction_sets_depends():
    first = compute(claim())
    second = compute(claim(lambda seeds: {"effect": [0.1 + s / 1000 for s in seeds]}, control=exceeds(0, "any")))
    row = Row(claim(), first, second)
    assert (row.verdict, row.depends_on) == ("depends", f"fails {second.processor}")
    assert row.moved == {"": "fails"}
    assert Row(claim(), first, first).verdict == "holds"
    assert Row(claim(), first, first).depends_on == ""


def test_what_it_depends_on_is_named():
    result = compute(
        claim(criterion={"with X": exceeds(0.5, "x"), "with Y": exceeds(2, "y")}, control=exceeds(0, "any"))
    )
    assert Row(claim(), result).depends_on == "holds with X; fails with Y"


def shown_rows(html):
    """The cells of each line of a claim's table, the heads first."""
    lines = re.findall(r"<tr>(.*?)</tr>", html)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line.replace("\N{NO-BREAK SPACE}", " ")) for line in lines]


def test_a_claims_table_has_each_part_with_what_was_measured_and_asked():
    measured = {"effect": [1.0, 1.2], "other<": [-2.0, -2.0]}
    parts = {"with X": exceeds(0.5, "x", because="half"), "with <Y>": exceeds(-2.5, "y", of="other<")}
    one = claim(lambda seeds: measured, 2, parts, control=all_of(exceeds(0, "any"), exceeds(-9, "all", of="other<")))
    row = Row(one, compute(one))
    html = show.Verdicts((row,))._repr_html_()
    low, high = (f"{end:.3g}" for end in row.result.measurement.interval)
    effect = f"1.1 ({low} to {high})".replace("-", "−")
    assert shown_rows(html) == [
        ["verdict", "part", "measured", "what was asked"],
        [row.result.parts["with X"], "with X", effect, "x: the whole interval above 0.5"],
        ["holds", "with &lt;Y&gt;", "−2", "y: the whole interval above -2.5"],
        [row.result.control, "control", f"{effect}; −2", one.control.text],
    ]
    assert "Why these bounds: half." in html
    assert "2 seeds" in html


def test_a_claims_table_shows_another_processor_and_a_backbone_that_learns():
    parts = {"in this": exceeds(0.5, "x"), "in that": exceeds(0.1, "x")}
    one = claim(on_a_backbone, 4, parts, control=exceeds(0, "any"), tunes=True, recheck=on_a_backbone_at_first)
    first = compute(one)
    tuned = compute(one, range(3), fine_tune=True)
    html = show.Verdicts((Row(one, first, tuned, tuned),))._repr_html_()
    assert f"what is said {tuned.processor} stands where it differs" in html
    heads, *lines = shown_rows(html)
    assert heads[4:] == [tuned.processor, "if the backbone learns, 3 seeds"]
    assert [line[4] for line in lines] == ["fails", "", ""]
    assert [line[5].split(":")[0] for line in lines] == ["fails", "holds", "holds"]
    (plain, *_) = shown_rows(show.Verdicts((Row(one, first, first),))._repr_html_())
    assert len(plain) == 4


def test_a_claim_alone_is_open_and_several_stand_by_who_says_them():
    ones = [dataclasses.replace(claim(), id=f"ZZ-{i}", says=f"it <is> {i}") for i in (1, 2)]
    rows = [Row(one, compute(one)) for one in ones]
    assert "<details style" in show.Verdicts((rows[0],))._repr_html_()
    assert " open>" in show.Verdicts((rows[0],))._repr_html_()
    both = show.Verdicts(tuple(rows))._repr_html_()
    assert " open>" not in both
    assert "it &lt;is&gt; 1" in both
    assert "What we say" not in both
    check = Row(claim(check="it is algebra"), rows[0].result)
    mixed = show.Verdicts((rows[0], check))._repr_html_()
    assert mixed.index("<b>What we say") < mixed.index("<b>Definitions and checks")
    assert "It counts as no claim: it is algebra." in mixed


def test_one_claim_can_be_shown(monkeypatch):
    monkeypatch.undo()  # the book's own results
    assert [row.claim.id for row in verdicts("PR-3").rows] == ["PR-3"]
    with pytest.raises(ValueError, match="note: got 'PR-99'"):
        verdicts("PR-99")


def test_judging_again_measures_nothing(monkeypatch):
    with_claims(monkeypatch, claim())
    compute(claim()).save()
    CALLS.clear()
    with_claims(monkeypatch, claim(criterion=exceeds(2, "more", because="so much"), control=exceeds(0, "any")))
    assert main(["--judge"]) == 0
    assert CALLS == []
    assert Result.load("ZZ-1").verdict == "fails"
    assert Result.load("ZZ-1").criteria == {
        "": "more: the whole interval above 2 (so much)",
        "control": "any: the whole interval above 0",
    }


def test_rows_stand_by_who_says_them(monkeypatch):
    sayings = [Said("us"), Said("field", "Somebody 2020"), Said("source", "话", "words", "as a hope"), Said("us")]
    rows = [
        Row(Claim(f"ZZ-{i}", "x", said, {"": within(0, "x")}, exact, check="a definition" if i == 3 else ""), None)
        for i, said in enumerate(sayings)
    ]
    assert [row.claim.id for row in show.sorted_rows(rows)] == ["ZZ-2", "ZZ-1", "ZZ-0", "ZZ-3"]
    assert str(sayings[2]) == "the source, as a hope: 话 (words)"
    assert show.outcome(Row(rows[3].claim, compute(exact_claim()))) == "checked"


@pytest.mark.bad_input
def test_bad_claims_are_refused():
    with pytest.raises(ValueError, match="by: got 'nobody', allowed: 'source'"):
        Said("nobody")
    with pytest.raises(ValueError, match="allowed: the source quoted and translated"):
        Said("source", "话")
    with pytest.raises(ValueError, match="words: got nothing, allowed: a reference"):
        Said("field")
    with pytest.raises(ValueError, match="ZZ-1 parts: got none"):
        claim(criterion={})
    with pytest.raises(ValueError, match="allowed: names for all"):
        claim(criterion={"": exceeds(0, "x"), "too": exceeds(0, "x")})
    with pytest.raises(ValueError, match="ZZ-1 fresh: got 2, allowed: 0"):
        claim(exact, 0, fresh=2)
