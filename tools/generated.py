"""Write what is made from other files: tables of README, CONTRIBUTING and front page; `check` says what is stale."""

import argparse
import json
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import bench_table
from fpnlib import assets
from fpnlib.claims import VERDICTS, ledger
from fpnlib.claims.show import NOTES, sorted_rows
from fpnlib.data import photo_credit, photo_names
from fpnlib.data.collages import CREDITS
from fpnlib.explore import all_explorers
from notebooks import NOTEBOOKS
from repository import ROOT, write_if_changed

README, CONTRIBUTING, INDEX = ROOT / "README.md", ROOT / "CONTRIBUTING.md", NOTEBOOKS / "source" / "00-index.py"
FILES = (README, CONTRIBUTING, INDEX)
_WORDS_A_MINUTE = 200
_ENTRY = re.compile(r"^# ### \[(\d\d) · ([^\]]+)\]\(([^)]+)\)$", re.MULTILINE)
_TERM = re.compile(r"^# \| ([^|]+) \| ([^|]*[\u4e00-\u9fff][^|]*) \| ([^|]+) \|$", re.MULTILINE)
_OF_NOTE = {number: letters for letters, number in NOTES.items()}


def notes() -> list[tuple[str, str, str]]:
    """Return number, title and file of each note, as the front page lists them."""
    return _ENTRY.findall(INDEX.read_text())


def verdict_counts(number: str) -> str:
    """Return how many of a note's claims hold, fail or depend, in words."""
    if number not in _OF_NOTE:
        raise ValueError(f"note {number}: generated.py does not know the prefix of its claims; add it to NOTES")
    rows = [row for row in ledger() if row.claim.id.partition("-")[0] == _OF_NOTE[number]]
    counts = Counter(row.verdict for row in rows if not row.claim.check)
    words = {"holds": "hold", "fails": "fail", "depends": "depend", "not shown": "not shown"}
    said = [f"{counts[v]} {v if counts[v] == 1 else words[v]}" for v in VERDICTS if counts[v]]
    checks = sum(bool(row.claim.check) for row in rows)
    return ", ".join(said + ([f"{checks} check{'s' if checks > 1 else ''}"] if checks else []))


def note_table() -> str:
    """Return the README's table of notes."""
    rows = [f"| [{n} · {title}](notebooks/{file}) | {verdict_counts(n)} |" for n, title, file in notes()]
    return "\n".join(["| note | claims |", "|---|---|", *rows])


