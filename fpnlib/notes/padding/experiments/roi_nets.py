"""PD-6: many tiny nets at once that name an object from its RoI alone, the source's own case."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.claims import Claim, Said, exceeds
from fpnlib.notes.padding.experiments.tiny_nets import (
    BORDER,
    PADDING,
    SPREAD,
    SPREAD_BECAUSE,
    falling_rate,
    scenes,
)
from fpnlib.ops import AxisField, ReceptiveField, project_box, roi_align
from fpnlib.training import Ensemble

SIDE, BINS = 24, 3
MIDDLE = (10, 11)  # where the object's centre lies along one axis, from a border
STEPS, FIRST_STEPS = 1000, 20
FIELD = ReceptiveField(*[AxisField(size=10, stride=2)] * 2)
_BATCH, _TEST = 16, 512
_LEARNING_RATE = 0.01


@dataclasses.dataclass(frozen=True)
class Way:
    """How a box of the image becomes one of the feature map, and the padding of the image that mends its border.

    `projected`: by the field's place, where half the field of padding makes an RoI whole. Else by the box over the
    stride: the box stays as it is, and (field − stride) / 2 of padding puts unit 0 where the division expects it, as
    padding in the layers does.
    """

    projected: bool
    padding: int

    def on_map(self, boxes: Float[Tensor, "k 4"], padding: int) -> Float[Tensor, "k 4"]:
        """Boxes in pixels of the image, as boxes of the map of the image with `padding`."""
        return project_box(boxes + padding, FIELD) if self.projected else boxes / FIELD.horizontal.stride


PROJECTED, DIVIDED = Way(True, PADDING), Way(False, 4)


class RoiNet(nn.Module):
    """Four convolutions without padding, receptive field 10, stride 2, and a linear layer on the RoI's 3×3 cells."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 2, stride=2), nn.ReLU()),
            *(nn.Conv2d(8, 12, 3), nn.ReLU(), nn.Conv2d(12, 12, 2), nn.ReLU()),
        )
        self.head = nn.Linear(12 * BINS**2, 4)

    def forward(
        self, x: Float[Tensor, "n 1 h w"], down: Float[Tensor, "n bins rows"], across: Float[Tensor, "n bins columns"]
    ) -> Float[Tensor, "n 4"]:
        """Class logits of one RoI an image; `down` and `across` as `shares` gives them."""
        return self.head(torch.einsum("nbh,nchw,ndw->ncbd", down, self.layers(x), across).flatten(1))


def shares(on_map: Float[Tensor, "k 4"], units: int) -> tuple[Float[Tensor, "k b u"], Float[Tensor, "k b u"]]:
    """Weights of RoIAlign along each axis, vertical and horizontal: each unit's share of each bin's mean.

    RoIAlign is linear, so what it makes of a map with one bright column at a time says all; many nets can then share
    one call. A row of zeros is a bin without any value.
    """
    columns = torch.eye(units, dtype=on_map.dtype)[None, :, None].expand(1, units, units, units)
    x0, y0, x1, y1 = on_map.unbind(1)
    whole = torch.full_like(x0, float(units))
    boxes = torch.stack([torch.cat([y0, x0]), 0 * whole.repeat(2), torch.cat([y1, x1]), whole.repeat(2)], 1)
    pooled = roi_align(columns.contiguous(), [boxes], (1, BINS), sampling_ratio=2, aligned=True)[:, :, 0]
    down, across = pooled.transpose(1, 2).chunk(2)
    return down, across


