"""How many ReLUs of a net still speak while it trains: those that let something through for any training example."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fpnlib.notes.warmup.experiments.nets import digits
from fpnlib.notes.warmup.experiments.runs import Outcome, Run, train_runs
from fpnlib.training import Ensemble, ProgressCallback

HEARD = (*range(20), *range(20, 81, 4))
"""Steps after which the ReLUs are counted; 0 is the untrained net."""


def speaking(members: Ensemble, inputs: Float[Tensor, "n d"]) -> Int[Tensor, " members"]:
    """Return how many of the ReLUs before each member's last layer speak; of one that has diverged none."""

    def of(net: nn.Sequential, x: Tensor) -> Tensor:
        return (net[:-1](x) > 0).any(0).sum()

    return members.evaluate(of, inputs).where(members.alive, 0)


def train_and_listen(
    run: Run, seeds: Sequence[int], *, progress: ProgressCallback | bool = False
) -> tuple[Outcome, Int[Tensor, "moments seeds"]]:
    """Train a run on the digits with every seed, and count the ReLUs that speak after each step of `HEARD`.

    On one thread: such small layers gain nothing from more, and lose much on a busy machine.
    """
    counts: list[Tensor] = []

    def listen(members: Ensemble) -> None:
        if members.steps in HEARD:
            counts.append(speaking(members, digits().inputs))

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        outcome = train_runs(digits(), [run], seeds, progress=progress, watch=listen)
    finally:
        torch.set_num_threads(threads)
    return outcome, torch.stack(counts)
