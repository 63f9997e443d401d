"""The ledger as tables: in a notebook, as lines of text, and in a terminal."""

import dataclasses
import html
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fpnlib.claims.store import Result, Row, all_claims, ledger
from fpnlib.validation import require

_ORDER = {"source": "What the source says", "field": "What the field says", "us": "What we say"}
_ON_DATA = "on a reader's VOC or COCO"
_CHECKS = "Definitions and checks, which cannot fail and are no claims"
_COLOURS = {"holds": "green", "fails": "red", "depends": "yellow", "not shown": "white"}


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """The ledger's rows as a note shows them: a table in the notebook, lines of text elsewhere.

    The table of the `whole` ledger has a column more: what readers found on their own photos.
    """

    rows: tuple[Row, ...]
    whole: bool = False

    def __repr__(self) -> str:
        return "\n".join(
            f"{row.claim.id} {outcome(row)}: {_three(row.result.measurement.effect)}, {_interval(row)}, "
            f"n = {row.result.measurement.n}"
            for row in self.rows
            if row.result
        )

    def _repr_html_(self) -> str:
        heads = (
            "claim",
            "the saying",
            "who says it",
            "what would make it hold",
            "effect",
            "95 % interval",
            "n",
            "verdict",
            *([_ON_DATA] if self.whole else []),
        )
        lines = ["".join(f'<th style="text-align:left">{head}</th>' for head in heads)]
        for row in self.rows:
            if row.result:
                claim, m = row.claim, row.result.measurement
                cells = [claim.id, claim.says, str(claim.said), _asked(row), _three(m.effect), _interval(row), m.n]
                cells.append(outcome(row) + (f": {row.depends_on}" if row.depends_on else ""))
                cells += [on_data(row)] if self.whole else []
                lines.append("".join(f'<td style="text-align:left">{html.escape(str(cell))}</td>' for cell in cells))
        return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def outcome(row: Row) -> str:
    """The verdict as a reader sees it; a check that holds is "checked"."""
    return "checked" if row.claim.check and row.verdict == "holds" else row.verdict or "not measured yet"


def on_data(row: Row) -> str:
    """What was found on readers' photos: "nobody yet" before anyone has looked, nothing where photos do not matter."""
    if not row.claim.on:
        return ""
    found = []
    for result in row.on_data:
        photos = f"{str(result.data['kind']).upper()} {result.data['split']}, {result.data['photos']} photos"
        low, high = map(_three, result.measurement.interval)
        words = "; ".join(result.in_parts)
        effect = f"effect {_three(result.measurement.effect)}, {low} … {high}"
        found.append(f"{photos}: {result.verdict}{f': {words}' if words else ''} ({effect})")
    return ". ".join(found) or "nobody yet"


def group(row: Row) -> str:
    """Under which heading a row of the ledger stands: by who says it, and checks last."""
    return _CHECKS if row.claim.check else _ORDER[row.claim.said.by]