def size_table() -> str:
    """Return CONTRIBUTING's table of how long each note is: words of prose, minutes to read them, things to do."""
    lines = ["| note | words | minutes to read | explorers | exercises |", "|---|---|---|---|---|"]
    explorer = re.compile(rf"^({'|'.join(all_explorers())})\(", re.MULTILINE)
    for number, title, file in notes():
        source = (NOTEBOOKS / "source" / file).with_suffix(".py").read_text()
        cells = [cell.partition("\n") for cell in source.split("# %%")]
        prose = " ".join(text.partition("# ## Terms")[0] for kind, _, text in cells if "[markdown]" in kind)
        words = len(re.findall(r"[^\W\d_][\w'’-]*", re.sub(r"<[^>]*>|\]\([^)]*\)|\$[^$]*\$", " ", prose)))
        code = "\n".join(text for kind, _, text in cells if "[markdown]" not in kind)
        counts = words, round(words / _WORDS_A_MINUTE), len(explorer.findall(code)), code.count('check("')
        lines.append(f"| {number} · {title} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def findings() -> str:
    """Return the claims that do not simply hold, by who says them, with links to why."""
    files = {_OF_NOTE[number]: file for number, _, file in notes()}
    lines = ["| claim | who says it | the saying | verdict |", "|---|---|---|---|"]
    for row in sorted_rows(ledger()):
        if row.verdict not in (None, "holds"):
            claim = row.claim
            who = {"source": "the source", "field": "the field", "us": "we"}[claim.said.by]
            who += f", {claim.said.manner}" if claim.said.manner else ""
            link = f"[{claim.id}](notebooks/{files[claim.id[:2]]}#Measure)"
            lines.append(f"| {link} | {who} | {claim.says} | **{row.verdict}**: {claim.told[row.verdict]} |")
    return "\n".join(lines)


def tally() -> str:
    """Return the front page's sum of all verdicts, and how many of those that hold leave nothing to chance."""
    claims = [row for row in ledger() if row.verdict and not row.claim.check]
    count = Counter(row.verdict for row in claims)
    exact = sum(row.verdict == "holds" and all(one.exact for one in row.claim.parts.values()) for row in claims)
    fail = "fails" if count["fails"] == 1 else "fail"
    words = (
        f"Of {len(claims)} claims {count['holds']} hold, {count['fails']} {fail}, {count['not shown']} could not be "
        f"settled, and {count['depends']} depend: on the case, or on the processor. Of those that hold {exact} are "
        "algebra or counting, where one counterexample would have been enough. The others rest on experiments, "
        "most with small nets, and are said of these."
    )
    return "\n".join(textwrap.wrap(words, 120, initial_indent="# ", subsequent_indent="# "))


def glossary() -> dict[str, tuple[str, str, list[str]]]:
    """Map each English term of the notes' tables to its Chinese one, its line, and the notes that list it."""
    found: dict[str, tuple[str, str, list[str]]] = {}
    for source in sorted((NOTEBOOKS / "source").glob("[0-9]*.py")):
        if source == INDEX:
            continue
        rows = _TERM.findall(source.read_text().split("# ## Terms", 1)[-1])
        for english, chinese, line in rows[1:]:  # after the heading
            known = found.setdefault(english.strip(), (chinese.strip(), line.strip(), []))
            known[2].append(source.stem)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def glossary_table() -> str:
    """Return the front page's glossary, its links as references, so that its lines stay short."""
    rows = ["# | English | 中文 | in one line | notes |", "# |---|---|---|---|"]
    words = glossary()
    for english, (chinese, line, where) in words.items():
        rows.append(f"# | {english} | {chinese} | {line} | {' '.join(f'[{stem[:2]}]' for stem in where)} |")
    stems = sorted({stem for _, _, where in words.values() for stem in where})
    return "\n".join([*rows, "#", *(f"# [{stem[:2]}]: {stem}.ipynb#Terms" for stem in stems)])


def credits_table() -> str:
    """Return the front page's list of photos and weights that are not ours, with their authors and licences."""
    photos = [(photo_credit(name), name) for name in photo_names()]
    photos += [(whose, name) for name, whose in CREDITS.items()]
    photos += [("G. B. Huang et al.; Labeled Faces in the Wild; in scikit-image", "small photos of faces")]
    labelme = "PASCAL VOC 2011, Flickr; frames, masks by K. Wada; in labelme (GPL-3.0-only)"
    photos += [(labelme, "VOC photos and street frames")]
    photos += [("E. Alpaydin and C. Kaynak, UCI; CC BY 4.0; in scikit-learn", "handwritten digits")]
    weights = [(f"{assets.asset(name).requirement} ({assets.asset(name).licence})", name) for name in assets.names()]
    return "\n".join(
        [
            "# | photo or weights | from |",
            "# |---|---|",
            *(f"# | {name} | {whose} |" for whose, name in photos + weights),
        ]
    )


def benchmark_table() -> str:
    """Return the README's tables of the stored benchmarks."""
    return bench_table.table(json.loads(bench_table.RESULTS.read_text()))


def filled(path: Path) -> str:
    """Return a file's text with each marked block as it should be."""
    of_file: dict[str, dict[str, Callable[[], str]]] = {
        README.name: {"notes": note_table, "findings": findings, "benchmarks": benchmark_table},
        CONTRIBUTING.name: {"sizes": size_table},
        INDEX.name: {"tally": tally, "glossary": glossary_table, "credits": credits_table},
    }
    blocks, text = of_file[path.name], path.read_text()
    lead = "# " if path.name == INDEX.name else ""
    begins = {name: f"{lead}<!-- begin: {name} -->\n" for name in blocks}
    for name, begin in begins.items():
        if begin not in text:
            raise ValueError(f"{path}: the marks of the block “{name}” are gone")
    for name, begin in begins.items():
        before, rest = text.split(begin, 1)
        gap, end = f"{lead.rstrip()}\n", f"{lead}<!-- end: {name} -->"
        text = f"{before}{begin}{gap}{blocks[name]()}\n{gap}{end}{rest.split(end, 1)[1]}"
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("write", "check"))
    command = parser.parse_args().command
    stale = [path for path in FILES if filled(path) != path.read_text()]
    for path in stale:
        if command == "write":
            write_if_changed(path, filled(path).encode())
        print(f"{path.relative_to(ROOT)} {'written' if command == 'write' else 'is stale: make notebooks'}")
    return bool(stale) and command == "check"


if __name__ == "__main__":
    sys.exit(main())
