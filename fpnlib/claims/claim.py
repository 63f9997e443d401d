"""A claim: what is said, who says it, what would make it hold, and how it is measured."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from scipy.special import stdtrit

from fpnlib.data.voc import LabelledMaps
from fpnlib.validation import require, require_choice

CONFIDENCE = 0.95
FEW = 20
"""With fewer values than this the interval is Student's: the bootstrap's is then too narrow."""
_RESAMPLES = 10_000
_PICKS = 1_000_000  # drawn at once

Verdict = Literal["holds", "fails", "depends", "not shown"]
VERDICTS: tuple[Verdict, ...] = ("holds", "fails", "depends", "not shown")


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What one measurement found.

    Attributes:
        effect: the number that stands for it in the ledger.
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
        """Return the mean of `outcomes["effect"]` with its interval, one value per seed.

        Every outcome's mean stands in `numbers` under its own name, its interval under `<name>_low`, `<name>_high`.
        """
        require("effect" in outcomes, "outcomes", sorted(outcomes), "a mapping with the key 'effect'")
        numbers: dict[str, float] = {}
        for name, values in outcomes.items():
            low, high = interval_of_mean(values)
            numbers |= {name: float(np.mean(values)), f"{name}_low": low, f"{name}_high": high}
        effect, low, high = (numbers.pop(f"effect{end}") for end in ("", "_low", "_high"))
        return cls(effect, (low, high), len(outcomes["effect"]), numbers)

    def value(self, name: str) -> float:
        """Return the number `name`, or the effect. ValueError where there is none."""
        known = {"effect": self.effect, **self.numbers}
        require(name in known, "outcome", repr(name), ", ".join(known))
        return float(known[name])

    def ends(self, name: str) -> tuple[float, float]:
        """Return the interval of the number `name`; of one without an interval twice the number itself."""
        if name == "effect":
            return self.interval
        value = self.value(name)
        return float(self.numbers.get(f"{name}_low", value)), float(self.numbers.get(f"{name}_high", value))


def interval_of_mean(values: Sequence[float] | np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval of the mean: Student's for fewer than `FEW` values, else the percentile bootstrap's.

    Resampling is seeded: same values, same interval.
    """
    sample = np.asarray(values, float)
    require(sample.ndim == 1 and sample.size > 1, "values", f"shape {sample.shape}", "two numbers or more, one a seed")
    return _interval_of_mean(sample.tobytes(), confidence)


@lru_cache(maxsize=8192)  # whoever reads the ledger asks for those of all its outcomes
def _interval_of_mean(values: bytes, confidence: float) -> tuple[float, float]:
    sample = np.frombuffer(values)
    tail = (1 - confidence) / 2
    if sample.size < FEW:
        half = float(stdtrit(sample.size - 1, 1 - tail) * sample.std(ddof=1) / np.sqrt(sample.size))
        return float(sample.mean()) - half, float(sample.mean()) + half
    return interval_of_resamples(resampled_means(sample, _RESAMPLES, np.random.default_rng(0)), confidence)


