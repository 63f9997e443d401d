"""What a reader waits for: a note that opens and runs, the package's import."""

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.side_by_side import amount

import notebooks
from repository import ROOT


@pytest.mark.parametrize("source", notebooks.find([]), ids=lambda source: source.stem)
def test_a_note_runs(source, benchmark):
    code = f"import notebooks, pathlib; notebooks.execute(pathlib.Path({str(source)!r}))"
    peak = 0.0

    def run() -> None:
        nonlocal peak
        with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT / "tools") as process:
            while process.poll() is None:
                for child in psutil.Process(process.pid).children():
                    with contextlib.suppress(OSError, psutil.Error, TypeError):
                        # Not getrusage, whose peak a child inherits.
                        status = Path(f"/proc/{child.pid}/status").read_text()
                        peak = max(peak, int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**20)
                time.sleep(0.05)
        assert process.returncode == 0

    benchmark.pedantic(run, rounds=1)
    amount(benchmark, f"note {source.stem[:2]}, memory of its kernel at the peak", peak, "GB", 1.5)
    amount(benchmark, f"note {source.stem[:2]}, kernel started and all cells run", benchmark.stats.stats.max, "s", 20)


def test_import_without_torch(benchmark):
    def run() -> None:
        code = "import sys, fpnlib; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True)

    def bare() -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", ""], check=True)
        return time.perf_counter() - begin

    benchmark.pedantic(run, rounds=9, warmup_rounds=2)
    more = benchmark.stats.stats.min - min(bare() for _ in range(9))
    amount(benchmark, "`import fpnlib` beyond the start of Python", more, "s", 0.2)


def test_these_run_with_one_thread():
    assert os.environ.get("OMP_NUM_THREADS") == "1", "run `make bench`: the kernels take their threads from there"
