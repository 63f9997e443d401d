"""Many training runs at once: any learning rates, warm-ups and seeds, as one ensemble."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from fpnlib.notes.warmup.experiments.nets import BATCH, Task, cross_entropy, error_rate
from fpnlib.schedules import cosine_factor, one_cycle_factor, rectification, step_factor, warmup_factor
from fpnlib.training import Ensemble, ProgressCallback, minibatches

STEPS = 200
MOMENTUM = 0.9
LAST = 20  # steps whose mean loss is the final loss
FAILED = 0.85  # times the loss of chance: a net that ends above this has learnt next to nothing


@dataclasses.dataclass(frozen=True)
class Run:
    """How one run is trained: a warm-up times a decay, over all steps, usually a cosine down to 0.

    With `jump` the warm-up is cut short: from that step on the rate is the full one. Decays are "constant", "step",
    which falls to 0.3 times after each 60 steps, "cosine", "one-cycle" and "rectified", RAdam's factor times the
    cosine.
    """

    rate: float
    warmup: int = 0
    mode: str = "linear"
    start_factor: float = 0.01
    jump: int | None = None
    decay: str = "cosine"

    def at(self, rate: float) -> "Run":
        """Return the same schedule at another rate."""
        return dataclasses.replace(self, rate=rate)

    def factor(self, step: int, steps: int = STEPS) -> float:
        """Return what the rate is multiplied by at a step: the warm-up's factor times the decay's."""
        over = self.jump is not None and step >= self.jump
        warmup = 1.0 if over else warmup_factor(step, self.warmup, mode=self.mode, start_factor=self.start_factor)
        return warmup * _decay(self.decay, step, steps)

    def area(self, steps: int = STEPS) -> float:
        """Return the sum of the learning rates of all steps."""
        return self.rate * sum(self.factor(step, steps) for step in range(steps))

    def equal_area(self, steps: int = STEPS) -> "Run":
        """Return the run without warm-up, along a cosine, of as many steps and the same area, at a lower rate."""
        return Run(self.rate * self.area(steps) / Run(self.rate).area(steps))


def _decay(name: str, step: int, steps: int) -> float:
    if name == "constant":
        return 1.0
    if name == "step":
        return step_factor(step, 60, gamma=0.3)
    if name == "one-cycle":
        return one_cycle_factor(step, steps)
    return cosine_factor(step, steps) * (rectification(step + 1) if name == "rectified" else 1.0)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of r runs with s seeds each."""

    losses: Float[Tensor, "steps r s"]  # nan after a run has diverged
    final: Float[Tensor, "r s"]  # mean of the last losses, at most that of chance, which a diverged run has too
    failed: Float[Tensor, "r s"]  # 1 where the final loss is hardly better than chance
    error: Float[Tensor, "r s"]  # share of wrong answers on the test data; a diverged net answers wrongly


def ensemble(
    task: Task, runs: Sequence[Run], seeds: Sequence[int], *, optimizer: str = "sgd", batch_norm: bool = False
) -> Ensemble:
    """Return the untrained members, run by run, the seeds of each side by side."""
    return Ensemble(
        task.build(batch_norm),
        [*seeds] * len(runs),
        optimizer=optimizer,
        learning_rate=torch.tensor([run.rate for run in runs], dtype=torch.float64).repeat_interleave(len(seeds)),
        momentum=MOMENTUM if optimizer == "sgd" else 0,
    )


def advance(
    members: Ensemble,
    task: Task,
    runs: Sequence[Run],
    seeds: Sequence[int],
    steps: int,
    *,
    total: int = STEPS,
    progress: ProgressCallback | bool = False,
    watch: Callable[[Ensemble], object] | None = None,
) -> None:
    """Make `steps` further steps of `total`. A seed has its own order of the data, the same in all runs.

    `watch` is shown the members after each step.
    """
    batches = minibatches(task.inputs, task.targets, size=BATCH, seed=[*seeds] * len(runs))

    @functools.lru_cache(maxsize=1)
    def schedule(step: int) -> Tensor:
        factors = torch.tensor([run.factor(step, total) for run in runs], dtype=torch.float64)
        return factors.repeat_interleave(len(seeds))

    def stepped(step: int, losses: Tensor) -> None:
        if watch is not None:
            watch(members)

    members.fit(batches, cross_entropy, steps=steps, schedule=schedule, in_dims=0, progress=progress, on_step=stepped)


def train_runs(
    task: Task,
    runs: Sequence[Run],
    seeds: Sequence[int],
    *,
    optimizer: str = "sgd",
    batch_norm: bool = False,
    steps: int = STEPS,
    progress: ProgressCallback | bool = False,
    watch: Callable[[Ensemble], object] | None = None,
) -> Outcome:
    """Train every run with every seed; `watch` is shown the members before the first step and after each."""
    members = ensemble(task, runs, seeds, optimizer=optimizer, batch_norm=batch_norm)
    if watch is not None:
        watch(members)
    advance(members, task, runs, seeds, steps, total=steps, progress=progress, watch=watch)
    shape = len(runs), len(seeds)
    final = members.losses[-LAST:].mean(0).nan_to_num(nan=task.chance).clamp(max=task.chance).view(shape)
    error = members.evaluate(error_rate, task.test_inputs, task.test_targets).where(members.alive, 1.0)
    failed = (final >= FAILED * task.chance).double()
    return Outcome(members.losses.view(steps, *shape), final, failed, error.view(shape))


def grid(rates: Sequence[float], warmups: Sequence[int]) -> list[Run]:
    """Return a run for every rate and length of warm-up, rate by rate."""
    return [Run(rate, warmup) for rate, warmup in itertools.product(rates, warmups)]
