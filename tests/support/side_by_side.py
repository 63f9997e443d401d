"""Comparing speed: calls timed in turns within one run, and a record of each comparison for the README's table."""

import gc
import time
from collections.abc import Callable
from typing import Any


def least_seconds(
    *calls: Callable[[], object], rounds: int = 5, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Return each call's least time. They take turns, so that a busy moment meets all; the first round is not timed."""
    taken: list[list[float]] = [[] for _ in calls]
    for round in range(rounds + 1):
        for call, seconds in zip(calls, taken, strict=True):
            gc.collect()
            begin = clock()
            call()
            if round:
                seconds.append(clock() - begin)
    return [min(seconds) for seconds in taken]


def compare(benchmark: Any, what: str, beside: str, ratio: float, at_least: float) -> None:
    """Record that `what` is `ratio` times as fast as `beside`, and ask for `at_least`."""
    row = {"what": what, "beside": beside, "ratio": ratio, "at_least": at_least}
    benchmark.extra_info.setdefault("comparisons", []).append(row)
    assert ratio >= at_least, f"{what}: {ratio:.2f} times as fast as {beside}, {at_least:g} asked"


def amount(benchmark: Any, what: str, value: float, unit: str, at_most: float) -> None:
    """Record an amount that DESIGN.md limits, and ask that it is `at_most` so large."""
    row = {"what": what, "value": value, "unit": unit, "at_most": at_most}
    benchmark.extra_info.setdefault("amounts", []).append(row)
    assert value <= at_most, f"{what}: {value:.3g} {unit}, at most {at_most:g} {unit} asked"
