"""What of an explorer's space pages without a kernel hold: some controls' values, in every combination."""

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets

from fpnlib.explore.handles import Values, stops

_RUNGS = (3, 5, 9, 13, 17, 25, 33, 49, 65, 101, 201)  # numbers of stops of a slider, one after another


def thinned(controls: Mapping[str, ipywidgets.Widget], start: Mapping[str, Any], states: int) -> Values:
    """Return values for the controls that make the most of so many states; a control with one value is left out.

    The first slider has the most stops; lists and boxes are there in full or not at all. The start is always in it.

    Args:
        controls: what the explorer has, by name.
        start: their values where the page begins.
        states: how many combinations there may be.
    """
    sliders = [name for name, control in controls.items() if hasattr(control, "max")]
    values: dict[str, Sequence[Any]] = {name: (value,) for name, value in start.items()}

    def grow(name: str, more: Sequence[Any]) -> None:
        others = 1
        for other, known in values.items():
            others *= 1 if other == name else len(known)
        if others * len(more) <= states and len(more) > len(values[name]):
            values[name] = more

    if sliders:
        grow(sliders[0], spread(controls[sliders[0]], start[sliders[0]], _RUNGS[2]))
    for name, control in controls.items():
        if name not in sliders:
            grow(name, stops(control))
    for rung, following in zip(_RUNGS, (*_RUNGS[3:], *_RUNGS[-1:] * 3), strict=True):
        for name in sliders:
            grow(name, spread(controls[name], start[name], following if name == sliders[0] else rung))
    return {name: known for name, known in values.items() if len(known) > 1}


def spread(control: ipywidgets.Widget, start: Any, count: int) -> Sequence[Any]:
    """Return about so many of a slider's values: both ends, the start, and even steps away from the start."""
    every = list(stops(control, count=None))
    at = min(range(len(every)), key=lambda place: abs(every[place] - start))
    every[at] = start
    stride = max(1, -(-(len(every) - 1) // (count - 1)))
    places = {0, len(every) - 1, *range(at % stride, len(every), stride)}
    # An end that lies closer than half a step to its neighbour takes the neighbour's place.
    places -= {place for place in places if place != at and 0 < place < stride / 2}
    places -= {place for place in places if place != at and 0 < len(every) - 1 - place < stride / 2}
    return [every[place] for place in sorted(places)]
