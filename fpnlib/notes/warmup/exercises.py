"""The exercises of note 05."""

import copy
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fpnlib.exercises import Exercise, compare

Answer = Callable[..., Any]
State = dict[str, Any]
START = 0.1  # the exercises' first factor


def ramp_factor(step: int, warmup: int, start: float) -> float:
    """Return the factor of a linear warm-up."""
    return 1.0 if step >= warmup else start + (1 - start) * step / warmup


def _from_zero(step: int, warmup: int, start: float) -> float:
    return min(1.0, step / warmup)


def _unbounded(step: int, warmup: int, start: float) -> float:
    return start + (1 - start) * step / warmup


def _early(step: int, warmup: int, start: float) -> float:
    return min(1.0, start + (1 - start) * (step + 1) / warmup)


def _late(step: int, warmup: int, start: float) -> float:
    return min(1.0, start + (1 - start) * step / (warmup + 1))


_RAMP_FAULTS = {
    "Your factor begins at 0. At step 0 it is `start`.": _from_zero,
    "Your factor goes on climbing above 1. From step `warmup` on it is 1.": _unbounded,
    "Your factor is a step early: at step 0 it is `start`, no more.": _early,
    "Your factor is late: at step `warmup` it is 1 already.": _late,
}


def _examine_ramp(answer: Answer) -> str | None:
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(60):
        warmup = int(rng.integers(1, 30))
        cases.append((int(rng.integers(0, warmup + 5)), warmup, round(float(rng.uniform(0.05, 0.9)), 2)))
    return compare(answer, ramp_factor, cases, _RAMP_FAULTS)


def resuming(state: State, peak: float, warmup: int, total: int) -> tuple[float, State]:
    """Return the next learning rate and the state to keep."""
    step = state.get("step", 0)
    cosine = (1 + math.cos(math.pi * step / total)) / 2
    return peak * ramp_factor(step, warmup, START) * cosine, {"step": step + 1}


def _stuck(state: State, peak: float, warmup: int, total: int) -> tuple[float, State]:
    return resuming(state, peak, warmup, total)[0], {"step": state.get("step", 0)}


def _restarting(state: State, peak: float, warmup: int, total: int) -> tuple[float, State]:
    step = state.get("step", 0)
    cosine = (1 + math.cos(math.pi * max(0, step - warmup) / total)) / 2
    return peak * ramp_factor(step, warmup, START) * cosine, {"step": step + 1}


def _off_by_one(state: State, peak: float, warmup: int, total: int) -> tuple[float, State]:
    step = state.get("step", 0)
    rate = resuming({"step": step + 1}, peak, warmup, total)[0]
    return rate, {"step": step + 1}


class Forgetful:
    """A scheduler that counts in itself and leaves the state empty."""

    def __init__(self) -> None:
        self.step = 0

    def __call__(self, state: State, peak: float, warmup: int, total: int) -> tuple[float, State]:
        """Return the next rate, and nothing to keep."""
        rate, _ = resuming({"step": self.step}, peak, warmup, total)
        self.step = (self.step + 1) % total
        return rate, {}


_SCHEDULER_FAULTS = {
    "Your scheduler does not go on: the state that you return must say that a step was made.": _stuck,
    "Your decay begins anew when the warm-up is over. Its clock runs from step 0.": _restarting,
    "You skip the first rate. The first call, with the state {}, is step 0.": _off_by_one,
}


def _drive(scheduler: Answer, case: tuple[float, int, int], steps: int) -> list[float]:
    """Run a scheduler without interruption."""
    state: State = {}
    rates = []
    for _ in range(steps):
        rate, state = scheduler(state, *case)
        rates.append(float(rate))
    return rates


def _interrupted(scheduler: Answer, case: tuple[float, int, int], steps: int) -> Iterator[float]:
    """Run it with its state written to a file and read at every step, and another run in between."""
    state, other = "{}", "{}"
    for _ in range(steps):
        rate, after = scheduler(json.loads(state), *case)
        yield float(rate)
        state = json.dumps(after)
        other = json.dumps(scheduler(json.loads(other), 1.0, 3, steps)[1])