def train(seeds: Sequence[int], way: Way, padding: int, steps: int = STEPS) -> dict[str, list[float]]:
    """Train one net per seed on images padded by `padding` zeros: accuracy by the object's place, and a loss.

    Places: `left` and `right` border, `middle`, and `elsewhere`: in the middle, but with the RoI of an object at the
    border. The loss is that after `FIRST_STEPS`. Nets, images and their order depend on the seed alone. Double
    precision, as in `tiny_nets.train`.
    """
    train_from, test_from = ([torch.Generator().manual_seed(base + seed) for seed in seeds] for base in (3000, 4000))
    nets = Ensemble(lambda: RoiNet().double(), seeds, optimizer="adam", learning_rate=_LEARNING_RATE)
    units = FIELD.horizontal.units(SIDE + 2 * padding)

    def given(images: Tensor, boxes: Tensor) -> tuple[Tensor, ...]:
        """Padded images and their RoIs' shares, (seeds, images, ...)."""
        weights = shares(way.on_map(boxes.flatten(0, 1), padding), units)
        return F.pad(images, [padding] * 4), *(one.unflatten(0, boxes.shape[:2]) for one in weights)

    def drawn(generators: list[torch.Generator], count: int, centers: tuple[int, int] | None) -> list[Tensor]:
        return [torch.stack(one) for one in zip(*(scenes(count, g, centers, SIDE) for g in generators), strict=True)]

    def batch(_: int) -> tuple[Tensor, ...]:
        images, labels, boxes = drawn(train_from, _BATCH, None)
        return *given(images, boxes), labels

    def loss(net: nn.Module, images: Tensor, down: Tensor, across: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(net(images, down, across), labels)

    def right(images: Tensor, labels: Tensor, boxes: Tensor) -> Tensor:
        answers = nets.evaluate(lambda net, *given: net(*given), *given(images, boxes), in_dims=0)
        return (answers.argmax(2) == labels).double()

    nets.fit(batch, loss, steps=steps, schedule=lambda step: falling_rate(step, STEPS), in_dims=0)
    border, (images, labels, boxes) = drawn(test_from, _TEST, BORDER), drawn(test_from, _TEST, MIDDLE)
    at_border, at_left = right(*border), (border[2][..., 0] == 0).double()
    return {
        "left": ((at_border * at_left).sum(1) / at_left.sum(1)).tolist(),
        "right": ((at_border * (1 - at_left)).sum(1) / (1 - at_left).sum(1)).tolist(),
        "middle": right(images, labels, boxes).mean(1).tolist(),
        "elsewhere": right(images, labels, border[2]).mean(1).tolist(),
        "loss": nets.losses[FIRST_STEPS - 1].tolist(),
    }


_WAYS = {"projected": PROJECTED, "divided": DIVIDED}


def trained_roi_nets(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train tiny nets that name an object from its RoI, with and without padding; gains at each border and inside."""
    outcomes: dict[str, np.ndarray] = {}
    for name, way in _WAYS.items():
        plain, padded = train(seeds, way, 0), train(seeds, way, way.padding)
        for kind, found in (("plain", plain), ("padded", padded)):
            outcomes |= {f"{place}_{name}_{kind}": np.array(values) for place, values in found.items()}
        gain = {place: np.subtract(padded[place], plain[place]) for place in ("left", "right", "middle")}
        outcomes |= {f"{place}_{name}_gain": gain[place] - gain["middle"] for place in ("left", "right")}
    outcomes["lost_elsewhere"] = outcomes["middle_projected_padded"] - outcomes["elsewhere_projected_padded"]
    outcomes["effect"] = outcomes["right_divided_gain"]
    return {name: values.tolist() for name, values in outcomes.items()}


def first_roi_losses(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The losses of `trained_roi_nets` after the first steps."""
    return {
        f"loss_{name}_{kind}": train(seeds, way, padding, FIRST_STEPS)["loss"]
        for name, way in _WAYS.items()
        for kind, padding in (("plain", 0), ("padded", way.padding))
    }


CLAIMS = (
    Claim(
        "PD-6",
        "Without padding, performance drops: the RoI features of a tiny net, trained from scratch, at the border.",
        Said("source", "这样会导致性能的下降", "this makes the performance drop"),
        {
            f"with the box {words}, at the {side} border": exceeds(
                SPREAD,
                f"the accuracy that padding gains at the {side} border less that in the middle, box {words}",
                of=f"{side}_{name}_gain",
                because=SPREAD_BECAUSE,
            )
            for name, words in (("projected", "projected"), ("divided", "divided by the stride"))
            for side in ("left", "right")
        },
        trained_roi_nets,
        seeds=16,
        control=exceeds(SPREAD, "the accuracy lost with an RoI that lies elsewhere", of="lost_elsewhere"),
        recheck=first_roi_losses,
        told={
            "depends": "Where code divides the box by the stride, a net without padding can only guess at the right "
            "border, as its RoI features are zeros; a mere point or line it can mostly learn to read."
        },
    ),
)
