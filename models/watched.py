"""A model whose failed answers in a row are counted, so that somebody may look after it."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from models.chat import ChatModel, Done, Event, Failed, Message, Sampling


class Watched:
    """A `ChatModel` like the one within."""

    def __init__(self, model: ChatModel, failures: int) -> None:
        """`wait_failing` returns after so many `failures` in a row."""
        self._model = model
        self._most = failures
        self._failed = 0
        self._failing = threading.Event()

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> AsyncGenerator[Event, None]:
        async with aclosing(self._model.stream(messages, sampling, seed, conversation)) as events:
            async for event in events:
                self._note(event)
                yield event

    def wait_failing(self) -> None:
        """Wait until answers have failed one after another, or until it is closed; then count anew."""
        self._failing.wait()
        self._failing.clear()
        self._failed = 0

    def close(self) -> None:
        self._model.close()
        self._failing.set()

    def _note(self, event: Event) -> None:
        if isinstance(event, Done):
            self._failed = 0
        elif isinstance(event, Failed):
            self._failed += 1
            if self._failed >= self._most:
                self._failing.set()
