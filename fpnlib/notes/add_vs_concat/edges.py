"""AC-7: HED's side outputs, their sums by several weights, and the outlines in the café photo."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fpnlib.claims import Claim, Measurement, Said, exceeds, interval_of_resamples
from fpnlib.data.photos import LabelledPhoto, labelled_photo
from fpnlib.metrics import BoundaryReference, instance_boundaries, one_to_one_edges, thin_edges
from fpnlib.models import HED

TOLERANCE = 0.0075  # of the photo's diagonal, as in the BSDS benchmark
SIDES = 5
_DRAWS = 64
_BLOCKS = (4, 6)  # parts of the photo, drawn again for the intervals
_LEVELS = 200  # thresholds that a resample may choose from
_RESAMPLES = 2000


class Edges(NamedTuple):
    """Side logits (5, H, W) of a photo, and the weights and bias of HED's fusion."""

    sides: Float[Tensor, "5 h w"]
    weights: Float[Tensor, "5"]
    bias: float

    def fused(self, weights: Float[Tensor, "5"]) -> Float[Tensor, "h w"]:
        """Logits fused with these weights and HED's own bias."""
        return torch.tensordot(weights, self.sides, 1) + self.bias


@functools.cache
def _network() -> HED:
    return HED.pretrained()


@functools.cache
def cafe_edges() -> Edges:
    """HED's answers on the café photo; computed once."""
    return photo_edges(labelled_photo("cafe").image)


@torch.inference_mode()
def photo_edges(image: object) -> Edges:
    """HED's answers on a photo (H, W, 3) uint8."""
    network = _network()
    output = network(HED.preprocess(image))  # type: ignore[arg-type]
    sides = torch.stack([side[0, 0] for side in output.sides])
    bias = network.fuse.bias
    assert isinstance(bias, Tensor)
    return Edges(sides.clone(), network.fuse.weight.clone(), bias.item())


def outlines(labelled: LabelledPhoto) -> Bool[Tensor, "h w"]:
    """Where one instance ends."""
    numbers = torch.arange(1, len(labelled.masks) + 1)
    return instance_boundaries((labelled.masks * numbers[:, None, None]).amax(0))


def tolerance(boundary: Bool[Tensor, "h w"]) -> float:
    """How far an edge may lie from an outline, in pixels."""
    return TOLERANCE * (boundary.shape[0] ** 2 + boundary.shape[1] ** 2) ** 0.5


def random_weights() -> Float[Tensor, "draws 5"]:
    """Weights drawn evenly over all that are not negative and sum to 1."""
    logs = -torch.rand(_DRAWS, SIDES, generator=torch.Generator().manual_seed(0)).log()
    return logs / logs.sum(1, keepdim=True)


