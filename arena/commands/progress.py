"""A bar for whoever waits at a screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def bar(what: str) -> Iterator[Callable[[float], None]]:
    """Show how much is done: call what it gives with the share, 0 to 1. Nothing is shown where nobody looks."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=1.0)
        yield lambda share: progress.update(task, completed=share)
