"""A claim's stored numbers as a table."""

import dataclasses
import html
from collections.abc import Mapping, Sequence
from itertools import starmap

from fpnlib.claims import Result


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of text, the heads first: an HTML table in the notebook, aligned lines elsewhere."""

    rows: Sequence[Sequence[str]]

    def __repr__(self) -> str:
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        return "\n".join("   ".join(starmap(str.ljust, zip(row, widths, strict=True))).rstrip() for row in self.rows)

    def _repr_html_(self) -> str:
        def line(tag: str, cells: Sequence[str]) -> str:
            tags = ((tag if cell else "td", cell) for cell in cells)  # a heading without words is none
            return "".join(f'<{one} style="text-align:left">{html.escape(cell)}</{one}>' for one, cell in tags)

        lines = [line("th", self.rows[0]), *(line("td", cells) for cells in self.rows[1:])]
        return f"<table>{''.join(f'<tr>{cells}</tr>' for cells in lines)}</table>"


def numbers(
    id: str, rows: Mapping[str, str | int | tuple[str, ...]], columns: Mapping[str, str], form: str = ".0%"
) -> Table:
    """Return a table of a claim's stored numbers.

    Args:
        id: the claim.
        rows: from a row's head to what stands in its numbers' names, or several such parts.
        columns: from a column's head to a name with `{}` for each of the row's parts, such as "{}_failed"; with " ±"
            the interval is given too, and a format of its own may follow a colon. No such number: the cell stays empty.
        form: how numbers are written.
    """
    measurement = Result.load(id).measurement

    def cell(pattern: str, part: str | int | tuple[str, ...]) -> str:
        pattern, _, own = pattern.partition(":")
        name = pattern.removesuffix(" ±").format(*(part if isinstance(part, tuple) else (part,)))
        if name not in measurement.numbers:
            return ""
        value, *ends = (
            f"{v:{own or form}}".replace("-", "−") for v in (measurement.value(name), *measurement.ends(name))
        )
        return f"{value} ({ends[0]} to {ends[1]})" if pattern.endswith(" ±") else value

    body = [[head, *(cell(pattern, part) for pattern in columns.values())] for head, part in rows.items()]
    return Table([["", *columns], *body])
