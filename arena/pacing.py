"""Two streams in, one common cadence out, so that speed does not give a model away.

Both sides start together and grow by the same number of characters a tick; whichever side is slower
holds both, also after it has ended, and the end is shown for both at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass

from arena.prompts import visible_text
from models.chat import Done, Event, Failed, Side, Text

TICK_SECONDS = 0.25
SLOWEST = 4  # a model under a quarter of the pace does show, or the other side would take minutes


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

    `chars_per_second` 0 shows whatever is there. A failed side ends the stream, without a frame.
    """

    async def fill() -> None:
        async for side, event in events:
            answers[side].take(event)

    filling = asyncio.create_task(fill())
    clock = asyncio.get_running_loop().time
    start, ticks, release = clock(), 0, _Release(answers, chars_per_second * tick)
    try:
        while True:
            # Frames follow the clock, never the models: the server reports how long each one took.
            ticks = max(ticks + 1, int((clock() - start) / tick))
            await asyncio.sleep(max(0.0, start + ticks * tick - clock()))
            if filling.done():
                filling.result()
            if any(answer.failure for answer in answers.values()):
                return  # before a frame: the side that did not fail must not be seen to go on
            frame = _frame(answers, release.next())
            yield frame
            if frame.complete:
                return
    finally:
        filling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await filling


class _Release:
    """How many characters of both sides may be seen; grows by at most `step` a tick (0: by whatever is there)."""

    def __init__(self, answers: Mapping[Side, Answer], step: float) -> None:
        self._answers = answers
        self._step = step
        self._released = 0
        self._ticks = 0
        self._pace: float | None = None

    def next(self) -> int:
        lengths = {side: len(answer.visible) for side, answer in self._answers.items()}
        running = [lengths[side] for side, answer in self._answers.items() if answer.end is None]
        if not self._step:
            return max(lengths.values())
        limit = min(running) if running else max(lengths.values())
        if self._pace is None and len(running) < len(lengths) and self._released:
            # One side is over: to go faster from now on would say that it was the slow one.
            self._pace = max(self._released / self._ticks, self._step / SLOWEST)
        self._ticks += limit > 0
        step = self._step if self._pace is None else self._pace
        self._released = max(self._released, min(self._released + max(1, round(step)), limit))
        return self._released


def _frame(answers: Mapping[Side, Answer], released: int) -> Frame:
    shown = {side: answer.visible[:released] for side, answer in answers.items()}
    complete = all(answer.end is not None and len(answer.visible) <= released for answer in answers.values())
    return Frame(shown["a"], shown["b"], complete)
