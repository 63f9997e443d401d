"""One step of the top-down path: lateral, enlarged level above, their sum, and the 3×3, as pictures and as spectra."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, Panel, choice, number, slider
from fpnlib.explore.style import BLUE, GREEN, INK, MUTED, ORANGE
from fpnlib.notes.fpn.experiments.photo_pyramid import Library
from fpnlib.notes.fpn.experiments.spectrum import COARSE_NYQUIST, RINGS, fine_share
from fpnlib.notes.fpn.experiments.step import UPSAMPLINGS, Upsampling, mixed, step_of
from fpnlib.notes.fpn.explorers.colours import heat, heat_range
from fpnlib.validation import require

# Each with its colour, the title of its map, and what it is called beside the spectra.
_PARTS = {
    "lateral": (BLUE, "lateral", "lateral"),
    "above": (ORANGE, "+ level above", "level above"),
    "sum": (INK, "= sum (M)", "sum"),
    "smoothed": (GREEN, "3×3 of it (P)", "after 3×3"),
}
_FREQUENCIES = (np.arange(RINGS) + 0.5) * 0.5 / RINGS
_LEAST = 1e-4  # of the energy; less is drawn as this


@dataclasses.dataclass(frozen=True)
class StepData:
    """One channel of the four maps, (h, w), and in colours; spectra of all channels, (RINGS,), each summing to 1."""

    level: int
    channel: int
    mix: float
    upsampling: Upsampling
    size: tuple[int, ...]
    stride: tuple[float, float]
    coarse: tuple[int, ...]
    maps: dict[str, np.ndarray]
    pictures: dict[str, np.ndarray]
    spectra: dict[str, np.ndarray]
    fine: dict[str, float]
    off: float | None  # from the pyramid's own map, where this is its own step


class StepExplorer(Explorer[StepData]):
    """Four maps in a row, and their spectra with the finest wave that the level above can hold."""

    title = "One step of the top-down path: lateral, level above, sum and result of the 3×3, with their spectra"
    size = (1000, 400)

    def __init__(self, library: Library) -> None:
        self._pyramid = library.get(library.photos[0], library.backbones[0])
        self._pyramid.require_halves()
        fpn = self._pyramid.fpn
        whole = fpn.top_down and fpn.lateral and fpn.smooth and fpn.merge == "add"
        require(whole, "fpn", "a pyramid with a part left out", "one with top-down path, laterals, adding and 3×3")
        # All of them now, so that no move of a slider waits for one.
        self._steps = {
            (place, upsampling): step_of(self._pyramid.fpn, self._pyramid.maps, place, upsampling)
            for place in range(len(self._pyramid.levels) - 1)
            for upsampling in UPSAMPLINGS
        }
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return level, channel, mix and upsampling."""
        low, high = self._pyramid.levels[0], self._pyramid.levels[-1] - 1
        return {
            "mix": slider("top-down term, times", 1.0, 0.0, 2.0, 0.05),
            "level": slider("level", min(3, high), low, high, 1),
            "channel": slider("channel shown", 1, 1, self._pyramid.fpn.out_channels, 1),
            "upsampling": choice("enlarged by", UPSAMPLINGS),
        }

    def compute(self, mix: float, level: int, channel: int, upsampling: Upsampling) -> StepData:
        """Add the terms of one channel, and the energies of all channels."""
        place = self._pyramid.place(level)
        step = self._steps[place, upsampling]
        maps, energies = mixed(step, mix, channel)
        # One scale for what is added, each around its own mean, so that the sum can be seen to be one.
        reach = heat_range(step.terms[0][channel - 1] + step.terms[1][channel - 1])[1]
        result = maps["smoothed"]
        reaches = dict.fromkeys(maps, reach) | {"smoothed": heat_range(result)[1]}
        own = mix == 1 and upsampling == self._pyramid.fpn.upsampling
        return StepData(
            level=self._pyramid.levels[place],
            channel=channel,
            mix=mix,
            upsampling=upsampling,
            size=tuple(result.shape),
            stride=self._pyramid.strides[place],
            coarse=tuple(self._pyramid.maps["M"][place + 1].shape[1:]),
            maps={name: one.numpy() for name, one in maps.items()},
            pictures={name: heat(one, one.mean().item(), reaches[name]) for name, one in maps.items()},
            spectra={name: (one / one.sum().clamp(min=1e-30)).numpy() for name, one in energies.items()},
            fine={name: fine_share(one) for name, one in energies.items()},
            off=float((result - self._pyramid.maps["P"][place][channel - 1]).abs().max()) if own else None,
        )

    def build(self, figure: Figure) -> None:
        """Lay out four maps and the spectra."""
        axes = figure.subplot_mosaic([[*_PARTS], ["spectra", "spectra", "spectra", "key"]], height_ratios=[1.35, 1])
        spectra = self.panel(axes["spectra"], title="Share of the energy, all channels", yscale="log")
        spectra.axes.set(xlabel="cycles per cell", xlim=(0, 0.5), ylim=(_LEAST, 1.5))
        spectra.axes.axvspan(COARSE_NYQUIST, 0.5, color=MUTED, alpha=0.12, lw=0)
        spectra.text("finer than the level above can hold", 0.495, 0.8, ha="right", va="top", color=MUTED, fontsize=9)
        key = self.panel(axes["key"], title="Share in the grey half")
        key.axes.set_axis_off()
        for row, name in enumerate(_PARTS):
            self._part(name, axes[name], spectra, key, 0.85 - 0.25 * row)

    def _part(self, name: str, axes: Axes, spectra: Panel, key: Panel, y: float) -> None:
        """One of the four: its map, its spectrum, and its share in words."""
        colour, title, words = _PARTS[name]
        height, width = self._pyramid.photo.shape[:2]
        panel = self.panel(axes, bare=True, anchor="S")
        axes.set_title(title, color=colour, weight="bold")
        panel.image(
            lambda data: (data.pictures[name], (0, 0, *np.multiply(data.size, data.stride)[::-1])),
            says=lambda data, row, column: f"{words} {number(data.maps[name][row, column])}",
        )
        axes.set(xlim=(0, width), ylim=(height, 0))
        style = "--" if name == "above" else "-"
        spectra.line(lambda data: (_FREQUENCIES, data.spectra[name].clip(_LEAST)), style, color=colour, label=words)
        key.text(words, 0, y, color=colour)
        key.text(lambda data: number(data.fine[name]), 0.62, y, color=colour, weight="bold")

    def describe(self, data: StepData) -> str:
        """Say the sizes and the four shares."""
        (rows, columns), (low, narrow) = data.size, data.coarse
        doubled = "doubled" if (rows, columns) == (2 * low, 2 * narrow) else "enlarged, not doubled: a side is odd"
        return (
            f"M{data.level} = lateral + {number(data.mix)} × M{data.level + 1}, which is {doubled} from {low}×{narrow} "
            f"to {rows}×{columns} cells ({data.upsampling}); channel {data.channel} is shown.\nShare of the energy "
            f"that is finer than M{data.level + 1} can hold: lateral {number(data.fine['lateral'])}, level above "
            f"{number(data.fine['above'])}, sum {number(data.fine['sum'])}, after the 3×3 "
            f"{number(data.fine['smoothed'])}."
        )

    def invariants(self, data: StepData) -> dict[str, bool]:
        """Check the step against the pyramid's own, and the shares."""
        # A map of a single cell, or a term that is switched off, has no energy to share out.
        sums = [share.sum() for share in data.spectra.values() if share.any()]
        return {
            "with the term once, this is the pyramid's map": data.off is None or data.off < 1e-3,
            "shares of energy sum to one": bool(np.allclose(sums, 1, atol=1e-4)),
            "without the term the sum is the lateral": data.mix > 0 or data.fine["sum"] == data.fine["lateral"],
        }
