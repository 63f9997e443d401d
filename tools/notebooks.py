"""Build the saved notebooks from their py:percent sources, check them, or pull an edited one back to its source."""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import jupytext
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.warnings import DuplicateCellId

import notebook_rules as rules
from repository import ROOT, write_if_changed

NOTEBOOKS = ROOT / "notebooks"
_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
}
# Tags are the only metadata of a cell that people edit; no header, so nothing in a source changes with a version.
_TEXT_METADATA = {
    "jupytext": {"notebook_metadata_filter": "-all", "cell_metadata_filter": "tags,-all", "main_language": "python"}
}
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class BuildError(Exception):
    """A cell raised, wrote to stderr, took too long, or lost its kernel."""


def source_of(notebook: Path) -> Path:
    """Return the path of a notebook's py:percent twin."""
    return notebook.parent / "source" / f"{notebook.stem}.py"


def notebook_of(source: Path) -> Path:
    """Return the path of the notebook that a py:percent source is built into."""
    return source.parents[1] / f"{source.stem}.ipynb"


def read_source(source: Path) -> NotebookNode:
    """Read a py:percent file as a notebook of the current format."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DuplicateCellId)  # jupytext's ids are random; `normalise` gives others
        return jupytext.read(source, fmt="py:percent")


def execute(source: Path) -> NotebookNode:
    """Run a source from top to bottom in a fresh kernel of this interpreter and return the notebook.

    Raises:
        BuildError: a cell raised or wrote to stderr; says which and shows the traceback or the text.
    """
    notebook = read_source(source)
    with tempfile.TemporaryDirectory() as scratch:
        # Only this interpreter's own kernel: one that somebody installed under the same name would be another Python.
        kernels = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True),
            transport="ipc",
            ip=f"{scratch}/kernel",
        )
        client = NotebookClient(
            notebook,
            km=kernels,
            timeout=600,
            record_timing=False,
            store_widget_state=False,
            resources={"metadata": {"path": str(source.parents[1])}},
        )
        # One thread, so that sums do not depend on the machine; no personal settings, so that outputs do not either.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "IPYTHONDIR": f"{scratch}/ipython"}
        try:
            client.execute(env=environment, cleanup_kc=True)
        except (CellTimeoutError, DeadKernelError) as error:
            raise BuildError(f"{source.name}: {error}") from error
        except CellExecutionError as error:
            number = next(n for n, cell in enumerate(notebook.cells, 1) if _raised(cell))
            raise BuildError(f"{source.name}, cell {number} raised\n{_COLOURS.sub('', str(error))}") from error
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise BuildError(f"{source.name}, cell {number} wrote to stderr\n{cell.source}\n---\n{output.text}")
    return notebook


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Return a copy without what differs from run to run: widgets, timings, versions, random cell ids."""
    cells, seen = [], set()
    for cell in notebook.cells:
        # An id from the text survives the insertion of other cells; equal texts are counted.
        key = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        repeat = next(n for n in range(len(notebook.cells)) if (key, n) not in seen)
        seen.add((key, repeat))
        tags = cell.metadata.get("tags")
        kept = {
            "cell_type": cell.cell_type,
            "id": f"{key}-{repeat}" if repeat else key,
            "metadata": {"tags": tags} if tags else {},
            "source": cell.source,
        }
        if cell.cell_type == "code":
            kept |= {"execution_count": cell.execution_count, "outputs": _normalised_outputs(cell.outputs)}
        cells.append(kept)
    return nbformat.from_dict({"cells": cells, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5})


def to_bytes(notebook: NotebookNode) -> bytes:
    """Return the one way in which a notebook is written to disk."""
    nbformat.validate(notebook)
    return (nbformat.writes(notebook).rstrip("\n") + "\n").encode()


def build(source: Path) -> bool:
    """Execute a source and write its notebook. Return whether the file changed."""
    return write_if_changed(notebook_of(source), to_bytes(normalise(execute(source))))


