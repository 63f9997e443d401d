"""What torch's schedulers make of a learning rate along the note's 200 steps."""

import functools

import numpy as np
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, PolynomialLR, StepLR

from fpnlib.notes.warmup.experiments.runs import STEPS

DECAYS = {
    "none": "",
    "cosine": f"CosineAnnealingLR(optimizer, T_max={STEPS})",
    "step": "StepLR(optimizer, step_size=60, gamma=0.3)",
    "polynomial": f"PolynomialLR(optimizer, total_iters={STEPS}, power=2)",
}


def decay(name: str, optimizer: SGD) -> LRScheduler | None:
    """Make the scheduler whose code is `DECAYS[name]`."""
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=STEPS)
    if name == "step":
        return StepLR(optimizer, step_size=60, gamma=0.3)
    return PolynomialLR(optimizer, total_iters=STEPS, power=2) if name == "polynomial" else None


@functools.cache
def decay_factors(name: str) -> np.ndarray:
    """Return what torch's scheduler makes of a learning rate of 1, at steps 0 … 199."""
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, factors = decay(name, optimizer), []
    for _ in range(STEPS):
        factors.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return np.array(factors)


def code(mode: str, warmup: int, start: float, after: str, delay: bool, rate: float) -> str:
    """Return the lines that make such a schedule: warm-up of a mode and first factor, and a decay by name."""
    lines = [f"optimizer = SGD(model.parameters(), lr={rate:.2g})"]
    arguments = f'optimizer, {warmup}, "{mode}", {start:.2g}'
    if DECAYS[after]:
        lines.append(f"after = {DECAYS[after]}")
        arguments += ", after"
    return "\n".join([*lines, f"scheduler = WarmupLR({arguments}{', delay=True' if delay else ''})"])
