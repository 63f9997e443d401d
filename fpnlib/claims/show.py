"""The ledger as tables: in a notebook, as lines of text, and in a terminal."""

import dataclasses
import html
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fpnlib.claims.claim import Criterion, Measurement
from fpnlib.claims.store import Result, Row, all_claims, ledger
from fpnlib.validation import require

NOTES = {"PR": "01", "PD": "02", "SH": "03", "FP": "04", "WU": "05", "BN": "06", "AC": "07", "SD": "08", "RS": "09"}
"""Which note a claim belongs to, by the letters of its id."""
_ORDER = {"source": "What the source says", "field": "What the field says", "us": "What we say"}
_ON_DATA = "on a reader's VOC or COCO"
_CHECKS = "Definitions and checks, which cannot fail and are no claims"
_MARKS = {"holds": "✓", "fails": "✗", "depends": "◐", "not shown": "?"}
_NO_BREAK = "\N{NO-BREAK SPACE}"
_COLOURS = {"holds": "green", "fails": "red", "depends": "yellow", "not shown": "white"}


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """The ledger's rows as a note shows them: lines that open in the notebook, lines of text elsewhere.

    Closed, one has the saying, the verdict and one sentence; open, of each part the verdict, what was measured and what
    was asked, and who says it. One row alone is open from the start.
    """

    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        return "\n".join(
            f"{row.claim.id} {outcome(row)}: {_three(row.result.measurement.effect)}, {_interval(row)}, "
            f"n = {row.result.measurement.n}"
            for row in self.rows
            if row.result
        )

    def _repr_html_(self) -> str:
        lines: list[str] = []
        heading = ""
        grouped = len({group(row) for row in self.rows}) > 1
        for row in self.rows:
            if grouped and group(row) != heading:
                heading = group(row)
                lines.append(f"<p><b>{heading}</b></p>")
            lines.append(_details(row, opened=len(self.rows) == 1) if row.result else "")
        return f'<div class="fpnlib-verdicts">{"".join(lines)}</div>'


def _details(row: Row, *, opened: bool) -> str:
    """A claim as an element that opens."""
    assert row.result
    assert row.verdict
    claim, m = row.claim, row.result.measurement
    found = claim.told.get(row.verdict, "").rstrip(".")
    head = (
        f"{claim.id} · “{html.escape(claim.says.rstrip('.'))}.”<br>{_MARKS[row.verdict]} "
        f"<b>{outcome(row)}</b>{f': {html.escape(found)}.' if found else ''}"
    )
    notes = [f"Who says it: {claim.said}."]
    many = f"{len(row.result.seeds)} seeds" if row.result.seeds else f"{m.n} instances" if m.n > 1 else ""
    notes += [f"Measured on {many}; in brackets the 95 % interval." if many else ""]
    notes += [f"It counts as no claim: {claim.check}." if claim.check else ""]
    if row.moved and row.second:
        notes.append(
            f"Another kind of processor rounds its sums otherwise, and trainings end a little elsewhere; what is said "
            f"{row.second.processor} stands where it differs."
        )
    reasons = dict.fromkeys(one.because for one in claim.parts.values() if one.because)
    notes += [f"Why these bounds: {'; '.join(reasons)}." if reasons else ""]
    notes += [f"{_ON_DATA[0].upper()}{_ON_DATA[1:]}: {on_data(row)}." if claim.on else ""]
    shown = _table(*_parts(row)) + "".join(f"<p>{html.escape(note)}</p>" for note in notes if note)
    return f'<details style="margin:0.6em 0"{" open" * opened}><summary>{head}</summary>{shown}</details>'


def _parts(row: Row) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of a claim's parts, the control last; columns for other ways of measuring where they differ."""
    assert row.result
    claim, result = row.claim, row.result
    heads = ["verdict", "part", "measured", "what was asked"]
    asked = {**claim.parts, **({"control": claim.control} if claim.control else {})}
    cells = [
        [_part(result, name), name or "the whole", measured(result.measurement, one), one.text]
        for name, one in asked.items()
    ]
    if row.moved and row.second:
        heads.append(row.second.processor)
        cells = [[*line, row.moved.get(name, "")] for line, name in zip(cells, asked, strict=True)]
    if row.tuned:
        heads.append(f"if the backbone learns, {len(row.tuned.seeds)} seeds")
        numbers = [measured(row.tuned.measurement, one) for one in asked.values()]
        cells = [
            [*line, f"{_part(row.tuned, name)}: {found}"]
            for line, name, found in zip(cells, asked, numbers, strict=True)
        ]
    return heads, cells


def _part(result: Result, name: str) -> str:
    verdict = result.control if name == "control" else result.parts[name]
    return str(verdict).replace(" ", _NO_BREAK)


def measured(measurement: Measurement, criterion: Criterion) -> str:
    """What a criterion looks at, as numbers with their intervals."""

    def one(name: str) -> str:
        low, high = measurement.ends(name)
        return _three(measurement.value(name)) + (f" ({_three(low)} to {_three(high)})" if low != high else "")

    found = [one(name).replace("-", "−").replace(" ", _NO_BREAK) for name in dict.fromkeys(criterion.of)]
    return "; ".join(found)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    left = ' style="text-align:left"'  # JupyterLab's tables stand right
    rows = ["".join(f"<th{left}>{head}</th>" for head in heads)]
    rows += ["".join(f"<td{left}>{html.escape(cell)}</td>" for cell in line) for line in lines]
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


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
    """The rows by who says it, the source, the field, us, and the checks last, and by note."""
    order, notes = [*_ORDER.values(), _CHECKS], list(NOTES)

    def place(row: Row) -> tuple[int, int]:
        letters = row.claim.id.partition("-")[0]
        return order.index(group(row)), notes.index(letters) if letters in notes else len(notes)

    return sorted(rows, key=place)


def verdicts(note: str = "") -> Verdicts:
    """Return the stored results of a claim, such as "PR-3", or of a note, such as "PR"; all by default.

    Raises:
        ValueError: no claim has such an id, or one has no stored result.
    """
    rows = ledger(_named(note))
    for row in rows:
        require(
            row.result is not None,
            "note",
            row.claim.id,
            f"measured claims; run `python -m fpnlib.claims {row.claim.id} --recompute`",
        )
    return Verdicts(tuple(sorted_rows(rows)))


def _named(note: str) -> list[str]:
    claims = all_claims()
    chosen = [id for id in claims if not note or note in (id, id.partition("-")[0])]
    require(bool(chosen), "note", repr(note), ", ".join(sorted({id.partition("-")[0] for id in claims} | set(claims))))
    return chosen


@dataclasses.dataclass(frozen=True)
class SideBySide:
    """Claims as measured in two ways, a line a claim."""

    title: str
    heads: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


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


def backbones() -> SideBySide:
    """Return claims about nets on a backbone as measured on a frozen one and on one that learns.

    A claim's first line has its id, and of each effect and interval, seeds and verdict; then follow its parts.
    """
    lines = []
    for row in ledger():
        if not (row.claim.tunes and row.result):
            continue
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
        if row.result:
            lines += ["; ".join([": ".join(cells[:2]), *cells[2:]]) for cells in _parts(row)[1]]
        else:
            lines += [": ".join(filter(None, words)) for words in row.claim.criteria().items()]
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