def _examine_scheduler(answer: Answer) -> str | None:
    if not callable(answer):
        return f"A function is asked for, this is a {type(answer).__name__}."
    rng = np.random.default_rng(1)
    for _ in range(20):
        total = int(rng.integers(10, 40))
        case = round(float(rng.uniform(0.01, 1)), 2), int(rng.integers(2, total // 2)), total
        given = copy.deepcopy(answer)({}, *case)
        if given is None:
            return "Your function returns nothing. Is a `return` missing?"
        shown = ", ".join(map(str, case))
        if not (isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], dict)):
            return f"For ({{}}, {shown}) you gave {given!r}; a pair is asked for, the rate and a dict as the state."
        wanted, got = _drive(resuming, case, total), _drive(copy.deepcopy(answer), case, total)
        if not np.allclose(got, wanted, atol=1e-9):
            for fault, formula in _SCHEDULER_FAULTS.items():
                if np.allclose(got, _drive(formula, case, total), atol=1e-9):
                    return fault
            step = int(np.argmax(~np.isclose(got, wanted, atol=1e-9)))
            return f"With ({shown}) your rate at step {step} is {got[step]:.4g}, it is {wanted[step]:.4g}."
        try:
            resumed = list(_interrupted(copy.deepcopy(answer), case, total))
        except TypeError as error:
            return f"Your state cannot be written to a file: {error}."
        if not np.allclose(resumed, wanted, atol=1e-9):
            return "Without an interruption all is right. After one it is not: something is kept outside the state."
    return None


def largest_rate(sharpness: float, momentum: float) -> float:
    """Return the largest rate at which a quadratic of this sharpness does not diverge."""
    return 2 * (1 + momentum) / sharpness


def _without_momentum(sharpness: float, momentum: float) -> float:
    return 2 / sharpness


def _newton(sharpness: float, momentum: float) -> float:
    return (1 + momentum) / sharpness


def _smaller(sharpness: float, momentum: float) -> float:
    return 2 * (1 - momentum) / sharpness


_RATE_FAULTS = {
    "That is the limit without momentum, which is not in your formula.": _without_momentum,
    "At half the limit a step still stays on the safe side. A factor is missing.": _newton,
    "With momentum the limit is higher, not lower: steps back and forth cancel in the velocity.": _smaller,
}


def _examine_rate(answer: Answer) -> str | None:
    rng = np.random.default_rng(2)
    cases = [(round(float(rng.uniform(0.5, 200)), 2), round(float(rng.uniform(0.1, 0.95)), 2)) for _ in range(30)]
    return compare(answer, largest_rate, cases, _RATE_FAULTS)


def steps_lost(warmup: int, start: float) -> float:
    """Return how many steps at the full rate a linear warm-up costs, by the sum of the rates."""
    # Step s lacks (1 − start)(1 − s / warmup), for s from 0 to warmup − 1.
    return (1 - start) * (warmup + 1) / 2


def _steps_kept(warmup: int, start: float) -> float:
    return warmup - steps_lost(warmup, start)


def _triangle(warmup: int, start: float) -> float:
    return (1 - start) * warmup / 2


def _constant(warmup: int, start: float) -> float:
    return (1 - start) * warmup


def _ramp_from_zero(warmup: int, start: float) -> float:
    return (warmup + 1) / 2


_LOST_FAULTS = {
    "That is how many steps the warm-up is worth. Asked is what it costs, the rest of its steps.": _steps_kept,
    "You took the area of a triangle. The rates are stairs: each step keeps its rate until the next one, so there is "
    "half a step more.": _triangle,
    "That is what a constant warm-up costs, which stays at `start` throughout. A ramp costs about half.": _constant,
    "The start is not in it. The ramp begins at `start`, so it lacks less than one that begins at 0.": _ramp_from_zero,
}


def _examine_lost(answer: Answer) -> str | None:
    rng = np.random.default_rng(3)
    cases = [(int(rng.integers(1, 600)), round(float(rng.uniform(0.05, 0.9)), 2)) for _ in range(30)]
    return compare(answer, steps_lost, cases, _LOST_FAULTS)


def across_epochs(epoch: int, batch: int, batches: int, warmup: int, start: float) -> float:
    """Return the factor of a warm-up over `warmup` steps, in this batch of this epoch; both count from 0."""
    step = epoch * batches + batch
    return 1.0 if step >= warmup else start + (1 - start) * step / warmup


def _anew_each_epoch(epoch: int, batch: int, batches: int, warmup: int, start: float) -> float:
    step = epoch * batches + batch
    return 1.0 if step >= warmup else start + (1 - start) * batch / warmup


def _first_epoch_only(epoch: int, batch: int, batches: int, warmup: int, start: float) -> float:
    return ramp_factor(batch, warmup, start) if epoch == 0 else 1.0


def _once_an_epoch(epoch: int, batch: int, batches: int, warmup: int, start: float) -> float:
    return ramp_factor(epoch, warmup, start)


def _an_epoch_ahead(epoch: int, batch: int, batches: int, warmup: int, start: float) -> float:
    return across_epochs(epoch + 1, batch, batches, warmup, start)


def _a_step_ahead(epoch: int, batch: int, batches: int, warmup: int, start: float) -> float:
    return across_epochs(epoch, batch + 1, batches, warmup, start)


