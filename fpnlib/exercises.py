"""Exercises that check themselves and say what is wrong."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

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
