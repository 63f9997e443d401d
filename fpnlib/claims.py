"""The ledger: what the notes say, how each saying was put to the test, and what came out.

`python -m fpnlib.claims` prints it; `--recompute` measures again.
"""

import argparse
import dataclasses
import functools
import hashlib
import html
import json
import math
import os
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fpnlib.discovery import by_name
from fpnlib.training.progress import progress_bar
from fpnlib.training.sweep import BACKENDS, cluster, sweep
from fpnlib.validation import require, require_choice

RESULTS = Path(__file__).parent / "results"
PARTIAL = RESULTS / ".partial"  # not committed
CONFIDENCE = 0.95
_CHUNK = 8  # seeds measured at once; small enough to resume from, large enough for vmap
_RESAMPLES = 10_000
_PACKAGES = ("torch", "numpy", "scikit-learn", "scikit-image", "imgviz")

Verdict = Literal["holds", "fails", "depends"]


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What one measurement found.

    Attributes:
        effect: the number the criterion judges.
        interval: its 95 % interval; both ends equal the effect when the claim is exact.
        n: how many instances or seeds stand behind it.
        numbers: further named numbers, or lists of numbers, that a note may quote.
    """

    effect: float
    interval: tuple[float, float]
    n: int
    numbers: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def exact(cls, effect: float, n: int, **numbers: Any) -> "Measurement":
        """Return a measurement without chance: the interval is the effect itself."""
        return cls(float(effect), (float(effect), float(effect)), n, numbers)

    @classmethod
    def over_seeds(cls, outcomes: Mapping[str, Sequence[float]]) -> "Measurement":
        """Return the mean of `outcomes["effect"]` with its bootstrap interval, one value per seed.

        Every outcome's mean stands in `numbers` under its own name, its interval under `<name>_low`, `<name>_high`.
        """
        require("effect" in outcomes, "outcomes", sorted(outcomes), "a mapping with the key 'effect'")
        numbers: dict[str, float] = {}
        for name, values in outcomes.items():
            low, high = bootstrap_interval(values)
            numbers |= {name: float(np.mean(values)), f"{name}_low": low, f"{name}_high": high}
        effect, low, high = (numbers.pop(f"effect{end}") for end in ("", "_low", "_high"))
        return cls(effect, (low, high), len(outcomes["effect"]), numbers)


def bootstrap_interval(values: Sequence[float] | np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean. Resampling is seeded: same values, same interval."""
    sample = np.asarray(values, float)
    require(sample.ndim == 1 and sample.size > 0, "values", f"shape {sample.shape}", "one number per seed")
    picks = np.random.default_rng(0).integers(sample.size, size=(_RESAMPLES, sample.size))
    low, high = np.quantile(sample[picks].mean(1), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


@dataclasses.dataclass(frozen=True)
class Criterion:
    """What would make a claim hold, fixed before the measurement.

    Attributes:
        text: the criterion in words.
        judge: from a measurement to a verdict.
    """

    text: str
    judge: Callable[[Measurement], Verdict]


def within(tolerance: float, what: str) -> Criterion:
    """Return the criterion of an exact claim: the largest difference is at most `tolerance`."""
    return Criterion(
        f"{what} differs by at most {tolerance:g}", lambda m: "holds" if m.effect <= tolerance else "fails"
    )


def exceeds(bound: float, what: str) -> Criterion:
    """Return the criterion of a measured effect: its whole interval lies above `bound`.

    It fails when the whole interval lies at or below the bound, and depends when the bound lies inside.
    """

    def judge(measurement: Measurement) -> Verdict:
        low, high = measurement.interval
        return "holds" if low > bound else "fails" if high <= bound else "depends"

    return Criterion(f"{what}: the whole interval above {bound:g}", judge)


@dataclasses.dataclass(frozen=True)
class Claim:
    """One saying of a note and its test.

    Attributes:
        id: such as "PR-1".
        says: the saying, in our words.
        criterion: fixed before measuring.
        measure: for an exact claim (`seeds == 0`) a function without arguments that returns a `Measurement`; else a
            function of a sequence of seeds that returns a mapping from outcome to one value per seed, "effect" among
            them. A seed's values must not depend on the seeds beside it.
        seeds: how many seeds to measure, 0 for an exact claim.
        recheck: where `measure` takes too long for a test, such as long training: a function of seeds like it that
            returns some of its outcomes, for example the loss after the first steps.
    """

    id: str
    says: str
    criterion: Criterion
    measure: Callable[..., Any]
    seeds: int = 0
    recheck: Callable[[Sequence[int]], Mapping[str, Sequence[float]]] | None = None


@dataclasses.dataclass(frozen=True)
class Result:
    """A stored measurement with where it came from; `per_seed` is empty for an exact claim."""

    id: str
    criterion: str
    measurement: Measurement
    verdict: Verdict
    seeds: tuple[int, ...]
    per_seed: Mapping[str, Sequence[float]]
    versions: Mapping[str, str]
    command: str
    date: str

    def save(self) -> None:
        """Write `results/<id>.json`, whole or not at all."""
        _write_json(RESULTS / f"{self.id}.json", dataclasses.asdict(self))

    @classmethod
    def load(cls, id: str) -> "Result":
        """Read a stored result.

        Raises:
            ValueError: none is stored for `id`, or the file is damaged.
        """
        path = RESULTS / f"{id}.json"
        remedy = f"run `python -m fpnlib.claims --recompute {id}`"
        require(path.exists(), "id", repr(id), f"a claim with a result in {RESULTS}; {remedy}")
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            measurement = stored.pop("measurement")
            measurement["interval"] = tuple(measurement["interval"])
            stored["seeds"] = tuple(stored["seeds"])
            return cls(measurement=Measurement(**measurement), **stored)
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: not a stored result ({error}); {remedy}") from error

    def number(self, path: str) -> float:
        """Return a number by name: `effect`, `low`, `high`, `n`, `seeds`, a key of `numbers`, or `key[i]` of a list.

        Raises:
            ValueError: no such number.
        """
        m = self.measurement
        known: dict[str, Any] = {
            "effect": m.effect,
            "low": m.interval[0],
            "high": m.interval[1],
            "n": m.n,
            "seeds": len(self.seeds),
            **m.numbers,
        }
        name, _, index = path.rstrip("]").partition("[")
        require(name in known, "number", f"{self.id} {path}", ", ".join(known))
        value = known[name]
        if index:
            is_list = isinstance(value, list)
            require(is_list and index.isdigit() and int(index) < len(value), "number", path, "an entry of a list")
            value = value[int(index)]
        require(isinstance(value, int | float), "number", f"{self.id} {path}", "a single number")
        return value


def all_claims() -> dict[str, Claim]:
    """Map the id of every claim in the book to the claim."""
    return by_name("claims", "CLAIMS", "id")


def compute(
    claim: Claim,
    seeds: Sequence[int] = (),
    *,
    backend: str = "sequential",
    step: Callable[[int], Any] = lambda n: None,
    resume: Path | None = None,
) -> Result:
    """Measure a claim and judge it.

    Args:
        claim: what to measure.
        seeds: which seeds, by default 0 … claim.seeds − 1; none for an exact claim.
        backend: as `fpnlib.training.sweep` takes it.
        step: called with the number of seeds just done.
        resume: a folder that keeps each chunk of seeds once it is measured; what it holds is not measured again.
    """
    require_choice("backend", backend, BACKENDS)
    require(not seeds or claim.seeds > 0, "seeds", list(seeds), f"none, since {claim.id} is exact")
    require(len(set(seeds)) == len(seeds), "seeds", list(seeds), "each seed once")
    seeds = tuple(seeds) or tuple(range(claim.seeds))
    per_seed: dict[str, list[float]] = {}
    if claim.seeds:
        chunks = [seeds[i : i + _CHUNK] for i in range(0, len(seeds), _CHUNK)]
        measure = functools.partial(_measure_chunk, claim.id, claim.measure, resume)
        for chunk in sweep(measure, chunks, backend=backend, progress=lambda done, _: step(len(chunks[done - 1]))):
            for name, values in chunk.items():
                per_seed.setdefault(name, []).extend(values)
        measurement = Measurement.over_seeds(per_seed)
    else:
        measurement = claim.measure()
        step(1)
    return Result(
        id=claim.id,
        criterion=claim.criterion.text,
        measurement=measurement,
        verdict=claim.criterion.judge(measurement),
        seeds=seeds,
        per_seed=per_seed,
        versions={"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        command=f"python -m fpnlib.claims --recompute {claim.id}" + (f" --seeds {len(seeds)}" if seeds else ""),
        date=datetime.now(UTC).date().isoformat(),
    )


def _measure_chunk(
    id: str, measure: Callable[..., Any], resume: Path | None, seeds: Sequence[int]
) -> dict[str, list[float]]:
    partial = resume / f"{id}-{_chunk_key(measure, seeds)}.json" if resume else None
    if partial and partial.exists():
        stored: dict[str, list[float]] = json.loads(partial.read_text(encoding="utf-8"))
        return stored
    values = {name: [float(v) for v in per_seed] for name, per_seed in measure(seeds).items()}
    for name, per_seed in values.items():
        require(len(per_seed) == len(seeds), f"{id} {name}", f"{len(per_seed)} values", f"{len(seeds)}, one a seed")
        require(all(map(math.isfinite, per_seed)), f"{id} {name}", "a value that is not finite", "finite numbers")
    if partial:
        _write_json(partial, values)
    return values


def _chunk_key(measure: Callable[..., Any], seeds: Sequence[int]) -> str:
    # With the measuring module's source in it, so that a chunk measured by older code is not taken for a new one.
    source = Path(sys.modules[measure.__module__].__file__ or "").read_bytes()
    return hashlib.sha256(source + repr(tuple(seeds)).encode()).hexdigest()[:16]


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def ledger(ids: Sequence[str] = ()) -> list[tuple[Claim, Result | None]]:
    """Return the claims, all or those named, each with its stored result or None."""
    return [(claim, Result.load(claim.id) if _is_stored(claim) else None) for claim in _named(ids)]


def _named(ids: Sequence[str]) -> list[Claim]:
    claims = all_claims()
    for id in ids:
        require(id in claims, "id", repr(id), ", ".join(claims))
    return [claims[id] for id in ids or claims]


def _is_stored(claim: Claim) -> bool:
    return (RESULTS / f"{claim.id}.json").exists()


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """The ledger's rows as a note shows them: a table in the notebook, lines of text elsewhere."""

    rows: tuple[tuple[Claim, Result], ...]

    def __repr__(self) -> str:
        return "\n".join(
            f"{claim.id} {result.verdict}: {_three(result.measurement.effect)}, {_interval(result)}, "
            f"n = {result.measurement.n}"
            for claim, result in self.rows
        )

    def _repr_html_(self) -> str:
        heads = ("claim", "the saying", "what would make it hold", "effect", "95 % interval", "n", "verdict")
        lines = ["".join(f'<th style="text-align:left">{head}</th>' for head in heads)]
        for claim, result in self.rows:
            m = result.measurement
            cells = (claim.id, claim.says, result.criterion, _three(m.effect), _interval(result), m.n, result.verdict)
            lines.append("".join(f'<td style="text-align:left">{html.escape(str(cell))}</td>' for cell in cells))
        return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def verdicts(note: str = "") -> Verdicts:
    """Return the stored results whose claim ids begin with `note`, such as "PR"; all by default.

    Raises:
        ValueError: no claim's id begins so, or one has no stored result.
    """
    claims = all_claims()
    chosen = [claim for id, claim in claims.items() if not note or id.partition("-")[0] == note]
    require(bool(chosen), "note", repr(note), ", ".join(sorted({id.partition("-")[0] for id in claims})))
    return Verdicts(tuple((claim, Result.load(claim.id)) for claim in chosen))


def _three(value: float) -> str:
    return f"{value:.3g}"


def _interval(result: Result) -> str:
    low, high = result.measurement.interval
    return "exact" if not result.seeds and low == high else f"{_three(low)} … {_three(high)}"


def table(rows: Sequence[tuple[Claim, Result | None]]) -> Table:
    """Return the ledger as a rich table."""
    colours = {"holds": "green", "fails": "red", "depends": "yellow"}
    shown = Table(title="What was measured", show_lines=True)
    for heading in ("claim", "says", "criterion", "effect", "95 % interval", "n", "verdict"):
        shown.add_column(heading, overflow="fold")
    for claim, result in rows:
        if result is None:
            shown.add_row(claim.id, escape(claim.says), escape(claim.criterion.text), "", "", "", "not measured yet")
            continue
        m = result.measurement
        verdict = f"[{colours[result.verdict]}]{result.verdict}[/]"
        words = escape(claim.says), escape(result.criterion)
        shown.add_row(claim.id, *words, _three(m.effect), _interval(result), str(m.n), verdict)
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ledger or rebuild it; return 0, 2 for bad arguments, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m fpnlib.claims", description="The ledger of measured claims.")
    parser.add_argument("ids", nargs="*", help="claims such as PR-1; all by default")
    parser.add_argument("--recompute", action="store_true", help="measure and store; an interrupted claim goes on")
    parser.add_argument("--missing", action="store_true", help="with --recompute: only claims without a result")
    parser.add_argument("--seeds", type=int, metavar="N", help="with --recompute: seeds 0 … N−1 for claims with chance")
    parser.add_argument("--backend", choices=BACKENDS, default="sequential")
    parser.add_argument("--scheduler", help="address of a Dask scheduler, for --backend dask")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        require(options.seeds is None or options.seeds >= 2, "seeds", options.seeds, "2 or more")
        claims = _named(options.ids)
        if options.recompute:  # not by way of the ledger, so that a damaged result can be measured anew
            with cluster(options.backend, options.scheduler):
                _recompute([c for c in claims if not (options.missing and _is_stored(c))], options, console)
        rows = ledger(options.ids)
    except ValueError as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return 2
    except KeyboardInterrupt:
        console.print(
            f"Stopped. What is measured is kept; to go on: python -m fpnlib.claims {shlex.join(sys.argv[1:])}",
            markup=False,
        )
        return 130
    console.print(table(rows))
    return 0


def _recompute(claims: Sequence[Claim], options: argparse.Namespace, console: Console) -> None:
    with progress_bar(console) as progress:
        for claim in claims:
            seeds = range(options.seeds or claim.seeds) if claim.seeds else ()
            task = progress.add_task(claim.id, total=len(seeds) or 1)
            advance = functools.partial(progress.advance, task)
            result = compute(claim, seeds, backend=options.backend, step=advance, resume=PARTIAL)
            result.save()
            for chunk in PARTIAL.glob(f"{claim.id}-*.json"):
                chunk.unlink()


if __name__ == "__main__":
    # Claims live in modules that import `fpnlib.claims` by name; run that one, not this copy called `__main__`.
    from fpnlib.claims import main as run

    sys.exit(run())
