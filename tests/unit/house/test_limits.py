"""A run ends within its limits whatever a test does: red, with the test's name, and with nothing left running."""

import contextlib
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import psutil
import pytest

from repository import ROOT

# A loop in C that hears no signal and lets no other thread of Python speak.
C_LOOP = "import collections, itertools; collections.deque(itertools.repeat(0), maxlen=0)"
NEXT = "\n\ndef test_next(): pass\n"
# Like a kernel, what this starts has a session of its own and does not see that its parent has ended.
DIES = """
import os, subprocess, sys

def test_dies():
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
    open("pid", "w").write(str(started.pid))
    os.abort()
"""


def start_planted(folder: Path, files: dict[str, str], **limits: float) -> subprocess.Popen[str]:
    """Start these tests with two workers and the project's options; `limits` replace its own, in seconds."""
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-n", "2", "-c", ROOT / "pyproject.toml", "--rootdir", folder, folder]
    # Only the plugins that the options name: to import the others takes longer than these runs last.
    command += ["-p", "no:cacheprovider", "-p", "xdist", "-p", "pytest_timeout", "-p", "pytest_benchmark.plugin"]
    command += [f"--override-ini={name}={seconds}" for name, seconds in limits.items()]
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.Popen(command, cwd=folder, env=alone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run_planted(folder: Path, files: dict[str, str], **limits: float) -> tuple[int, str]:
    """Run these tests to the end; return the exit status and what was said. More than a minute is an error."""
    with start_planted(folder, files, **limits) as run:
        try:
            said, _ = run.communicate(timeout=60)
        finally:
            run.kill()
    print(said)
    return run.returncode, said


def test_the_limits_are_set():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert 0 < options["timeout"] < options["faulthandler_timeout"] < options["session_timeout"]
    assert options["faulthandler_exit_on_timeout"] is True


def test_a_loop_fails_and_a_loop_in_c_ends_the_run(tmp_path):
    files = {"python": "def test_loop():\n    while True: pass", "c": f"def test_loop():\n    {C_LOOP}"}
    planted = {f"test_{name}.py": text + NEXT for name, text in files.items()}
    status, said = run_planted(tmp_path, planted, timeout=1, faulthandler_timeout=6)
    assert status == 1
    assert "FAILED test_python.py::test_loop - Failed: Timeout" in said
    assert "FAILED test_c.py::test_loop - worker" in said
    assert "2 failed, 1 passed" in said


def test_a_dead_worker_ends_the_run_and_leaves_nothing(tmp_path):
    status, said = run_planted(tmp_path, {"test_dead.py": DIES + NEXT, "test_alive.py": NEXT})
    assert status == 1
    assert "FAILED test_dead.py::test_dies - worker" in said
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int((tmp_path / "pid").read_text())).wait(timeout=5)


@pytest.mark.parametrize(
    ("planted", "limit", "reason"),
    [
        ("import os; os.abort()", 30, "died"),
        (C_LOOP, 2, "died"),
        ("import time\n\ndef test_long(): time.sleep(2)" + NEXT, 30, "session-timeout"),
    ],
    ids=["dead while collecting", "a loop while collecting", "many tests"],
)
def test_the_run_ends(planted, limit, reason, tmp_path):
    status, said = run_planted(tmp_path, {"test_it.py": planted}, session_timeout=1, faulthandler_timeout=limit)
    assert status != 0
    assert reason in said


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process end with its parent")
def test_workers_end_with_the_process_that_hands_out_the_tests(tmp_path):
    loops = f"import os\n\ndef test_loop():\n    open('pid', 'w').write(str(os.getpid()))\n    {C_LOOP}"
    with start_planted(tmp_path, {"test_loop.py": loops}) as run:
        end = time.monotonic() + 60
        while not (text := (tmp_path / "pid").read_text() if (tmp_path / "pid").exists() else ""):
            assert time.monotonic() < end
            time.sleep(0.1)
        worker = psutil.Process(int(text))
        run.kill()
        worker.wait(timeout=5)
