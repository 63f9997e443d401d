"""Exercises that check themselves and say what is wrong."""

import copy
import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fpnlib.discovery import by_name
from fpnlib.validation import require, require_choice


@dataclasses.dataclass(frozen=True)
class Exercise:
    """A task with a check by random properties.

    Attributes:
        name: what `check` calls it.
        task: what to do, in one or two sentences.
        examine: takes the answer and returns what is wrong with it, or None when all is right.
        solution: an answer that passes.
        wrong: plausible wrong answers, each with a word that the feedback must hold.
        hints: steps towards the solution, two or more, the smallest first.

    Raises:
        ValueError: fewer than two hints.
    """

    name: str
    task: str
    examine: Callable[[Any], str | None]
    solution: Any
    wrong: tuple[tuple[Any, str], ...]
    hints: tuple[str, ...]

    def __post_init__(self) -> None:
        require(len(self.hints) > 1, f"{self.name} hints", len(self.hints), "two or more: they come in steps")


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
        return Feedback(name, f"There is no answer so far. {exercises[name].task}")
    try:
        return Feedback(name, exercises[name].examine(answer))
    except Exception as error:  # an answer may fail in any way; the reader is told how
        return Feedback(name, f"Your answer raised {type(error).__name__}: {error}")


def hint(name: str, step: int = 1) -> str:
    """Return a hint, the first one the smallest.

    Raises:
        ValueError: no exercise has this name, or it has no such step.
    """
    exercises = all_exercises()
    require_choice("name", name, exercises)
    hints = exercises[name].hints
    require(step in range(1, len(hints) + 1), "step", step, f"1 to {len(hints)}")
    rest = len(hints) - step
    return f"{hints[step - 1]} ({f'{rest} more' if rest else 'The last hint.'})"


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
    answer: Any,
    reference: Callable[..., Any],
    cases: Sequence[tuple[Any, ...]],
    faults: Mapping[str, Callable[..., Any]],
) -> str | None:
    """Return None when the answer is right in every case, else what is wrong.

    Args:
        answer: the reader's function, or what they took for one.
        reference: a right one. Both return a number or several.
        cases: arguments to try.
        faults: what to say of a wrong formula; said if the answer agrees with that formula in every case.
    """
    if not callable(answer):
        return f"A function is asked for, this is a {type(answer).__name__}."
    # An answer may change what it is given, so it gets copies.
    given = [answer(*copy.deepcopy(case)) for case in cases]
    right = [reference(*case) for case in cases]
    wrong = [i for i in range(len(cases)) if not _close(given[i], right[i])]
    if not wrong:
        return None
    if all(value is None for value in given):
        return "Your function returns nothing. Is a `return` missing?"
    for fault, formula in faults.items():
        if all(_close(value, formula(*case)) for value, case in zip(given, cases, strict=True)):
            return fault
    first = min(wrong, key=lambda i: sum(np.asarray(part).size for part in cases[i]))
    shown = ", ".join(np.array2string(np.asarray(part), separator=", ") for part in cases[first])
    return f"For ({shown}) you gave {_four_digits(given[first])}, it is {_four_digits(right[first])}."


def _four_digits(value: Any) -> str:
    """Numbers as plain ones of four digits, anything else as it is."""
    try:
        rounded = [float(f"{x:.4g}") for x in _floats(value).flat]
    except (TypeError, ValueError):
        return repr(value)
    shown = [f"{x:g}" for x in rounded]
    return shown[0] if np.ndim(value) == 0 else f"({', '.join(shown)})"


def _close(a: Any, b: Any) -> bool:
    try:
        a, b = _floats(a), _floats(b)
    except (TypeError, ValueError):
        return False
    # Within what single precision keeps: an answer may come as a tensor.
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)


def _floats(value: Any) -> np.ndarray:
    detached = value.detach() if hasattr(value, "detach") else value
    return np.atleast_1d(np.asarray(detached, float))
