"""One training loop, which goes on where it was interrupted."""

import math
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from fpnlib.training.batches import Batches
from fpnlib.training.progress import ProgressCallback, reporting
from fpnlib.validation import require

Loss = Callable[..., Float[Tensor, ""]]
"""From the model and a batch's tensors to one number: `loss(model, *batch)`."""


@dataclass
class History:
    """What happened: one loss and one learning rate (the first parameter group's) for each step."""

    losses: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)


def train(
    model: nn.Module,
    batches: Batches,
    loss: Loss,
    *,
    optimizer: Optimizer,
    steps: int,
    scheduler: LRScheduler | None = None,
    seed: int | None = None,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_every: int = 100,
    progress: bool | ProgressCallback = False,
    on_step: Callable[[int, float], object] | None = None,
) -> History:
    """Train `model` in place until `steps` steps are done. The modes of its layers (train, eval) stay as they are.

    Args:
        model: what to train.
        batches: from the step (0 … steps − 1) to a sequence of tensors; the same step must give the same batch.
        loss: `loss(model, *batch)`, one number.
        optimizer: made for the model's parameters.
        steps: how many in all, those before an interruption included.
        scheduler: stepped after every step.
        seed: of torch's random numbers, such as dropout's, while training; the caller's are not touched. None: the
            caller's are used.
        checkpoint: a file that holds the whole state every `checkpoint_every` steps and at the end. If it is there,
            training goes on from it, with the same result as without an interruption.
        checkpoint_every: steps between two writings.
        progress: True for a bar in the terminal, or a function of (done, steps).
        on_step: called after each step with the step and its loss.

    Errors: ValueError for a checkpoint that is damaged, or of another model, optimizer, scheduler or seed.
    FloatingPointError when a loss is not finite, before it changes a parameter or the optimizer.
    """
    require(steps >= 0, "steps", steps, "0 or more")
    require(checkpoint_every >= 1, "checkpoint_every", checkpoint_every, "1 or more")
    path = None if checkpoint is None else Path(checkpoint)
    history = History()
    with nullcontext() if seed is None else torch.random.fork_rng():
        if seed is not None:
            torch.manual_seed(seed)
        parts: dict[str, Any] = {"model": model, "optimizer": optimizer}
        if scheduler is not None:
            parts["scheduler"] = scheduler
        if path is not None and path.exists():
            history = _resume(path, parts, seed)
        begin = len(history.losses)
        require(begin <= steps, "steps", steps, f"{begin} or more, which the checkpoint has done")
        with reporting(progress, steps, "training") as report:
            report(begin, steps)
            for step in range(begin, steps):
                optimizer.zero_grad()
                value = loss(model, *batches(step))
                if not value.isfinite():
                    raise FloatingPointError(f"loss: got {value.item()} at step {step}; try a smaller learning rate")
                value.backward()
                optimizer.step()
                history.losses.append(value.item())
                history.learning_rates.append(float(optimizer.param_groups[0]["lr"]))
                if scheduler is not None:
                    scheduler.step()
                done = step + 1
                if path is not None and (done % checkpoint_every == 0 or done == steps):
                    _save(path, parts, seed, history)
                if on_step is not None:
                    on_step(step, history.losses[-1])
                report(done, steps)
    return history


def warm_cosine(optimizer: Optimizer, steps: int) -> LambdaLR:
    """A schedule: a tenth of the steps of linear warm-up, then half a cosine to 0."""
    warm = max(1, steps // 10)
    return LambdaLR(
        optimizer,
        lambda i: (i + 1) / warm if i < warm else (1 + math.cos(math.pi * (i - warm) / max(1, steps - warm))) / 2,
    )


def clip_gradients(optimizer: Optimizer, most: float) -> None:
    """From now on cut the length of the gradient of all parameters together to `most` before each step."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]

    def clip(*_: object) -> None:
        nn.utils.clip_grad_norm_(parameters, most)

    optimizer.register_step_pre_hook(clip)


def _save(path: Path, parts: dict[str, Any], seed: int | None, history: History) -> None:
    """Write the file whole or not at all: a reader never finds half of one."""
    content = {name: part.state_dict() for name, part in parts.items()}
    content |= {"kinds": _kinds(parts), "seed": seed, "random": torch.get_rng_state(), "history": asdict(history)}
    unfinished = path.with_name(f"{path.name}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def _kinds(parts: dict[str, Any]) -> dict[str, str]:
    # Another class of optimizer or scheduler may take the state without a word.
    return {name: type(part).__qualname__ for name, part in parts.items() if name != "model"}


def _resume(path: Path, parts: dict[str, Any], seed: int | None) -> History:
    remedy = "delete it to begin anew"
    try:
        content = torch.load(path, weights_only=True)
        history = History(**content["history"])
        random, stored_seed, kinds = content["random"], content["seed"], content["kinds"]
        states = {name: content[name] for name in content.keys() - {"kinds", "seed", "random", "history"}}
    # A damaged file makes torch.load raise many things: RuntimeError, UnpicklingError, EOFError, … Their text is left
    # out: it advises to load without `weights_only`.
    except Exception as error:
        raise ValueError(f"checkpoint: {path} is not one of this loop ({type(error).__name__}); {remedy}") from error
    require(states.keys() == parts.keys(), "checkpoint", f"{path} with {sorted(states)}", f"{sorted(parts)}; {remedy}")
    require(kinds == _kinds(parts), "checkpoint", f"{path} with {kinds}", f"{_kinds(parts)}; {remedy}")
    require(stored_seed == seed, "seed", seed, f"{stored_seed}, the checkpoint's; or {remedy}")
    try:
        for name, part in parts.items():
            part.load_state_dict(states[name])
    except (RuntimeError, ValueError, KeyError) as error:
        raise ValueError(f"checkpoint: {path} is of another {name} ({error}); {remedy}") from error
    torch.set_rng_state(random)
    return history
