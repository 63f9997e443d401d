"""A Gaussian filter over points in several dimensions, in time linear in their number."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from fpnlib.validation import require, require_finite

_BITS = 62  # of a packed lattice point


class PermutohedralLattice:
    """Approximates, for points p, the sums Σ_j exp(−½ |p_i − p_j|²) v_j by three sparse products: splat, blur, slice.

    A point's value is shared among the d + 1 corners of the simplex that holds it, the corners are blurred along the
    d + 1 directions of the lattice, and each point reads its corners again. The result is the sum times a constant,
    which a normalised filter does not see.

    Source: Adams, Baek and Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice" (2010).
    """

    def __init__(self, points: Float[Tensor, "n d"]) -> None:
        """Find the lattice points around `points` (n, d), given in standard deviations of the Gaussian.

        Raises:
            ValueError: no points, NaN, or points spread so far that the lattice cannot be numbered.
        """
        require(
            points.ndim == 2 and min(points.shape) > 0, "points", f"shape {tuple(points.shape)}", "(n, d), n, d > 0"
        )
        require_finite("points", points)
        packed, self._shares, steps = _corners(points.double())
        lattice, inverse = packed.flatten().unique(return_inverse=True)
        corners = inverse.view(len(points), -1)
        self._size = len(lattice)
        self._corners = corners
        # The same pairs sorted by lattice point: bag m holds the points that share their value with corner m.
        order = inverse.argsort()
        self._givers = order // corners.shape[1]
        self._given = self._shares.flatten()[order]
        self._bags = F.pad(inverse.bincount(minlength=self._size).cumsum(0)[:-1], (1, 0))
        self._blurs = [self._with_neighbours(lattice, step) for step in steps]
        self._blur_shares = torch.tensor([[1.0, 0.5, 0.5]]).expand(self._size, 3).contiguous()

    def filter(self, values: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """Return the filtered `values` (n, c), up to a constant factor.

        Raises:
            ValueError: another number of rows than points.
        """
        points = len(self._corners)
        require(len(values) == points, "values", f"{len(values)} rows", f"{points}, one per point")
        grid = F.embedding_bag(self._givers, values.float(), self._bags, mode="sum", per_sample_weights=self._given)
        for neighbours in self._blurs:
            # A last row of zeros stands for lattice points near no point.
            padded = F.pad(grid, (0, 0, 0, 1))
            grid = F.embedding_bag(neighbours, padded, mode="sum", per_sample_weights=self._blur_shares)
        return F.embedding_bag(self._corners, grid, mode="sum", per_sample_weights=self._shares)

    def _with_neighbours(self, lattice: Tensor, step: int) -> Tensor:
        """Return (m, 3): each lattice point with its two neighbours along a direction, or m for one not there."""
        around = [torch.arange(self._size)]
        for wanted in (lattice - step, lattice + step):
            at = torch.searchsorted(lattice, wanted).clamp(max=self._size - 1)
            around.append(torch.where(lattice[at] == wanted, at, self._size))
        return torch.stack(around, dim=1)


def _corners(points: Tensor) -> tuple[Int64[Tensor, "n k"], Float[Tensor, "n k"], list[int]]:
    """Return for each point the d + 1 corners of its simplex, each as one number, and the point's shares in them.

    The last of the three is what a step along each of the d + 1 directions adds to that number.
    """
    d = points.shape[1]
    # Into the hyperplane Σ x = 0 of d + 1 dimensions; the scale makes the whole filter's deviation 1.
    index = torch.arange(d, dtype=points.dtype)
    scale = math.sqrt(2 / 3) * (d + 1) / ((index + 1) * (index + 2)).sqrt()
    basis = torch.ones(d + 1, d, dtype=points.dtype).triu()
    basis[index.long() + 1, index.long()] = -(index + 1)
    elevated = (points * scale) @ basis.T / (d + 1)

    # The nearest lattice point whose coordinates are whole here and sum to 0; rank 0 lies furthest above it.
    nearest = elevated.round()
    surplus = nearest.sum(1, keepdim=True)
    rank = (elevated - nearest).argsort(dim=1, descending=True, stable=True).argsort(dim=1) + surplus
    wrap = (rank < 0).to(nearest.dtype) - (rank > d).to(nearest.dtype)
    origin = nearest + wrap
    order = (rank + wrap * (d + 1)).argsort(dim=1)

    # How far the point lies along each edge from corner to corner gives the shares.
    along = (elevated - origin).gather(1, order)
    shares = torch.cat([1 - along[:, :1] + along[:, -1:], -along.diff(dim=1).flip(1)], dim=1)

    # Corner k is k steps up in all coordinates and d + 1 down in the k of highest rank; the last is not written down.
    lowest = origin[:, :d].long() * (d + 1)
    places, least = _places(lowest, d)
    down = torch.tensor([*places, 0])[order.flip(1)[:, :d]].cumsum(1)
    everywhere = sum(places)
    first = lowest @ torch.tensor(places) - least
    packed = first[:, None] + everywhere * torch.arange(d + 1) - (d + 1) * F.pad(down, (1, 0))
    return packed, shares.float(), [everywhere - (d + 1) * place for place in places] + [everywhere]


def _places(origins: Tensor, d: int) -> tuple[list[int], int]:
    """Return what a coordinate counts in a lattice point's number, and the number of the lowest point."""
    margin = 3 * (d + 1)  # room for corners and a step beyond
    low = (origins.amin(0) - margin).tolist()
    spans = [high + margin - least + 1 for high, least in zip(origins.amax(0).tolist(), low, strict=True)]
    require(sum(map(math.log2, spans)) < _BITS, "points", f"{spans} lattice steps across", "a smaller spread")
    places = [math.prod(spans[i + 1 :]) for i in range(d)]
    return places, sum(place * least for place, least in zip(places, low, strict=True))
