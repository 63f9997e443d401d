"""PD-3, PD-4 and PD-7: faces that leave through the border of a photo, and P-Net with padding of several kinds."""

import functools
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from fpnlib.claims import Claim, Measurement, Said, exceeds, interval_of_resamples
from fpnlib.data import photo
from fpnlib.models import PNet
from fpnlib.models.face_detector import pnet
from fpnlib.notes.padding.experiments.padded import MODES, Mode, pad_photos

ASTRONAUT_FACE = (178, 72, 270, 183)  # x0 y0 x1 y1 by eye: hairline to chin, ear to ear
FACE_SIDES = (12, 15, 18)  # of an LFW photo, in pixels of P-Net's input
HALF_FIELD = 6  # half of P-Net's receptive field
FOUR = MODES[:4]  # that PD-4 and PD-7 compare
AMOUNTS = (2, HALF_FIELD, 12)  # pixels of padding
HIDDEN = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # share of a face's width beyond the border
_LFW_SIDE = 25
_AROUND = 6  # pixels kept above and below a face
_RESAMPLES = 2000
ONE_FACE = "a convention: as if one face of the hundred fell from above all other photos to below them"


@functools.cache
def _mosaics() -> Float[Tensor, "200 1 75 75"]:
    """Each of scikit-image's 200 LFW photos amid eight others without a face; the first 100 show a face."""
    import skimage.data

    photos = (skimage.data.lfw_subset() * 255).astype(np.float32)
    rng = np.random.default_rng(0)
    mosaics = []
    for subject in range(len(photos)):
        others = rng.permutation(np.setdiff1d(np.arange(100, 200), subject))[:8]
        tiles = photos[np.insert(others, 4, subject)].reshape(3, 3, _LFW_SIDE, _LFW_SIDE)
        mosaics.append(tiles.transpose(0, 2, 1, 3).reshape(3 * _LFW_SIDE, 3 * _LFW_SIDE))
    return torch.tensor(np.stack(mosaics))[:, None]


def lfw_is_face() -> Bool[Tensor, " 200"]:
    """Which of the 200 LFW photos show a face."""
    return torch.arange(200) < 100


@functools.cache
def _resized(side: int) -> Tensor:
    return F.interpolate(_mosaics(), (3 * side, 3 * side), mode="bilinear", antialias=True)


@torch.inference_mode()
def lfw_border_scores(
    hidden: float | None, padding: int, mode: Mode = "zero", *, upside_down: bool = False
) -> Float[Tensor, " 200"]:
    """P-Net's best score on each LFW photo while it leaves its surroundings through the left border.

    `hidden`: the share of the photo's width beyond the border, or None for the photo amid the others. `padding`: pixels
    put before the border. A window counts if it covers at least half of the visible part, or of itself if that is
    less. The best over three sizes; 0 to 1. `upside_down`: the padding is turned over, so that it has the same pixels
    but does not go on with the face.
    """
    best = torch.zeros(len(_mosaics()))
    for side in FACE_SIDES:
        cut = -_AROUND if hidden is None else round(hidden * side)
        # Rows further off are never in a window that counts.
        crops = _resized(side)[:, :, side - _AROUND : 2 * side + _AROUND, side + cut :]
        padded = pad_photos(crops, (padding, 0, 0, 0), mode)
        if upside_down:
            padded = torch.cat([padded[..., :padding].flip(2), crops], 3)
        padded = padded.expand(-1, 3, -1, -1)
        scores = pnet()((padded - 127.5) / 128).scores
        left, right = max(0, -cut), side - cut  # of the visible part
        covered = overlap(scores.shape[1], 0, _AROUND, _AROUND + side)[:, None] * overlap(
            scores.shape[2], padding, left, right
        )
        counts = covered >= min(PNet.receptive_field**2, side * (right - left)) / 2
        best = best.maximum(scores[:, counts].amax(1))
    return best


def overlap(windows: int, padding: int, begin: float, end: float) -> Tensor:
    """Pixels that each window along an axis shares with begin … end."""
    first = torch.arange(windows) * PNet.stride - padding
    return ((first + PNet.receptive_field).clamp(max=end) - first.clamp(min=begin)).clamp(min=0)


