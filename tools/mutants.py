"""Plant small bugs, one at a time, and see that the tests named beside each turn red.

`run` works on copies and writes the table to tests/MUTANTS.md; `list` only prints the names. A mutant is killed when a
test fails; a collection error or an empty selection does not count.
"""

import argparse
import dataclasses
import subprocess
import sys
import tempfile
from pathlib import Path

from joblib import Parallel, delayed

from mutant_table import MUTANTS, Mutant
from repository import ROOT, write_if_changed

TABLE = ROOT / "tests" / "MUTANTS.md"
_A_TEST_FAILED = 1  # pytest's exit status
_TIMEOUT = 300  # seconds; a mutant that hangs is not killed by a test


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one mutant; `status` is pytest's exit status, None where it took too long."""

    mutant: Mutant
    status: int | None
    first_failure: str

    @property
    def killed(self) -> bool:
        """Whether a test failed."""
        return self.status == _A_TEST_FAILED


def mutated(mutant: Mutant, text: str) -> str:
    """Return a file's text with the bug planted.

    Raises:
        ValueError: what the mutant changes does not stand exactly once in the text.
    """
    found = text.count(mutant.before)
    if found != 1:
        raise ValueError(f"{mutant.name}: {mutant.before!r} stands {found} times in {mutant.path}, allowed: once")
    return text.replace(mutant.before, mutant.after)


def copy_of_tree(to: Path) -> None:
    """Copy all files that git knows, as they are now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes((ROOT / name).read_bytes())


def tested(tests: tuple[str, ...], tree: Path) -> tuple[int | None, str]:
    """Run tests in a copy of the tree; return pytest's exit status and the first failure's name."""
    # -m puts the copy's own fpnlib before the installed one.
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        return None, f"no answer in {_TIMEOUT} s"
    failures = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode, failures[0].split(" - ")[0].split(" ", 1)[1] if failures else ""


def outcome(mutant: Mutant) -> Outcome:
    """Plant one mutant in a copy of the tree and run its tests."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        copy_of_tree(tree)
        path = tree / mutant.path
        path.write_text(mutated(mutant, path.read_text()))
        return Outcome(mutant, *tested(mutant.tests, tree))


def red_without_mutants() -> str:
    """Return the first test that fails, or the reason none ran, on an unchanged copy; empty when all pass."""
    tests = tuple(sorted({test for mutant in MUTANTS for test in mutant.tests}))
    with tempfile.TemporaryDirectory() as folder:
        copy_of_tree(Path(folder))
        status, failure = tested(tests, Path(folder))
    return "" if status == 0 else failure or f"pytest's exit status is {status}"


def table(outcomes: list[Outcome]) -> str:
    """Return the outcomes as a markdown table."""
    killed = sum(one.killed for one in outcomes)
    rows = [
        f"| {one.mutant.name} | `{one.mutant.path}` | {'red' if one.killed else '**still green**'} | "
        f"{f'`{one.first_failure}`' if one.first_failure else ''} |"
        for one in outcomes
    ]
    head = (
        "# Planted bugs\n\nEach row is a small wrong change, made in a copy of the repository by `make mutants`, and "
        f"the first test that noticed. {killed} of {len(outcomes)} were noticed.\n\n"
        "| the bug | file | tests | first red test |\n|---|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("run", "list"))
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.command == "list":
        print("\n".join(mutant.name for mutant in MUTANTS))
        return 0
    if red := red_without_mutants():
        print(f"mutants: without any planted bug a test is red already: {red}", file=sys.stderr)
        return 1
    outcomes = list(Parallel(n_jobs=arguments.workers, prefer="threads")(map(delayed(outcome), MUTANTS)))
    write_if_changed(TABLE, table(outcomes).encode())
    survivors = [one for one in outcomes if not one.killed]
    for one in survivors:
        print(f"mutants: still green: {one.mutant.name} ({one.mutant.path})", file=sys.stderr)
    print(f"mutants: {len(outcomes) - len(survivors)} of {len(outcomes)} noticed, see {TABLE.relative_to(ROOT)}")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
