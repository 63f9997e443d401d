"""What a line along the contour costs a mask's IoU, against its length / area: all masks, one of them, and yours."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ipywidgets import Widget
from jaxtyping import Bool
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, faded
from fpnlib.notes.segmentation_difficulties.experiments.contours import Contour, contour, contours, costs
from fpnlib.notes.segmentation_difficulties.experiments.masks import VOID_WIDTH, square_around
from fpnlib.notes.segmentation_difficulties.experiments.photos import cafe
from fpnlib.notes.segmentation_difficulties.explorers.colours import over_photo

MOST = 6  # pixels of line
_AROUND = 16  # pixels of photo around the instance
_LEAST, _HIGHEST = 0.008, 3.0  # the chart's ends
_KINDS = ("elsewhere", "not counted", "wrong")


@dataclasses.dataclass(frozen=True)
class PriceData:
    """One instance, and the costs of all."""

    instance: int
    name: str
    line: int
    void: int  # pixels of border
    window: tuple[slice, slice]  # what is shown of the photo
    kinds: np.ndarray  # (h, w) places in _KINDS, of the whole photo
    by_rule: tuple[np.ndarray, np.ndarray]  # line · length / area of the café's instances, and of the others
    costs: tuple[np.ndarray, np.ndarray]  # 1 − IoU
    yours: tuple[float, float]  # both, of one more mask, the reader's own

    @property
    def cost(self) -> float:
        """What the line costs this instance."""
        return float(self.costs[0][self.instance])


class PriceExplorer(Explorer[PriceData]):
    """An instance with its line and border, and the line's cost for all instances and for one more `mask`."""

    title = "An instance with a line along its contour, and what such a line costs every mask against length by area"
    size = (1000, 420)

    def __init__(self, mask: Bool[np.ndarray, "h w"]) -> None:
        self._yours = contour(mask)
        super().__init__()

    def make_controls(self) -> dict[str, Widget]:
        """Return line, border and instance."""
        return {
            "line": slider("mask too large by (pixels)", 1, 1, MOST, 1),
            "void": slider("void border (pixels)", 0, 0, VOID_WIDTH, 1),
            "instance": slider("instance", 11, 0, len(cafe().masks) - 1, 1),
        }

    def compute(self, line: int, void: int, instance: int) -> PriceData:
        """Look up what each mask loses, and where this one does."""
        mine, others = contours()
        chosen = mine[instance]
        border = chosen.void(void)
        return PriceData(
            instance=instance,
            name=cafe().class_names[int(cafe().labels[instance])],
            line=line,
            void=void,
            window=square_around(cafe().masks[instance], _AROUND),
            kinds=np.where(border, 1, 2 * chosen.wrong(line)),
            by_rule=(_by_rule(mine, line), _by_rule(others, line)),
            costs=costs(line, void),
            yours=(line * self._yours.length_by_area, self._yours.cost(line, void)),
        )

    def build(self, figure: Figure) -> None:
        """Lay out the instance and the chart."""
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
        photo, square = self.panel(left, bare=True, title="orange: wrong; blue: void, not counted"), (0, 0, 1, 1)
        photo.image(lambda data: faded(cafe().image[data.window], 0.6), square)
        photo.classes(lambda data: data.kinds[data.window], _KINDS, over_photo(0.6, 1), square, zorder=1)
        ends = _LEAST, _HIGHEST
        chart = self.panel(right, title="Masks: blue of this photo, grey of four more, diamond: yours", xlim=ends)
        chart.axes.set(xscale="log", yscale="log", ylim=(_LEAST * 0.9, 1.3))
        chart.axes.set(xlabel="line · length of the contour / area", ylabel="1 − IoU")
        chart.axes.minorticks_off()
        ticks = (0.01, 0.03, 0.1, 0.3, 1)
        for axis in (chart.axes.xaxis, chart.axes.yaxis):
            axis.set_ticks(ticks, [number(tick) for tick in ticks])
        chart.axes.grid(color=FAINT, lw=0.6)
        along = np.geomspace(*ends, 100)
        chart.line((along, along), color=MUTED, lw=1, ls="--")
        chart.line((along, along / (1 + along)), color=INK, lw=1.2)
        chart.text("the rule", 0.62, 0.95, ha="right", color=MUTED, fontsize=9)
        chart.text("x / (1 + x)", 1.2, 0.42, color=INK, fontsize=9, va="top")
        for place, colour in ((1, MUTED), (0, BLUE)):
            chart.line(_dots(place), "o", ms=5, mew=0, color=colour, alpha=0.75)
        chart.line(lambda data: (data.yours[0], _seen(data.yours[1])), "D", ms=8, color=GREEN)
        chart.dot(
            lambda data: (data.by_rule[0][data.instance], _seen(data.cost)),
            color=ORANGE,
            grab={"instance": lambda value, data: (data.by_rule[0][value], _seen(data.costs[0][value]))},
        )

    def describe(self, data: PriceData) -> str:
        """Say what the rule says and what it costs."""
        every, rule = np.concatenate(data.costs), data.by_rule[0][data.instance]
        area = int((contours()[0][data.instance].inside > 0).sum())
        return (
            f"Instance {data.instance}, a {data.name} of {area} pixels, too large by {data.line} px: the rule says "
            f"{number(rule)}, and with a void border of {data.void} px it costs {number(data.cost)} of its IoU. "
            f"{int((every == 0).sum())} of the {len(every)} masks pay nothing, half pay {number(np.median(every))} or "
            f"more. Your mask: {number(data.yours[0])} and {number(data.yours[1])}."
        )

    def invariants(self, data: PriceData) -> dict[str, bool]:
        """Check the costs by counting, and what a border hides."""
        mask = cafe().masks[data.instance].numpy()
        wrong, kept = (data.kinds == 2).sum(), (mask & (data.kinds == 0)).sum()
        every = np.concatenate(data.costs)
        return {
            "the cost is that of the marked pixels": bool(abs(data.cost - wrong / max(1, wrong + kept)) < 1e-9),
            "a border whose outer half is as wide hides the line": data.void - data.void // 2 < data.line
            or not every.any(),
            "without a border every mask pays": data.void > 0 or bool((every > 0).all()),
        }


def _by_rule(group: Sequence[Contour], line: int) -> np.ndarray:
    return line * np.array([one.length_by_area for one in group])


def _seen(cost: Any) -> Any:
    """Where a cost is drawn: nothing at the chart's lower end."""
    return np.maximum(cost, _LEAST)


def _dots(place: int) -> Callable[[PriceData], tuple[np.ndarray, np.ndarray]]:
    return lambda data: (data.by_rule[place], _seen(data.costs[place]))
