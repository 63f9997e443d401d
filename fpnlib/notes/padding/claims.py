"""What note 02 says, and the test of each saying."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from fpnlib.claims import Claim, Criterion, Measurement, Said, Verdict, exceeds, interval_of_mean
from fpnlib.notes.padding import tiny_nets
from fpnlib.notes.padding.examples import (
    MODES,
    Mode,
    astronaut_scores,
    lfw_border_scores,
    lfw_is_face,
    pnet_features,
    pnet_field,
    share_below,
)
from fpnlib.ops import degenerate_width, least_padding, project_box, receptive_field

EXACT = 1e-9  # largest difference of an exact claim, in units of the feature map
HALF_FIELD = 6  # half of P-Net's receptive field
HIDDEN = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # share of a face's width beyond the border
_NETS = 30
_PNET_LENGTH = 40


def random_net(rng: np.random.Generator) -> nn.Sequential:
    """Two to four layers without padding: convolutions and maxima, square kernels, strides 1 to 3."""
    layers: list[nn.Module] = []
    for _ in range(rng.integers(2, 5)):
        kernel, stride = int(rng.integers(2, 5)), int(rng.choice([1, 1, 2, 3]))
        if rng.random() < 0.3:
            layers.append(nn.MaxPool2d(kernel, stride))
            continue
        conv = nn.Conv2d(1, 1, kernel, stride, bias=False).double()
        with torch.no_grad():
            # Positive weights, so that no two gradients cancel.
            conv.weight.copy_(torch.tensor(rng.uniform(0.5, 1.5, conv.weight.shape)))
        layers.append(conv)
    return nn.Sequential(*layers)


def gradient_centers(net: nn.Module, size: int, length: int) -> np.ndarray:
    """Pixel index at the middle of what each unit along a strip really sees, by its gradients; (units,)."""
    # One bright column per image, so that each maximum has one way to go.
    images = torch.eye(length, dtype=torch.float64)[:, None, None, :].expand(-1, 1, size, -1).clone().requires_grad_()
    per_unit = net(images).sum((0, 1, 2))
    centers = []
    for unit in per_unit:
        (gradient,) = torch.autograd.grad(unit, images, retain_graph=True)
        centers.append(_middle(gradient.abs().sum((1, 2)).diagonal()))
    return np.array(centers)


def pnet_gradient_centers(length: int) -> np.ndarray:
    """The same for P-Net with its real weights, from what reaches any pixel of eight random images."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(8, 3, pnet_field().horizontal.size, length, generator=generator).requires_grad_()
    per_unit = pnet_features()(images).sum((0, 1, 2))
    return np.array(
        [_middle(torch.autograd.grad(u, images, retain_graph=True)[0].abs().sum((0, 1, 2))) for u in per_unit]
    )


def _middle(gradient: Tensor) -> float:
    seen = gradient.nonzero().flatten()
    return (seen[0] + seen[-1]).item() / 2


def _extent(centers: np.ndarray, begin: float, end: float) -> float:
    """Units between two pixel edges; the map has values from the centre of its first unit to that of its last."""
    low, high = np.interp([begin - 0.5, end - 0.5], centers, np.arange(len(centers)))
    return float(high - low)


def _measured_nets() -> Iterator[tuple[nn.Module, int, np.ndarray]]:
    """Yield (net, length of the strip, centres of its units by gradients): random nets, then P-Net."""
    rng = np.random.default_rng(0)
    for _ in range(_NETS):
        net = random_net(rng)
        field = receptive_field(net)
        axis = field.horizontal  # the kernels are square
        length = axis.size + 3 * axis.stride + int(rng.integers(4))
        yield net, length, gradient_centers(net, axis.size, length)
    yield pnet_features(), _PNET_LENGTH, pnet_gradient_centers(_PNET_LENGTH)


def degenerate_rois() -> Measurement:
    """Slide RoIs of every width to the left border: extent by closed form against extent by gradients."""
    worst, wrong, border, inside, degenerate = 0.0, 0, 0, 0, 0
    for net, length, centers in _measured_nets():
        field = receptive_field(net)
        axis = field.horizontal  # the kernels are square
        limit = np.max(degenerate_width(field))  # the same on both axes
        for width in range(1, length + 1):
            box = torch.tensor([0.0, 0, width, width], dtype=torch.float64)
            clipped = project_box(box, field, clip_to=(1, len(centers)))
            measured = _extent(centers, 0, width)
            worst = max(worst, abs(float(clipped[2] - clipped[0]) - measured))
            wrong += (measured == 0) != (width <= limit)
            border, degenerate = border + 1, degenerate + (measured == 0)
        first, last = centers[[0, -1]] + 0.5
        for begin in range(int(np.ceil(first)), int(last)):
            worst = max(worst, abs(_extent(centers, begin, int(last)) - (int(last) - begin) / axis.stride))
            inside += 1
    return Measurement.exact(
        worst,
        n=border + inside,
        nets=_NETS + 1,
        border_rois=border,
        degenerate_rois=degenerate,
        interior_rois=inside,
        wrong_widths=wrong,
        pnet_size=pnet_field().size,
        pnet_width=degenerate_width(pnet_field()),
    )


