"""How far the padding inside a network reaches: a crop alone beside the same crop within its photo."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE
from fpnlib.models.borders import PADDINGS
from fpnlib.notes.padding.experiments.inside import MISSING, BordersInside, profile

THRESHOLDS = (0.01, 0.03, 0.1, 0.3, 1.0)
_LEAST, _MOST = 1e-3, 3.0  # differences that the picture tells apart


@dataclasses.dataclass(frozen=True)
class PaddingInData:
    """How the units of one map differ between the crop alone and the crop within the photo."""

    padding: str
    map: str
    missing: int  # pixels
    threshold: float
    stride: int
    difference: np.ndarray  # (h, w), in root mean squares of the whole map
    places: np.ndarray  # (w,), the middle of each column in pixels
    profiles: np.ndarray  # (ways to pad, w)
    reach: int  # units
    share: float  # of the units that differ by more than the threshold

    @property
    def chosen(self) -> np.ndarray:
        """Return the chosen padding's profile, (w,)."""
        return self.profiles[PADDINGS.index(self.padding)]


class PaddingInExplorer(Explorer[PaddingInData]):
    """The crop in its photo, the difference of every unit, and that of the columns for every way to pad."""

    title = "A crop within a photo, how much each unit of a map differs when the crop stands alone, and by column"
    size = (1000, 380)

    def __init__(self, borders: BordersInside) -> None:
        self._borders = borders
        effects = borders.effects("zeros", 0)
        strides = [effect.stride for effect in effects.values()]
        self._maps = {
            f"stride {effect.stride}" + (f": {name}" if strides.count(effect.stride) > 1 else ""): name
            for name, effect in effects.items()
        }
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return the way to pad, the map, what is missing of the crop, and what counts as different."""
        return {
            "padding": choice("the net pads with", PADDINGS),
            "map": choice("map", list(self._maps), list(self._maps)[-2:][0]),
            "missing": slider("zeros beside the photo (eights of pixels)", 0, 0, len(MISSING) - 1, 1),
            "threshold": choice("counts as different", THRESHOLDS, 0.1),
        }

    def compute(self, padding: str, map: str, missing: int, threshold: float) -> PaddingInData:
        """Ask the network, once for each way to pad."""
        every = [self._borders.effects(one, MISSING[missing])[self._maps[map]] for one in PADDINGS]
        effect = every[PADDINGS.index(padding)]
        profiles = np.stack([profile(one) for one in every])
        return PaddingInData(
            *(padding, map, MISSING[missing], threshold, effect.stride),
            difference=effect.difference.double().numpy(),
            places=(np.arange(profiles.shape[1]) + 0.5) * effect.stride,
            profiles=profiles,
            reach=effect.reach(threshold),
            share=float((effect.difference > threshold).double().mean()),
        )

    def build(self, figure: Figure) -> None:
        """Lay out three panels; the threshold is dragged in the last."""
        left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 1.25])
        side, whole = self._borders.side, 2 * self._borders.side
        photo = self.panel(left, bare=True, title="The photo; orange: the crop", xlim=(0, whole), ylim=(whole, 0))
        photo.image(self._borders.photo, (0, 0, whole, whole))
        photo.areas(lambda data: _zeros(data.missing, side // 2, side), color="grey")
        photo.box((side / 2, side / 2, 1.5 * side, 1.5 * side))
        units = self.panel(middle, bare=True, title="Crop alone, crop in photo: difference")
        units.axes.set(xlim=(0, side), ylim=(side, 0), xlabel="darkest: a thousandth; brightest: three")
        units.image(
            lambda data: (
                np.log10(data.difference.clip(_LEAST, _MOST)),
                (0, 0, *np.multiply(data.difference.shape[::-1], data.stride)),
            ),
            vmin=np.log10(_LEAST),
            vmax=np.log10(_MOST),
            cmap="cividis",
            says=lambda data, row, column: f"row {row}, column {column}: {number(data.difference[row, column])}",
        )
        columns = self.panel(right, yscale="log", xlim=(0, side), ylim=(_LEAST, _MOST), xlabel="pixels from the left")
        columns.axes.set(ylabel="difference", title="By column, across the middle rows")
        columns.axes.grid(color=FAINT, lw=0.6)
        columns.level(lambda data: data.threshold, color=ORANGE, lw=1.5, grab="threshold")
        columns.strokes(
            lambda data: [np.stack([data.places, one.clip(_LEAST, _MOST)], 1) for one in data.profiles],
            colors=MUTED,
            linewidths=1,
        )
        columns.line(
            lambda data: (data.places, data.chosen.clip(_LEAST, _MOST)),
            "o-",
            color=BLUE,
            lw=2.5,
            ms=4,
            says=lambda data, place: f"column {place}: {number(data.chosen[place])}",
        )
        columns.upright(lambda data: side - data.missing, color=INK, ls=":", lw=1.2)
        columns.text(lambda data: data.padding, side / 2, 1.8, ha="center", color=BLUE, weight="bold")
        columns.text("grey: the other three", side / 2, 1.15, ha="center", color=MUTED, fontsize=9)

    def describe(self, data: PaddingInData) -> str:
        """Say how deep the padding reaches, and how much it changes at the sides and in the middle."""
        beside = f", {data.missing} pixels of zeros at the right and below" if data.missing else ""
        middle, every = data.chosen[len(data.chosen) // 2], np.sqrt(np.square(data.chosen).mean())
        deep = (
            f"reaches {counted(data.reach, 'unit')} deep, {data.reach * data.stride} pixels"
            if data.reach
            else "is nowhere"
        )
        return (
            f"Map of {data.map}, padded with {data.padding}{beside}. A difference above "
            f"{number(data.threshold)} {deep}: {number(100 * data.share, 2)}% of the {data.difference.size} units. "
            f"The first column differs by {number(data.chosen[0], 2)}, the middle one by {number(middle, 2)}, the "
            f"last by {number(data.chosen[-1], 2)}, all together by {number(every, 2)}, "
            "in root mean squares of the map."
        )

    def invariants(self, data: PaddingInData) -> dict[str, bool]:
        """Check that the reach is that of the units that are shown."""
        deep = data.difference[data.reach : len(data.difference) - data.reach, data.reach : -data.reach or None]
        return {
            "no unit deeper than the reach differs": bool((deep <= data.threshold).all()),
            "a reach has a unit": (data.reach > 0) == (data.share > 0),
        }


def _zeros(missing: int, start: int, side: int) -> list[np.ndarray]:
    """The strips of zeros at the right of the crop and below it."""
    end = start + side
    boxes = [(end - missing, start, end, end), (start, end - missing, end, end)] if missing else []
    return [np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]) for x0, y0, x1, y1 in boxes]