def blocks(height: int, width: int) -> np.ndarray:
    """The number of the block (H, W) that each pixel of a photo lies in, row by row."""
    rows, columns = (np.arange(side) * count // side for side, count in zip((height, width), _BLOCKS, strict=True))
    return rows[:, None] * _BLOCKS[1] + columns


class BlockCounts(NamedTuple):
    """At each threshold and in each block, (t, blocks): edges, those near an outline, outline pixels near an edge."""

    edges: np.ndarray
    right: np.ndarray
    found: np.ndarray
    outline: np.ndarray  # (blocks,), pixels

    def f(self, weights: np.ndarray) -> np.ndarray:
        """Best F over the thresholds (n,), for each row of `weights` (n, blocks), how often a block counts."""
        edges, right, found = (weights @ counts.T for counts in (self.edges, self.right, self.found))
        precision, recall = right / np.maximum(edges, 1), found / (weights @ self.outline)[:, None]
        return (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max(1)


def block_counts(logits: Float[Tensor, "h w"], reference: BoundaryReference) -> BlockCounts:
    """What a thinned map finds, block by block; thresholds at equal steps of its edges' ranks."""
    from scipy.ndimage import maximum_filter

    values, kept, outline = logits.double().numpy(), thin_edges(logits).numpy(), reference.boundary.numpy()
    reach = int(reference.tolerance)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    around = maximum_filter(
        np.where(kept, values, -np.inf), footprint=y**2 + x**2 <= reference.tolerance**2, mode="constant", cval=-np.inf
    )
    levels = np.quantile(values[kept], np.linspace(0, 1, _LEVELS, endpoint=False))
    block, count = blocks(*values.shape), _BLOCKS[0] * _BLOCKS[1]

    def per_block(chosen: np.ndarray, scores: np.ndarray) -> np.ndarray:
        above = scores[chosen][None] >= levels[:, None]
        return np.stack([np.bincount(block[chosen], weights=row, minlength=count) for row in above])

    near = kept & reference.near.numpy()
    return BlockCounts(
        per_block(kept, values),
        per_block(near, values),
        per_block(outline, around),
        np.bincount(block[outline], minlength=count).astype(float),
    )


def relearned_weights(edges: Edges, reference: BoundaryReference) -> Float[Tensor, "2 5"]:
    """Five weights by logistic regression on every other block of the photo, and on the rest; both sum to 1."""
    from sklearn.linear_model import LogisticRegression

    pixels, near = edges.sides.flatten(1).T.double().numpy(), reference.near.numpy().ravel()
    halves = _other_blocks(*edges.sides.shape[1:]).ravel()
    found = []
    for half in (halves, ~halves):
        fitted = LogisticRegression(class_weight="balanced", tol=1e-8, max_iter=1000).fit(pixels[half], near[half])
        found.append(fitted.coef_[0] / fitted.coef_[0].sum())
    return torch.from_numpy(np.stack(found)).float()


def _other_blocks(height: int, width: int) -> np.ndarray:
    row, column = np.divmod(blocks(height, width), _BLOCKS[1])
    return (row + column) % 2 == 0


def boundary_scores() -> Measurement:
    """Best F of each side output, of HED's own sum, of equal weights, one left out, random ones, and ones learned here.

    Every map is thinned alike and has its own best threshold. Each pixel asks for itself whether something lies near;
    the `matched` numbers pair edges and outlines one to one at that threshold. Intervals: blocks of the photo are drawn
    again. `relearned`: in each block by the weights that were learned on the blocks beside it.
    """
    edges, boundary = cafe_edges(), outlines(labelled_photo("cafe"))
    near = tolerance(boundary)
    reference = BoundaryReference(boundary, near)

    def f(logits: Tensor) -> float:
        return reference.curve(logits).f

    def matched_f(logits: Tensor) -> float:
        curve = reference.curve(logits)
        kept = thin_edges(logits) & (logits >= curve.thresholds[curve.best])
        precision, recall = one_to_one_edges(kept, boundary, near)
        return 2 * precision * recall / (precision + recall)

    fused = edges.fused(edges.weights)
    sides = [f(side) for side in edges.sides]
    first = int(np.argmax(sides))
    drawn = [f(edges.fused(weights)) for weights in random_weights()]
    best = reference.curve(fused)
    count = _BLOCKS[0] * _BLOCKS[1]
    again = np.random.default_rng(0).multinomial(count, [1 / count] * count, _RESAMPLES).astype(float)
    every = np.concatenate([np.ones((1, count)), again])  # all blocks once, then drawn again
    equal = edges.fused(torch.full((SIDES,), 1 / SIDES))
    negated = edges.fused(edges.weights * (1 - 2.0 * (torch.arange(SIDES) == first)))
    scored = {
        name: block_counts(logits, reference).f(every)
        for name, logits in (("fused", fused), ("side", edges.sides[first]), ("equal", equal), ("negated", negated))
    }
    learned = relearned_weights(edges, reference)
    scored["relearned"] = _joined([block_counts(edges.fused(weights), reference) for weights in learned]).f(every)
    numbers: dict[str, float] = {}
    for name, one, other in (
        ("over_side", "fused", "side"),
        ("over_equal", "relearned", "equal"),
        ("over_negated", "fused", "negated"),
    ):
        whole, *resampled = scored[one] - scored[other]
        low, high = interval_of_resamples(resampled)
        numbers |= {name: float(whole), f"{name}_low": low, f"{name}_high": high}
    return Measurement(
        numbers["over_side"],
        (numbers["over_side_low"], numbers["over_side_high"]),
        count,
        dict(
            **numbers,
            tolerance=near,
            sides=sides,
            fused=f(fused),
            precision=best.precision[best.best].item(),
            recall=best.recall[best.best].item(),
            equal=f(equal),
            relearned=float(scored["relearned"][0]),
            relearned_weights=learned.mean(0).tolist(),
            without=[f(edges.fused(edges.weights * (torch.arange(SIDES) != left_out))) for left_out in range(SIDES)],
            drawn=drawn,
            drawn_mean=sum(drawn) / len(drawn),
            drawn_best=max(drawn),
            drawn_worst=min(drawn),
            drawn_below_fused=sum(value < f(fused) for value in drawn),
            matched_sides=[matched_f(side) for side in edges.sides],
            matched_fused=matched_f(fused),
            largest_weight=edges.weights.max().item(),
            smallest_weight=edges.weights.min().item(),
        ),
    )


def _joined(halves: Sequence[BlockCounts]) -> BlockCounts:
    """The counts of weights learned on the one half of the blocks, where they lie in the other half."""
    row, column = np.divmod(np.arange(_BLOCKS[0] * _BLOCKS[1]), _BLOCKS[1])
    learned_on = (row + column) % 2 == 0  # by the first of the two
    first, second = halves
    counts = (np.where(learned_on, b, a) for a, b in zip(first, second, strict=True))
    return BlockCounts(*counts)


_ONE_SIDE = "the café photo's sides two and three are 0.005 apart, twice that is a choice one would notice"
CLAIMS = (
    Claim(
        "AC-7",
        "Edge detection fuses the side outputs of several layers by a weighted add, as all mean the same.",
        Said(
            "source",
            "通过weighted add融合在一起,这是因为这些输出的语义本来就是相同的,都用了label的loss来约束",
            "they are fused by a weighted add, since these outputs mean the same and the labels' loss binds them all",
        ),
        {
            "that the sum of the five beats the best of them": exceeds(
                0,
                "boundary F of HED's own sum less that of the best side output, labelled café photo, blocks drawn again",
                because="any gain at all: the sum costs nothing",
            ),
            "that weights learned for it beat equal ones": exceeds(
                0.01,
                "boundary F of five weights learned on every other block less that of equal weights, on the blocks "
                "between",
                of="over_equal",
                because=_ONE_SIDE,
            ),
        },
        boundary_scores,
        control=exceeds(
            0.01, "boundary F lost when the best side output is subtracted", of="over_negated", because=_ONE_SIDE
        ),
        told={
            "holds": "Five edge maps that mean the same can simply be added, and the sum finds outlines better than "
            "any one of them.",
            "depends": "Five edge maps that mean the same can simply be added; which weights they get hardly shows.",
        },
    ),
)
