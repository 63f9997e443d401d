"""The family of normalisations: which maps of the N×C grid share one mean and one standard deviation."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure
from torch import Tensor

from fpnlib.explore import Explorer, choice, counted, number, slider, toggle
from fpnlib.explore.style import BLUE, INK, MUTED
from fpnlib.notes.batch_norm.experiments.family import AVERAGED, NORMS, batch_of, groups_of, middle_outputs, shared
from fpnlib.notes.batch_norm.explorers.norm_family_grid import fill_grid, tiled
from fpnlib.ops import normalize
from fpnlib.validation import require

_BINS = 40
_SPAN = 5.5  # outputs shown
_COLOURS = 3.0  # outputs told apart by their colours


@dataclasses.dataclass(frozen=True)
class FamilyData:
    """What one norm averages for the chosen map, and what all four make of the value in its middle."""

    norm: str
    groups: int  # of group norm
    image: int
    channel: int
    size: int
    after: bool
    means: tuple[float, float]  # the least and the largest of a map of the batch, of what is shown
    tiles: np.ndarray  # (rows, columns), all maps, going in or coming out, from −1 to 1, where the colours end
    where: np.ndarray  # (N, C): averaged with the chosen map, apart, or absent
    shares: np.ndarray  # of the averaged values, (_BINS,), the highest 1
    count: int
    mean: float
    std: float
    middle: float
    outputs: np.ndarray  # (4, size), by each norm in a batch of 1, 2, … images, up to this one

    @property
    def of_norm(self) -> np.ndarray:
        """The chosen norm's outputs, (size,)."""
        return self.outputs[NORMS.index(self.norm)]


