"""A real mask through a coarse grid and back: what is left of a perfect answer at an output stride."""

import dataclasses
import functools

import numpy as np
import torch
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, ORANGE
from fpnlib.notes.segmentation_difficulties.experiments.masks import iou
from fpnlib.notes.segmentation_difficulties.experiments.photos import cafe
from fpnlib.notes.segmentation_difficulties.experiments.strides import STRIDES, through_stride
from fpnlib.notes.segmentation_difficulties.explorers.colours import ANSWERS, answer_colours, answer_key

MODES = ("nearest", "bilinear")
_SIDE = 160  # pixels of the crop that is shown


@dataclasses.dataclass(frozen=True)
class StridesData:
    """One instance through one stride, and the ceilings of all."""

    instance: int
    name: str
    stride: int
    picture: np.ndarray  # (side, side) 0 neither, 1 missed, 2 false, 3 right
    ceiling: float
    ceilings: np.ndarray  # (instances,) at this stride


class StridesExplorer(Explorer[StridesData]):
    """The mask that comes back, and the ceiling of every instance against its size."""

    title = "A mask after a coarse grid with missed and false pixels, and the IoU of all masks against their size"
    size = (1000, 400)

    def make_controls(self) -> dict[str, Widget]:
        """Return the stride, the way to enlarge and the instance."""
        return {
            "stride": choice("output stride", STRIDES, 4),
            "mode": choice("enlarged", MODES, "bilinear"),
            "instance": slider("instance", 14, 0, len(cafe().masks) - 1, 1),
        }

    def compute(self, stride: int, mode: str, instance: int) -> StridesData:
        """Send the mask through the grid."""
        mask, (masks, ceilings) = cafe().masks[instance].numpy(), _back(stride, mode)
        back = masks[instance]
        kinds = (mask & ~back) + 2 * (back & ~mask) + 3 * (back & mask)
        name = cafe().class_names[int(cafe().labels[instance])]
        return StridesData(instance, name, stride, _crop(kinds, mask), float(ceilings[instance]), ceilings)

    def build(self, figure: Figure) -> None:
        """Lay out the mask and the chart."""
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.4])
        mask = self.panel(left, bare=True, title=answer_key())
        mask.classes(lambda data: data.picture, ANSWERS, answer_colours())

        chart = self.panel(right, title="All 19 instances at this stride", xscale="log", xlim=(10, 9e4))
        chart.axes.set(ylim=(-0.03, 1.03), xlabel="pixels of the instance", ylabel="IoU of a perfect coarse answer")
        chart.axes.grid(color=FAINT, lw=0.6)
        chart.upright(
            lambda data: data.stride**2, grab={"stride": lambda value: (value**2, None)}, color=ORANGE, lw=1.5, ls="--"
        )
        chart.text(lambda data: f" one cell: {data.stride**2} pixels", at=lambda data: (data.stride**2, 0.95))
        chart.line(lambda data: (_areas(), data.ceilings), "o", color=BLUE, ms=6)
        chart.dot(
            lambda data: (_areas()[data.instance], data.ceiling),
            grab={"instance": lambda value, data: (float(_areas()[value]), float(data.ceilings[value]))},
        )

    def describe(self, data: StridesData) -> str:
        """Say the ceiling of this instance and of all."""
        poor, lost = int((data.ceilings < 0.5).sum()), int((data.ceilings == 0).sum())
        return (
            f"Output stride {data.stride}: instance {data.instance}, a {data.name} of "
            f"{int(_areas()[data.instance])} pixels, comes back with IoU {number(data.ceiling)}. The mean over all 19 "
            f"is {number(float(data.ceilings.mean()))}; {poor or 'none'} below one half, {lost or 'none'} lost whole."
        )

    def invariants(self, data: StridesData) -> dict[str, bool]:
        """Check ranges."""
        return {
            "ceilings are IoUs": bool(((data.ceilings >= 0) & (data.ceilings <= 1)).all()),
            "the instance is one of all": data.ceiling == data.ceilings[data.instance],
        }


@functools.cache
def _areas() -> np.ndarray:
    """Return the pixels of each instance."""
    return cafe().masks.flatten(1).sum(1).numpy()


@functools.lru_cache(maxsize=len(STRIDES) * len(MODES))
def _back(stride: int, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """All masks as they come back, and their IoUs with what they were."""
    masks = [through_stride(mask, stride, mode) for mask in cafe().masks]
    return torch.stack(masks).numpy(), np.array([iou(*pair) for pair in zip(masks, cafe().masks, strict=True)])


def _crop(kinds: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a square around the mask, thinned to `_SIDE` where it is larger."""
    rows, columns = np.nonzero(mask)
    side = max(48, int(1.4 * max(np.ptp(rows), np.ptp(columns))))
    middle = (rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2
    at = [np.linspace(m - side // 2, m - side // 2 + side - 1, _SIDE).round().astype(int) for m in middle]
    inside = [(places >= 0) & (places < length) for places, length in zip(at, kinds.shape, strict=True)]
    crop = kinds[np.ix_(at[0].clip(0, kinds.shape[0] - 1), at[1].clip(0, kinds.shape[1] - 1))]
    return np.where(inside[0][:, None] & inside[1], crop, 0)
