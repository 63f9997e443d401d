"""How well an edge map finds boundaries: thin it, threshold it, and count what lies near.

As in the BSDS benchmark a predicted edge counts when a true boundary lies within a tolerance, and a boundary is found
when an edge lies within it. Here every pixel asks for itself, which is fast at all thresholds at once;
`one_to_one_edges` pairs each edge with one boundary pixel at most, as the benchmark does, at one threshold.
Source: Martin, Fowlkes and Malik, "Learning to Detect Natural Image Boundaries", PAMI 2004, section 3.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fpnlib.validation import require, require_finite


@dataclass(frozen=True, eq=False)
class EdgeCurve:
    """Precision and recall at every distinct score, highest first; `f` the best F of all, with where it was reached."""

    precision: Float[Tensor, " t"]
    recall: Float[Tensor, " t"]
    thresholds: Float[Tensor, " t"]
    f: float
    best: int  # place of the best threshold


def instance_boundaries(instances: Int[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """Pixels (H, W) whose right or lower neighbour belongs to another instance; `instances` (H, W) of any integers."""
    edges = torch.zeros(instances.shape, dtype=torch.bool)
    edges[:, :-1] |= instances[:, :-1] != instances[:, 1:]
    edges[:-1] |= instances[:-1] != instances[1:]
    return edges


def thin_edges(scores: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """Where the score is largest across the edge: in the direction, of four, in which the smoothed map bends most.

    Any increasing line a · score + b gives the same answer. Source: Canny, "A Computational Approach to Edge
    Detection", PAMI 1986, section VI (non-maximum suppression).
    """
    require(scores.ndim == 2 and min(scores.shape) >= 1, "scores", f"shape {tuple(scores.shape)}", "(H, W), not empty")
    # In NumPy, whose comparisons and searches of masks are several times as fast as torch's.
    values = scores.numpy(force=True)
    smooth = _blurred(_blurred(np.pad(values, 3, mode="edge")))  # one pixel of margin is left
    raw = np.pad(values, 1, constant_values=np.inf)  # what lies beyond the map is unknown, so no peak leans on it
    height, width = values.shape

    def at(image: np.ndarray, dy: int, dx: int) -> np.ndarray:
        return image[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    bends = []
    for dy, dx in _DIRECTIONS:
        bend = at(smooth, dy, dx) + at(smooth, -dy, -dx)
        bend *= -0.5
        bend += at(smooth, 0, 0)
        bends.append(bend / 2 if dy and dx else bend)  # a diagonal step is √2 long
    most = np.maximum(np.maximum(bends[0], bends[1]), np.maximum(bends[2], bends[3]))
    peak = np.zeros(values.shape, bool)
    for (dy, dx), bend in zip(_DIRECTIONS, bends, strict=True):
        # ≥ on one side and > on the other, so that of two equal neighbours one stays.
        peak |= (bend == most) & (values >= at(raw, dy, dx)) & (values > at(raw, -dy, -dx))
    return torch.from_numpy(peak & (most > 0))


_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


def _blurred(image: np.ndarray) -> np.ndarray:
    """Mean of each 3×3, where all of it lies in the image."""
    rows = image[:-2] + image[1:-1] + image[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9


class BoundaryReference:
    """True boundaries, ready to score many edge maps of the same photo.

    `tolerance`: how far an edge may lie away, in pixels; the benchmark takes .0075 of the photo's diagonal.
    """

    def __init__(self, boundary: Bool[Tensor, "h w"], tolerance: float) -> None:
        from scipy.ndimage import distance_transform_edt

        require(boundary.ndim == 2 and bool(boundary.any()), "boundary", "none", "(H, W) with at least one true pixel")
        require(tolerance >= 0, "tolerance", tolerance, "0 or more pixels")
        self.boundary, self.tolerance = boundary, tolerance
        self.near = torch.from_numpy(distance_transform_edt(~boundary.numpy())) <= tolerance
        self._margin = reach = int(tolerance)
        around = torch.arange(-reach, reach + 1)
        dy, dx = torch.meshgrid(around, around, indexing="ij")
        disc = dy**2 + dx**2 <= tolerance**2
        width = boundary.shape[1] + 2 * reach
        y, x = boundary.nonzero(as_tuple=True)
        self._around = (y + reach)[None] * width + (x + reach)[None] + (dy * width + dx)[disc][:, None]

    def curve(self, scores: Float[Tensor, "h w"]) -> EdgeCurve:
        """Thin the map (H, W), then precision and recall at each of the t values that are left.

        Errors: ValueError for another size than the boundary's, values that are not finite, a map without a ridge.
        """
        scores = scores.detach()
        got, wanted = tuple(scores.shape), tuple(self.boundary.shape)
        require(got == wanted, "scores", f"shape {got}", f"{wanted}, that of the boundary")
        require_finite("scores", scores)
        places = np.flatnonzero(thin_edges(scores).numpy())
        require(len(places) > 0, "scores", "a map without any ridge", "a map with edges")
        values = scores.flatten()[places]
        order = torch.from_numpy(np.argsort(-values.numpy()))
        thresholds = values[order]
        # A threshold takes all edges of its score or none, so of a run of equal ones only the last place counts.
        last = torch.cat((thresholds[1:] != thresholds[:-1], torch.ones(1, dtype=torch.bool))).nonzero().squeeze(1)
        thresholds = thresholds[last]
        precision = self.near.flatten()[places][order].cumsum(0)[last] / (last + 1)
        rows, columns = np.divmod(places, scores.shape[1])
        padded = scores.new_full([side + 2 * self._margin for side in scores.shape], -torch.inf)
        padded[rows + self._margin, columns + self._margin] = values
        found = padded.take(self._around).amax(0).sort().values
        recall = 1 - torch.searchsorted(found, thresholds) / len(found)
        f = 2 * precision * recall / (precision + recall).clamp(min=1e-12)
        best = int(f.argmax())
        return EdgeCurve(precision, recall, thresholds, float(f[best]), best)


def one_to_one_edges(
    edges: Bool[Tensor, "h w"], boundary: Bool[Tensor, "h w"], tolerance: float
) -> tuple[float, float]:
    """Precision and recall when no boundary pixel may explain two edges, by a largest matching of near pairs.

    `edges` and `boundary` (H, W); `tolerance`: how far the two of a pair may lie apart, in pixels.
    Errors: ValueError for sizes that differ, a mask without a true pixel, a negative tolerance.
    """
    from scipy.sparse.csgraph import maximum_bipartite_matching
    from scipy.spatial import KDTree

    require(tolerance >= 0, "tolerance", tolerance, "0 or more pixels")
    require(edges.shape == boundary.shape, "edges", f"shape {tuple(edges.shape)}", f"{tuple(boundary.shape)}")
    predicted, true = edges.nonzero().numpy(), boundary.nonzero().numpy()
    require(len(predicted) > 0 and len(true) > 0, "edges, boundary", "one without a true pixel", "at least one in each")
    pairs = KDTree(predicted).sparse_distance_matrix(KDTree(true), tolerance + 1e-9, output_type="coo_matrix")
    pairs.data[:] = 1  # a distance of 0 would be no entry
    matched = int((maximum_bipartite_matching(pairs.tocsr(), perm_type="column") >= 0).sum())
    return matched / len(predicted), matched / len(true)