def wins(scores: Float[Tensor, " n"], others: Float[Tensor, " m"]) -> Float[Tensor, "n m"]:
    """Whether each score lies above each of `others`, equal ones a half; the mean is the area under ROC."""
    return (scores[:, None] > others).float() + 0.5 * (scores[:, None] == others).float()


@torch.inference_mode()
def astronaut_scores(hidden: float, padding: int, mode: Mode = "zero") -> float:
    """P-Net's best score when the photo is cut so that this share of the astronaut's face lies beyond the left border.

    At the scale that makes the face 12 pixels high.
    """
    x0, y0, x1, y1 = ASTRONAUT_FACE
    image = photo("astronaut")[: 2 * y1, round(x0 + hidden * (x1 - x0)) : x1 + x1 - x0]
    scaled = PNet.preprocess(np.ascontiguousarray(image), PNet.receptive_field / (y1 - y0)) * 128 + 127.5
    padded = pad_photos(scaled, (padding, 0, 0, 0), mode)
    return float(pnet()((padded - 127.5) / 128).scores.max())


def _wins(hidden: float | None, padding: int, mode: Mode = "zero", *, upside_down: bool = False) -> Tensor:
    """Whether each of 100 faces scores above each of 100 photos without one at the same place; (100, 100)."""
    scores, is_face = lfw_border_scores(hidden, padding, mode, upside_down=upside_down), lfw_is_face()
    return wins(scores[is_face], scores[~is_face])


def over_photos(differences: Mapping[str, Tensor]) -> dict[str, float]:
    """Mean of each matrix of faces by others with its interval, faces and others drawn again; (100, 100) each."""
    rng = np.random.default_rng(0)
    faces, others = (
        torch.from_numpy(rng.multinomial(100, [0.01] * 100, _RESAMPLES) / 100).float() for _ in ("faces", "others")
    )
    numbers: dict[str, float] = {}
    for name, matrix in differences.items():
        low, high = interval_of_resamples((faces @ matrix * others).sum(1).numpy())
        numbers |= {name: matrix.mean().item(), f"{name}_low": low, f"{name}_high": high}
    return numbers


def faces_at_the_border() -> Measurement:
    """P-Net on 100 faces and 100 other photos that leave through the border, without padding and with black pixels."""
    plain, padded = ([_wins(hidden, amount) for hidden in HIDDEN] for amount in (0, HALF_FIELD))
    half_plain, half_padded = (lfw_border_scores(HIDDEN[-1], amount) for amount in (0, HALF_FIELD))
    is_face = lfw_is_face()
    gains = {f"gain_{round(100 * h)}": b - a for h, a, b in zip(HIDDEN, plain, padded, strict=True)}
    mean_gain = torch.stack([*gains.values()]).mean(0)
    numbers = over_photos(gains | {"gain": mean_gain, "lost_to_cutting": padded[0] - padded[-1]})
    return Measurement(
        numbers["gain"],
        (numbers["gain_low"], numbers["gain_high"]),
        len(is_face),
        numbers
        | {
            "hidden": list(HIDDEN),
            "area_plain": [area.mean().item() for area in plain],
            "area_padded": [area.mean().item() for area in padded],
            "area_center": _wins(None, 0).mean().item(),
            "half_face_plain": half_plain[is_face].mean().item(),
            "half_face_padded": half_padded[is_face].mean().item(),
            "half_other_plain": half_plain[~is_face].mean().item(),
            "half_other_padded": half_padded[~is_face].mean().item(),
            "astronaut_plain": [astronaut_scores(hidden, 0) for hidden in HIDDEN],
            "astronaut_padded": [astronaut_scores(hidden, HALF_FIELD) for hidden in HIDDEN],
        },
    )


def mean_wins(padding: int, mode: Mode = "zero", *, upside_down: bool = False) -> Tensor:
    """`_wins` averaged over how much is cut off; (100, 100)."""
    return torch.stack([_wins(h, padding, mode, upside_down=upside_down) for h in HIDDEN[1::2]]).mean(0)


