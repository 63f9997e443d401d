"""Two units of a real network's feature map: what they could both see, and what they do look at."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import Widget
from jaxtyping import UInt8
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, ORANGE, faded, pixel
from fpnlib.models import EfficientNetLite0
from fpnlib.models.efficientnet import SameConv2d
from fpnlib.ops import AxisField
from fpnlib.validation import require

STRIDES = (4, 8, 16, 32)
MOST = 6  # units apart
SIDES = (192, 256)  # of the photo as the network gets it
_HALF, _MOST_OF = 0.5, 0.9


@dataclasses.dataclass(frozen=True)
class ReachData:
    """Two units, `apart` units from each other in one row of a map."""

    stride: int
    apart: int
    size: int  # of the receptive field, in pixels
    first: tuple[int, int]  # the left edges of both fields
    top: int
    looked: np.ndarray  # (2, h, w) how much each looks at each pixel, its largest 1
    shared: np.ndarray  # (MOST + 1,) share of the pixels of both fields, by distance
    looked_shared: np.ndarray  # (MOST + 1,) share of what both look at
    half: float  # radius in pixels that holds half of what the first looks at
    most: float  # 90 %


class ReachExplorer(Explorer[ReachData]):
    """Both fields on the photo with what each unit looks at, and what they share against the distance."""

    title = "Two receptive fields on a photo, where two units really look, and what they share against their distance"
    size = (1000, 380)

    def __init__(self, photo: UInt8[np.ndarray, "h w 3"]) -> None:
        require(min(photo.shape[:2]) >= 64, "photo", f"sides {photo.shape[:2]}", "64 pixels or more")
        self._photo = _resized(photo)
        self._levels = {stride: _level(self._photo.tobytes(), stride) for stride in STRIDES}
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the map and the distance."""
        return {
            "stride": choice("stride of the map", STRIDES, 8),
            "apart": slider("the second unit lies further to the right by (units)", 2, 0, MOST, 1),
        }

    def compute(self, stride: int, apart: int) -> ReachData:
        """Take the two units of those measured."""
        looked, looked_shared, half, most = self._levels[stride]
        axis = _fields()[stride]
        row, column = _place(stride)
        size = axis.size
        return ReachData(
            stride=stride,
            apart=apart,
            size=size,
            first=(axis.first(column), axis.first(column + apart)),
            top=axis.first(row),
            looked=looked[[0, apart]],
            shared=np.maximum(0, size - stride * np.arange(MOST + 1)) / size,
            looked_shared=looked_shared,
            half=half,
            most=most,
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out the photo and the chart."""
        photo, chart = figure.subplots(1, 2, width_ratios=[1.25, 1])
        height, width = SIDES
        self._page = faded(self._photo, 0.5)
        self._shown = photo.imshow(np.zeros((height, width, 3), np.uint8), extent=(0, width, height, 0))
        photo.set(xticks=[], yticks=[], xlim=(-16, width + 16), ylim=(height + 12, -12))
        photo.spines[:].set_visible(False)
        photo.set_title("frames: what each unit can see; colour: what it looks at")
        self._squares = [
            photo.add_patch(Rectangle((0, 0), 1, 1, fill=False, ec=colour, lw=2.5, ls=style))
            for colour, style in ((BLUE, "-"), (ORANGE, "--"))
        ]
        chart.set(xlim=(-0.2, MOST + 0.2), ylim=(0, 1.04), xlabel="units apart", ylabel="share that both have")
        chart.grid(color=FAINT, lw=0.6)
        (self._could,) = chart.plot([], [], "s--", color=INK, ms=5, label="pixels that both can see")
        (self._did,) = chart.plot([], [], "o-", color=BLUE, ms=5, label="what both look at")
        (self._now,) = chart.plot([], [], "o", ms=12, mfc="none", mec=ORANGE, mew=2.5)
        self.grab(chart, apart=lambda value: (value, None))
        chart.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        return [self._shown, *self._squares, self._could, self._did, self._now]

    def draw(self, data: ReachData) -> None:
        """Colour the photo, move frames and curves."""
        # Paint over the photo: the first unit blue, the second orange, both a mixture.
        first, second = _blocks(data.looked)[..., None]
        both = np.maximum(first + second, 1e-6)
        paint = (first * pixel(BLUE) + second * pixel(ORANGE)) / both
        strength = np.maximum(first, second)
        self._shown.set_data((self._page + strength * (paint - self._page)).astype(np.uint8))
        for square, left in zip(self._squares, data.first, strict=True):
            square.set_bounds(left, data.top, data.size, data.size)
        distances = np.arange(MOST + 1)
        self._could.set_data(distances, data.shared)
        self._did.set_data(distances, data.looked_shared)
        self._now.set_data([data.apart] * 2, [data.shared[data.apart], data.looked_shared[data.apart]])

    def describe(self, data: ReachData) -> str:
        """Say what is shared and how far a unit really looks."""
        wide = ", larger than the photo," if data.size > max(SIDES) else ""
        return (
            f"Stride {data.stride}: a unit can see {data.size}×{data.size} pixels{wide} but half of what it looks at "
            f"lies within {number(data.half)} pixels of the middle of its field, 90 % within {number(data.most)}. "
            f"Units {data.apart} apart can both see {number(100 * data.shared[data.apart])} % of a field; of what one "
            f"looks at the other shares {number(100 * data.looked_shared[data.apart])} %."
        )

    def invariants(self, data: ReachData) -> dict[str, bool]:
        """Check that nobody looks beyond the field, and that a unit shares all with itself."""
        seen = np.zeros((2, *SIDES), bool)
        for place, left in enumerate(data.first):
            seen[place, max(0, data.top) : data.top + data.size, max(0, left) : left + data.size] = True
        return {
            "nobody looks beyond the field": not data.looked[~seen].any(),
            "a unit shares all with itself": bool(np.isclose(data.looked_shared[0], 1) and data.shared[0] == 1),
            "further apart, less is seen by both": bool((np.diff(data.shared) <= 0).all()),
        }


def _blocks(looked: np.ndarray) -> np.ndarray:
    """Return the root of the mean over cells of 4×4 pixels, the largest as 1: single pixels are noise to the eye."""
    height, width = SIDES
    cells = np.sqrt(looked.reshape(-1, height // 4, 4, width // 4, 4).mean((2, 4)))
    cells /= cells.max((1, 2), keepdims=True)
    return cells.repeat(4, 1).repeat(4, 2)


@functools.cache
def _net() -> EfficientNetLite0:
    return EfficientNetLite0.pretrained().requires_grad_(False)


@functools.cache
def _fields() -> dict[int, AxisField]:
    """The receptive field of the map at each stride. Both SIDES are multiples of 32, so every layer pads k − s."""
    axis, found = AxisField(), {}
    for layer in _net().modules():
        if isinstance(layer, SameConv2d):
            axis = _then(axis, layer)
            found[axis.stride] = axis  # the last map of each stride is the one taken; a 1×1 layer sees no more
    return found


def _then(axis: AxisField, layer: SameConv2d) -> AxisField:
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    before = (kernel - stride) // 2
    return axis.then(AxisField(kernel, stride, before, kernel - stride - before))


@functools.lru_cache(maxsize=2 * len(STRIDES))
def _level(pixels: bytes, stride: int) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Measure the units of one map by gradients.

    What a unit looks at is the gradient of half its squared length, as a share of its sum over the photo. Returns that
    for each of MOST + 1 units, its largest as 1; what each shares with the first; two radii of the first.
    """
    photo = np.frombuffer(pixels, np.uint8).reshape(*SIDES, 3)
    batch = EfficientNetLite0.preprocess(photo, None).repeat(MOST + 1, 1, 1, 1).requires_grad_()
    maps = dict(zip((2, *STRIDES), _net().features(batch), strict=True))[stride]
    row, column = _place(stride)
    units = maps[torch.arange(MOST + 1), :, row, column + torch.arange(MOST + 1)]
    (gradient,) = torch.autograd.grad(units.square().sum() / 2, batch)
    looked = gradient.abs().sum(1).double().numpy()
    looked /= looked.sum((1, 2), keepdims=True)
    axis = _fields()[stride]
    rows, columns = np.indices(SIDES)
    far = np.hypot(rows - axis.center(row), columns - axis.center(column)).ravel()
    order = far.argsort()
    held = looked[0].ravel()[order].cumsum()
    half, most = (float(far[order][np.searchsorted(held, part)]) for part in (_HALF, _MOST_OF))
    shared = np.minimum(looked, looked[0]).sum((1, 2))
    return (looked / looked.max((1, 2), keepdims=True)).astype(np.float32), shared, half, most


def _resized(photo: np.ndarray) -> np.ndarray:
    batch = torch.tensor(photo).permute(2, 0, 1)[None].float()
    height, width = photo.shape[:2]
    # The middle part in the proportions of SIDES.
    tall, wide = min(height, width * SIDES[0] // SIDES[1]), min(width, height * SIDES[1] // SIDES[0])
    top, left = (height - tall) // 2, (width - wide) // 2
    part = batch[:, :, top : top + tall, left : left + wide]
    small = F.interpolate(part, SIDES, mode="bilinear", antialias=True).round().clamp(0, 255)
    return small[0].permute(1, 2, 0).byte().numpy()


def _place(stride: int) -> tuple[int, int]:
    """Return row and column of the first unit: in the middle of the height, so that all fit to its right."""
    height, width = (side // stride for side in SIDES)
    return height // 2, max(0, (width - MOST) // 2)