def resampled_means(sample: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return the means of `count` samples drawn again from a sample (n,), in memory that does not grow with n."""
    rows = max(1, _PICKS // sample.size)
    sizes = [min(rows, count - done) for done in range(0, count, rows)]
    return np.concatenate([sample[rng.integers(sample.size, size=(size, sample.size))].mean(1) for size in sizes])


def interval_of_resamples(values: Sequence[float] | np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the percentile bootstrap's interval of a number, from `values` of it on data drawn again."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.asarray(values, float), [tail, 1 - tail])
    return float(low), float(high)


@dataclasses.dataclass(frozen=True)
class Said:
    """Who says it.

    Attributes:
        by: "source" for the learner's page that the book grew from, "field" for the literature, "us".
        words: the source's own words, or the field's reference.
        meaning: the source's words in English.
        manner: how the source says it where it does not assert it, such as "as a hope".
    """

    by: Literal["source", "field", "us"]
    words: str = ""
    meaning: str = ""
    manner: str = ""

    def __post_init__(self) -> None:
        require_choice("by", self.by, ("source", "field", "us"))
        if self.by == "source":
            require(
                bool(self.words and self.meaning), "words and meaning", "nothing", "the source quoted and translated"
            )
        require(self.by != "field" or bool(self.words), "words", "nothing", "a reference")

    def __str__(self) -> str:
        if self.by == "source":
            return f"the source{f', {self.manner}' if self.manner else ''}: {self.words} ({self.meaning})"
        return f"the field: {self.words}" if self.by == "field" else "us"


@dataclasses.dataclass(frozen=True)
class Criterion:
    """What would make a claim, or a part of it, hold; fixed before the measurement.

    Attributes:
        text: the criterion in words.
        judge: from a measurement to a verdict.
        of: the outcomes that it looks at.
        because: why its bound has the size it has: the smallest effect that matters, and to whom.
        exact: whether one counterexample refutes it, as in algebra and counting.
    """

    text: str
    judge: Callable[[Measurement], Verdict]
    of: tuple[str, ...]
    because: str = ""
    exact: bool = False


def within(tolerance: float, what: str, *, of: str = "effect") -> Criterion:
    """Return the criterion of algebra and counting: the number `of` is at most `tolerance`."""
    return Criterion(
        f"{what} differs by at most {tolerance:g}" if tolerance else f"{what}: none",
        lambda m: "holds" if m.value(of) <= tolerance else "fails",
        (of,),
        exact=True,
    )


def exceeds(bound: float, what: str, *, of: str = "effect", because: str = "") -> Criterion:
    """Return the criterion of an effect: the whole interval of the outcome `of` lies above `bound`.

    It fails when the whole interval lies at or below the bound, and is not shown when the bound lies inside.
    """

    def judge(measurement: Measurement) -> Verdict:
        low, high = measurement.ends(of)
        return "holds" if low > bound else "fails" if high <= bound else "not shown"

    return Criterion(f"{what}: the whole interval above {bound:g}", judge, (of,), because)


def stays_within(margin: float, what: str, *, of: str = "effect", because: str = "") -> Criterion:
    """Return the criterion of no effect that matters: the whole interval of `of` lies between −margin and margin.

    It fails when the whole interval lies outside, and is not shown when an end lies inside and the other does not.
    """

    def judge(measurement: Measurement) -> Verdict:
        low, high = measurement.ends(of)
        if -margin < low and high < margin:
            return "holds"
        return "fails" if low >= margin or high <= -margin else "not shown"

    return Criterion(f"{what}: the whole interval between −{margin:g} and {margin:g}", judge, (of,), because)


def all_of(*criteria: Criterion) -> Criterion:
    """Return the criterion that several conditions hold at once, for a control or what is one thing only together."""

    def judge(measurement: Measurement) -> Verdict:
        verdicts = {criterion.judge(measurement) for criterion in criteria}
        return "holds" if verdicts == {"holds"} else "fails" if "fails" in verdicts else "not shown"

    because = "; ".join(dict.fromkeys(criterion.because for criterion in criteria if criterion.because))
    text = "; and ".join(criterion.text for criterion in criteria)
    of = tuple(name for criterion in criteria for name in criterion.of)
    return Criterion(text, judge, of, because, all(criterion.exact for criterion in criteria))


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What a measurement says of a claim: of the whole, of each part, and of the instrument's control."""

    verdict: Verdict
    parts: Mapping[str, Verdict]
    control: Verdict | None


@dataclasses.dataclass(frozen=True)
class OnPhotos:
    """How a claim is measured on any labelled photos; the claim's own measurement calls the same functions.

    Attributes:
        each: from one photo, and the first of the thousand random seeds that are the photo's own, to outcomes: by name
            a number or a list of numbers. Nothing for a photo that has not what is measured.
        over: from the outcomes of many photos to the measurement.
        parts: criteria in place of the claim's, where these name photos or ask for more than photos.
    """

    each: Callable[[LabelledMaps, int], Mapping[str, Any]]
    over: Callable[[Sequence[Mapping[str, Any]]], Measurement]
    parts: Mapping[str, Criterion] | None = None


@dataclasses.dataclass(frozen=True)
class Claim:
    """One saying of a note and its test.

    Attributes:
        id: such as "PR-1".
        says: the saying, in our words, no stronger than who says it.
        said: who says it.
        parts: what would make each part hold, by a name that completes "holds …", such as "with batch norm"; a
            saying of one part has the name "".
        measure: for an exact claim (`seeds == 0`) a function without arguments that returns a `Measurement`; else a
            function of a sequence of seeds that returns a mapping from outcome to one value per seed, "effect" among
            them. A seed's values must not depend on the seeds beside it.
        seeds: how many seeds to measure, 0 for an exact claim.
        control: an effect beyond doubt of the size that the instrument claims to see. Without one that holds no part
            can fail, but those that are exact; it is not shown.
        check: what cannot fail by its nature, a definition or an identity, says here why; it counts as no claim.
        recheck: what a test asks of another machine where `measure` takes too long: a function of seeds like it that
            returns outcomes that are not chaotic, for example the loss after the first steps.
        rounding: relative, by how much numbers may differ on another machine where the measurement is made in full;
            more than the usual where a threshold cuts what rounding moves.
        fresh: for a chaotic training, how many seeds that are not stored a test measures in full; see `again`.
        told: for each verdict that was found, one sentence to repeat to a friend.
        tunes: whether `measure` and `recheck` take `fine_tune=True`: the same with a backbone that learns as well.
        on: how the reader's own labelled photos are put to the same test; None where it is not about such photos.
    """

    id: str
    says: str
    said: Said
    parts: Mapping[str, Criterion]
    measure: Callable[..., Any]
    seeds: int = 0
    control: Criterion | None = None
    check: str = ""
    recheck: Callable[..., Mapping[str, Sequence[float]]] | None = None
    rounding: float = 1e-4
    fresh: int = 0
    told: Mapping[Verdict, str] = dataclasses.field(default_factory=dict)
    tunes: bool = False
    on: OnPhotos | None = None

    def __post_init__(self) -> None:
        require(bool(self.parts), f"{self.id} parts", "none", "one criterion or more")
        require("" not in self.parts or len(self.parts) == 1, f"{self.id} parts", "one without a name", "names for all")
        require(not (self.fresh and not self.seeds), f"{self.id} fresh", self.fresh, "0, since the claim is exact")

    def on_photos(self) -> "Claim":
        """Return the claim as it is judged on the reader's own photos. ValueError where it takes none."""
        require(self.on is not None, "claim", self.id, "one that is measured on labelled photos")
        assert self.on
        return dataclasses.replace(self, parts=self.on.parts or self.parts, seeds=0, fresh=0)

    def criteria(self) -> dict[str, str]:
        """Return what was asked, in words, by part; the control's under "control"."""
        asked = {name: one.text + (f" ({one.because})" if one.because else "") for name, one in self.parts.items()}
        return asked | ({"control": self.control.text} if self.control else {})

    def judge(self, measurement: Measurement) -> Judgement:
        """Return the verdicts; the whole "depends" where the parts differ.

        A part that fails is "not shown" where the instrument's control does not hold.
        """
        control = self.control.judge(measurement) if self.control else None
        parts: dict[str, Verdict] = {}
        for name, criterion in self.parts.items():
            found = criterion.judge(measurement)
            unproven = found == "fails" and not criterion.exact and control != "holds"
            parts[name] = "not shown" if unproven else found
        kinds = set(parts.values())
        return Judgement(kinds.pop() if len(kinds) == 1 else "depends", parts, control)
