"""The controls of an explorer: ordinary ipywidgets, so that each works from the keyboard and tells its range."""

import math
from collections.abc import Sequence
from numbers import Integral, Real

import ipywidgets

from fpnlib.validation import require

_STYLE = {"description_width": "initial"}


def slider(label: str, value: float, low: float, high: float, step: float) -> ipywidgets.Widget:
    """Make a slider from `low` to `high`, for whole numbers when all four numbers are whole."""
    whole = all(isinstance(n, int) for n in (value, low, high, step))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    places = len(f"{step:.10f}".rstrip("0").partition(".")[2])
    decimals = {} if whole else {"readout_format": f".{places}f"}
    # A letter takes some 7 pixels; the number beside the slider and a track of a useful length take the rest.
    layout = ipywidgets.Layout(width=f"{max(430, 240 + 7 * len(label))}px")
    return kind(value=value, min=low, max=high, step=step, description=label, style=_STYLE, layout=layout, **decimals)


def choice(label: str, options: Sequence[str | int | float], value: str | float | None = None) -> ipywidgets.Dropdown:
    """Make a list to choose one of `options` from; the first is chosen unless `value` names another."""
    options = list(options)
    value = options[0] if value is None else value
    layout = ipywidgets.Layout(width="auto")
    return ipywidgets.Dropdown(options=options, value=value, description=label, style=_STYLE, layout=layout)


def toggle(label: str, value: bool = False) -> ipywidgets.Checkbox:
    """Make a box to tick."""
    return ipywidgets.Checkbox(
        value=value, description=label, indent=False, style=_STYLE, layout=ipywidgets.Layout(width="auto")
    )


def checked(name: str, control: ipywidgets.Widget, value: object) -> object:
    """Return `value` as the control holds it, or raise a ValueError that names the control and what it allows."""
    if isinstance(control, ipywidgets.Checkbox):
        require(isinstance(value, bool), name, repr(value), "True or False")
        return value
    if isinstance(control, ipywidgets.Dropdown):
        matches = [option for option in control.options if type(option) is type(value) and option == value]
        require(bool(matches), name, repr(value), ", ".join(map(repr, control.options)))
        return matches[0]
    allowed = f"{control.min:g} to {control.max:g}"
    require(isinstance(value, Real) and not isinstance(value, bool), name, repr(value), allowed)
    require(control.min <= value <= control.max, name, repr(value), allowed)  # type: ignore[operator]
    if isinstance(control, ipywidgets.IntSlider):
        whole = isinstance(value, Integral) or float(value).is_integer()  # type: ignore[arg-type]
        require(whole, name, repr(value), f"whole numbers, {allowed}")
        return int(value)  # type: ignore[call-overload]
    return float(value)  # type: ignore[arg-type]


def ends(control: ipywidgets.Widget) -> tuple[object, ...]:
    """Return the values at a control's ends: both ends of a slider, every option of a list, both states of a box."""
    if isinstance(control, ipywidgets.Checkbox):
        return (False, True)
    if isinstance(control, ipywidgets.Dropdown):
        return tuple(control.options)
    return (control.min, control.max)


def step_for(span: float, stops: int = 200) -> float:
    """Return a round step (1, 2 or 5 times a power of ten) that divides `span` into about `stops` stops."""
    raw = span / stops
    power = 10.0 ** math.floor(math.log10(raw))
    return min((m * power for m in (1, 2, 5, 10)), key=lambda step: abs(math.log(step / raw)))
