"""What note 02 says, and the test of each saying."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from fpnlib.claims import Claim, Measurement, Said, exceeds, interval_of_resamples, within
from fpnlib.notes.padding import roi_nets, tiny_nets
from fpnlib.notes.padding.examples import (
    MODES,
    Mode,
    astronaut_scores,
    lfw_border_scores,
    lfw_is_face,
    pnet_features,
    pnet_field,
    wins,
)
from fpnlib.ops import AxisField, degenerate_width, least_padding, project_box, receptive_field, roi_pool

EXACT = 1e-9  # largest difference of an exact claim, in units of the feature map
HALF_FIELD = 6  # half of P-Net's receptive field
AMOUNTS = (2, HALF_FIELD, 12)  # pixels of padding
HIDDEN = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # share of a face's width beyond the border
_RESAMPLES = 2000
_ONE_FACE = "one face of the hundred lost or won, the least that can be counted"
_SPREAD = 0.011
_SPREAD_BECAUSE = (
    "another seed moves a net's accuracy by so much: the standard deviation of six pilot nets, seeds 100 to 105, "
    "without padding, in the middle"
)
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
    low, high = np.interp([begin - 0.5, end - 0.5], centers, np.arange(len(centers))).tolist()
    return high - low


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


def _units_read(units: int, stride: int, begin: float, end: float) -> int:
    """How many units of a map RoIPool reads for a box from `begin` to `end`, if code divides the box by the stride."""
    numbered = torch.arange(1.0, units + 1, dtype=torch.float64)[None, None, None]
    box = torch.tensor([[0.0, begin, 0, end, 0]], dtype=torch.float64)
    pooled = roi_pool(numbered, box, (1, units + 1 + int(end) // stride), 1 / stride)
    return len(set(pooled.flatten().tolist()) - {0.0})


def degenerate_rois() -> Measurement:
    """Slide RoIs of every width to both borders: extent by closed form and by gradients, and what RoIPool reads."""
    rng = np.random.default_rng(2)
    wrong, read, rois, degenerate, nothing = (dict.fromkeys(("left", "right"), 0) for _ in range(5))
    inside, wrong_inside = 0, 0
    for net, length, centers in _measured_nets():
        field = receptive_field(net)
        axis = field.horizontal  # the kernels are square
        limits = {
            "left": float(np.max(degenerate_width(field))),  # the same on both axes
            "right": float(np.max(degenerate_width(field, image_size=(length, length)))),
        }
        for width in range(1, length + 1):
            for border, (begin, end) in {"left": (0, width), "right": (length - width, length)}.items():
                box = torch.tensor([begin, 0, end, 1], dtype=torch.float64)
                clipped = project_box(box, field, clip_to=(1, len(centers)))
                measured = _extent(centers, begin, end)
                differs = abs(float(clipped[2] - clipped[0]) - measured) > EXACT
                wrong[border] += differs or (measured == 0) != (width <= limits[border])
                rois[border] += 1
                if width <= limits[border]:
                    units = _units_read(len(centers), axis.stride, begin, end)
                    degenerate[border] += 1
                    read[border] += units > 1
                    nothing[border] += units == 0
        first, last = centers[[0, -1]] + 0.5
        for begin in range(int(np.ceil(first)), int(last)):
            end = int(rng.integers(begin + 1, int(last) + 1))
            wrong_inside += abs(_extent(centers, begin, end) - (end - begin) / axis.stride) > EXACT
            inside += 1
    numbers = {
        f"{name}_{border}": count
        for name, counts in (
            ("wrong", wrong),
            ("read", read),
            ("rois", rois),
            ("degenerate", degenerate),
            ("nothing", nothing),
        )
        for border, count in counts.items()
    }
    return Measurement.exact(
        wrong["left"] + wrong["right"],
        n=sum(rois.values()) + inside,
        nets=_NETS + 1,
        interior_rois=inside,
        wrong_inside=wrong_inside,
        pnet_size=pnet_field().size,
        pnet_width=degenerate_width(pnet_field()),
        **numbers,
    )


def padded_first() -> Measurement:
    """Pad the image by the least amount: an RoI's full extent by gradients, at both borders, and the old units."""
    still_whole, cut, changed, rois, most = 0, 0, 0.0, 0, 0
    rng = np.random.default_rng(1)
    for _ in range(_NETS):
        net = random_net(rng)
        field = receptive_field(net)
        axis = field.horizontal  # the kernels are square
        length = axis.size + axis.stride + int(rng.integers(4))
        image = torch.tensor(rng.normal(size=(1, 1, axis.size, length)))
        before = net(image)
        # A longer strip's units are a shorter one's and more, so one set of gradients does for every padding.
        centers = gradient_centers(net, axis.size, length + 3 * (axis.size + axis.stride))
        widths = sorted({1, 2, *rng.integers(3, length, 6).tolist()})
        for begin, end in [ends for width in widths for ends in ((0, width), (length - width, length))]:
            box = (begin, 0, end, axis.size)
            left, right, _, _ = least_padding(field, box, (axis.size, length))
            kept = [
                _padded_extent(axis, centers, length, (left - less_left, right - less_right), (begin, end))
                for less_left, less_right in ((0, 0), (1, 0), (0, 1))
                if left >= less_left and right >= less_right
            ]
            whole = [abs(extent - (end - begin) / axis.stride) <= EXACT for extent in kept]
            cut += not whole[0]
            still_whole += sum(whole[1:])
            rois, most = rois + 1, max(most, left, right)
            left, right, _, _ = least_padding(field, box, (axis.size, length), keep_grid=True)
            after = net(nn.functional.pad(image, (left, right, 0, 0)))
            first = left // axis.stride
            changed = max(changed, (after[..., first : first + before.shape[3]] - before).abs().max().item())
    return Measurement.exact(
        cut + still_whole,
        n=rois,
        nets=_NETS,
        cut=cut,
        whole_with_less=still_whole,
        unit_change=changed,
        largest_padding=most,
        pnet_padding=least_padding(pnet_field(), (0, 0, 20, 20), (40, 40))[0],
    )


