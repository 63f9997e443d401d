"""How fine the detail of a feature map is: its energy against frequency."""

from functools import lru_cache

import torch
from jaxtyping import Float, Int64
from torch import Tensor

RINGS = 16
COARSE_NYQUIST = 0.25
"""Cycles a cell: the finest wave that the level above, of half as many cells, can hold."""


def sum_energies(a: Float[Tensor, "c h w"], b: Float[Tensor, "c h w"]) -> Float[Tensor, "3 rings"]:
    """Energy of a, what a and b have in common (twice), energy of b: with weights 1, t, t² that of a + t · b.

    Each in bands from 0 to half a cycle a cell. A wave's band is that of its faster axis, since a coarser grid halves
    both axes. Each channel loses its mean and fades out towards the border (Hann), so that the border is no edge.
    Summed over channels.
    """
    first, second = _waves(a), _waves(b)
    products = ((first, first), (2 * first, second), (second, second))
    return torch.stack([_in_rings((x * y.conj()).real) for x, y in products])


def fine_share(energy: Float[Tensor, " rings"]) -> float:
    """Share of the energy above the coarse level's Nyquist frequency; 0 for a map without energy."""
    total = energy.sum().item()
    return energy[len(energy) // 2 :].sum().item() / total if total > 0 else 0.0


def _waves(one: Tensor) -> Tensor:
    sides = (torch.hann_window(side, periodic=False) if side > 2 else torch.ones(side) for side in one.shape[1:])
    window = torch.outer(*sides)
    centred = one - (one * window).sum((1, 2), keepdim=True) / window.sum().clamp(min=1e-12)
    return torch.fft.fft2(centred * window)


def _in_rings(power: Tensor) -> Tensor:
    height, width = power.shape[1:]
    total = torch.zeros(RINGS)
    return total.scatter_add_(0, _ring_of(height, width).flatten(), power.sum(0).flatten())


@lru_cache(maxsize=32)
def _ring_of(height: int, width: int) -> Int64[Tensor, "h w"]:
    frequency = torch.maximum(torch.fft.fftfreq(height).abs()[:, None], torch.fft.fftfreq(width).abs())
    # A wave just at the end of a band belongs to it, so what the coarse level can just hold is not finer.
    return ((frequency / 0.5 * RINGS).ceil().long() - 1).clamp(min=0)
