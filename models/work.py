"""Many tasks, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def work_through(
    tasks: Iterable[T],
    do: Callable[[T], Awaitable[None]],
    parallel: int,
    enough: tuple[type[Exception], ...] = (),
) -> None:
    """Do every task, at most `parallel` at once and in their order.

    Raises what the first task to fail raises, and no further one is begun then. Those under way are cancelled, as
    they are when this itself is (Ctrl-C); where the failure is one of `enough`, they end first: what they do is paid
    for. Returns or raises only after all have ended.
    """
    waiting = iter(tasks)
    ended: list[Exception] = []

    async def work() -> None:
        for task in waiting:
            try:
                await do(task)
            except enough as end:
                ended.append(end)
            if ended:
                return

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(parallel):
                group.create_task(work())
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    if ended:
        raise ended[0]
