"""Batches as a function of the step alone, so that a run taken up again sees the same ones."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from fpnlib.validation import require

Batches = Callable[[int], Sequence[Tensor]]

_EPOCHS_APART = 1_000_003  # a prime: no seed's epoch has another seed's shuffle until epoch 1,000,003


def minibatches(*tensors: Shaped[Tensor, "items ..."], size: int, seed: int | np.integer | Sequence[int]) -> Batches:
    """Shuffled batches of `size`, a new order each epoch; what is left over at an epoch's end is dropped.

    Shapes: tensors (items, ...), all of one length. The returned function takes the step and gives one batch
    (size, ...) of each tensor; with a sequence of n seeds, one for each member of an ensemble, (n, size, ...).
    Errors: ValueError for no tensors, unequal lengths, a size outside 1 to the number of items.
    """
    require(len(tensors) > 0, "tensors", "none", "one or more")
    items = len(tensors[0])
    require(all(len(tensor) == items for tensor in tensors), "tensors", [*map(len, tensors)], "equal lengths")
    require(1 <= size <= items, "size", size, f"1 to {items}")
    per_epoch = items // size
    alone, seeds = np.ndim(seed) == 0, np.atleast_1d(np.asarray(seed)).tolist()
    require(len(seeds) > 0, "seed", "no seeds", "one or more")

    @lru_cache(maxsize=1)
    def orders(epoch: int) -> Tensor:
        generators = (torch.Generator().manual_seed(one * _EPOCHS_APART + epoch) for one in seeds)
        return torch.stack([torch.randperm(items, generator=generator) for generator in generators])

    def batch(step: int) -> tuple[Tensor, ...]:
        epoch, place = divmod(step, per_epoch)
        picks = orders(epoch)[:, place * size : (place + 1) * size]
        return tuple(tensor[picks[0] if alone else picks] for tensor in tensors)

    return batch
