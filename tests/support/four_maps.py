"""The figure every speed comparison draws: four maps and a line."""

import dataclasses

import numpy as np

from fpnlib.explore import Explorer, choice, number, slider, toggle

LAYOUT = [["a", "b", "line", "line"], ["c", "d", "line", "line"]]
LINE = {"xlim": (0, 6), "ylim": (-1.1, 1.1), "title": "a line", "xlabel": "x", "ylabel": "y"}


@dataclasses.dataclass(frozen=True)
class Waves:
    maps: tuple[np.ndarray, ...]
    x: np.ndarray
    y: np.ndarray


def waves(phase, kind="sine", flipped=False):
    grid, x = np.linspace(0, 6, 128), np.linspace(0, 6, 400)
    wave = {"sine": np.sin, "cosine": np.cos}[kind]
    sign = -1 if flipped else 1
    maps = tuple(sign * wave(grid[:, None] * k + phase) * np.cos(grid) for k in (1, 2, 3, 4))
    return Waves(maps, x, sign * wave(x + phase))


def lay_out(figure):
    """Fill a figure with four maps and a line; return the artists that move."""
    panels = figure.subplot_mosaic(LAYOUT)
    images = [panels[key].imshow(np.zeros((128, 128)), vmin=-1, vmax=1) for key in "abcd"]
    (line,) = panels["line"].plot([], [])
    panels["line"].set(**LINE)
    return images, line


def move(images, line, data):
    """Move what `lay_out` returned."""
    for image, values in zip(images, data.maps, strict=True):
        image.set_data(values)
    line.set_data(data.x, data.y)


class FourMaps(Explorer[Waves]):
    title = "Four maps and a line"

    def make_controls(self):
        return {
            "phase": slider("phase", 0.0, 0.0, 6.0, 0.01),
            "kind": choice("kind", ["sine", "cosine"]),
            "flipped": toggle("flipped"),
        }

    def compute(self, phase, kind, flipped):
        return waves(phase, kind, flipped)

    def build(self, figure):
        axes = figure.subplot_mosaic(LAYOUT)
        for place, key in enumerate("abcd"):
            self.panel(axes[key]).image(lambda data, place=place: data.maps[place], vmin=-1, vmax=1)
        panel = self.panel(axes["line"], **LINE)
        panel.line(lambda data: (data.x, data.y))

    def describe(self, data):
        return f"The line starts at {number(data.y[0])}."
