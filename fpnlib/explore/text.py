"""Numbers as a reader sees them."""

import math
from typing import SupportsFloat

_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def number(value: SupportsFloat, digits: int = 3) -> str:
    """Write a number with at most `digits` (1 to 4) significant digits, without an exponent where that reads well."""
    value = float(value)
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == int(value) and abs(value) < 10**digits:
        return str(int(value)).replace("-", "−")
    text = f"{value:.{digits}g}"
    if "e" in text and 1e-4 <= abs(value) < 1e15:
        text = f"{float(text):f}".rstrip("0").rstrip(".")
    mantissa, e, exponent = text.partition("e")
    if e:
        text = f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    return text.replace("-", "−")


def counted(count: int, singular: str, plural: str = "") -> str:
    """Write a count with its noun: 1 box, 2 boxes."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"
