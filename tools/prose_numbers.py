"""Every number in a note's prose has a source: a stored result, or the output of the code cell beside it.

`<span title="PR-2 precision_100">0.46</span>` names a number of the ledger; a reader sees the name when hovering. Any
other number must stand, to the digits shown, in the output of the nearest code cell before or after it. What stands
between the marks of a generated block is written and checked by `generated.py`.
"""

import math
import re
from collections.abc import Iterator

from nbformat import NotebookNode

from fpnlib.claims import Result

_MARKED = re.compile(r'<span title="([A-Z]{2}-\d+) ([^"]+)">([^<]*)</span>')
# A number that is part of a name (3×3, P2, PR-1, 11-point, COCO's .5:.95 in code) is a name; so is a note's, as in 04.
_NUMBER = re.compile(
    r"(?<![\w.×:\-–/])−?(?!0\d)(?:\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?|\.\d+)(?:e[-+−]?\d+)?(?![\w×:]|-\w|\.\d|,\d{3})(\s?%)?"
)
_SHOWN = re.compile(r"([-−]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+\.\d+|\d+|\.\d+)(?:e[-+]?\d+)?)(\s?%?)")  # in an output
_BLOCK = r"(?:tally|glossary|credits)"  # written by generated.py
_UNREAD = (
    re.compile(f"<!-- begin: {_BLOCK} -->.*?<!-- end: {_BLOCK} -->", re.S),
    re.compile(r"```.*?```", re.S),
    re.compile(r"`[^`]*`"),
    re.compile(r"\$\$.*?\$\$|\$[^$]*\$", re.S),
    re.compile(r"!?\[([^\]]*)\]\([^)]*\)"),
    re.compile(r"^#.*$", re.M),
)
_REFERENCES = re.compile(r"^#+ .*\breferences\b", re.I | re.M)


def faults(notebook: NotebookNode) -> Iterator[str]:
    """Yield a line for each number in the notebook's prose that has no source or does not agree with it."""
    cells = notebook.cells
    for place, cell in enumerate(cells):
        if cell.cell_type != "markdown":
            continue
        prose = _REFERENCES.split(cell.source, maxsplit=1)[0]
        for id, path, shown in _MARKED.findall(prose):
            try:
                stored = Result.load(id).number(path)
            except ValueError as error:
                yield f"cell {place}: {shown}: {error}"
                continue
            if not agrees(shown, stored):
                yield f"cell {place}: {shown} is said of {id} {path}, which is {stored:.6g}"
        beside = _outputs(cells[place - 1 :: -1] if place else []) | _outputs(cells[place + 1 :])
        for shown in numbers(_MARKED.sub("", prose)):
            if not any(agrees(shown, value) for value in beside):
                yield f"cell {place}: {shown} has no source: mark it, or show it in a cell beside"


def numbers(prose: str) -> list[str]:
    """Return the numbers of a text, as written, without code, formulas, headings and the targets of links."""
    for pattern in _UNREAD:
        prose = pattern.sub(lambda match: match.group(1) if match.re.groups else " ", prose)
    return [match.group().strip() for match in _NUMBER.finditer(prose)]


def agrees(shown: str, value: float) -> bool:
    """Return whether `value`, rounded to the digits shown, is the number `shown`, which may be a percentage."""
    text = shown.replace("−", "-").replace(",", "").strip()
    scale = 1.0
    if text.endswith("%"):
        text, scale = text[:-1].strip(), 100.0
    try:
        said = float(text)
    except ValueError:
        return False
    mantissa, _, exponent = text.partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return math.isclose(said, value * scale, rel_tol=0, abs_tol=0.5 * 10.0**-decimals * (1 + 1e-9))


def _outputs(cells: list[NotebookNode]) -> set[float]:
    code = next((cell for cell in cells if cell.cell_type == "code"), None)
    found: set[float] = set()
    for output in code.outputs if code else ():
        for text in (output.get("text", ""), output.get("data", {}).get("text/plain", "")):
            for digits, percent in _SHOWN.findall(text):
                found.add(float(digits.replace("−", "-").replace(",", "")) / (100 if percent.strip() else 1))
    return found
