"""How far a long run is: a bar in the terminal, or whatever the caller does with two numbers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

ProgressCallback = Callable[[int, int], object]
"""Called with how much is done and how much there is, such as a notebook's widget updater."""


def progress_bar(console: Console | None = None) -> Progress:
    """The terminal's bar, with a description, a count, the time so far and an estimate of what is left."""
    times = TimeElapsedColumn(), TimeRemainingColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *times)
    return Progress(*columns, console=console)


@contextmanager
def reporting(progress: bool | ProgressCallback, total: int, description: str) -> Iterator[ProgressCallback]:
    """Give the function to call with (done, total): `progress` itself, a terminal's bar if True, silence if False."""
    if callable(progress):
        yield progress
    elif progress:
        with progress_bar() as bar:
            task = bar.add_task(description, total=total)
            yield lambda done, _: bar.update(task, completed=done)
    else:
        yield lambda done, total: None
