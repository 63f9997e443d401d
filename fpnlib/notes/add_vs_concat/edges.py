"""AC-7: HED's side outputs, its learned fusion, and other weights, against the outlines in the café photo."""

import functools
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fpnlib.claims import Claim, Criterion, Measurement, Said, Verdict
from fpnlib.data.photos import LabelledPhoto, labelled_photo
from fpnlib.metrics import BoundaryReference, instance_boundaries, one_to_one_edges, thin_edges
from fpnlib.models import HED

TOLERANCE = 0.0075  # of the photo's diagonal, as in the BSDS benchmark
SIDES = 5
_DRAWS = 64


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


def boundary_scores() -> Measurement:
    """Best F of each side output, of the learned fusion, of equal weights, one left out, and random weights.

    Every map is thinned alike and has its own best threshold. Each pixel asks for itself whether something lies near;
    the `matched` numbers pair edges and outlines one to one at that threshold.
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
    drawn = [f(edges.fused(weights)) for weights in random_weights()]
    best = reference.curve(fused)
    return Measurement.exact(
        f(fused) - max(sides),
        n=int(boundary.sum()),
        tolerance=near,
        sides=sides,
        fused=f(fused),
        precision=best.precision[best.best].item(),
        recall=best.recall[best.best].item(),
        equal=f(edges.fused(torch.full((SIDES,), 1 / SIDES))),
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
    )


def _judge_edges(measurement: Measurement) -> Verdict:
    numbers = measurement.numbers
    if measurement.effect > 0 and numbers["fused"] > numbers["drawn_mean"]:
        return "holds"
    return "depends" if numbers["fused"] > sum(numbers["sides"]) / SIDES else "fails"


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
            "": Criterion(
                "on the labelled café photo the learned fusion's boundary F exceeds that of every side output and the "
                "mean over 64 random weightings, each at its own best threshold; it depends when F exceeds only the "
                "mean side's",
                _judge_edges,
            )
        },
        boundary_scores,
    ),
)