def check(path: Path, root: Path = ROOT) -> list[str]:
    """Return every problem of a saved notebook; executes nothing."""
    if not path.exists():
        return ["not built yet: make notebooks"]
    notebook = nbformat.read(path, as_version=4)
    source = source_of(path)
    problems = rules.twin_differences(notebook, read_source(source)) if source.exists() else [f"no source at {source}"]
    for rule in (
        rules.not_executed,
        rules.widget_traces,
        rules.bad_outputs,
        rules.forbidden_constructs,
        rules.pictures_without_alt,
        rules.bad_headings,
        partial(rules.broken_links, folder=path.parent, root=root),
    ):
        problems += rule(notebook)
    problems += rules.too_large(path)
    if not problems and path.read_bytes() != to_bytes(normalise(notebook)):
        problems.append("not as `make notebooks` writes it")
    return problems


def pull(path: Path) -> bool:
    """Write the cells of a notebook, edited in JupyterLab, to its source. Return whether the source changed."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = nbformat.from_dict(_TEXT_METADATA)
    text = jupytext.writes(notebook, fmt="py:percent")
    source = source_of(path)
    # The house's layout of code, without which a pull that brings no news would still change blank lines.
    ruff = [sys.executable, "-m", "ruff", "format", "--quiet", "--config", str(NOTEBOOKS / "source" / "ruff.toml")]
    ruff += ["--stdin-filename", str(source), "-"]
    formatted = subprocess.run(ruff, input=text.encode(), capture_output=True, check=True).stdout
    return write_if_changed(source, formatted)


def find(names: list[str], folder: Path = NOTEBOOKS) -> list[Path]:
    """Return the sources whose file name starts with one of `names`, or all of them, in the book's order.

    Raises:
        ValueError: a name that fits no source.
    """
    sources = sorted((folder / "source").glob("[0-9]*.py"))
    if not names:
        return sources
    for name in names:
        if not any(source.stem.startswith(name) for source in sources):
            raise ValueError(f"name: got {name!r}, allowed: the start of {', '.join(s.stem for s in sources)}")
    return [source for source in sources if source.stem.startswith(tuple(names))]


def _raised(cell: NotebookNode) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", []))


def _normalised_outputs(outputs: list[NotebookNode]) -> list[NotebookNode]:
    kept: list[NotebookNode] = []
    for output in outputs:
        # How a text is cut into messages depends on the machine's load.
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
            continue
        output = nbformat.from_dict(output)
        if "data" in output:
            for kind in rules.WIDGET_TYPES:
                output.data.pop(kind, None)
                output.metadata.pop(kind, None)
        kept.append(output)
    return kept


def _build_all(sources: list[Path]) -> int:
    failed = 0
    for number, source in enumerate(sources, 1):
        print(f"[{number}/{len(sources)}] {source.stem} ", end="", flush=True)
        start = time.monotonic()
        try:
            changed = build(source)
        except BuildError as error:
            failed += 1
            print(f"failed\n{error}", flush=True)
            continue
        size = notebook_of(source).stat().st_size
        verdict = "written" if changed else "unchanged"
        print(f"{verdict}, {size / 1000:.0f} kB, {time.monotonic() - start:.0f} s", flush=True)
    return failed


def _check_all(sources: list[Path]) -> int:
    problems = {source.stem: check(notebook_of(source)) for source in sources}
    for name, found in problems.items():
        for problem in found:
            print(f"{name}: {problem}")
    print(f"{sum(not found for found in problems.values())} of {len(problems)} notebooks are in order")
    return sum(map(len, problems.values()))


def _pull_all(sources: list[Path]) -> int:
    for source in sources:
        changed = pull(notebook_of(source))
        print(f"{source.stem}: {'source written; now run: make notebooks' if changed else 'source unchanged'}")
    return 0


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, action, nargs, text in (
        ("build", _build_all, "*", "execute sources and write their notebooks"),
        ("check", _check_all, "*", "check saved notebooks without executing them"),
        ("pull", _pull_all, "+", "write a notebook's cells to its source, after an edit in JupyterLab"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("names", nargs=nargs, help="starts of file names, such as 01")
        command.set_defaults(action=action)
    arguments = parser.parse_args()
    try:
        sources = find(arguments.names)
    except ValueError as error:
        parser.error(str(error))
    return 1 if arguments.action(sources) else 0


if __name__ == "__main__":
    sys.exit(main())
