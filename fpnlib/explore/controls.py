"""The controls of an explorer: ipywidgets hold values and ranges; the page draws them as its own native inputs."""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import ipywidgets

from fpnlib.validation import require


def slider(label: str, value: float, low: float, high: float, step: float) -> ipywidgets.Widget:
    """Make a slider from `low` to `high`, for whole numbers when all four numbers are whole."""
    whole = all(isinstance(n, int) for n in (value, low, high, step))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    return kind(value=value, min=low, max=high, step=step, description=label)


def choice(label: str, options: Sequence[str | int | float], value: str | float | None = None) -> ipywidgets.Dropdown:
    """Make a list to choose one of `options` from; the first is chosen unless `value` names another."""
    options = list(options)
    return ipywidgets.Dropdown(options=options, value=options[0] if value is None else value, description=label)


def toggle(label: str, value: bool = False) -> ipywidgets.Checkbox:
    """Make a box to tick."""
    return ipywidgets.Checkbox(value=value, description=label)


def on_page(control: ipywidgets.Widget, values: Sequence[Any] | None = None) -> dict[str, Any]:
    """What a page needs to draw a control, with all of its values or only these."""
    if isinstance(control, ipywidgets.Checkbox):
        return {"kind": "toggle", "label": control.description}
    if isinstance(control, ipywidgets.Dropdown):
        return {"kind": "choice", "label": control.description, "options": list(values or control.options)}
    shown = {"kind": "slider", "label": control.description}
    shown |= {"min": control.min, "max": control.max, "step": control.step}
    if isinstance(control, ipywidgets.FloatSlider):
        shown["decimals"] = len(f"{control.step:.10f}".rstrip("0").partition(".")[2])
    return shown | ({"values": list(values)} if values else {})


def from_page(name: str, control: ipywidgets.Widget, value: object) -> object:
    """Return a value that a page sent as the control holds it: JSON does not tell 1.0 from 1."""
    if isinstance(control, ipywidgets.Dropdown):
        value = next((one for one in control.options if one == value), value)
    return checked(name, control, value)


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
    require(bool(control.min <= value <= control.max), name, repr(value), allowed)  # type: ignore[operator]
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


def scale(low: float, high: float, stops: int = 200) -> tuple[float, float, float]:
    """Return ends and step of a slider over values from `low` to `high`: round, about `stops` stops, never past `high`.

    The step is 1, 2 or 5 times a power of ten, and the lower end a multiple of it.
    """
    raw = (high - low) / stops
    power = 10.0 ** math.floor(math.log10(raw))
    step = min((m * power for m in (1, 2, 5, 10)), key=lambda step: abs(math.log(step / raw)))
    first = math.floor(low / step) * step
    # Rounding may carry the last stop past `high`.
    return first, min(round(first + int((high - first) / step) * step, 10), high), step
