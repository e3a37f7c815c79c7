"""Heavy reading beside voters: a few at a time in threads of their own, the others in line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from arena.gate import Busy

T = TypeVar("T")

BUSY = "Others are being served; please try again in a moment."
UNREADABLE = "The votes can't be read now; please try again later."


class Desk:
    """Serves `places` at once and lets `waiting` more wait. For one event loop, whose own threads votes need."""

    def __init__(self, places: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(places, thread_name_prefix="desk")
        self._most = places + waiting
        self._inside = 0

    async def serve(self, work: Callable[[], T]) -> T:
        """What `work` returns. Raises `Busy` where the line is full, and whatever `work` raises."""
        if self._inside >= self._most:
            raise Busy
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._inside -= 1