def sorted_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows by who says it: the source, the field, us, and the checks last."""
    order = [*_ORDER.values(), _CHECKS]
    return sorted(rows, key=lambda row: order.index(group(row)))


def verdicts(note: str = "") -> Verdicts:
    """Return the stored results whose claim ids begin with `note`, such as "PR"; all by default.

    Raises:
        ValueError: no claim's id begins so, or one has no stored result.
    """
    rows = ledger(_named(note))
    for row in rows:
        require(
            row.result is not None,
            "note",
            row.claim.id,
            f"measured claims; run `python -m fpnlib.claims {row.claim.id} --recompute`",
        )
    return Verdicts(tuple(sorted_rows(rows)), whole=not note)


def _named(note: str) -> list[str]:
    claims = all_claims()
    chosen = [id for id in claims if not note or id.partition("-")[0] == note]
    require(bool(chosen), "note", repr(note), ", ".join(sorted({id.partition("-")[0] for id in claims})))
    return chosen


@dataclasses.dataclass(frozen=True)
class SideBySide:
    """Claims as measured in two ways, a line a claim."""

    title: str
    heads: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]

    def __repr__(self) -> str:
        return "\n".join(" | ".join(line) for line in self.lines)

    def _repr_html_(self) -> str:
        rows = ["".join(f"<th>{head}</th>" for head in self.heads)]
        rows += ["".join(f"<td>{html.escape(cell)}</td>" for cell in line) for line in self.lines]
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def instruction_sets() -> SideBySide:
    """Return the claims with chance as measured on two instruction sets.

    A line has id, effect and verdict of the first, of the second, how far apart, and from how many seeds. The distance
    is in half-widths of the first interval. Where the second has only some of the seeds, see `Result.carried_to`.
    """
    lines = []
    for row in ledger():
        if not (row.claim.seeds and row.result):
            continue
        first = row.result.measurement
        shown = [_three(first.effect), row.result.verdict]
        if row.second:
            half = (first.interval[1] - first.interval[0]) / 2
            apart = abs(row.second.measurement.effect - first.effect)
            shown += [
                _three(row.second.measurement.effect),
                row.second.verdict,
                _three(apart / half if half else apart),
                f"{len(row.second.seeds)} of {len(row.result.seeds)}",
            ]
        else:
            shown += ["", "not measured yet", "", ""]
        lines.append((row.claim.id, *shown))
    heads = ("claim", "first", "verdict", "second", "verdict", "apart, in half intervals", "seeds")
    return SideBySide("The claims with chance on two instruction sets", heads, tuple(lines))


def backbones(note: str = "") -> SideBySide:
    """Return claims about nets on a backbone as measured on a frozen one and on one that learns.

    All of them, or those whose ids begin with `note`, such as "SH". A claim's first line has its id, and of each effect
    and interval, seeds and verdict; then follow its parts. ValueError where there is none.
    """
    rows = [row for row in ledger(_named(note) if note else ()) if row.claim.tunes and row.result]
    require(
        bool(rows) or not note, "note", repr(note), "the beginning of a claim's id that is about nets on a backbone"
    )
    lines = []
    for row in rows:
        assert row.result
        found = [_whole(row.result), _whole(row.tuned) if row.tuned else ("", "", "not measured yet")]
        lines.append((row.claim.id, "", *found[0], *found[1]))
        if row.tuned:
            for part, verdict in row.result.parts.items():
                lines.append(("", part, "", "", verdict, "", "", row.tuned.parts.get(part, "")))
    heads = ("claim", "part", "frozen", "seeds", "verdict", "learns", "seeds", "verdict")
    return SideBySide("Claims on a frozen backbone, and on one that learns", heads, tuple(lines))


def _whole(result: Result) -> tuple[str, str, str]:
    low, high = map(_three, result.measurement.interval)
    return f"{_three(result.measurement.effect)} ({low} … {high})", str(len(result.seeds)), result.verdict


def _three(value: float) -> str:
    return f"{value:.3g}"


def _interval(row: Row) -> str:
    assert row.result
    low, high = row.result.measurement.interval
    if low != high:
        return f"{_three(low)} … {_three(high)}"
    return "exact" if all(one.exact for one in row.claim.parts.values()) else "none"


def _asked(row: Row) -> str:
    asked = row.result.criteria if row.result else row.claim.criteria()
    return "; ".join(f"{name}: {text}" if name else text for name, text in asked.items())


def blocks(rows: Sequence[Row]) -> Group:
    """Return the ledger for a terminal of any width: a claim's verdict, saying, numbers and parts."""
    shown: list[RenderableType] = []
    for row in sorted_rows(rows):
        colour = _COLOURS.get(row.verdict or "", "white")
        shown.append(Text.assemble((row.claim.id, "bold"), "  ", (outcome(row), colour), "  ", row.claim.says))
        lines = [f"says: {row.claim.said.by}"]
        if row.result:
            measured = row.result.measurement
            lines[0] += f"; effect {_three(measured.effect)}, 95 % interval {_interval(row)}, n = {measured.n}"
        parts = row.result.parts if row.result else {}
        asked = row.result.criteria if row.result else row.claim.criteria()
        lines += [": ".join(filter(None, (parts.get(name, ""), name, text))) for name, text in asked.items()]
        lines += [f"{_ON_DATA}: {on_data(row)}"] if row.claim.on else []
        shown += [Padding(Text(line), (0, 0, 0, 4)) for line in lines]
    return Group(*shown)


def table(beside: SideBySide) -> Table:
    """Return two ways side by side as a rich table."""
    shown = Table(title=beside.title)
    for heading in beside.heads:
        shown.add_column(heading)
    for line in beside.lines:
        shown.add_row(*line)
    return shown
