"""A run ends within its limits whatever a test does: red, with the test's name, and with nothing left running."""

import contextlib
import tomllib

import psutil
import pytest
from support.planted import run_planted

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
