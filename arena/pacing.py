"""Two streams in, one common cadence out, so that speed does not give a model away.

Both sides start together and grow by the same number of characters a tick; whichever side is slower
holds both, and the end is shown for both at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass

from arena.prompts import visible_text
from models.chat import Done, Event, Failed, Side, Text

TICK_SECONDS = 0.25


@dataclass(frozen=True)
class Frame:
    """What both panes show at one tick. `complete`: both answers are over and shown in full."""

    a: str
    b: str
    complete: bool


class Answer:
    """One side of a turn as it arrives."""

    def __init__(self) -> None:
        self.raw = ""
        self.end: Done | Failed | None = None

    def take(self, event: Event) -> None:
        if isinstance(event, Text):
            self.raw += event.text
        else:
            self.end = event

    @property
    def visible(self) -> str:
        return visible_text(self.raw, complete=self.end is not None)

    @property
    def failure(self) -> str | None:
        """Why this side can't be voted on, or None; an answer of nothing is a failure too."""
        if isinstance(self.end, Failed):
            return self.end.detail
        return "the model answered nothing" if self.end and not self.visible.strip() else None


async def pace(
    events: AsyncIterator[tuple[Side, Event]],
    answers: Mapping[Side, Answer],
    chars_per_second: float,
    tick: float = TICK_SECONDS,
) -> AsyncGenerator[Frame, None]:
    """Fill `answers` from `events` and yield a frame every `tick` seconds, the last one complete.

    `chars_per_second` 0 shows whatever is there. A failed side ends the stream at the next tick.
    """

    async def fill() -> None:
        async for side, event in events:
            answers[side].take(event)

    filling = asyncio.create_task(fill())
    clock = asyncio.get_running_loop().time
    start, ticks, released = clock(), 0, 0
    try:
        while True:
            # Frames follow the clock, never the models: the server reports how long each one took.
            ticks = max(ticks + 1, int((clock() - start) / tick))
            await asyncio.sleep(max(0.0, start + ticks * tick - clock()))
            if filling.done():
                filling.result()
            released = _release(answers, released, chars_per_second * tick)
            frame = _frame(answers, released)
            yield frame
            if frame.complete or any(answer.failure for answer in answers.values()):
                return
    finally:
        filling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await filling


def _release(answers: Mapping[Side, Answer], released: int, step: float) -> int:
    """The number of characters both sides may show now; never less than before."""
    lengths = {side: len(answer.visible) for side, answer in answers.items()}
    if not step:
        return max(lengths.values())
    running = [lengths[side] for side, answer in answers.items() if answer.end is None]
    limit = min(running) if running else max(lengths.values())
    return max(released, min(released + max(1, round(step)), limit))


def _frame(answers: Mapping[Side, Answer], released: int) -> Frame:
    shown = {side: answer.visible[:released] for side, answer in answers.items()}
    complete = all(answer.end is not None and len(answer.visible) <= released for answer in answers.values())
    return Frame(shown["a"], shown["b"], complete)
