"""What a reader can grab: a handle is one control or two, and a place in the picture for each of their values."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.axes import Axes

from fpnlib.validation import require

_STOPS = 400  # places in a table; between them the page takes the nearest

Place = Callable[..., tuple[float | None, float | None]]
"""From a control's value to a place in the axes, in the data's units; None for a coordinate that it leaves open.

Where places depend on more than the value, the function takes the explorer's data too: `lambda value, data: …`.
"""

Values = Mapping[str, Sequence[Any]]
"""Values of controls, by name."""


@dataclasses.dataclass(frozen=True)
class Handle:
    """Something in `axes` that stands for controls; for each of them where each value lies."""

    axes: Axes
    places: Mapping[str, Place]

    @cached_property
    def _with_data(self) -> dict[str, bool]:
        return {name: len(inspect.signature(place).parameters) > 1 for name, place in self.places.items()}

    @property
    def moves(self) -> bool:
        """Whether its places depend on the data."""
        return any(self._with_data.values())

    def on_page(self, values: Values, data: Any) -> dict[str, Any]:
        """What the page needs: the axes' rectangle and a table of [value, x, y] for each control that has `values`.

        All are shares of the picture's width and height, y down. The axes' own transform makes them, so a page knows
        nothing of logarithms, categories or axes that point down.
        """
        x0, y0, x1, y1 = self._shares(np.array(self.axes.bbox.extents).reshape(2, 2)).ravel()
        return {"region": [x0, y1, x1, y0], "tables": self.tables(values, data)}

    def tables(self, values: Values, data: Any) -> dict[str, list[list[Any]]]:
        """Where each value of each control lies in this state, as `on_page` says."""
        return {name: self._table(name, values[name], data) for name in self.places if name in values}

    def _table(self, name: str, values: Sequence[Any], data: Any) -> list[list[Any]]:
        place, more = self.places[name], (data,) if self._with_data[name] else ()
        known = np.array([place(value, *more) for value in values], float)  # None becomes NaN
        # An open coordinate takes some place inside the axes while the other goes through the transform.
        middle = self.axes.transData.inverted().transform(self.axes.transAxes.transform((0.5, 0.5)))
        free = np.isnan(known)
        shares = self._shares(self.axes.transData.transform(np.where(free, middle, known))).astype(object)
        shares[free] = None
        return [[value, *pair] for value, pair in zip(values, shares.tolist(), strict=True)]

    def _shares(self, pixels: np.ndarray) -> np.ndarray:
        width, height = self.axes.figure.bbox.size
        return np.stack([pixels[:, 0] / width, 1 - pixels[:, 1] / height], 1).round(5)


def stops(control: ipywidgets.Widget, count: int | None = _STOPS) -> Sequence[Any]:
    """Return a control's values, of a slider with more than `count` so many of them; with None all."""
    if isinstance(control, ipywidgets.Checkbox):
        return (False, True)
    if isinstance(control, ipywidgets.Dropdown):
        return tuple(control.options)
    return _stops(control.min, control.max, control.step, isinstance(control, ipywidgets.IntSlider), count)


@lru_cache
def _stops(low: float, high: float, step: float, whole: bool, count: int | None) -> Sequence[Any]:
    last = round((high - low) / step)
    numbers = np.unique(np.linspace(0, last, min(last, count or last) + 1).round())
    values = [min(high, low + n * step) for n in numbers.tolist()]
    return tuple(int(value) if whole else round(value, 10) for value in values)


def checked_places(places: Mapping[str, Place], controls: Mapping[str, ipywidgets.Widget]) -> Mapping[str, Place]:
    """Return `places`, or raise a ValueError that names a control that is not there."""
    require(bool(places), "handle", "no control", ", ".join(controls))
    for name in places:
        require(name in controls, "control", repr(name), ", ".join(controls))
    return places