class FamilyExplorer(Explorer[FamilyData]):
    """Maps in a grid, the averaged ones framed; their histogram; and one output over the size of the batch."""

    title = "Which maps of a batch four norms average, their distribution, and one output over the size of the batch"
    size = (1000, 470)
    groups = (("the dot", ("image", "channel")),)

    def __init__(self, maps: Tensor, names: Sequence[str] = ()) -> None:
        require(maps.ndim == 4, "maps", f"shape {tuple(maps.shape)}", "(N, C, H, W)")
        images, channels = maps.shape[:2]
        require(2 <= images <= 16 and 2 <= channels <= 32, "maps", f"{images}×{channels}", "2×2 to 16×32 of them")
        require(bool(maps.isfinite().all()), "maps", "NaN or infinite values", "finite numbers")
        self._maps = maps.detach().float()
        self._names = names or [f"image {image}" for image in range(images)]
        self._end = float(np.quantile(self._maps.abs(), 0.99)) or 1.0  # where the colours end
        self._tiles = tiled(self._maps.numpy() / self._end)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the norm, the groups of group norm, the chosen map, the size of the batch, and what is shown."""
        images, channels = self._maps.shape[:2]
        divisors = [groups for groups in range(1, channels + 1) if channels % groups == 0]
        return {
            "norm": choice("norm", NORMS),
            "groups": choice("groups of group norm", divisors, divisors[len(divisors) // 2]),
            "image": slider("image", min(4, images - 1), 0, images - 1, 1),
            "channel": slider("channel", min(11, channels - 1), 0, channels - 1, 1),
            "size": slider("batch size", 1, 1, images, 1),
            "after": toggle("show what comes out"),
        }

    def compute(self, norm: str, groups: int, image: int, channel: int, size: int, after: bool) -> FamilyData:
        """Normalise the batch: the chosen image and those below it; after the last comes the first."""
        images, channels, height, width = self._maps.shape
        batch = batch_of(image, size, images)
        parts = groups_of(norm, channels, groups)
        y, mean, variance = normalize(self._maps[batch], groups=parts, over_batch=norm == "batch")
        out = np.zeros_like(self._maps)
        out[batch] = y / _COLOURS
        means = (y if after else self._maps[batch]).double().mean((2, 3)).round(decimals=5) + 0.0  # and no −0
        where = shared(norm, groups, image, channel, size, (images, channels))
        averaged = self._maps.numpy()[where == AVERAGED]
        bins = np.histogram(averaged.clip(-self._end, self._end), _BINS, (-self._end, self._end))[0]
        return FamilyData(
            *(norm, groups, image, channel, size, after),
            means=(float(means.min()), float(means.max())),
            tiles=tiled(out) if after else self._tiles,
            where=where,
            shares=bins / bins.max(),
            count=averaged.size,
            mean=mean[0, channel].item(),
            std=variance[0, channel].sqrt().item(),
            middle=self._maps[image, channel, height // 2, width // 2].item(),
            outputs=middle_outputs(self._maps, groups, image, channel)[:, :size],
        )

    def build(self, figure: Figure) -> None:
        """Lay out the grid, where the dot goes from map to map, the histogram, and the outputs by size of batch."""
        axes = figure.subplot_mosaic([["grid", "values"], ["grid", "sizes"]], width_ratios=[1.9, 1])
        images, channels = self._maps.shape[:2]
        grid = self.panel(axes["grid"], title="Images down, channels across; framed: averaged", xlabel="channel")
        fill_grid(grid, self._names, channels)
        values = self.panel(axes["values"], title="The averaged values", xlim=(-self._end, self._end), xlabel="x")
        values.axes.set(ylim=(0, 1.15), yticks=[])
        values.axes.spines["left"].set_visible(False)
        values.steps(lambda data: (data.shares, np.linspace(-self._end, self._end, _BINS + 1)), color=BLUE, alpha=0.5)
        values.upright(lambda data: data.mean, color=BLUE)
        values.strokes(lambda data: [[(data.mean - data.std, 1.06), (data.mean + data.std, 1.06)]], color=INK, lw=1.5)
        values.dot(lambda data: (data.middle, 0.0))
        sizes = self.panel(
            axes["sizes"], title="The dot's output", xlabel="batch size", ylabel="(x − mean) / deviation"
        )
        sizes.axes.set(xlim=(0.8, images + 0.2), xticks=range(1, images + 1), ylim=(-_SPAN, _SPAN), yticks=(-4, 0, 4))
        sizes.strokes(lambda data: [[*enumerate(one, 1)] for one in data.outputs], colors=MUTED, linewidths=1.5)
        sizes.line(lambda data: (range(1, data.size + 1), data.of_norm), color=BLUE, lw=3)
        sizes.dot(lambda data: (data.size, data.of_norm[-1]), grab={"size": lambda value: (value, None)})
        sizes.names(lambda data: data.outputs[:, -1], NORMS, [MUTED] * len(NORMS), fontsize=9)

    def describe(self, data: FamilyData) -> str:
        """Say what is averaged, what becomes of the dot, and what the others make of it."""
        lit = data.where == AVERAGED
        four = zip(NORMS, data.outputs.min(1), data.outputs.max(1), strict=True)
        words = [f"{name} {number(low)}" + (f" to {number(high)}" if high > low else "") for name, low, high in four]
        return (
            f"{data.norm.capitalize()} norm, {self._names[data.image]}, channel {data.channel}, batch of {data.size}: "
            f"{counted(int(lit.sum()), 'map')} of {counted(int(lit.any(1).sum()), 'image')} averaged, {data.count} "
            f"values. Mean {number(data.mean)}, standard deviation {number(data.std)}; the dot's {number(data.middle)} "
            f"becomes {number(data.of_norm[-1])}. Up to this batch size: {', '.join(words)} "
            f"(in {counted(data.groups, 'group')}).\nWhat {'comes out' if data.after else 'goes in'}: the batch's maps "
            f"have means from {number(data.means[0])} to {number(data.means[1])}."
        )

    def invariants(self, data: FamilyData) -> dict[str, bool]:
        """Check that what is lit is what is averaged, and which norms look at the neighbours."""
        lit = self._maps.numpy()[data.where == AVERAGED].astype(float)
        return {
            "the lit maps have this mean": bool(np.isclose(lit.mean(), data.mean, rtol=1e-3, atol=1e-4)),
            "and this standard deviation": bool(np.isclose(lit.std(), data.std, rtol=1e-3, atol=1e-4)),
            "three norms do not look at the neighbours": bool((np.ptp(data.outputs[1:], 1) == 0).all()),
            "batch norm of one image is instance norm": bool(abs(data.outputs[0, 0] - data.outputs[2, 0]) < 1e-3),
        }