def amounts() -> Measurement:
    """The area under ROC for each way to pad and three amounts, and what each amount adds to the one before."""
    area = {(mode, amount): mean_wins(amount, mode) for mode in FOUR for amount in AMOUNTS}
    less, half, more = AMOUNTS
    differences = {f"{mode}_up_to_half": area[mode, half] - area[mode, less] for mode in FOUR}
    none = mean_wins(0)
    numbers = over_photos(differences | {"padding_at_all": area["zero", half] - none})
    return Measurement(
        numbers["padding_at_all"],
        (numbers["padding_at_all_low"], numbers["padding_at_all_high"]),
        len(lfw_is_face()),
        numbers
        | {"amounts": list(AMOUNTS), "none": none.mean().item()}
        # No claim: a window further out holds too little of the face to count.
        | {"most_beyond_half": max((area[mode, more] - area[mode, half]).mean().item() for mode in FOUR)}
        | {mode: [area[mode, amount].mean().item() for amount in AMOUNTS] for mode in FOUR},
    )


def modes() -> Measurement:
    """The area under ROC that each way to pad gains over black, and the mirror image over itself upside down."""
    area = {mode: mean_wins(HALF_FIELD, mode) for mode in FOUR}
    differences: dict[str, Tensor] = {mode: area[mode] - area["zero"] for mode in FOUR[1:]}
    differences["mirror_upright"] = area["reflect"] - mean_wins(HALF_FIELD, "reflect", upside_down=True)
    numbers = over_photos(differences | {"padding_at_all": area["zero"] - mean_wins(0)})
    interval = numbers["reflect_low"], numbers["reflect_high"]
    return Measurement(numbers["reflect"], interval, len(lfw_is_face()), numbers)


_NAMES: dict[Mode, str] = {
    "zero": "black",
    "mean": "the mean colour",
    "reflect": "the mirror image",
    "replicate": "the last pixels repeated",
}
PNET_GAIN = exceeds(0.01, "the area under ROC that six black pixels gain over none", of="padding_at_all")

CLAIMS = (
    Claim(
        "PD-3",
        "Without padding, performance drops: P-Net's windows on faces that are cut off by the border.",
        Said("us"),
        {
            f"with {h:.0%} of the photo cut off": exceeds(
                0.01,
                f"the area under ROC that six black pixels gain with {h:.0%} cut off",
                of=f"gain_{round(100 * h)}",
                because=ONE_FACE,
            )
            for h in HIDDEN
        },
        faces_at_the_border,
        control=exceeds(0.01, "the area under ROC lost, padding or not, to cutting off half", of="lost_to_cutting"),
        told={
            "depends": "As long as little of a face is cut off, padding adds next to nothing; where about half is "
            "gone, a few black pixels bring many faces back."
        },
    ),
    Claim(
        "PD-4",
        "Less padding than half the receptive field is too little.",
        Said("us"),
        {
            f"for {_NAMES[mode]}": exceeds(
                0.01, f"what 6 pixels add to 2, {_NAMES[mode]}", of=f"{mode}_up_to_half", because=ONE_FACE
            )
            for mode in FOUR
        },
        amounts,
        control=PNET_GAIN,
        told={"depends": "A thin black frame does as much as a thick one; a mirror image needs more than two pixels."},
    ),
    Claim(
        "PD-7",
        "What is put around the photo matters: its mean colour, its mirror image or its last pixels beat black.",
        Said("us"),
        {
            f"for {_NAMES[mode]}": exceeds(
                0.01, f"the area under ROC that {_NAMES[mode]} gains over black, 6 pixels", of=mode, because=ONE_FACE
            )
            for mode in FOUR[1:]
        }
        | {
            "for the mirror image beside itself upside down": exceeds(
                0.01,
                "the area under ROC that the mirror image loses when turned upside down",
                of="mirror_upright",
                because=ONE_FACE,
            )
        },
        modes,
        control=PNET_GAIN,
        told={
            "depends": "Around a photo its mean colour or its mirror image is better than black, and the mirror does "
            "not work by completing the face."
        },
    ),
)
