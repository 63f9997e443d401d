"""The fully connected conditional random field: every pixel tied to every other, by place and by colour."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from fpnlib.ops.permutohedral import PermutohedralLattice
from fpnlib.validation import require, require_finite

Number = float | int
Filter = Callable[[Tensor], Tensor]
# Up to this many pixels the kernel's whole matrix is as quick as the lattice, and exact.
EXACT_PIXELS = 4096
_REACH = 4.5  # sigmas beyond which a Gaussian is left out: 4e-5 of its height


@torch.no_grad()
def dense_crf(
    unary: Float[Tensor, "labels h w"],
    image: UInt8[Tensor, "h w 3"],
    *,
    iterations: int,
    spatial_sigma: Number,
    spatial_weight: Number,
    bilateral_spatial_sigma: Number,
    bilateral_color_sigma: Number,
    bilateral_weight: Number,
) -> Float[Tensor, "labels h w"]:
    """Mean-field inference in the fully connected CRF with Potts compatibility: probabilities per pixel.

    `unary` (L, H, W) is −log p; `image` (H, W, 3) uint8 RGB. Each iteration computes
    Q ← softmax_l(−unary + w₁ K₁ Q + w₂ K₂ Q), with K₁ = exp(−½ |Δplace|²/spatial_sigma²) and
    K₂ = exp(−½ |Δplace|²/bilateral_spatial_sigma² − ½ |Δcolour|²/bilateral_color_sigma²), each normalised on both sides
    by the root of its row sums; a pixel counts as its own neighbour. K₁ is exact. K₂ is exact up to `EXACT_PIXELS`
    pixels, above on the permutohedral lattice, whose rows are off by about a tenth of their sum. Sigmas in pixels and
    in grey values. No iteration returns softmax(−unary).
    A weight of 0 leaves its kernel out.

    Returns probabilities (L, H, W) in float32.

    Raises:
        ValueError: fewer than two labels, sizes that differ, NaN, sigmas that are not positive, bilateral ones too
            small for the lattice, negative weights or iterations.
    Source: Krähenbühl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials" (2011).
    """
    require(
        unary.ndim == 3 and len(unary) > 1, "unary", f"shape {tuple(unary.shape)}", "(labels, h, w), 2 labels or more"
    )
    height, width = unary.shape[1:]
    require(min(height, width) > 0, "unary", f"shape {tuple(unary.shape)}", "a height and a width of at least 1")
    require_finite("unary", unary)
    require(image.dtype == torch.uint8, "image", image.dtype, "torch.uint8, RGB from 0 to 255")
    shape = tuple(image.shape)
    require(shape == (height, width, 3), "image", f"shape {shape}", f"{(height, width, 3)}, the size of unary")
    require(iterations >= 0, "iterations", iterations, "0 or more")
    for name, sigma in (
        ("spatial_sigma", spatial_sigma),
        ("bilateral_spatial_sigma", bilateral_spatial_sigma),
        ("bilateral_color_sigma", bilateral_color_sigma),
    ):
        require(0 < sigma < float("inf"), name, sigma, "a finite number above 0")
    for name, weight in (("spatial_weight", spatial_weight), ("bilateral_weight", bilateral_weight)):
        require(0 <= weight < float("inf"), name, weight, "a finite number from 0 up")

    energy = unary.float().flatten(1).T.contiguous()  # (pixels, labels): a pixel's labels side by side in memory
    q = (-energy).softmax(1)
    if iterations == 0:
        return _as_maps(q, height, width)
    kernels: list[tuple[Number, Filter]] = []
    if spatial_weight > 0:
        kernels.append((spatial_weight, _normalised(_spatial(height, width, spatial_sigma), height * width)))
    if bilateral_weight > 0:
        points = _bilateral_points(image, bilateral_spatial_sigma, bilateral_color_sigma)
        kernels.append((bilateral_weight, _normalised(_bilateral(points), height * width)))
    for _ in range(iterations):
        logits = -energy
        for weight, kernel in kernels:
            logits.add_(kernel(q), alpha=weight)
        q = logits.softmax(1)
    return _as_maps(q, height, width)


def _as_maps(q: Tensor, height: int, width: int) -> Tensor:
    return q.T.reshape(-1, height, width).contiguous()


def _normalised(kernel: Filter, pixels: int) -> Filter:
    """Return D^−½ K D^−½, with D the row sums of K."""
    scale = kernel(torch.ones(pixels, 1)).rsqrt()
    return lambda q: scale * kernel(scale * q)


def _spatial(height: int, width: int, sigma: Number) -> Filter:
    """Return the Gaussian filter over places, first along columns, then along rows."""
    down, across = _Gaussian(height, sigma), _Gaussian(width, sigma)

    def kernel(q: Tensor) -> Tensor:
        columns = down(q.view(height, -1)).view(height, width, -1)
        rows = across(columns.transpose(0, 1).reshape(width, -1)).view(width, height, -1)
        return rows.transpose(0, 1).reshape(height * width, -1)

    return kernel


class _Gaussian:
    """A Gaussian filter along the first axis, block by block, without what lies beyond a block's reach."""

    def __init__(self, length: int, sigma: Number) -> None:
        reach = min(math.ceil(_REACH * sigma), length)
        places = torch.arange(length, dtype=torch.float64)
        self._blocks = []
        for block in places.split(max(16, 2 * reach)):
            seen = slice(max(0, int(block[0]) - reach), int(block[-1]) + reach + 1)
            self._blocks.append((seen, (-0.5 * ((block[:, None] - places[seen]) / sigma) ** 2).exp().float()))

    def __call__(self, values: Float[Tensor, "length n"]) -> Float[Tensor, "length n"]:
        return torch.cat([weights @ values[seen] for seen, weights in self._blocks])


def _bilateral(points: Tensor) -> Filter:
    if len(points) > EXACT_PIXELS:
        try:
            return PermutohedralLattice(points).filter
        except ValueError as error:
            names = "bilateral_spatial_sigma, bilateral_color_sigma"
            raise ValueError(f"{names}: got sigmas too small for the lattice, allowed: larger ones") from error
    kernel = (
        torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").square_().mul_(-0.5).exp_().float()
    )
    return lambda q: kernel @ q


def _bilateral_points(image: Tensor, spatial_sigma: Number, color_sigma: Number) -> Tensor:
    """Return (pixels, 5): row and column, then red, green and blue, each in standard deviations."""
    height, width, _ = image.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([rows, columns], dim=-1).double() / spatial_sigma
    return torch.cat([places, image.double() / color_sigma], dim=-1).view(-1, 5)