_EPOCH_FAULTS = {
    "Your ramp begins anew in every epoch, as long as the warm-up lasts. It has to go on from where it was.": (
        _anew_each_epoch
    ),
    "After the first epoch your factor jumps to 1, even where the warm-up is longer than an epoch.": _first_epoch_only,
    "Your ramp climbs once an epoch, so the warm-up lasts as many epochs as it should last steps.": _once_an_epoch,
    "You are an epoch ahead. Epochs count from 0, so none has passed in the first.": _an_epoch_ahead,
    "You are a step ahead. In the very first batch the factor is `start`.": _a_step_ahead,
}


def _examine_epochs(answer: Answer) -> str | None:
    rng = np.random.default_rng(4)
    cases = [(0, 0, 5, 8, 0.1), (1, 0, 5, 8, 0.1)]
    for _ in range(40):
        batches = int(rng.integers(3, 12))
        epoch, batch = int(rng.integers(0, 4)), int(rng.integers(0, batches))
        cases.append(
            (epoch, batch, batches, int(rng.integers(2, 4 * batches)), round(float(rng.uniform(0.05, 0.5)), 2))
        )
    return compare(answer, across_epochs, cases, _EPOCH_FAULTS)


EXERCISES = (
    Exercise(
        "warm-up factor",
        "Write f(step, warmup, start) that returns the factor of a linear warm-up: `start` at step 0, 1 from step "
        "`warmup` on.",
        _examine_ramp,
        ramp_factor,
        ((_from_zero, "begins at 0"), (_unbounded, "above 1"), (_early, "early"), (_late, "late")),
        (
            "What is the factor at step 0, and what at step `warmup`? A straight line runs between the two.",
            "Go the share step / warmup of the way from `start` to 1, and never further than 1.",
        ),
    ),
    Exercise(
        "a scheduler that resumes",
        "Write f(state, peak, warmup, total) that returns (rate, state): the next learning rate and what to keep for "
        "the next call, a dict that can be written as JSON. The first call gets {}. The rate is peak times a linear "
        "warm-up from 0.1 times a cosine that falls from 1 to 0 over `total` steps; both begin at step 0.",
        _examine_scheduler,
        resuming,
        (
            (_stuck, "does not go on"),
            (_restarting, "begins anew"),
            (_off_by_one, "skip the first"),
            (Forgetful(), "outside the state"),
        ),
        (
            "All that your function may remember from call to call is what the dict holds. What is the least it needs?",
            'One number is enough, the steps made so far: `state.get("step", 0)`, which is 0 for an empty dict.',
            "Both the ramp and the cosine, (1 + cos(π · step / total)) / 2, take this step. Return their product times "
            "`peak`, and a dict with the next step.",
        ),
    ),
    Exercise(
        "largest rate",
        "Write f(sharpness, momentum) that returns the largest learning rate at which gradient descent with momentum "
        "does not diverge on a quadratic whose largest second derivative is `sharpness`.",
        _examine_rate,
        largest_rate,
        ((_without_momentum, "without momentum"), (_newton, "half the limit"), (_smaller, "higher, not lower")),
        (
            "Without momentum a step multiplies x by 1 − rate · sharpness. At which rate does that become −1?",
            "Put z = −1 into z² − (1 + momentum − rate · sharpness) z + momentum = 0, and solve for the rate.",
        ),
    ),
    Exercise(
        "what warm-up costs",
        "Write f(warmup, start) that returns how many steps at the full rate a linear warm-up costs, by the sum of the "
        "rates: the factor is `start` at step 0 and 1 from step `warmup` on. The result need not be whole.",
        _examine_lost,
        steps_lost,
        (
            (_steps_kept, "is worth"),
            (_triangle, "stairs"),
            (_constant, "constant"),
            (_ramp_from_zero, "start is not in it"),
        ),
        (
            "What does each step lack to the full rate? Write it down for a warm-up of 4 steps from 0.",
            "The lacks fall evenly from 1 − start to (1 − start) / warmup. Their sum is their count times "
            "the mean of the first and the last.",
        ),
    ),
    Exercise(
        "warm-up across epochs",
        "Mend f(epoch, batch, batches, warmup, start): the factor of a linear warm-up over `warmup` steps, in this "
        "batch of this epoch, with `batches` in each. Epochs and batches count from 0, as steps do.",
        _examine_epochs,
        across_epochs,
        (
            (_anew_each_epoch, "begins anew"),
            (_first_epoch_only, "jumps"),
            (_once_an_epoch, "once an epoch"),
            (_an_epoch_ahead, "epoch ahead"),
            (_a_step_ahead, "step ahead"),
        ),
        (
            "Take 5 batches an epoch and a warm-up of 8 steps. Print the factor of each batch of the first two epochs.",
            "Two counters are in use, one that goes on and one that begins at 0 in each epoch. Which one should the "
            "ramp take?",
        ),
    ),
)
