"""Claim WU-4's jumps to the full rate, and which nets survive them."""

import dataclasses
import functools

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.claims import Result
from fpnlib.explore import Explorer, Panel, choice, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, INK, MUTED, ORANGE, RED
from fpnlib.notes.warmup.experiments.rates import LONGEST
from fpnlib.notes.warmup.experiments.why import JUMPS, RATE, SMALL_RATE

WAYS = {"a ramp of 80 steps": "ramp", f"the small rate, {SMALL_RATE}": "small"}
_LOOKS = {"ramp": (BLUE, 6.7, 0.82, "right"), "small": (INK, 0.3, 0.2, "left")}  # of a curve, and its name's place
_PLACES = np.arange(len(JUMPS))


@dataclasses.dataclass(frozen=True)
class JumpData:
    """Sharpness times rate over the limit of all seeds at all moments, and who failed after the chosen jump."""

    way: str
    place: int
    loads: np.ndarray  # (moments, seeds): sharpness · full rate / (2 (1 + momentum))
    failed: np.ndarray  # (seeds,), whether
    survived: dict[str, np.ndarray]  # by way: (moments,), the share


class JumpExplorer(Explorer[JumpData]):
    """How far each net is above the limit of the full rate, and who survives a jump to it."""

    title = "Jump to the full rate: how far above its limit each net is at that moment, and who survives"
    size = (880, 360)

    def __init__(self) -> None:
        stored = Result.load("WU-4").per_seed
        self._over, self._failed = (
            {way: np.array([stored[f"{way}_{kind}_{step}"] for step in JUMPS]) for way in WAYS.values()}
            for kind in ("over", "failed")
        )
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return what comes before the jump, and when it comes."""
        return {
            "way": choice("until the jump", list(WAYS)),
            "moment": slider("moment of the jump, from the first to the last", 1, 1, len(JUMPS), 1),
        }

    def compute(self, way: str, moment: int) -> JumpData:
        """Look up the chosen jump."""
        name, place = WAYS[way], moment - 1
        survived = {other: 1 - failed.mean(1) for other, failed in self._failed.items()}
        return JumpData(name, place, 2.0 ** self._over[name], self._failed[name][place] > 0, survived)

    def build(self, figure: Figure) -> None:
        """Lay out the nets' paths and the shares; the moment is dragged in either."""
        paths, shares = (
            self.panel(axes, xlim=(-0.4, len(JUMPS) - 0.6), xlabel="step of the jump")
            for axes in figure.subplots(1, 2, width_ratios=[1.5, 1])
        )
        for panel in (paths, shares):
            panel.axes.set_xticks(_PLACES, list(map(str, JUMPS)))
            panel.axes.grid(color=FAINT, lw=0.6)
            panel.upright(lambda data: data.place, color=ORANGE, lw=1.2, grab={"moment": lambda v: (v - 1, None)})
        paths.axes.set(yscale="log", ylim=(0.05, 60), ylabel="sharpness / limit of the full rate")
        paths.axes.set_title("Each net at each moment; 1 is the limit")
        paths.level(1, color=MUTED, ls="--", lw=1.8)
        paths.strokes(lambda data: [np.stack([_PLACES, one], 1) for one in data.loads.T], colors=FAINT, linewidths=1)
        self._fates(paths, False, "o", BLUE, "survive", 0.105)
        self._fates(paths, True, "X", RED, "fail", 0.068)
        shares.axes.set(ylim=(-0.03, 1.03), ylabel="share", title="Share of nets that survive")
        for label, way in WAYS.items():
            colour, x, y, ha = _LOOKS[way]
            shares.line(functools.partial(_so_far, way=way), "o-", color=colour, ms=4)
            shares.text(label, x, y, ha=ha, color=colour, weight="bold", fontsize=9)
        shares.dot(lambda data: (data.place, data.survived[data.way][data.place]), ms=11)

    def _fates(self, paths: Panel, fails: bool, style: str, colour: str, words: str, height: float) -> None:
        """The nets that fail, or those that survive, and how many they are."""
        paths.line(lambda data: _dots(data, fails), style, color=colour, ms=6)
        paths.text(
            lambda data: f"{int((data.failed == fails).sum())} {words}",
            at=lambda data: (data.place + (0.12 if data.place < len(JUMPS) / 2 else -1.4), height),
            color=colour,
            weight="bold",
        )

    def describe(self, data: JumpData) -> str:
        """Say who survives, above the limit and below."""
        above = data.loads[data.place] > 1
        before = "with a ramp" if data.way == "ramp" else f"at {SMALL_RATE}"
        parts = [
            f"{side.sum()} of {len(side)} nets are {word} the limit, and {(side & ~data.failed).sum()} of these survive"
            for side, word in ((above, "above"), (~above, "below"))
            if side.any()
        ]
        arrived = " Here the ramp has arrived, and nothing jumps." if _arrived(data) else ""
        return (
            f"{counted(JUMPS[data.place], 'step')} {before}, then the full rate, {RATE}: {'; '.join(parts)}. The "
            f"median net stands at {number(float(np.median(data.loads[data.place])), 2)} times the limit.{arrived}"
        )

    def invariants(self, data: JumpData) -> dict[str, bool]:
        """Check that a jump at step 0 knows no way, and that the shares are those of the dots."""
        first = [share[0] for share in data.survived.values()]
        return {
            "at step 0 both ways are one": len(set(first)) == 1,
            "the share is that of the dots": bool(
                np.isclose(data.survived[data.way][data.place], 1 - data.failed.mean())
            ),
        }


def _dots(data: JumpData, fails: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where the nets stand that fail after the jump, or those that survive: side by side, to be told apart."""
    spread = data.place + np.linspace(-0.36, 0.36, len(data.failed))
    chosen = data.failed == fails
    return spread[chosen], data.loads[data.place][chosen]


def _so_far(data: JumpData, way: str) -> tuple[np.ndarray, np.ndarray]:
    """The shares of a way up to the chosen moment."""
    return _PLACES[: data.place + 1], data.survived[way][: data.place + 1]


def _arrived(data: JumpData) -> bool:
    return data.way == "ramp" and JUMPS[data.place] == LONGEST
