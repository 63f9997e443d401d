"""The curves that explorers show, in a small file; `python -m fpnlib.notes.warmup.experiments.recorded` makes them.

Some of these nets are claim WU-2's. At the edge of stability the same net trained again ends elsewhere, so the command
measures and stores WU-2 as well, and neither can be had without the other.
"""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor

from fpnlib.claims import Result, compute
from fpnlib.notes.warmup.experiments.rates import CLAIMS, WARMUPS, rate_map
from fpnlib.notes.warmup.experiments.runs import Run, grid
from fpnlib.notes.warmup.experiments.why import sharpness_along

FILE = Path(__file__).parent / "curves.safetensors"
EVERY = 4  # steps that one point of a loss curve is the mean of
SHARP_RATES, SHARP_WARMUPS, SHARP_SEEDS = (0.1, 0.2, 0.4), (0, 20, 80), range(8)
SHARP_EXAMPLES = 128
SHARP_STEPS = (0, 2, 5, 10, 20, 40, 80, 120, 160, 200)
_LOW, _HIGH = -4.0, 4.0  # log10 of the losses that a byte tells apart
_DIVERGED = 255


def encode(losses: Float[Tensor, "..."]) -> UInt8[Tensor, "..."]:
    """Keep a loss as one byte, on a logarithmic scale; 255 where it is not a number."""
    level = (losses.log10().clamp(_LOW, _HIGH) - _LOW) / (_HIGH - _LOW) * (_DIVERGED - 1)
    return level.round().nan_to_num(nan=_DIVERGED).to(torch.uint8)


def decode(stored: UInt8[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return losses to about 4 %, nan where the run had diverged."""
    losses = 10 ** (stored.double() / (_DIVERGED - 1) * (_HIGH - _LOW) + _LOW)
    return losses.where(stored != _DIVERGED, torch.nan)


def thinned(losses: Float[Tensor, "steps runs seeds"]) -> Float[Tensor, "points runs seeds"]:
    """Return the means of every four losses."""
    return losses.unflatten(0, (-1, EVERY)).mean(1)


@functools.cache
def loss_curves(optimizer: str) -> Float[Tensor, "rates warmups seeds points"]:
    """Return the losses of claim WU-2's map without batch norm, along the steps."""
    return decode(_file()[f"loss_{optimizer}"])


@functools.cache
def sharpness_curves(batch_norm: bool) -> Float[Tensor, "rates warmups seeds moments"]:
    """Return the sharpness at `SHARP_STEPS` of SGD with the rates and warm-ups named above; nan after divergence."""
    return _file()[f"sharpness_{_norm(batch_norm)}"].double()


@functools.cache
def _file() -> dict[str, Tensor]:
    return load_file(FILE)


def _norm(batch_norm: bool) -> str:
    return "bn" if batch_norm else "plain"


def record() -> None:
    """Train everything, write the file and store WU-2's result."""
    result, curves = measured_with_curves()
    tensors = {f"loss_{optimizer}": encode(losses) for optimizer, losses in curves.items()}
    for batch_norm in (False, True):
        measure = functools.partial(sharpness_along, batch_norm=batch_norm, examples=SHARP_EXAMPLES)
        found = [measure(run, SHARP_SEEDS, SHARP_STEPS)[0].T for run in _sharp_runs()]
        shape = len(SHARP_RATES), len(SHARP_WARMUPS), len(SHARP_SEEDS), len(SHARP_STEPS)
        tensors[f"sharpness_{_norm(batch_norm)}"] = torch.stack(found).view(shape).float()
    save_file(tensors, FILE)
    result.save()


def measured_with_curves(
    seeds: Sequence[int] = (),
) -> tuple[Result, dict[str, Float[Tensor, "rates warmups seeds points"]]]:
    """Measure WU-2, by default with all its seeds, and keep the losses of the nets that it trains."""
    kept: dict[str, list[Tensor]] = {}

    def keep(optimizer: str, losses: Tensor) -> None:
        kept.setdefault(optimizer, []).append(thinned(losses).permute(1, 2, 0))

    (claim,) = (one for one in CLAIMS if one.id == "WU-2")
    result = compute(dataclasses.replace(claim, measure=functools.partial(rate_map, keep=keep)), seeds)
    joined = {optimizer: torch.cat(parts, 1) for optimizer, parts in kept.items()}
    return result, {name: one.unflatten(0, (-1, len(WARMUPS))).contiguous() for name, one in joined.items()}


def _sharp_runs() -> list[Run]:
    return grid(SHARP_RATES, SHARP_WARMUPS)


if __name__ == "__main__":
    record()
