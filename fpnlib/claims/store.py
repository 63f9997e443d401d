"""Results: measured, judged, stored with where they came from, and read again."""

import dataclasses
import functools
import hashlib
import json
import math
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fpnlib.claims.claim import Claim, Measurement, Verdict
from fpnlib.claims.machine import machine
from fpnlib.discovery import by_name
from fpnlib.training.sweep import BACKENDS, sweep
from fpnlib.validation import require, require_choice

RESULTS = Path(__file__).parents[1] / "results"
SECOND = "second"
"""The folder in `RESULTS` for measurements made again on another instruction set."""
PARTIAL = RESULTS / ".partial"  # not committed
_CHUNK = 8  # seeds measured at once; small enough to resume from, large enough for vmap
_PACKAGES = ("torch", "numpy", "scikit-learn", "scikit-image", "imgviz")


@dataclasses.dataclass(frozen=True)
class Result:
    """A stored measurement with where it came from; `per_seed` is empty for an exact claim.

    `criteria`, `parts` and `control` are those of `Claim.criteria` and `Claim.judge`, `machine` that of `machine`; it
    is empty for what was measured before 2026-11-25.
    """

    id: str
    criteria: Mapping[str, str]
    measurement: Measurement
    verdict: Verdict
    parts: Mapping[str, Verdict]
    control: Verdict | None
    seeds: tuple[int, ...]
    per_seed: Mapping[str, Sequence[float]]
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    command: str
    date: str

    def save(self, *, second: bool = False) -> None:
        """Write `results/<id>.json`, or `results/second/<id>.json`, whole or not at all."""
        _write_json(_path(self.id, second), dataclasses.asdict(self))

    @classmethod
    def load(cls, id: str, *, second: bool = False) -> "Result":
        """Read a stored result, by default the first.

        Raises:
            ValueError: none is stored for `id`, or the file is damaged.
        """
        path = _path(id, second)
        remedy = f"run `python -m fpnlib.claims --recompute {id}{' --second' if second else ''}`"
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

    def judged_again(self, claim: Claim) -> "Result":
        """Return the same measurement judged by the claim as it stands; intervals are taken anew from the seeds."""
        measurement = Measurement.over_seeds(self.per_seed) if claim.seeds else self.measurement
        judged = dataclasses.asdict(claim.judge(measurement))
        return dataclasses.replace(self, criteria=claim.criteria(), measurement=measurement, **judged)


def _path(id: str, second: bool) -> Path:
    return (RESULTS / SECOND if second else RESULTS) / f"{id}.json"


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
        criteria=claim.criteria(),
        measurement=measurement,
        **dataclasses.asdict(claim.judge(measurement)),
        seeds=seeds,
        per_seed=per_seed,
        versions={"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        machine=machine(),
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


@dataclasses.dataclass(frozen=True)
class Row:
    """A claim of the ledger with its stored results: the first, and that of another instruction set."""

    claim: Claim
    result: Result | None
    second: Result | None = None

    @property
    def moved(self) -> dict[str, Verdict]:
        """The parts on which the two instruction sets do not agree, with the second's verdict."""
        if not (self.result and self.second):
            return {}
        return {name: v for name, v in self.second.parts.items() if v != self.result.parts.get(name)}

    @property
    def verdict(self) -> Verdict | None:
        """The verdict; "depends" where the two instruction sets do not agree; None before it is measured."""
        return "depends" if self.moved else self.result.verdict if self.result else None

    @property
    def depends_on(self) -> str:
        """On what the verdict depends, in words; empty where all parts and both instruction sets agree."""
        if self.result is None:
            return ""
        words = []
        if len(set(self.result.parts.values())) > 1:
            found: dict[str, list[str]] = {}
            for name, verdict in self.result.parts.items():
                found.setdefault(verdict, []).append(name)
            words += [f"{verdict} {', '.join(names)}" for verdict, names in found.items()]
        if self.second:
            where = self.second.machine.get("instruction_set", "another processor")
            words += [" ".join(filter(None, (v, name, f"on {where}"))) for name, v in self.moved.items()]
        return "; ".join(words)


def ledger(ids: Sequence[str] = ()) -> list[Row]:
    """Return the claims, all or those named, each with its stored results."""
    return [
        Row(
            claim,
            *(Result.load(claim.id, second=second) if is_stored(claim, second) else None for second in (False, True)),
        )
        for claim in named(ids)
    ]


def named(ids: Sequence[str]) -> list[Claim]:
    """Return the claims with these ids, or all. ValueError for an id that no claim has."""
    claims = all_claims()
    for id in ids:
        require(id in claims, "id", repr(id), ", ".join(claims))
    return [claims[id] for id in ids or claims]


def is_stored(claim: Claim, second: bool = False) -> bool:
    """Return whether a result lies in the ledger."""
    return _path(claim.id, second).exists()
