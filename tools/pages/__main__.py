"""Build the book as pages into `site/`: `python tools/pages`; what has not changed is kept. `serve` shows it."""

import argparse
import functools
import http.server
import json
import shutil
import sys
import time
from pathlib import Path

import joblib

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pages import book, live
from repository import ROOT, write_if_changed

SITE, SCRATCH = ROOT / "site", ROOT / "out" / "site"


def store(shown: list[live.Shown], folder: Path, workers: int) -> list[str]:
    """Store the explorers whose code or data have changed, and return what went wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "manifest.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    keys = {one.name: live.key(one) for one in shown}
    manifest = {name: known[name] for name, key in keys.items() if known.get(name, {}).get("key") == key}
    for stale in {one.name for one in folder.iterdir() if one.is_dir()} - set(manifest):
        shutil.rmtree(folder / stale)
    wanted = [one for one in shown if one.name not in manifest]
    failed = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    jobs = [joblib.delayed(_stored)(one, folder / one.name) for one in wanted]
    with Progress(*columns) as progress:
        bar = progress.add_task("explorers", total=len(jobs))
        # What is finished stays, whatever happens to the rest.
        for name, line, error in joblib.Parallel(workers, return_as="generator_unordered")(jobs):
            progress.advance(bar)
            if error:
                failed.append(f"{name}: {error}")
                continue
            manifest[name] = {"key": keys[name], **line}
            write_if_changed(path, json.dumps(dict(sorted(manifest.items())), indent=1).encode())
            progress.console.print(
                f"{name}: {line['states']} states, {line['bytes'] / 1e6:.1f} MB, {line['seconds']:.0f} s"
            )
    write_if_changed(path, json.dumps(dict(sorted(manifest.items())), indent=1).encode())
    return failed


def _stored(shown: live.Shown, folder: Path) -> tuple[str, dict[str, float], str]:
    begun = time.monotonic()
    try:
        line = live.store(shown, folder)
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        return shown.name, {}, f"{type(error).__name__}: {error}"
    return shown.name, line | {"seconds": time.monotonic() - begun}, ""


def build(names: list[str], site: Path, workers: int, scratch: Path = SCRATCH) -> int:
    """Build the pages of the notes whose names begin so, or of all; return how many explorers failed."""
    begun = time.monotonic()
    notes = [path for path in book.notes() if not names or path.stem.startswith(("00", *names))]
    failed = store(book.explorers(notes), site / "live", workers)
    manifest = json.loads((site / "live" / "manifest.json").read_text())
    book.write_source(notes, scratch / "source", manifest)
    book.build(scratch, site, whole=not names)
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    count = sum(line["states"] for line in manifest.values())
    print(f"site: {len(notes)} pages, {len(manifest)} explorers, {count} states, {size / 1e6:.1f} MB", end="")
    print(f", {time.monotonic() - begun:.0f} s")
    for line in failed:
        print(f"site: failed: {line}", file=sys.stderr)
    return len(failed)


def serve(site: Path, port: int) -> None:
    """Serve the pages on the loopback until Ctrl-C."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"site: http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="tools/pages", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="build the pages")
    building.add_argument("names", nargs="*", help="starts of the notes' file names, such as 01; all if none is given")
    building.add_argument("--workers", type=int, default=2)
    serving = commands.add_parser("serve", help="show the pages on the loopback")
    serving.add_argument("--port", type=int, default=8000)
    for command in (building, serving):
        command.add_argument("--site", type=Path, default=SITE)
    arguments = parser.parse_args()
    if arguments.command == "serve":
        serve(arguments.site, arguments.port)
        return 0
    return 1 if build(arguments.names, arguments.site, arguments.workers) else 0


if __name__ == "__main__":
    sys.exit(main())
