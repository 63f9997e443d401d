"""Claims PD-8 and PD-9: what a trained net's own padding does to its maps, and a photo padded with its far side."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from fpnlib.claims import Claim, Measurement, Said, exceeds
from fpnlib.data import photo
from fpnlib.models import EfficientNetLite0
from fpnlib.models.borders import PADDINGS, BorderEffect, Borders
from fpnlib.models.efficientnet import image_batch
from fpnlib.notes.padding.experiments.faces import HALF_FIELD, ONE_FACE, PNET_GAIN, mean_wins, over_photos
from fpnlib.validation import require

# Not the astronaut, on whom the bounds were thought out; each photo once.
PHOTOS = ("coffee", "chelsea", "coins", "rocket", "china", "flower", "cafe", "bin")
MISSING = (0, 8, 16, 24)  # pixels of zeros that fill a crop up to a multiple of 32
_STRIDE = 16
_MOST = 256
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's


class BordersInside:
    """A net's maps of a crop from a photo's middle, beside those of twice as much photo around it.

    Attributes:
        photo: (2 side, 2 side, 3) uint8; the crop is the middle of it.
        side: of the crop, a multiple of 64, so that its corner is one of 32.

    Raises:
        ValueError: a photo below 128 pixels, something that cannot be called, what `Borders` refuses.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Any],
        image: UInt8[np.ndarray, "h w 3"],
        preprocess: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        require(callable(network), "network", type(network).__name__, "a module, or a function of a batch")
        height, width = image.shape[:2]
        require(min(height, width) >= 128, "photo", f"{width}×{height} pixels", "128 pixels or more each way")
        if isinstance(network, nn.Module):
            network.eval()
        self.side = min(_MOST, 64 * (min(height, width) // 128))
        top, left = height // 2 - self.side, width // 2 - self.side
        self.photo = np.ascontiguousarray(image[top : top + 2 * self.side, left : left + 2 * self.side])
        half = self.side // 2
        crop = half, half, half + self.side, half + self.side
        borders = Borders(network, (preprocess or _scaled)(image_batch(self.photo)), crop)
        self.effects = functools.lru_cache(maxsize=len(PADDINGS) * len(MISSING))(borders.effects)


def _scaled(batch: Tensor) -> Tensor:
    return (batch / 255 - torch.tensor(_MEAN).view(3, 1, 1)) / torch.tensor(_SPREAD).view(3, 1, 1)


@functools.cache
def _lite0() -> EfficientNetLite0:
    return EfficientNetLite0.pretrained().requires_grad_(False)


def lite0_borders(image: UInt8[np.ndarray, "h w 3"]) -> BordersInside:
    """Return the effects in EfficientNet-Lite0 with ImageNet's weights, on a photo."""
    return BordersInside(_lite0().features, image, lambda batch: (batch - 127) / 128)


def profile(effect: BorderEffect) -> np.ndarray:
    """Return the difference of each column, over the middle half of the rows, from the left side to the right one."""
    rows = len(effect.difference)
    middle = effect.difference[rows // 4 : rows - rows // 4]
    return middle.double().square().mean(0).sqrt().numpy()


def borders_inside(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Measure the map of stride 16 on one photo for each seed."""
    outcomes: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        outcomes.setdefault(name, []).append(float(f"{value:.5g}"))

    for seed in seeds:
        borders = lite0_borders(photo(PHOTOS[seed]))
        whole, outer = {}, {}
        for padding in PADDINGS:
            (effect,) = (one for one in borders.effects(padding, 0).values() if one.stride == _STRIDE)
            columns = profile(effect)
            whole[padding] = float(effect.difference.square().mean().sqrt())
            outer[padding] = columns
            note(f"{padding}_ring_1", (columns[0] + columns[-1]) / 2)
            note(f"{padding}_ring_4", (columns[3] + columns[-4]) / 2)
            note(f"{padding}_reach_10", effect.reach(0.1))
            note(f"{padding}_reach_1", effect.reach(0.01))
        for padding in PADDINGS[1:]:
            note(f"{padding}_gain", np.log2(whole["zeros"] / whole[padding]))
        (filled,) = (one for one in borders.effects("zeros", 24).values() if one.stride == _STRIDE)
        note("filled_over_own", np.log2(profile(filled)[-2:].mean() / outer["zeros"][-2:].mean()))
        note("falls", np.log2(outcomes["zeros_ring_1"][-1] / outcomes["zeros_ring_4"][-1]))
    return outcomes | {"effect": outcomes["reflect_gain"]}


def far_side() -> Measurement:
    """The area under ROC that the photo's far side, put before its border, gains over black; PD-7's measure."""
    area = {mode: mean_wins(HALF_FIELD, mode) for mode in ("zero", "circular")}
    numbers = over_photos({"circular": area["circular"] - area["zero"], "padding_at_all": area["zero"] - mean_wins(0)})
    return Measurement(numbers["circular"], (numbers["circular_low"], numbers["circular_high"]), 200, numbers)


_HALF_A_UNIT = (
    "on a trial photo the difference about halved from one ring of units to the next, so half a doubling moves its "
    "reach by half a unit"
)

CLAIMS = (
    Claim(
        "PD-8",
        "Inside a trained net, other padding than zeros keeps a photo's border units nearer to what they would be.",
        Said("us"),
        {
            f"for {words}": exceeds(
                0.5,
                f"EfficientNet-Lite0, stride 16, doublings of the difference, zeros over {words}",
                of=f"{name}_gain",
                because=_HALF_A_UNIT,
            )
            for name, words in (
                ("reflect", "the mirror image"),
                ("replicate", "the last units repeated"),
                ("circular", "the far side"),
            )
        }
        | {
            "for a photo that is not filled up to a multiple of 32": exceeds(
                0.5,
                "doublings of the last two columns' difference, with 24 zeros beside the photo over without",
                of="filled_over_own",
                because=_HALF_A_UNIT,
            )
        },
        borders_inside,
        seeds=len(PHOTOS),
        control=exceeds(
            0.5,
            "doublings of the difference from the fourth ring of units to the outermost, zeros",
            of="falls",
            because=_HALF_A_UNIT,
        ),
        told={
            "depends": "For a net that learnt with zeros no other padding does clearly better; whether zeros beside "
            "a photo harm its last units by as much as was asked, eight photos do not settle."
        },
    ),
    Claim(
        "PD-9",
        "A photo padded with its far side does better than with black.",
        Said("us"),
        {
            "": exceeds(
                0.01,
                "the area under ROC that the far side gains over black, 6 pixels",
                of="circular",
                because=ONE_FACE,
            )
        },
        far_side,
        control=PNET_GAIN,
        told={"holds": "Even the photo's far side around it finds more faces at the border than black does."},
    ),
)
