"""How tests are spread over workers, and that a run ends whatever they do, and leaves nothing running.

A test's own limits are in pyproject.toml. What is here concerns the process that hands out the tests (`-n 2`).
"""

import contextlib
import ctypes
import re
import signal
import sys
import threading
from collections.abc import Iterable

import psutil
import pytest
from xdist.dsession import DSession
from xdist.scheduler import LoadFileScheduling

PR_SET_PDEATHSIG = 1  # Linux: the signal that a process gets when its parent ends


class LoadFileAndNoteScheduling(LoadFileScheduling):
    """A file is one worker's; of the browser's tests, each note is."""

    def _split_scope(self, nodeid: str) -> str:
        note = re.match(r"tests/browser/.+(\[.+\])$", nodeid)
        return super()._split_scope(nodeid) + (note[1] if note else "")


def pytest_xdist_make_scheduler(config, log):
    """Spread by the above under `--dist loadfile`."""
    return LoadFileAndNoteScheduling(config, log) if config.getoption("dist") == "loadfile" else None


def controller(config: pytest.Config) -> DSession | None:
    """xdist's own part of the process that hands out the tests; None in its workers, and without workers."""
    return config.pluginmanager.getplugin("dsession")


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill those that are still there."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def pytest_configure(config):
    """Let a worker end with the process that hands out the tests, even amid a loop that hears of nothing."""
    if hasattr(config, "workerinput") and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def pytest_sessionstart(session):
    """Set the last limit: a worker that hangs while it collects or cleans up has no other."""
    if controller(session.config):
        seconds = sum(float(session.config.getini(name)) for name in ("session_timeout", "faulthandler_timeout"))
        last = threading.Timer(seconds, lambda: kill(psutil.Process().children()))
        last.daemon = True
        last.start()
        session.config.add_cleanup(last.cancel)


def pytest_testnodedown(node, error):
    """End the run when a worker dies. xdist would wait without end for the rest of the file that the worker had."""
    if error:
        run = controller(node.config)
        crashed = run.sched.remove_node(node) if node in run.sched.nodes else None
        if crashed:
            run.handle_crashitem(crashed, node)
        pytest.exit(f"worker {node.gateway.id} died", returncode=1)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """End the kernels, servers and browsers that outlived their worker: they inherited its mark of this run."""
    run = controller(config)
    if run and run.nodemanager:
        mark = run.nodemanager.testrunuid
        started = psutil.process_iter(["environ"])
        kill(one for one in started if (one.info["environ"] or {}).get("PYTEST_XDIST_TESTRUNUID") == mark)