def _judge_degenerate(measurement: Measurement) -> Verdict:
    numbers = measurement.numbers
    right = measurement.effect <= EXACT and numbers["wrong_widths"] == 0 and numbers["degenerate_rois"] > 0
    return "holds" if right else "fails"


def padded_first() -> Measurement:
    """Pad the image by the least amount: the RoI's full extent by gradients, and what happens to the old units."""
    worst, changed, still_cut, rois, most = 0.0, 0.0, 0, 0, 0
    rng = np.random.default_rng(1)
    for _ in range(_NETS):
        net = random_net(rng)
        field = receptive_field(net)
        axis = field.horizontal  # the kernels are square
        length = axis.size + axis.stride + int(rng.integers(4))
        image = torch.tensor(rng.normal(size=(1, 1, axis.size, length)))
        before = net(image)
        # A longer strip's units are a shorter one's and more, so one set of gradients does for every padding.
        centers = gradient_centers(net, axis.size, length + 2 * (axis.size + axis.stride))
        for width in sorted({1, 2, *rng.integers(3, length, 6).tolist()}):
            box = (0, 0, width, axis.size)
            left, right, _, _ = least_padding(field, box, (axis.size, length))
            extents = []
            for less in (0, 1):
                units = field.horizontal.units(length + left + right - less)
                extents.append(_extent(centers[:units], left - less, left - less + width))
            worst = max(worst, abs(extents[0] - width / axis.stride))
            still_cut += extents[1] < width / axis.stride - EXACT
            rois, most = rois + 1, max(most, left)
            left, right, _, _ = least_padding(field, box, (axis.size, length), keep_grid=True)
            after = net(nn.functional.pad(image, (left, right, 0, 0)))
            first = left // axis.stride
            changed = max(changed, (after[..., first : first + before.shape[3]] - before).abs().max().item())
    return Measurement.exact(
        max(worst, changed),
        n=rois,
        nets=_NETS,
        extent_error=worst,
        unit_change=changed,
        one_pixel_less_still_cut=still_cut,
        largest_padding=most,
        pnet_padding=least_padding(pnet_field(), (0, 0, 20, 20), (40, 40))[0],
    )


def _judge_padded_first(measurement: Measurement) -> Verdict:
    least = measurement.numbers["one_pixel_less_still_cut"] == measurement.n
    return "holds" if measurement.effect <= EXACT and least else "fails"


def _area(hidden: float | None, padding: int, mode: Mode = "zero") -> Tensor:
    """Each face's part of the area under ROC, faces against photos without one at the same place; (100,)."""
    scores, is_face = lfw_border_scores(hidden, padding, mode), lfw_is_face()
    return share_below(scores[is_face], scores[~is_face])


def _effect(per_face: Tensor) -> tuple[float, tuple[float, float], int]:
    values = per_face.tolist()
    return float(np.mean(values)), interval_of_mean(values), len(values)


def faces_at_the_border() -> Measurement:
    """P-Net on 100 faces and 100 other photos that leave through the border, without padding and with black pixels."""
    plain, padded = ([_area(hidden, amount) for hidden in HIDDEN] for amount in (0, HALF_FIELD))
    gain = torch.stack(padded).mean(0) - torch.stack(plain).mean(0)
    center_plain, center_padded = _area(None, 0), _area(None, HALF_FIELD)
    half_plain, half_padded = (lfw_border_scores(HIDDEN[-1], amount) for amount in (0, HALF_FIELD))
    is_face = lfw_is_face()
    return Measurement(
        *_effect(gain),
        {
            "hidden": list(HIDDEN),
            "area_plain": [area.mean().item() for area in plain],
            "area_padded": [area.mean().item() for area in padded],
            "area_center": center_plain.mean().item(),
            "center_change": (center_padded - center_plain).abs().max().item(),
            "half_face_plain": half_plain[is_face].mean().item(),
            "half_face_padded": half_padded[is_face].mean().item(),
            "half_other_plain": half_plain[~is_face].mean().item(),
            "half_other_padded": half_padded[~is_face].mean().item(),
            "astronaut_plain": [astronaut_scores(hidden, 0) for hidden in HIDDEN],
            "astronaut_padded": [astronaut_scores(hidden, HALF_FIELD) for hidden in HIDDEN],
        },
    )


def _judge_faces(measurement: Measurement) -> Verdict:
    same = measurement.numbers["center_change"] < 0.01
    return exceeds(0.02, "").judge(measurement) if same else "fails"


