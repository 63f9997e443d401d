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
from fpnlib.data.folders import KINDS, LabelledFolder
from fpnlib.data.voc import UnreadPhoto
from fpnlib.discovery import by_name
from fpnlib.training.sweep import BACKENDS, sweep
from fpnlib.validation import require, require_choice

RESULTS = Path(__file__).parents[1] / "results"
SECOND = "second"
"""The folder in `RESULTS` for measurements made again on another instruction set."""
TUNED = "tuned"
"""The folder in `RESULTS` for measurements made again with a backbone that learns."""
DATA = "data"
"""The folder in `RESULTS` for measurements on the reader's own photos, one folder for each kind of data."""
FOLDERS = ("", SECOND, TUNED, *(f"{DATA}/{kind}" for kind in KINDS))
PARTIAL = RESULTS / ".partial"  # not committed
_CHUNK = 8  # seeds or photos measured at once; small enough to resume from, large enough for vmap
_SEEDS_OF_A_PHOTO = 1000
_PACKAGES = ("torch", "numpy", "scikit-learn", "scikit-image", "imgviz")


@dataclasses.dataclass(frozen=True)
class Result:
    """A stored measurement with where it came from; `per_seed` is empty for an exact claim.

    `criteria`, `parts` and `control` are those of `Claim.criteria` and `Claim.judge`, `machine` that of `machine`; it
    is empty for what was measured before 2026-11-25. `data` says on which photos of the reader's it was measured: the
    kind of data, the split, how many photos, and of how many; it is empty for the book's own.
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
    data: Mapping[str, str | int] = dataclasses.field(default_factory=dict)

    def save(self, folder: str = "") -> None:
        """Write `<id>.json` in one of `FOLDERS`, whole or not at all."""
        _write_json(_path(self.id, folder), dataclasses.asdict(self))

    @classmethod
    def load(cls, id: str, folder: str = "") -> "Result":
        """Read a stored result: the book's, or that of one of `FOLDERS`.

        Raises:
            ValueError: none is stored for `id`, or the file is damaged.
        """
        path = _path(id, folder)
        options = {
            "": f"--recompute {id}",
            SECOND: f"--recompute {id} --second",
            TUNED: f"--recompute {id} --fine-tune",
        }
        data = folder.removeprefix(f"{DATA}/")
        remedy = f"run `python -m fpnlib.claims {options.get(folder, f'{id} --data {data}=FOLDER')}`"
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
        of_all = {"effect": m.effect, "low": m.interval[0], "high": m.interval[1], "n": m.n, "seeds": len(self.seeds)}
        name, _, index = path.rstrip("]").partition("[")
        known: Mapping[str, Any] = m.numbers if name in m.numbers else of_all
        if name not in known:  # hundreds of names, joined only then
            require(False, "number", f"{self.id} {path}", ", ".join([*of_all, *m.numbers]))
        value = known[name]
        if index:
            is_list = isinstance(value, list)
            require(is_list and index.isdigit() and int(index) < len(value), "number", path, "an entry of a list")
            value = value[int(index)]
        require(isinstance(value, int | float), "number", f"{self.id} {path}", "a single number")
        return value

    def with_interval(self, name: str) -> tuple[float, float, float]:
        """Return a mean over seeds and the ends of its 95 % interval, low and high; ValueError as `number` has it."""
        return self.number(name), self.number(f"{name}_low"), self.number(f"{name}_high")

    @property
    def processor(self) -> str:
        """On what kind of processor it was measured, in words."""
        kind = self.machine.get("instruction_set", "of an unknown kind")
        return "on a processor without AVX" if kind in ("DEFAULT", "NO AVX") else f"on a processor with {kind}"

    @property
    def in_parts(self) -> list[str]:
        """Which parts got which verdict, in words; nothing where all got the same."""
        found: dict[str, list[str]] = {}
        for name, verdict in self.parts.items():
            found.setdefault(verdict, []).append(name)
        return [f"{verdict} {', '.join(names)}" for verdict, names in found.items()] if len(found) > 1 else []

    def judged_again(self, claim: Claim) -> "Result":
        """Return the same measurement judged by the claim as it stands; intervals are taken anew from the seeds."""
        claim = claim.on_photos() if self.data else claim
        measurement = Measurement.over_seeds(self.per_seed) if claim.seeds else self.measurement
        judged = dataclasses.asdict(claim.judge(measurement))
        return dataclasses.replace(self, criteria=claim.criteria(), measurement=measurement, **judged)

    def carried_to(self, first: "Result", claim: Claim) -> "Result":
        """Return what this result, of another instruction set, says if it has only some of the seeds of `first`.

        The values of `first` are moved, outcome by outcome, as far as those seeds moved on average, and judged again.
        """
        if self.seeds == first.seeds:
            return self
        places = [first.seeds.index(seed) for seed in self.seeds]
        moved = {}
        for name, values in first.per_seed.items():
            apart = [there - values[place] for there, place in zip(self.per_seed[name], places, strict=True)]
            moved[name] = [value + math.fsum(apart) / len(apart) for value in values]
        return dataclasses.replace(self, per_seed=moved).judged_again(claim)


def _path(id: str, folder: str) -> Path:
    require_choice("folder", folder, FOLDERS)
    return RESULTS / folder / f"{id}.json"


def all_claims() -> dict[str, Claim]:
    """Map the id of every claim in the book to the claim."""
    return by_name("experiments", "CLAIMS", "id")


def compute(
    claim: Claim,
    seeds: Sequence[int] = (),
    *,
    data: LabelledFolder | None = None,
    fine_tune: bool = False,
    backend: str = "sequential",
    step: Callable[[int], Any] = lambda n: None,
    resume: Path | None = None,
) -> Result:
    """Measure a claim and judge it.

    Args:
        claim: what to measure.
        seeds: which seeds, by default 0 … claim.seeds − 1; none for an exact claim, or on `data`.
        data: the reader's own photos, in place of the book's.
        fine_tune: with a backbone that learns.
        backend: as `fpnlib.training.sweep` takes it.
        step: called with the number of seeds, or photos, just done.
        resume: a folder that keeps each chunk of them once it is measured; what it holds is not measured again.

    Errors: ValueError for seeds that the claim does not take, outcomes that are not finite, `data` for a claim that is
    not about labelled photos, `fine_tune` for one that is not about a backbone's maps, and as `UnreadPhoto.read` says.
    """
    require_choice("backend", backend, BACKENDS)
    judged = claim.on_photos() if data else claim
    require(not seeds or judged.seeds > 0, "seeds", list(seeds), f"none, since {claim.id} is exact")
    require(len(set(seeds)) == len(seeds), "seeds", list(seeds), "each seed once")
    require(claim.tunes or not fine_tune, "fine_tune", f"True for {claim.id}", "a claim about nets on a backbone")
    seeds = tuple(seeds) or tuple(range(judged.seeds))
    per_seed: dict[str, list[float]] = {}

    def in_chunks(measure: Callable[..., Any], cells: Sequence[Any]) -> list[Any]:
        chunks = [cells[i : i + _CHUNK] for i in range(0, len(cells), _CHUNK)]
        return sweep(measure, chunks, backend=backend, progress=lambda done, _: step(len(chunks[done - 1])))

    if data:
        assert claim.on
        measure = functools.partial(_measure_photos, claim.id, claim.on.each, claim.on.over, data.folder, resume)
        found = [one for chunk in in_chunks(measure, data.photos) for one in chunk if one]
        require(len(found) > 1, "photos", f"{len(found)} that have what {claim.id} measures", "two or more")
        measurement = claim.on.over(found)
    elif claim.seeds:
        of_seeds = functools.partial(_measure_chunk, claim.id, claim.measure, resume, fine_tune)
        for chunk in in_chunks(of_seeds, seeds):
            for name, values in chunk.items():
                per_seed.setdefault(name, []).extend(values)
        measurement = Measurement.over_seeds(per_seed)
    else:
        measurement = claim.measure()
        step(1)
    command = f"--recompute {claim.id}" + (f" --seeds {len(seeds)}" if seeds else "")
    command += " --fine-tune" if fine_tune else ""
    taken: dict[str, str | int] = {}
    if data:
        taken = {"kind": data.kind, "split": data.split, "photos": len(data.photos), "of": data.of}
        command = f"{claim.id} --data {data.kind}=FOLDER --split {data.split} --photos {len(data.photos)}"
    return Result(
        id=claim.id,
        criteria=judged.criteria(),
        measurement=measurement,
        **dataclasses.asdict(judged.judge(measurement)),
        seeds=seeds,
        per_seed=per_seed,
        versions={"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        machine=machine(),
        command=f"python -m fpnlib.claims {command}",
        date=datetime.now(UTC).date().isoformat(),
        data=taken,
    )


def _measure_chunk(
    id: str, measure: Callable[..., Any], resume: Path | None, fine_tune: bool, seeds: Sequence[int]
) -> dict[str, list[float]]:
    def values() -> dict[str, list[float]]:
        outcomes = measure(seeds, fine_tune=True) if fine_tune else measure(seeds)
        found = {name: [float(v) for v in per_seed] for name, per_seed in outcomes.items()}
        for name, per_seed in found.items():
            require(len(per_seed) == len(seeds), f"{id} {name}", f"{len(per_seed)} values", f"{len(seeds)}, one a seed")
            require(all(map(math.isfinite, per_seed)), f"{id} {name}", "a value that is not finite", "finite numbers")
        return found

    kept: dict[str, list[float]] = _kept(resume, id, measure, repr(tuple(seeds)), values)
    return kept


def _measure_photos(
    id: str,
    each: Callable[..., Mapping[str, Any]],
    over: Callable[..., Measurement],
    folder: Path,
    resume: Path | None,
    photos: Sequence[UnreadPhoto],
) -> list[dict[str, Any]]:
    def outcomes() -> list[dict[str, Any]]:
        found = []
        for photo in photos:
            found.append(dict(each(photo.read(), _SEEDS_OF_A_PHOTO * photo.number)))
            for name, value in found[-1].items():
                finite = all(map(math.isfinite, value if isinstance(value, list) else [value]))
                require(finite, f"{id} {name} of {photo.name}", "a value that is not finite", "finite numbers")
        return found

    names = repr((str(folder), [photo.name for photo in photos]))
    kept: list[dict[str, Any]] = _kept(resume, id, over, names, outcomes)
    return kept


def _kept(resume: Path | None, id: str, measure: Callable[..., Any], of: str, values: Callable[[], Any]) -> Any:
    """Return what `resume` keeps of these cells, or else measure it and keep it there."""
    # With the measuring module's source in it, so that a chunk measured by older code is not taken for a new one.
    source = Path(sys.modules[measure.__module__].__file__ or "").read_bytes()
    key = hashlib.sha256(source + of.encode()).hexdigest()[:16]
    partial = resume / f"{id}-{key}.json" if resume else None
    if partial and partial.exists():
        return json.loads(partial.read_text(encoding="utf-8"))
    found = values()
    if partial:
        _write_json(partial, found)
    return found


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
    """A claim of the ledger with its results: the book's, of another instruction set, tuned, and on readers' data."""

    claim: Claim
    result: Result | None
    second: Result | None = None
    tuned: Result | None = None
    on_data: Sequence[Result] = ()

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
        words = self.result.in_parts
        if self.second:
            words += [" ".join(filter(None, (v, name, self.second.processor))) for name, v in self.moved.items()]
        return "; ".join(words)


def ledger(ids: Sequence[str] = ()) -> list[Row]:
    """Return the claims, all or those named, each with its stored results."""
    rows = []
    for claim in named(ids):
        found = {folder: Result.load(claim.id, folder) for folder in FOLDERS if is_stored(claim, folder)}
        first, second, tuned = (found.pop(folder, None) for folder in FOLDERS[:3])
        second = second.carried_to(first, claim) if first and second else second
        rows.append(Row(claim, first, second, tuned, list(found.values())))
    return rows


def named(ids: Sequence[str], *, on_photos: bool = False) -> list[Claim]:
    """Return the claims with these ids, or all; `on_photos`: of those that labelled photos can be put to.

    ValueError for an id that none of them has.
    """
    claims = {id: claim for id, claim in all_claims().items() if claim.on or not on_photos}
    for id in ids:
        what = ", which is not measured on labelled photos" if on_photos and id in all_claims() else ""
        require(id in claims, "id", repr(id) + what, ", ".join(claims))
    return [claims[id] for id in ids or claims]


def is_stored(claim: Claim, folder: str = "") -> bool:
    """Return whether a result lies in the ledger, in one of `FOLDERS`."""
    return _path(claim.id, folder).exists()
