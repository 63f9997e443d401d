"""Each planted bug of `make mutants` still has its place, and the tool tells a red test from a broken run."""

from pathlib import Path

import pytest

import mutants
from mutant_table import MUTANTS, Mutant
from repository import ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_bug_can_be_planted(mutant):
    text = (ROOT / mutant.path).read_text()
    assert mutants.mutated(mutant, text) != text
    compile(mutants.mutated(mutant, text), mutant.path, "exec")
    assert mutant.tests
    assert all((ROOT / test.split("::")[0]).is_file() for test in mutant.tests)


def test_names_are_used_once():
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)


def test_the_table_lists_every_mutant_as_noticed():
    table = mutants.TABLE.read_text()
    assert f"{len(MUTANTS)} of {len(MUTANTS)} were noticed" in table
    assert all(f"| {mutant.name} |" in table for mutant in MUTANTS)


def test_what_is_not_there_cannot_be_changed():
    with pytest.raises(ValueError, match="stands 2 times"):
        mutants.mutated(Mutant("twice", "a.py", "x", "y", ()), "x x")


@pytest.mark.parametrize(
    ("test", "killed"),
    [("def test_it(): assert False", True), ("def test_it(): pass", False), ("import no_such_module", False)],
)
def test_only_a_red_test_kills(test, killed, tmp_path: Path):
    (tmp_path / "test_it.py").write_text(test + "\n")
    status, first = mutants.tested(("test_it.py",), tmp_path)
    assert mutants.Outcome(MUTANTS[0], status, first).killed == killed
