"""Exercises that check themselves and say what is wrong."""

import dataclasses
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fpnlib.discovery import by_name
from fpnlib.validation import require_choice


@dataclasses.dataclass(frozen=True)
class Exercise:
    """A task with a check by random properties.

    Attributes:
        name: what `check` calls it.
        task: what to do, in one or two sentences.
        examine: takes the answer and returns what is wrong with it, or None when all is right.
        solution: an answer that passes.
        wrong: plausible wrong answers, each with a word that the feedback must hold.
    """

    name: str
    task: str
    examine: Callable[[Any], str | None]
    solution: Any
    wrong: tuple[tuple[Any, str], ...]


@dataclasses.dataclass(frozen=True)
class Feedback:
    """What a check found; `right` is True when nothing is wrong."""

    name: str
    fault: str | None

    @property
    def right(self) -> bool:
        """Whether the answer passed."""
        return self.fault is None

    def __repr__(self) -> str:
        return f"{self.name}: right" if self.right else f"{self.name}: not yet. {self.fault}"


def all_exercises() -> dict[str, Exercise]:
    """Map the name of every exercise in the book to the exercise."""
    return by_name("exercises", "EXERCISES", "name")


def check(name: str, answer: Any) -> Feedback:
    """Check an answer: a function or a value, as the exercise asks for.

    Raises:
        ValueError: no exercise has this name.
    """
    exercises = all_exercises()
    require_choice("name", name, exercises)
    if answer is None or answer is ...:
        return Feedback(name, f"There is no answer yet. {exercises[name].task}")
    try:
        return Feedback(name, exercises[name].examine(answer))
    except Exception as error:  # an answer may fail in any way; the reader is told how
        return Feedback(name, f"Your answer raised {type(error).__name__}: {error}")


def solution(name: str) -> str:
    """Return the source of one right answer.

    Raises:
        ValueError: no exercise has this name.
    """
    exercises = all_exercises()
    require_choice("name", name, exercises)
    answer = exercises[name].solution
    return inspect.getsource(answer) if callable(answer) else repr(answer)


def compare(
    answer: Callable[..., Any],
    reference: Callable[..., Any],
    cases: Sequence[tuple[Any, ...]],
    faults: Mapping[str, Callable[..., Any]],
    otherwise: str = "",
) -> str | None:
    """Return None when the answer is right in every case, else what is wrong.

    Args:
        answer: the reader's function.
        reference: a right one. Both return a number or several.
        cases: arguments to try.
        faults: what to say of a wrong formula; said if the answer agrees with that formula in every case.
        otherwise: a hint to add to the first wrong case when no known fault fits.
    """
    given = [answer(*case) for case in cases]
    wrong = [i for i, case in enumerate(cases) if not _close(given[i], reference(*case))]
    if not wrong:
        return None
    for fault, formula in faults.items():
        if all(_close(value, formula(*case)) for value, case in zip(given, cases, strict=True)):
            return fault
    first = wrong[0]
    shown = ", ".join(np.array2string(np.asarray(part), separator=", ") for part in cases[first])
    right = np.round(reference(*cases[first]), 4).tolist()
    return f"For ({shown}) you gave {given[first]!r}, it is {right}. {otherwise}".strip()


def _close(a: Any, b: Any) -> bool:
    a, b = np.atleast_1d(np.asarray(a, float)), np.atleast_1d(np.asarray(b, float))
    return a.shape == b.shape and all(math.isclose(x, y, abs_tol=1e-6) for x, y in zip(a, b, strict=True))
