"""A model whose failed answers in a row are counted, so that somebody may look after it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from models.chat import ChatModel, Done, Event, Failed, Message, Sampling


class Record:
    """How a contestant's last answers went; it outlives processes and pauses, only an answer that succeeds clears it.

    `failed` counts answers in a row, `outages` how often the model left the draw for them since the last success.
    """

    def __init__(self, most: int) -> None:
        """`most` failures in a row are one too many."""
        self.most = most
        self.failed = 0
        self.outages = 0


class Watched:
    """A `ChatModel` like the one within, for one stay in the draw. `failure` is why its last answer failed, at its end.

    Who leaves an answer early says nothing about the model; nor does a `Failed` without `fault`.
    """

    def __init__(self, model: ChatModel, record: Record, end: Callable[[], None]) -> None:
        """`end` is called when too many answers in a row have failed, and when this is closed; it must not wait."""
        self.model = model
        self.failure = ""
        self._record = record
        self._end = end

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> AsyncGenerator[Event, None]:
        async with aclosing(self.model.stream(messages, sampling, seed, conversation)) as events:
            async for event in events:
                self._note(event)
                yield event

    def close(self) -> None:
        self.model.close()
        self._end()

    def _note(self, event: Event) -> None:
        if isinstance(event, Done):
            self._record.failed = self._record.outages = 0
        elif isinstance(event, Failed) and event.fault and not self.failure:
            self._record.failed += 1
            if self._record.failed >= self._record.most:
                self._record.outages += 1
                self.failure = event.detail or "it does not say why"
                self._end()
