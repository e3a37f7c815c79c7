"""A text that was written before, said again as a model says it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from models.chat import Done, Event, Message, Sampling, Text


class ReplayModel:
    """A `ChatModel` that says one text, whole and at once: nothing of how quickly it was written comes with it.

    Whoever shows it to people paces it. What is asked and how makes no difference.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    async def stream(
        self,
        messages: Sequence[Message],  # noqa: ARG002
        sampling: Sampling,  # noqa: ARG002
        seed: int,  # noqa: ARG002
        conversation: str = "",  # noqa: ARG002
    ) -> AsyncGenerator[Event, None]:
        yield Text(self._text)
        yield Done("stop", None)

    def close(self) -> None:
        """Nothing is held."""
