"""What `schedule_kin` and `range_test` show, in a small file; run as a module, as `recorded` is, this makes it."""

import functools
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from fpnlib.notes.warmup.experiments.kin import KIN, at_rates
from fpnlib.notes.warmup.experiments.limits import range_test
from fpnlib.notes.warmup.experiments.nets import digits
from fpnlib.notes.warmup.experiments.rates import RATES
from fpnlib.notes.warmup.experiments.recorded import decode, encode, thinned
from fpnlib.notes.warmup.experiments.runs import train_runs

FILE = Path(__file__).parent / "kin.safetensors"
SEEDS = range(100, 116)  # those of the live cell
RANGE_SEEDS = range(100, 108)


@functools.cache
def kin_losses(optimizer: str) -> Float[Tensor, "schedules rates seeds points"]:
    """Return the losses of every schedule in `KIN` along the steps, as `recorded.loss_curves` does."""
    return decode(_file()[f"loss_{optimizer}"])


@functools.cache
def kin_failed(optimizer: str) -> Float[Tensor, "schedules rates seeds"]:
    """Return 1 for each run that failed."""
    return _file()[f"failed_{optimizer}"].double()


@functools.cache
def tested(batch_norm: bool) -> tuple[Float[Tensor, "steps seeds"], Float[Tensor, "moments seeds"]]:
    """Return a range test's losses, in float32, and its sharpness."""
    return _file()[f"range_{batch_norm}"].double(), _file()[f"sharpness_{batch_norm}"].double()


@functools.cache
def _file() -> dict[str, Tensor]:
    return load_file(FILE)


def record() -> None:
    """Train everything and write the file."""
    tensors = {}
    for optimizer, rates in RATES.items():
        found = train_runs(digits(), at_rates([*KIN], rates), SEEDS, optimizer=optimizer)
        losses = thinned(found.losses).permute(1, 2, 0).unflatten(0, (len(KIN), -1))
        tensors[f"loss_{optimizer}"] = encode(losses).contiguous()
        tensors[f"failed_{optimizer}"] = found.failed.view(len(KIN), len(rates), -1).to(torch.uint8)
    for batch_norm in (False, True):
        test = range_test(RANGE_SEEDS, batch_norm=batch_norm)
        tensors[f"range_{batch_norm}"] = test.losses.float()
        tensors[f"sharpness_{batch_norm}"] = test.sharpness.float()
    save_file(tensors, FILE)


if __name__ == "__main__":
    record()
