"""Answers from a function that runs elsewhere for a while; both questions of a battle go there as one call."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, closing
from contextvars import copy_context
from dataclasses import dataclass

from models.chat import Event, Failed, Message, Notice, Sampling, Text
from models.local.engine import Footprint, Question
from models.spec import ModelSpec

TOGETHER_SECONDS = 0.1  # both sides of a battle are asked within one turn of the event loop
NO_QUOTA = ("ZeroGPU quota exceeded", "ZeroGPU pending credits exceeded")
NO_GPU = ("ZeroGPU queue timeout", "ZeroGPU client error")

log = logging.getLogger("paddock.zerogpu")


@dataclass(frozen=True)
class Ask:
    """A question to the model of this id."""

    spec_id: str
    question: Question


# What comes at one time: the number of an ask, and an event of its answer.
Round = list[tuple[int, Event]]
Task = Callable[[tuple[Ask, ...]], Generator[Round, None, None]]


class Gpu:
    """Asks `task`, in a thread for every call and in the context of who asked first. For any event loop."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._lock = threading.Lock()
        self._open: dict[str, _Call] = {}

    async def answer(self, ask: Ask) -> AsyncGenerator[Event, None]:
        """The events of one answer. Two asks of the same conversation that arrive together share one call."""
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue()

        def deliver(event: Event) -> None:
            try:
                loop.call_soon_threadsafe(events.put_nowait, event)
            except RuntimeError:  # the asker's loop is closed: nobody waits for this answer any more
                log.debug("an answer of %s came too late", ask.spec_id)

        name = ask.question.conversation
        call, number = self._enter(name, ask, deliver)
        timer = loop.call_later(TOGETHER_SECONDS, self._begin, name, call)
        try:
            while True:
                event = await events.get()
                yield event
                if not isinstance(event, Text):
                    return
        finally:
            timer.cancel()
            self._leave(name, call, number)

    def _enter(self, name: str, ask: Ask, deliver: Callable[[Event], None]) -> tuple[_Call, int]:
        """A place in the call that waits for the other side, which begins it, or in a new one."""
        with self._lock:
            call = self._open.pop(name, None)
            full = not name or call is not None
            call = call or _Call(self._task)
            number = call.enter(ask, deliver)
            if not full:
                self._open[name] = call
        if full:
            self._begin(name, call)
        return call, number

    def _begin(self, name: str, call: _Call) -> None:
        with self._lock:
            if call.begun:
                return
            call.begun = True
            self._open.pop(name, None)
        threading.Thread(target=call.context.run, args=(call.run,), name="zerogpu", daemon=True).start()

    def _leave(self, name: str, call: _Call, number: int) -> None:
        with self._lock:
            call.leave(number)
            if self._open.get(name) is call:  # it has not begun, and nobody else is in it
                del self._open[name]


class _Call:
    """One call of the task: what is asked, and who still takes which answer."""

    def __init__(self, task: Task) -> None:
        self.context = copy_context()  # with Gradio's request in it, by which the visitor's quota is known
        self.begun = False
        self._task = task
        self._asks: list[Ask] = []
        self._takers: dict[int, Callable[[Event], None]] = {}
        self._over = 0

    def enter(self, ask: Ask, deliver: Callable[[Event], None]) -> int:
        number = len(self._asks)
        self._asks.append(ask)
        self._takers[number] = deliver
        return number

    def leave(self, number: int) -> None:
        self._takers.pop(number, None)

    def run(self) -> None:
        """To the end, or until nobody listens: closing the stream tells the other process to stop."""
        end = Failed("the GPU was given back before the answer was complete", fault=False)
        try:
            if self._takers:
                self._pass_on()
        except Exception as error:  # the platform's: what goes wrong with an answer is an event of it
            log.warning("no answer from ZeroGPU: %s: %s", _title(error), error)
            end = Failed(f"{_title(error)}: {error}", fault=False, notice=_notice(error))
        for number in list(self._takers):
            self._deliver(number, end)

    def _pass_on(self) -> None:
        with closing(self._task(tuple(self._asks))) as stream:
            for events in stream:
                for number, event in events:
                    self._deliver(number, event)
                if not self._takers and self._over < len(self._asks):
                    return

    def _deliver(self, number: int, event: Event) -> None:
        taker = self._takers.get(number)
        if not isinstance(event, Text):
            self._over += 1
            self.leave(number)
        if taker:
            taker(event)


def _title(error: Exception) -> str:
    """Errors of `spaces` are Gradio's, which have titles."""
    return str(getattr(error, "title", type(error).__name__))


def _notice(error: Exception) -> Notice:
    """What the visitor may be told of it (titles and words as in spaces 0.51, zero/client.py)."""
    if _title(error) in NO_GPU or "No GPU was available" in str(error):
        return "no_gpu"
    return "quota" if _title(error) in NO_QUOTA else ""


class BorrowedModel:
    """One contestant that answers through a `Gpu`, ready as soon as it is made: a `models.residency.Resident`."""

    def __init__(self, spec: ModelSpec, gpu: Gpu, needs: Footprint) -> None:
        self.spec = spec
        self._gpu = gpu
        self._needs = needs
        self._gone = threading.Event()

    @property
    def ending(self) -> str:
        return "it was asked to leave" if self._gone.is_set() else ""

    def wait_needs(self, timeout: float) -> Footprint:  # noqa: ARG002
        return self._needs

    def go(self) -> None:
        """Nothing is left to load."""

    def wait_ready(self, timeout: float) -> Footprint:  # noqa: ARG002
        return self._needs

    def wait_gone(self, timeout: float | None = None) -> bool:
        return self._gone.wait(timeout)

    def end(self) -> None:
        self._gone.set()

    def close(self) -> None:
        self.end()

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> AsyncGenerator[Event, None]:
        if self._gone.is_set():
            yield Failed(f"{self.spec.id} is gone", fault=False)
            return
        ask = Ask(self.spec.id, Question(tuple(messages), sampling, seed, conversation))
        async with aclosing(self._gpu.answer(ask)) as events:
            async for event in events:
                yield event
