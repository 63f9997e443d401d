"""Labels that minimise a Potts energy, by maximum flow."""

from collections.abc import Sequence

import maxflow
import maxflow.fastmin
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fpnlib.validation import require, require_finite

# One number for every edge, or a weight per edge: (h, w − 1) between columns and (h − 1, w) between rows.
Smoothness = float | int | Sequence[Float[Tensor, "_ _"]]


def potts_energy(labels: Int[Tensor, "h w"], unary: Float[Tensor, "labels h w"], smoothness: Smoothness) -> float:
    """Energy of a labelling: the unary cost of each pixel's label, and `smoothness` for each edge whose ends differ.

    `labels` (H, W) of 0 … L − 1, `unary` (L, H, W). Edges join each pixel to its right and its lower neighbour, each
    once. `smoothness` is one number, or the pair of weights (H, W − 1) across columns and (H − 1, W) across rows.

    Raises:
        ValueError: sizes that differ, labels outside 0 … L − 1, NaN, negative weights.
    """
    across, down = _edges(unary, smoothness)
    require(
        labels.shape == unary.shape[1:], "labels", f"shape {tuple(labels.shape)}", f"{tuple(unary.shape[1:])}, as unary"
    )
    outside = int(((labels < 0) | (labels >= len(unary))).sum())
    require(outside == 0, "labels", f"{outside} pixels outside", f"0 to {len(unary) - 1}")
    chosen = unary.double().gather(0, labels.long()[None]).sum()
    columns = (across * (labels[:, 1:] != labels[:, :-1])).sum()
    rows = (down * (labels[1:] != labels[:-1])).sum()
    return (chosen + columns + rows).item()


def graph_cut(unary: Float[Tensor, "labels h w"], smoothness: Smoothness) -> Int[Tensor, "h w"]:
    """Labels of low Potts energy on the grid of 4 neighbours; with two labels the lowest there is.

    `unary` (L, H, W), finite costs; `smoothness` as for `potts_energy`, weights per edge only with two labels. More
    than two labels take alpha expansion, whose energy is at most twice the lowest. Returns labels (H, W), int64.

    Raises:
        ValueError: fewer than two labels, NaN, negative weights, weights per edge with more than two labels.
    Source: Boykov, Veksler and Zabih, "Fast Approximate Energy Minimization via Graph Cuts" (2001); PyMaxflow.
    """
    across, down = _edges(unary, smoothness)
    costs = unary.detach().double().numpy()
    if len(costs) > 2:
        require(not isinstance(smoothness, Sequence), "smoothness", "weights per edge", "one number, beyond two labels")
        return _expanded(costs, float(smoothness))  # type: ignore[arg-type]
    graph = maxflow.Graph[float]()
    nodes = graph.add_grid_nodes(costs.shape[1:])
    # Weights stand at the edge's first pixel; the structure says where its other end is.
    graph.add_grid_edges(nodes, _at_pixels(across, 1), np.array([[0, 0, 0], [0, 0, 1], [0, 0, 0]]), symmetric=True)
    graph.add_grid_edges(nodes, _at_pixels(down, 0), np.array([[0, 0, 0], [0, 0, 0], [0, 1, 0]]), symmetric=True)
    # A pixel on the sink's side has label 1 and pays the edge from the source.
    base = costs.min(0)
    graph.add_grid_tedges(nodes, costs[1] - base, costs[0] - base)
    graph.maxflow()
    return torch.from_numpy(graph.get_grid_segments(nodes)).long()


def _expanded(costs: np.ndarray, smoothness: float) -> Tensor:
    potts = smoothness * (1 - np.eye(len(costs)))
    labels = maxflow.fastmin.aexpansion_grid(np.ascontiguousarray(np.moveaxis(costs, 0, -1)), potts)
    return torch.from_numpy(labels).long()


def _edges(unary: Tensor, smoothness: Smoothness) -> tuple[Tensor, Tensor]:
    """Check both and return the weights (H, W − 1) across columns and (H − 1, W) across rows."""
    require(
        unary.ndim == 3 and len(unary) > 1, "unary", f"shape {tuple(unary.shape)}", "(labels, h, w), 2 labels or more"
    )
    height, width = unary.shape[1:]
    require(min(height, width) > 0, "unary", f"shape {tuple(unary.shape)}", "a height and a width of at least 1")
    require_finite("unary", unary)
    shapes = [(height, width - 1), (height - 1, width)]
    if isinstance(smoothness, Sequence):
        got = [tuple(weight.shape) for weight in smoothness]
        require(got == shapes, "smoothness", f"shapes {got}", f"one number, or the pair of shapes {shapes}")
        weights = [weight.detach().double() for weight in smoothness]
        for weight in weights:
            require_finite("smoothness", weight)
            require(bool((weight >= 0).all()), "smoothness", "negative weights", "weights from 0 up")
    else:
        weights = [torch.full(shape, float(smoothness), dtype=torch.float64) for shape in shapes]
        require(0 <= smoothness < float("inf"), "smoothness", smoothness, "a finite number from 0 up")
    return weights[0], weights[1]


def _at_pixels(weights: Tensor, axis: int) -> np.ndarray:
    """Return the weights of edges with a column or row of zeros for the pixels without one."""
    lacking = [(0, 0), (0, 0)]
    lacking[axis] = (0, 1)
    return np.pad(weights.numpy(), lacking)
