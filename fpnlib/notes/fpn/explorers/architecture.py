"""The architecture with the shapes that an input of any size gets."""

import dataclasses
from itertools import pairwise

from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.notes.fpn.explorers.diagram import LEVELS, SIZE, draw_architecture

BACKBONES = {
    "ResNet-18": (64, 128, 256, 512),
    "ResNet-50": (256, 512, 1024, 2048),
    "EfficientNet-Lite0": (24, 40, 112, 320),
}


@dataclasses.dataclass(frozen=True)
class ArchitectureData:
    """Sizes (rows, columns) and channels of every level, and what the pyramid costs."""

    backbone: str
    image: tuple[int, int]
    channels: tuple[int, ...]
    out_channels: int
    sizes: tuple[tuple[int, int], ...]
    doubled: tuple[bool, ...]
    lateral_parameters: int
    smoothing_parameters: int
    lateral_macs: int
    smoothing_macs: int


class ArchitectureExplorer(Explorer[ArchitectureData]):
    """The diagram, with the shapes written in."""

    title = "The feature pyramid as boxes and arrows, with the shape of every map for the chosen image size"
    size = SIZE

    def make_controls(self) -> dict[str, Widget]:
        """Return the image's size, the backbone, and the pyramid's channels."""
        return {
            "height": slider("image height (pixels)", 480, 32, 1024, 1),
            "width": slider("image width (pixels)", 641, 32, 1024, 1),
            "backbone": choice("backbone", tuple(BACKBONES), "ResNet-50"),
            "channels": slider("channels of the pyramid", 256, 16, 256, 16),
        }

    def compute(self, height: int, width: int, backbone: str, channels: int) -> ArchitectureData:
        """Halve and round up, level by level; count weights and multiplications."""
        into = BACKBONES[backbone]
        sizes = tuple((-(-height // 2**level), -(-width // 2**level)) for level in LEVELS)
        cells = [rows * columns for rows, columns in sizes]
        return ArchitectureData(
            backbone=backbone,
            image=(height, width),
            channels=into,
            out_channels=channels,
            sizes=sizes,
            doubled=tuple(fine == (2 * coarse[0], 2 * coarse[1]) for fine, coarse in pairwise(sizes)),
            lateral_parameters=sum((count + 1) * channels for count in into),
            smoothing_parameters=len(LEVELS) * (9 * channels + 1) * channels,
            lateral_macs=sum(count * channels * n for count, n in zip(into, cells, strict=True)),
            smoothing_macs=9 * channels**2 * sum(cells),
        )

    def build(self, figure: Figure) -> None:
        """Draw the boxes and write the shapes."""
        figure.set_layout_engine("none")
        panel = self.panel(figure.add_axes((0, 0, 1, 1)))
        draw_architecture(
            panel.axes, lambda name, x, y, **look: panel.text(lambda data: _words(data)[name], x, y, **look)
        )

    def describe(self, data: ArchitectureData) -> str:
        """Say the shapes and the costs."""
        shapes = ", ".join(
            f"C{level} {count}×{rows}×{columns}"
            for level, count, (rows, columns) in zip(LEVELS, data.channels, data.sizes, strict=True)
        )
        odd = [f"P{level}" for level, doubled in zip(LEVELS, data.doubled, strict=False) if not doubled]
        steps = f"not exactly twice the level above: {', '.join(odd)}" if odd else "each is twice the level above"
        return (
            f"An image of {data.image[0]}×{data.image[1]} pixels on {data.backbone}: {shapes}; every P has "
            f"{data.out_channels} channels and its C's size; {steps}.\nThe 1×1 have "
            f"{number(data.lateral_parameters / 1e6)} million weights, the 3×3 "
            f"{number(data.smoothing_parameters / 1e6)} million; with {number(data.lateral_macs / 1e9)} and "
            f"{number(data.smoothing_macs / 1e9)} billion multiply-adds."
        )

    def invariants(self, data: ArchitectureData) -> dict[str, bool]:
        """Check the halving."""
        steps = list(pairwise(data.sizes))
        return {
            "each level is half, rounded up": all(
                coarse == (-(-fine[0] // 2), -(-fine[1] // 2)) for fine, coarse in steps
            ),
            "a level is doubled where it is even": all(
                doubled == (fine[0] % 2 == 0 and fine[1] % 2 == 0)
                for doubled, (fine, _) in zip(data.doubled, steps, strict=True)
            ),
        }


def _words(data: ArchitectureData) -> dict[str, str]:
    """What the diagram's places say."""
    weights = data.lateral_parameters + data.smoothing_parameters
    words = {"image": f"image 3×{data.image[0]}×{data.image[1]}", "out": f"{number(weights / 1e6)} M weights"}
    for level, into, (rows, columns) in zip(LEVELS, data.channels, data.sizes, strict=True):
        for name, channels in (("C", into), ("M", data.out_channels), ("P", data.out_channels)):
            words[f"{name}{level}"] = f"{channels}×{rows}×{columns}"
    for level, doubled, ((fine, wide), (rough, narrow)) in zip(
        LEVELS, data.doubled, pairwise(data.sizes), strict=False
    ):
        words[f"up{level}"] = f"{rough}×{narrow} → {fine}×{wide}" + ("" if doubled else ", not twice")
    return words
