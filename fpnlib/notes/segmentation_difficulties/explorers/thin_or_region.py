"""A thin error along every boundary, or one wrong region: which number notices, by the width of the void border."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, Panel, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, MUTED, faded
from fpnlib.notes.segmentation_difficulties.experiments.lines import CALLED, KINDS, MOST, cafe_border, wrong_and_scores
from fpnlib.notes.segmentation_difficulties.experiments.masks import VOID_WIDTH
from fpnlib.notes.segmentation_difficulties.experiments.photos import cafe
from fpnlib.notes.segmentation_difficulties.explorers.colours import over_photo

_MEASURES = (("pixels right", "o:", MUTED), ("mIoU", "o-", BLUE), ("boundary IoU", "o--", GREEN))


@dataclasses.dataclass(frozen=True)
class ErrorsData:
    """One error on the café photo."""

    kind: str
    pixels: int
    void: int  # pixels of border that do not count
    border: np.ndarray  # (h, w) bool
    wrong: np.ndarray  # (h, w) bool, wrong and counted
    share: float  # of the pixels that count
    values: tuple[float, float, float]  # accuracy, mIoU, boundary IoU
    curves: np.ndarray  # (3, MOST + 1) the same for every size of the error


class ErrorsExplorer(Explorer[ErrorsData]):
    """The photo with the wrong pixels, the three numbers, and how each falls as the error grows."""

    title = "A photo with its wrong pixels marked, three measures of them, and the measures against the error's size"
    size = (1000, 380)

    def make_controls(self) -> dict[str, Widget]:
        """Return the width of the void border, the error's size and its kind."""
        return {
            "void": slider("void border (pixels)", 0, 0, VOID_WIDTH, 1),
            "pixels": slider("boundaries off by (pixels)", 0, 0, MOST, 1),
            "kind": choice("error", KINDS),
        }

    def compute(self, void: int, pixels: int, kind: str) -> ErrorsData:
        """Look the error up; each is computed once."""
        answers = [wrong_and_scores(kind, size, void) for size in range(MOST + 1)]
        wrong, values = answers[pixels]
        curves = np.array([values for _, values in answers]).T
        border = cafe_border(void)
        share = float(wrong.sum() / (~border).sum())
        return ErrorsData(kind, pixels, void, border, wrong, share, values, curves)

    def build(self, figure: Figure) -> None:
        """Lay out the photo and the chart."""
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        photo = self.panel(left, bare=True, title="orange: wrong; blue: void, not counted")
        photo.image(faded(cafe().image, 0.5))
        kinds = ("right", "void, not counted", "wrong")
        photo.classes(lambda data: data.border + 2 * data.wrong, kinds, over_photo(0.6, 1), zorder=1)

        chart = self.panel(right, xlim=(-0.2, MOST + 0.2), ylim=(0, 1.03), ylabel="score")
        chart.axes.set_xlabel("boundaries off by (pixels), or that area in one piece")
        chart.axes.grid(color=FAINT, lw=0.6)
        for row, look in enumerate(_MEASURES):
            self._curve(chart, row, *look)
        names, _, colours = zip(*_MEASURES, strict=True)
        chart.names(lambda data: data.values, names, colours)
        chart.dot(lambda data: ([data.pixels] * 3, data.values), grab={"pixels": lambda value: (value, None)})

    @staticmethod
    def _curve(chart: Panel, row: int, name: str, style: str, colour: str) -> None:
        """A curve as far as the error has grown: beyond that a reader may guess."""
        chart.line(
            lambda data: (range(data.pixels + 1), data.curves[row, : data.pixels + 1]),
            style,
            color=colour,
            ms=4,
            label=name,
        )

    def describe(self, data: ErrorsData) -> str:
        """Say how much is wrong and what each number makes of it."""
        right, miou, boundary = map(number, data.values)
        return (
            f"{data.kind.capitalize()}, {data.pixels} px, with a void border of {data.void} px: "
            f"{number(100 * data.share)} % of the pixels that count are wrong. "
            f"Pixels right {right}, mIoU {miou}, mean boundary IoU of the classes {boundary}."
        )

    def invariants(self, data: ErrorsData) -> dict[str, bool]:
        """Check that no error costs nothing and any error something."""
        return {
            "no error costs nothing": data.pixels > 0 or data.values == (1.0, 1.0, 1.0),
            "without a border an error costs pixels": data.pixels == 0 or data.void > 0 or data.values[0] < 1,
            "a line within half the border costs nothing": data.kind in CALLED
            or data.pixels > data.void // 2
            or data.values[0] == 1,
            "what is void is not wrong": not (data.wrong & data.border).any(),
            "the values are on the curves": bool(np.array_equal(data.curves[:, data.pixels], data.values)),
        }