def _padded_extent(
    axis: AxisField, centers: np.ndarray, length: int, padding: tuple[int, int], box: tuple[int, int]
) -> float:
    """Units that the map of a padded strip keeps between the two ends of a box."""
    units = axis.units(length + sum(padding))
    return _extent(centers[:units], padding[0] + box[0], padding[0] + box[1])


def _wins(hidden: float | None, padding: int, mode: Mode = "zero", *, upside_down: bool = False) -> Tensor:
    """Whether each of 100 faces scores above each of 100 photos without one at the same place; (100, 100)."""
    scores, is_face = lfw_border_scores(hidden, padding, mode, upside_down=upside_down), lfw_is_face()
    return wins(scores[is_face], scores[~is_face])


def _over_photos(differences: Mapping[str, Tensor]) -> dict[str, float]:
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
    numbers = _over_photos(gains | {"gain": mean_gain, "lost_to_cutting": padded[0] - padded[-1]})
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


def _mean_wins(padding: int, mode: Mode = "zero", *, upside_down: bool = False) -> Tensor:
    """`_wins` averaged over how much is cut off; (100, 100)."""
    return torch.stack([_wins(h, padding, mode, upside_down=upside_down) for h in HIDDEN[1::2]]).mean(0)


def amounts() -> Measurement:
    """The area under ROC for each way to pad and three amounts, and what each amount adds to the one before."""
    area = {(mode, amount): _mean_wins(amount, mode) for mode in MODES for amount in AMOUNTS}
    less, half, more = AMOUNTS
    differences = {f"{mode}_up_to_half": area[mode, half] - area[mode, less] for mode in MODES}
    none = _mean_wins(0)
    numbers = _over_photos(differences | {"padding_at_all": area["zero", half] - none})
    return Measurement(
        numbers["padding_at_all"],
        (numbers["padding_at_all_low"], numbers["padding_at_all_high"]),
        len(lfw_is_face()),
        numbers
        | {"amounts": list(AMOUNTS), "none": none.mean().item()}
        # No claim: a window further out holds too little of the face to count.
        | {"most_beyond_half": max((area[mode, more] - area[mode, half]).mean().item() for mode in MODES)}
        | {mode: [area[mode, amount].mean().item() for amount in AMOUNTS] for mode in MODES},
    )


