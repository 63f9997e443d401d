"""Keep of a benchmark run what the README's table shows: `python tools/bench_table.py out/benchmarks.json`."""

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from repository import ROOT, write_if_changed

RESULTS = ROOT / "tests" / "benchmarks" / "results.json"


def condensed(run: dict[str, Any]) -> dict[str, Any]:
    """Return the comparisons and amounts of a pytest-benchmark run, with the day and the machine."""
    kept: dict[str, Any] = {
        "date": run["datetime"][:10],
        "machine": f"{os.cpu_count()} cores, one thread, {platform.system()}, Python {platform.python_version()}",
        "comparisons": [],
        "amounts": [],
    }
    for benchmark in run["benchmarks"]:
        for kind in ("comparisons", "amounts"):
            for row in benchmark["extra_info"].get(kind, []):
                kept[kind].append({k: round_to(v) if isinstance(v, float) else v for k, v in row.items()})
    return kept


def round_to(value: float) -> float:
    """Return a value to three digits, which is more than a machine repeats."""
    return float(f"{value:.3g}")


def table(results: dict[str, Any]) -> str:
    """Return the README's tables: of what was compared twice the lower ratio, in bold what misses its bound."""
    lines = [
        f"Measured on {results['date']} by `make bench` ({results['machine']}); both sides of a ratio in the same run.",
        "*Asked* is the least that is accepted, *at most* the most. What misses it is **bold**.",
        "",
        "| what | beside | times as fast | asked |",
        "|---|---|---|---|",
    ]
    least = {(row["what"], row["beside"]): row for row in sorted(results["comparisons"], key=lambda row: -row["ratio"])}
    for key in dict.fromkeys((row["what"], row["beside"]) for row in results["comparisons"]):
        row = least[key]
        said = _bold(_short(row["ratio"]), row["ratio"] < row["at_least"])
        lines.append(f"| {row['what']} | {row['beside']} | {said} | {_short(row['at_least'])} |")
    lines += ["", "| what | amount | at most |", "|---|---|---|"]
    lines += [_amount(row) for row in _largest_of_each_kind(results["amounts"])]
    return "\n".join(lines)


def _largest_of_each_kind(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for all that share what follows the comma: the largest of every note, of every explorer."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        kinds.setdefault(row["what"].partition(", ")[2] or row["what"], []).append(row)
    shown = []
    for same in kinds.values():
        largest = max(same, key=lambda row: row["value"])
        of_many = f" (the largest of {len(same)})" if len(same) > 1 else ""
        shown.append(largest | {"what": largest["what"] + of_many})
    return shown


def _amount(row: dict[str, Any]) -> str:
    said = _bold(f"{row['value']:.3g} {row['unit']}", row["value"] > row["at_most"])
    return f"| {row['what']} | {said} | {row['at_most']:g} {row['unit']} |"


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"


def _bold(text: str, yes: bool) -> str:
    return f"**{text}**" if yes else text


def main() -> int:
    """Condense a run into results.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="what pytest-benchmark wrote with --benchmark-json")
    kept = condensed(json.loads(parser.parse_args().run.read_text()))
    write_if_changed(RESULTS, (json.dumps(kept, indent=1, ensure_ascii=False) + "\n").encode())
    print(f"{RESULTS.relative_to(ROOT)}: {len(kept['comparisons'])} comparisons, {len(kept['amounts'])} amounts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
