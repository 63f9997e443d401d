"""PD-1 and PD-2: what a feature map keeps of an RoI at the border, by closed form and by real gradients."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from fpnlib.claims import Claim, Measurement, Said, within
from fpnlib.notes.padding.experiments.padded import pnet_features, pnet_field
from fpnlib.ops import AxisField, degenerate_width, least_padding, project_box, receptive_field, roi_pool

EXACT = 1e-9  # largest difference of an exact claim, in units of the feature map
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
        told={
            "holds": "Pad the image by what the receptive field asks for, and a projected RoI at the border is "
            "whole again."
        },
    ),
)