def modes() -> Measurement:
    """The area under ROC that each way to pad gains over black, and the mirror image over itself upside down."""
    area = {mode: _mean_wins(HALF_FIELD, mode) for mode in MODES}
    differences: dict[str, Tensor] = {mode: area[mode] - area["zero"] for mode in MODES[1:]}
    differences["mirror_upright"] = area["reflect"] - _mean_wins(HALF_FIELD, "reflect", upside_down=True)
    numbers = _over_photos(differences | {"padding_at_all": area["zero"] - _mean_wins(0)})
    interval = numbers["reflect_low"], numbers["reflect_high"]
    return Measurement(numbers["reflect"], interval, len(lfw_is_face()), numbers)


def trained_nets(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train tiny nets with and without padding; what padding gains at the border and in the middle."""
    outcomes = {
        f"{name}_{kind}": np.array(values)
        for kind, padding in (("plain", 0), ("padded", tiny_nets.PADDING))
        for name, values in tiny_nets.train(seeds, padding).items()
    }
    gains = {
        f"{place}_gain": outcomes[f"{place}_{tiny_nets.STEPS}_padded"] - outcomes[f"{place}_{tiny_nets.STEPS}_plain"]
        for place in ("border", "middle")
    }
    short, long = (outcomes[f"middle_{steps}_plain"] for steps in (tiny_nets.FEW_STEPS, tiny_nets.STEPS))
    effect = gains["border_gain"] - gains["middle_gain"]
    found = outcomes | gains | {"trained_on": long - short, "effect": effect}
    return {name: values.tolist() for name, values in found.items()}


def first_losses(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The losses of `trained_nets` after the first steps."""
    kinds = {"plain": 0, "padded": tiny_nets.PADDING}
    return {f"loss_{k}": tiny_nets.train(seeds, p, (tiny_nets.FIRST_STEPS,))["loss"] for k, p in kinds.items()}


_WAYS = {"projected": roi_nets.PROJECTED, "divided": roi_nets.DIVIDED}


def trained_roi_nets(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train tiny nets that name an object from its RoI, with and without padding; gains at each border and inside."""
    outcomes: dict[str, np.ndarray] = {}
    for name, way in _WAYS.items():
        plain, padded = roi_nets.train(seeds, way, 0), roi_nets.train(seeds, way, way.padding)
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
        f"loss_{name}_{kind}": roi_nets.train(seeds, way, padding, roi_nets.FIRST_STEPS)["loss"]
        for name, way in _WAYS.items()
        for kind, padding in (("plain", 0), ("padded", way.padding))
    }


_NAMES: dict[Mode, str] = {
    "zero": "black",
    "mean": "the mean colour",
    "reflect": "the mirror image",
    "replicate": "the last pixels repeated",
}
_PNET_GAIN = exceeds(0.01, "the area under ROC that six black pixels gain over none", of="padding_at_all")

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
            "with the box projected, at the left border": within(
                0, "extents of which closed form and real gradients disagree", of="wrong_left"
            ),
            "with the box projected, at the right border": within(
                0, "extents of which closed form and real gradients disagree", of="wrong_right"
            ),
            "with the box divided by the stride, at the right border": within(
                0, "such RoIs, there a point, of which RoIPool reads more than one unit", of="read_right"
            ),
            "with the box divided by the stride, at the left border": within(
                0, "such RoIs, there a point, of which RoIPool reads more than one unit", of="read_left"
            ),
        },
        degenerate_rois,
        told={
            "depends": "At the right border a net without padding leaves an RoI a line, a point or nothing; at the "
            "left border, code that divides by the stride hides it and looks elsewhere."
        },
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
            "with the least padding by the closed form": within(0, "RoIs at a border that are still cut", of="cut"),
            "with no pixel less": within(
                0, "RoIs that are whole with one pixel less on a side that was padded", of="whole_with_less"
            ),
            "with the units that were there before unchanged": within(EXACT, "an old unit", of="unit_change"),
        },
        padded_first,
        told={"holds": "Pad the image by what the receptive field asks for, and an RoI at the border is whole again."},
    ),
    Claim(
        "PD-3",
        "Without padding, performance drops: P-Net's windows on faces that are cut off by the border.",
        Said("us"),
        {
            f"with {h:.0%} of the photo cut off": exceeds(
                0.01,
                f"the area under ROC that six black pixels gain with {h:.0%} cut off",
                of=f"gain_{round(100 * h)}",
                because=_ONE_FACE,
            )
            for h in HIDDEN
        },
        faces_at_the_border,
        control=exceeds(0.01, "the area under ROC lost, padding or not, to cutting off half", of="lost_to_cutting"),
        told={
            "depends": "As long as little of a face is cut off P-Net finds it without padding; where about half is "
            "gone, a few black pixels bring many faces back."
        },
    ),
    Claim(
        "PD-4",
        "Less padding than half the receptive field is too little.",
        Said("us"),
        {
            f"for {_NAMES[mode]}": exceeds(
                0.01, f"what 6 pixels add to 2, {_NAMES[mode]}", of=f"{mode}_up_to_half", because=_ONE_FACE
            )
            for mode in MODES
        },
        amounts,
        control=_PNET_GAIN,
        told={
            "depends": "A thin black frame does as much as a thick one; a mirror image needs half the receptive field."
        },
    ),
    Claim(
        "PD-5",
        "Without padding, performance drops: the windows of a tiny net trained from scratch, objects at the border.",
        Said("us"),
        {
            "at the border": exceeds(
                _SPREAD, "the accuracy that padding gains at the border", of="border_gain", because=_SPREAD_BECAUSE
            ),
            "at the border more than in the middle": exceeds(
                _SPREAD, "the gain at the border less the gain in the middle", because=_SPREAD_BECAUSE
            ),
        },
        trained_nets,
        seeds=16,
        control=exceeds(
            _SPREAD, "the accuracy in the middle that training on from 250 to 2000 steps gains", of="trained_on"
        ),
        recheck=first_losses,
        told={
            "not shown": "Trained to the end, a tiny net without padding is a little worse at the border; whether by "
            "more than another seed would make it, sixteen nets do not settle."
        },
    ),
    Claim(
        "PD-6",
        "Without padding, performance drops: the RoI features of a tiny net, trained from scratch, at the border.",
        Said("source", "这样会导致性能的下降", "this makes the performance drop"),
        {
            f"with the box {words}, at the {side} border": exceeds(
                _SPREAD,
                f"the accuracy that padding gains at the {side} border less that in the middle, box {words}",
                of=f"{side}_{name}_gain",
                because=_SPREAD_BECAUSE,
            )
            for name, words in (("projected", "projected"), ("divided", "divided by the stride"))
            for side in ("left", "right")
        },
        trained_roi_nets,
        seeds=16,
        control=exceeds(_SPREAD, "the accuracy lost with an RoI that lies elsewhere", of="lost_elsewhere"),
        recheck=first_roi_losses,
        told={
            "depends": "Where code divides the box by the stride, a net without padding can only guess at the right "
            "border, as its RoI features are zeros; a mere point or line it can mostly learn to read."
        },
    ),
    Claim(
        "PD-7",
        "What is put around the photo matters: its mean colour, its mirror image or its last pixels beat black.",
        Said("us"),
        {
            f"for {_NAMES[mode]}": exceeds(
                0.01, f"the area under ROC that {_NAMES[mode]} gains over black, 6 pixels", of=mode, because=_ONE_FACE
            )
            for mode in MODES[1:]
        }
        | {
            "for the mirror image beside itself upside down": exceeds(
                0.01,
                "the area under ROC that the mirror image loses when turned upside down",
                of="mirror_upright",
                because=_ONE_FACE,
            )
        },
        modes,
        control=_PNET_GAIN,
        told={
            "depends": "Around a photo its mean colour or its mirror image is better than black, and the mirror does "
            "not work by completing the face."
        },
    ),
)
