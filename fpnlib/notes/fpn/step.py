"""One step of the top-down path: lateral, enlarged level above, their sum, and the 3×3, as pictures and as spectra."""

import dataclasses
from collections.abc import Iterable
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import Widget
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from torch import Tensor

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, GREEN, INK, MUTED, ORANGE
from fpnlib.notes.fpn.colours import heat, heat_range
from fpnlib.notes.fpn.photo_pyramid import Library
from fpnlib.notes.fpn.pixels import Pixels
from fpnlib.notes.fpn.spectrum import COARSE_NYQUIST, RINGS, fine_share, sum_energies
from fpnlib.validation import require

Upsampling = Literal["nearest", "bilinear"]
UPSAMPLINGS: tuple[Upsampling, ...] = ("nearest", "bilinear")
_PARTS = {"lateral": BLUE, "above": ORANGE, "sum": INK, "smoothed": GREEN}
_LEAST = 1e-4  # of the energy; less is drawn as this


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


@dataclasses.dataclass(frozen=True)
class StepData:
    """One channel of the four maps, (h, w, 3) in colours; spectra of all channels, (RINGS,), each summing to 1."""

    level: int
    channel: int
    mix: float
    upsampling: Upsampling
    size: tuple[int, int]
    stride: tuple[float, float]
    coarse: tuple[int, int]
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
            (place, upsampling): self._make_step(place, upsampling)
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

    @torch.inference_mode()
    def _make_step(self, place: int, upsampling: Upsampling) -> Step:
        fpn, maps = self._pyramid.fpn, self._pyramid.maps
        fine, coarse = maps["C"][place][None], maps["M"][place + 1][None]
        lateral = fpn.inner_blocks[place](fine)
        above = F.interpolate(coarse, fine.shape[2:], mode=upsampling)
        weight, bias = fpn.layer_blocks[place].parameters()
        terms = (lateral[0], above[0])
        smoothed = F.conv2d(torch.cat((lateral, above)), weight, padding=1)
        both = (smoothed[0], smoothed[1])
        return Step(terms, both, bias[:, None, None], sum_energies(*terms), sum_energies(*both))

    def compute(self, mix: float, level: int, channel: int, upsampling: Upsampling) -> StepData:
        """Add the terms of one channel, and the energies of all channels."""
        place = self._pyramid.place(level)
        step = self._steps[place, upsampling]
        lateral, above = (term[channel - 1] for term in step.terms)
        first, second = (term[channel - 1] for term in step.smoothed)
        total = lateral + mix * above
        result = first + mix * second + step.bias[channel - 1]
        # One scale for what is added, each around its own mean, so that the sum can be seen to be one.
        reach = heat_range(lateral + above)[1]
        shown = {"lateral": lateral, "above": mix * above, "sum": total}
        pictures = {name: heat(one, one.mean().item(), reach) for name, one in shown.items()}
        pictures["smoothed"] = heat(result, *heat_range(result))
        own = mix == 1 and upsampling == self._pyramid.fpn.upsampling
        coarse = self._pyramid.maps["M"][place + 1].shape[1:]
        weights = torch.tensor([1.0, mix, mix * mix])
        energies = {
            "lateral": step.energies[0],
            "above": step.energies[2] * (mix > 0),
            "sum": weights @ step.energies,
            "smoothed": weights @ step.smoothed_energies,
        }
        spectra = {name: (one / one.sum().clamp(min=1e-30)).numpy() for name, one in energies.items()}
        return StepData(
            level=self._pyramid.levels[place],
            channel=channel,
            mix=mix,
            upsampling=upsampling,
            size=(lateral.shape[0], lateral.shape[1]),
            stride=self._pyramid.strides[place],
            coarse=(coarse[0], coarse[1]),
            pictures=pictures,
            spectra=spectra,
            fine={name: fine_share(one) for name, one in energies.items()},
            off=float((result - self._pyramid.maps["P"][place][channel - 1]).abs().max()) if own else None,
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out four maps and the spectra."""
        panels = figure.subplot_mosaic([[*_PARTS], ["spectra", "spectra", "spectra", "key"]], height_ratios=[1.35, 1])
        height, width = self._pyramid.photo.shape[:2]
        titles = {"lateral": "lateral", "above": "+ level above", "sum": "= sum (M)", "smoothed": "3×3 of it (P)"}
        self._images = {}
        for name, title in titles.items():
            panel = panels[name]
            panel.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0), aspect="equal", anchor="S")
            panel.set_title(title, color=_PARTS[name], weight="bold")
            panel.spines[:].set_visible(False)
            self._images[name] = Pixels(panel)
        spectra = panels["spectra"]
        spectra.set(
            title="Share of the energy, all channels", xlabel="cycles a cell", xlim=(0, 0.5), ylim=(_LEAST, 1.5)
        )
        spectra.set_yscale("log")
        spectra.axvspan(COARSE_NYQUIST, 0.5, color=MUTED, alpha=0.12, lw=0)
        spectra.text(0.495, 0.8, "finer than the level above can hold", ha="right", va="top", color=MUTED, fontsize=9)
        self._lines = {name: spectra.plot([], [], color=colour)[0] for name, colour in _PARTS.items()}
        self._lines["above"].set_linestyle("--")
        key = panels["key"]
        key.set_axis_off()
        key.set_title("Share that is finer")
        self._shares = {}
        for row, (name, colour) in enumerate(_PARTS.items()):
            y = 0.85 - 0.25 * row
            key.text(
                0,
                y,
                {"lateral": "lateral", "above": "level above", "sum": "sum", "smoothed": "after 3×3"}[name],
                color=colour,
            )
            self._shares[name] = key.text(0.62, y, "", color=colour, weight="bold")
        self._frequency = (np.arange(RINGS) + 0.5) * 0.5 / RINGS
        return [*self._images.values(), *self._lines.values(), *self._shares.values()]

    def draw(self, data: StepData) -> None:
        """Show the maps, the lines, the shares."""
        rows, columns = data.size
        for name, image in self._images.items():
            image.show(data.pictures[name], 0, 0, columns * data.stride[1], rows * data.stride[0])
        for name, line in self._lines.items():
            line.set_data(self._frequency, data.spectra[name].clip(_LEAST))
            self._shares[name].set_text(number(data.fine[name]))

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
