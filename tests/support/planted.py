"""A run of planted tests in a process of its own, with the project's options and two workers."""

import os
import subprocess
import sys
from pathlib import Path

from repository import ROOT


def run_planted(folder: Path, files: dict[str, str], *, within: float = 60, **limits: float) -> tuple[int, str]:
    """Write the files, run their tests, and return the exit status and what was said.

    `limits` replace those of pyproject.toml; they and `within`, which the whole may take, are seconds.
    """
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-n", "2", "-c", ROOT / "pyproject.toml", "--rootdir", folder, folder]
    # Only the plugins that the options name: to import the others takes longer than these runs last.
    command += ["-p", "no:cacheprovider", "-p", "xdist", "-p", "pytest_timeout", "-p", "pytest_benchmark.plugin"]
    command += [f"--override-ini={name}={seconds}" for name, seconds in limits.items()]
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=alone, capture_output=True, text=True, timeout=within)
    print(done.stdout, done.stderr)
    return done.returncode, done.stdout
