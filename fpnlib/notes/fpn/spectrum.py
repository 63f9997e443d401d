"""How fine the detail of a feature map is: its energy against frequency."""

from functools import lru_cache

import torch
from jaxtyping import Float, Int64
from torch import Tensor

RINGS = 16
COARSE_NYQUIST = 0.25
"""Cycles a cell: the finest wave that the level above, of half as many cells, can hold."""


def ring_energy(
    a: Float[Tensor, "c h w"], b: Float[Tensor, "c h w"] | None = None, rings: int = RINGS
) -> Float[Tensor, " rings"]:
    """Energy of a map in `rings` bands from 0 to half a cycle a cell; with `b` what both maps have in common.

    A wave's band is that of its faster axis, since a coarser grid halves both axes. Each channel loses its mean and
    fades out towards the border (Hann), so that the border is no edge. Summed over channels.
    """
    height, width = a.shape[1:]
    window = torch.outer(
        *(torch.hann_window(side, periodic=False) if side > 2 else torch.ones(side) for side in (height, width))
    )
    first = _transformed(a, window)
    power = (first * (first if b is None else _transformed(b, window)).conj()).real.sum(0)
    return torch.zeros(rings).scatter_add_(0, _ring_of(height, width, rings).flatten(), power.flatten())


def fine_share(energy: Float[Tensor, " rings"]) -> float:
    """Share of the energy above the coarse level's Nyquist frequency; 0 for a map without energy."""
    total = energy.sum().item()
    return energy[len(energy) // 2 :].sum().item() / total if total > 0 else 0.0


def _transformed(one: Tensor, window: Tensor) -> Tensor:
    centred = one - (one * window).sum((1, 2), keepdim=True) / window.sum().clamp(min=1e-12)
    return torch.fft.fft2(centred * window)


@lru_cache(maxsize=32)
def _ring_of(height: int, width: int, rings: int) -> Int64[Tensor, "h w"]:
    frequency = torch.maximum(torch.fft.fftfreq(height).abs()[:, None], torch.fft.fftfreq(width).abs())
    # A wave just at the end of a band belongs to it, so what the coarse level can just hold is not finer.
    return ((frequency / 0.5 * rings).ceil().long() - 1).clamp(min=0)
