"""One step of the top-down path, taken apart so that its second term can be given any weight."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fpnlib.models import FPN
from fpnlib.notes.fpn.experiments.spectrum import sum_energies

Upsampling = Literal["nearest", "bilinear"]
UPSAMPLINGS: tuple[Upsampling, ...] = ("nearest", "bilinear")


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """Two terms of one level, before and after the 3×3, which is linear: `bias` is all that neither term brings.

    terms, smoothed: lateral and level above, each (c, h, w)
    energies, smoothed_energies: (3, RINGS): of the first, common to both (twice), of the second
    """

    terms: tuple[Tensor, Tensor]
    smoothed: tuple[Tensor, Tensor]
    bias: Tensor
    energies: Float[Tensor, "3 rings"]
    smoothed_energies: Float[Tensor, "3 rings"]


@torch.inference_mode()
def step_of(fpn: FPN, maps: Mapping[Any, Sequence[Tensor]], place: int, upsampling: Upsampling) -> Step:
    """The step that makes the level at `place` from `maps`, C and M without a batch's axis, of a pyramid."""
    fine, coarse = maps["C"][place][None], maps["M"][place + 1][None]
    lateral = fpn.inner_blocks[place](fine)
    above = F.interpolate(coarse, fine.shape[2:], mode=upsampling)
    weight, bias = fpn.layer_blocks[place].parameters()
    terms = (lateral[0], above[0])
    smoothed = F.conv2d(torch.cat((lateral, above)), weight, padding=1)
    both = (smoothed[0], smoothed[1])
    return Step(terms, both, bias[:, None, None], sum_energies(*terms), sum_energies(*both))


def mixed(step: Step, mix: float, channel: int) -> tuple[dict[str, Float[Tensor, "h w"]], dict[str, Tensor]]:
    """One channel, from 1, of lateral, level above, sum and result with the level above times `mix`.

    And the energies of all channels, (RINGS,) each.
    """
    lateral, above = (term[channel - 1] for term in step.terms)
    first, second = (term[channel - 1] for term in step.smoothed)
    maps = {
        "lateral": lateral,
        "above": mix * above,
        "sum": lateral + mix * above,
        "smoothed": first + mix * second + step.bias[channel - 1],
    }
    weights = torch.tensor([1.0, mix, mix * mix])
    return maps, {
        "lateral": step.energies[0],
        "above": step.energies[2] * (mix > 0),
        "sum": weights @ step.energies,
        "smoothed": weights @ step.smoothed_energies,
    }