def modes_and_amounts() -> Measurement:
    """The area under ROC for each way to pad and three amounts, averaged over how much of the face is hidden."""
    hidden = HIDDEN[1::2]
    amounts = (HALF_FIELD // 3, HALF_FIELD, 2 * HALF_FIELD)
    area = {
        (mode, amount): torch.stack([_area(h, amount, mode) for h in hidden]).mean(0)
        for mode in MODES
        for amount in amounts
    }
    at_half = {mode: area[mode, HALF_FIELD] for mode in MODES}
    continued, constant = at_half["reflect"] + at_half["replicate"], at_half["zero"] + at_half["mean"]
    more = {mode: (area[mode, amounts[-1]] - at_half[mode]).mean().item() for mode in MODES}
    return Measurement(
        *_effect((continued - constant) / 2),
        {
            "amounts": list(amounts),
            "none": torch.stack([_area(h, 0) for h in hidden]).mean().item(),
            **{mode: [area[mode, amount].mean().item() for amount in amounts] for mode in MODES},
            "most_gain_beyond_half": max(more.values()),
        },
    )


def _judge_modes(measurement: Measurement) -> Verdict:
    enough = measurement.numbers["most_gain_beyond_half"] < 0.01
    return exceeds(0, "").judge(measurement) if enough else "fails"


def trained_nets(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train tiny nets with and without padding; what padding gains at the border and in the middle."""
    plain, padded = tiny_nets.train(seeds, 0), tiny_nets.train(seeds, tiny_nets.PADDING)
    outcomes = {f"{place}_plain": values for place, values in plain.items()}
    outcomes |= {f"{place}_padded": values for place, values in padded.items()}
    for place in ("border", "middle"):
        pairs = zip(padded[place], plain[place], strict=True)
        outcomes[f"{place}_gain"] = [with_padding - without for with_padding, without in pairs]
    outcomes["effect"] = outcomes["border_gain"]
    return outcomes


def _judge_trained(measurement: Measurement) -> Verdict:
    at_border = measurement.effect > measurement.numbers["middle_gain"]
    return exceeds(0.02, "").judge(measurement) if at_border else "fails"


CLAIMS = (
    Claim(
        "PD-1",
        "In a small net without padding, an RoI at the image's border lands on the feature map as a point or a line.",
        Said(
            "source",
            "如果不加padding,原图上在边缘的ROI,在ROI feature对应位置会形成一个点或者一条线",
            "without padding an RoI at the image's edge becomes a point or a line at its place in the RoI feature",
        ),
        {
            "": Criterion(
                "over 30 random nets and P-Net, extents by closed form and by real gradients differ by at most 1e-9 "
                "units, for RoIs at the border and inside, and a border RoI has none exactly up to half the receptive "
                "field",
                _judge_degenerate,
            )
        },
        degenerate_rois,
    ),
    Claim(
        "PD-2",
        "Pad the image first, and the RoI keeps its extent.",
        Said(
            "source",
            "应该在原图上加上一定量的padding",
            "some padding should be added to the original image",
        ),
        {
            "": Criterion(
                "with the least padding the extent by real gradients differs from width / stride by at most 1e-9, "
                "with one pixel less on the left it is always smaller, and on the kept grid old units change by at "
                "most 1e-9",
                _judge_padded_first,
            )
        },
        padded_first,
    ),
    Claim(
        "PD-3",
        "Without padding, performance drops: P-Net on faces at the border.",
        Said(
            "source",
            "这样会导致性能的下降",
            "this makes the performance drop",
        ),
        {
            "": Criterion(
                "area under ROC, 100 faces against 100 other photos with 0 to half of them beyond the border: 6 black "
                "pixels raise it by more than 0.02 (whole interval over faces), and move it by less than 0.01 for "
                "photos amid others",
                _judge_faces,
            )
        },
        faces_at_the_border,
    ),
    Claim(
        "PD-4",
        "How much and which padding: half the receptive field is enough, and continuing the photo beats a constant.",
        Said("us"),
        {
            "": Criterion(
                "at 6 pixels reflect and replicate together have more area under ROC than zero and mean together "
                "(whole interval above 0), and for no mode do 12 pixels give 0.01 more than 6",
                _judge_modes,
            )
        },
        modes_and_amounts,
    ),
    Claim(
        "PD-5",
        "Without padding, performance drops: a tiny net trained from scratch, with objects at the border.",
        Said(
            "source",
            "这样会导致性能的下降",
            "this makes the performance drop",
        ),
        {
            "": Criterion(
                "padding raises the accuracy on objects centred 1 or 2 pixels from a border by more than 0.02 (whole "
                "interval over seeds), and by more than on objects in the middle",
                _judge_trained,
            )
        },
        trained_nets,
        seeds=32,
    ),
)
