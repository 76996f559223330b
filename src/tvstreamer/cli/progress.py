"""A progress bar on standard error, where that is a terminal and rich is installed; nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TextIO

from tvstreamer.protocol.history import HistoryProgress


@contextmanager
def history_bar(what: str, stream: TextIO | None = None) -> Iterator[Callable[[HistoryProgress], None]]:
    """What to call with the progress of a request; the bar is gone when the context ends."""
    out = sys.stderr if stream is None else stream
    if not out.isatty() or find_spec("rich") is None:
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[bars]:,} bars"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(file=out), transient=True) as bar:
        task = bar.add_task(what, total=1.0, bars=0)
        yield lambda progress: bar.update(task, completed=progress.fraction, bars=progress.bars)
