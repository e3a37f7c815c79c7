"""Two streams in, one common cadence out, so that speed does not give a model away.

Both sides start together at a whole beat and grow by the same number of characters a tick, also after one of them
has ended; the end is shown for both at once. Where a side falls behind, both wait for a whole beat and go on at half
the speed: what shows of a model is on which beat, never its own times. For a passage that is held back until it is
known to name nobody both wait for a beat too, but go on as fast as before: that is no model's slowness.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass

from arena.identity import Names, Screen
from arena.prompts import visible_text
from models.chat import Done, Event, Failed, Side, Text

TICK_SECONDS = 0.25
BEAT_TICKS = 4  # text begins, and goes on after a wait, at every fourth tick alone
SLOWEST = 4  # a model under a quarter of the pace does show, or the other side would take minutes


@dataclass(frozen=True)
class Frame:
    """What both panes show at one tick. `complete`: both answers are over and shown in full."""

    a: str
    b: str
    complete: bool


class Answer:
    """One side of a turn as it arrives; with `names` it is shown without those by which it says who gives it."""

    def __init__(self, names: Names | None = None) -> None:
        self.raw = ""
        self.end: Done | Failed | None = None
        self._screen = Screen(names) if names else None
        self._seen = (0, False)
        self._shown = ("", 0)

    def take(self, event: Event) -> None:
        if isinstance(event, Text):
            self.raw += event.text
        else:
            self.end = event

    @property
    def visible(self) -> str:
        return self._look()[0]

    @property
    def written(self) -> int:
        """Characters of it with those that are still held back; names count as the model wrote them."""
        return self._look()[1]

    def _look(self) -> tuple[str, int]:
        seen = len(self.raw), self.end is not None
        if self._seen != seen:
            text = visible_text(self.raw, complete=seen[1])
            shown = self._screen.show(text, complete=seen[1]) if self._screen else text
            self._seen, self._shown = seen, (shown, len(text))
        return self._shown

    @property
    def told(self) -> bool:
        """Whether what is shown of it so far would have said who gives it."""
        return bool(self.visible and self._screen and self._screen.told)

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
    earliest: float = 0,
) -> AsyncGenerator[Frame, None]:
    """Fill `answers` from `events` and yield a frame every `tick` seconds, the last one complete.

    No text is shown before the first beat at `earliest` seconds or later. `chars_per_second` 0 shows whatever is
    there, whenever. A failed side ends the stream, without a frame.
    """

    async def fill() -> None:
        async for side, event in events:
            answers[side].take(event)

    filling = asyncio.create_task(fill())
    clock = asyncio.get_running_loop().time
    start, ticks, release = clock(), 0, _Release(answers, chars_per_second * tick, earliest / tick)
    try:
        while True:
            # Frames follow the clock, never the models: the server reports how long each one took.
            ticks = max(ticks + 1, int((clock() - start) / tick))
            await asyncio.sleep(max(0.0, start + ticks * tick - clock()))
            if filling.done():
                filling.result()
            if any(answer.failure for answer in answers.values()):
                return  # before a frame: the side that did not fail must not be seen to go on
            frame = _frame(answers, release.at(ticks))
            yield frame
            if frame.complete:
                return
    finally:
        filling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await filling


class _Release:
    """How many characters of both sides may be seen; grows by at most `step` a tick (0: by whatever is there)."""

    def __init__(self, answers: Mapping[Side, Answer], step: float, earliest: float) -> None:
        """`earliest` is the first tick at which text may begin."""
        self._answers = answers
        self._step = step
        self._least = step / SLOWEST
        self._earliest = earliest
        self._released = 0.0
        self._flowing = False
        self._began = 0
        self._both_run = True

    def at(self, tick: int) -> int:
        lengths = {side: len(answer.visible) for side, answer in self._answers.items()}
        if not self._step:
            return max(lengths.values())
        running = [side for side, answer in self._answers.items() if answer.end is None]
        there = min(lengths[side] for side in running) if running else max(lengths.values())
        self._slow_down(tick, one_is_over=len(running) < len(lengths))
        wanted = self._released + max(1.0, self._step)
        if not self._flowing and tick % BEAT_TICKS == 0 and tick >= self._earliest:
            self._flowing = there >= wanted or not running
            self._began = self._began or tick * self._flowing
        elif self._flowing and running and there < wanted:
            self._flowing = False
            # What only the screen holds back depends on the text alone: no model is slow for it.
            if min(self._answers[side].written for side in running) < wanted:
                self._step = max(self._step / 2, self._least)
        if self._flowing:
            self._released = max(self._released, min(wanted, there))
        return round(self._released)

    def _slow_down(self, tick: int, *, one_is_over: bool) -> None:
        """Once one side is over: to go on faster than so far would say that it was the slow one."""
        if one_is_over and self._both_run and self._released:
            self._both_run = False
            self._step = max(min(self._step, self._released / (tick - self._began)), self._least)


def _frame(answers: Mapping[Side, Answer], released: int) -> Frame:
    shown = {side: answer.visible[:released] for side, answer in answers.items()}
    complete = all(answer.end is not None and len(answer.visible) <= released for answer in answers.values())
    return Frame(shown["a"], shown["b"], complete)
