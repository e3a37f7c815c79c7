"""Streams on their way from the event that began them to the event that shows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from arena.gate import Waiting
from arena.view import View

# The next event comes at once; who has closed the page in between never takes its stream.
PATIENCE_SECONDS = 10.0

Stream = AsyncGenerator[View | Waiting, None]


class Handover:
    """At most one stream a voter, left by one event and taken by the next; for one event loop."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._left: dict[str | None, tuple[str, Stream, asyncio.Task[None]]] = {}

    def leave(self, voter: str | None, battle_id: str, stream: Stream) -> None:
        """Keep a stream for `take`; it is closed, and its battle stopped, when nobody comes."""
        self._left[voter] = (battle_id, stream, asyncio.create_task(self._expire(voter)))

    def take(self, voter: str | None, battle_id: str | None) -> Stream | None:
        """The stream of this voter's battle, once."""
        if voter not in self._left or self._left[voter][0] != battle_id:
            return None
        _, stream, expiry = self._left.pop(voter)
        expiry.cancel()
        return stream

    async def drop(self, voter: str | None) -> None:
        """Close what was left for this voter, if anything."""
        if voter in self._left:
            _, stream, expiry = self._left.pop(voter)
            expiry.cancel()
            await stream.aclose()

    async def _expire(self, voter: str | None) -> None:
        try:
            await asyncio.sleep(self._patience)
        finally:  # when the server ends, too
            if voter in self._left and self._left[voter][2] is asyncio.current_task():
                _, stream, _ = self._left.pop(voter)
                await stream.aclose()
