"""One function over many cells, here or on other processes or machines, through joblib."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import joblib

from fpnlib.training.progress import ProgressCallback, reporting
from fpnlib.validation import require, require_choice

BACKENDS = ("sequential", "loky", "threading", "dask")

Cell = TypeVar("Cell")
Outcome = TypeVar("Outcome")


def sweep(
    function: Callable[[Cell], Outcome],
    cells: Iterable[Cell],
    *,
    backend: str = "sequential",
    scheduler: str | None = None,
    progress: bool | ProgressCallback = False,
) -> list[Outcome]:
    """Return `[function(cell) for cell in cells]`, computed on all workers of the backend.

    Args:
        function: called with one cell.
        cells: what differs between the calls, such as a dict of settings.
        backend: "sequential", "loky" (processes), "threading", or "dask".
        scheduler: for "dask" a scheduler's address; by default the current client's, else DASK_SCHEDULER_ADDRESS.
        progress: True for a bar in the terminal, or a function of (done, total); outcomes arrive in order.

    Errors: ValueError for an unknown backend, for "dask" without a scheduler or without `distributed`. An error in
    the function is the caller's.
    """
    require_choice("backend", backend, BACKENDS)
    cells = list(cells)
    outcomes: list[Outcome] = []
    with (
        cluster(backend, scheduler),
        joblib.parallel_config(backend=backend),
        reporting(progress, len(cells), "sweep") as report,
    ):
        for outcome in joblib.Parallel(n_jobs=-1, return_as="generator")(map(joblib.delayed(function), cells)):
            outcomes.append(outcome)
            report(len(outcomes), len(cells))
    return outcomes


@contextmanager
def cluster(backend: str, scheduler: str | None = None) -> Iterator[None]:
    """Hold the connection that the backend needs: for "dask" a client, kept if there is one; else nothing."""
    require_choice("backend", backend, BACKENDS)
    if backend != "dask":
        yield
        return
    try:
        from distributed import Client, default_client
    except ImportError as error:
        raise ValueError("backend: got 'dask', allowed: only where `distributed` is installed") from error
    if scheduler is None:
        try:
            default_client()
        except ValueError:
            scheduler = os.environ.get("DASK_SCHEDULER_ADDRESS")
            require(
                bool(scheduler),
                "scheduler",
                repr(scheduler),
                "a Dask scheduler's address, here or in the environment variable DASK_SCHEDULER_ADDRESS",
            )
        else:
            yield
            return
    with Client(scheduler):
        yield
