"""A model in a process of its own, so that a crash in native code fails two answers and not the arena.

It speaks JSON lines with `models.local.child`. To the child: `load` (first), `go`, `chat`, `cancel`. From it:
`needs`, and after `go` a `ready`, or `broken` instead of either; then per request id any number of `text` and
one `done` or `failed`, and `alive` where nothing else was said for a second. The child ends when its standard
input does, so it never outlives its parent.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from models.chat import Done, Event, Failed, Message, Sampling, Text
from models.energy import Meter, metered
from models.local.engine import Footprint
from models.local.environment import ROOT, child_environment
from models.local.hangs import Hangs
from models.local.pipes import CLOSE_SECONDS, Pipes
from models.spec import ModelSpec

ENGINES: Mapping[str, str] = {
    "llamacpp": "models.local.llamacpp:LlamaCppEngine",
    "transformers": "models.local.transformers:TransformersEngine",
}
STALL_SECONDS = 60.0
CANCEL_SECONDS = 10.0

log = logging.getLogger("paddock.worker")


class LoadFailed(Exception):
    """The model could not be loaded; the message holds the process's last words."""


class LoadRefused(LoadFailed):
    """It can never be loaded as the catalogue has it; the message is a sentence for the admin."""


class WorkerModel:
    """A `ChatModel` whose engine runs in a child process. Works from any event loop of this process."""

    def __init__(
        self,
        spec: ModelSpec,
        weights: Path | None,
        *,
        threads: int = 1,
        slots: int = 4,
        engine: str = "",
        stall: float = STALL_SECONDS,
        cancel: float = CANCEL_SECONDS,
        meter: Meter | None = None,
    ) -> None:
        """Start the process and return at once; it asks what the model needs and loads it after `go`.

        `threads` is CPU threads, `slots` answers at a time (more wait in order). `engine` is `module:class`, by
        default what `ENGINES` says of the spec's engine. The process is killed when it is silent for `stall`
        seconds while it should answer, or has not ended an answer `cancel` seconds after its asker left. `meter`
        counts what answers use on a GPU.
        """
        self.spec = spec
        self.alive = True
        self._meter = meter
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._running: dict[int, Callable[[Event], None]] = {}
        self._hangs = Hangs(stall, cancel)
        self._needs: Footprint | None = None
        self._asked = threading.Event()
        self._settled = threading.Event()
        self._going = self._ready = False
        self._refusal = ""
        self._gone = threading.Event()
        command = [sys.executable, "-P", "-m", "models.local.child"]
        self._pipes = Pipes(spec.id, command, ROOT, child_environment(os.environ))
        self._listener = threading.Thread(target=self._listen, name=f"worker {spec.id}", daemon=True)
        self._listener.start()
        threading.Thread(target=self._watch, name=f"watch {spec.id}", daemon=True).start()
        self._pipes.say(
            {
                "do": "load",
                "engine": engine or ENGINES[spec.engine],
                "spec": spec.model_dump(mode="json"),
                "weights": str(weights.absolute()) if weights else None,
                "threads": threads,
                "slots": slots,
            }
        )

    @property
    def pid(self) -> int:
        return self._pipes.pid

    def wait_needs(self, timeout: float) -> Footprint:
        """What the model will take, before any of it is loaded. Raises as `wait_ready` does."""
        self._wait(self._asked, timeout)
        if self._needs is None:
            raise self._load_failed()
        return self._needs

    def go(self) -> None:
        """Let the process load the model."""
        self._going = True
        self._pipes.say({"do": "go"})

    def wait_ready(self, timeout: float) -> Footprint:
        """Return what the model takes when it can answer; says `go` where nobody has.

        Raises `LoadFailed` when it can't be loaded, or not within `timeout` seconds after `go`; `LoadRefused`
        when trying again would be in vain.
        """
        needs = self.wait_needs(timeout)
        if not self._going:
            self.go()
        self._wait(self._settled, timeout)
        if not self._ready:
            raise self._load_failed()
        return self._needs or needs

    @property
    def ending(self) -> str:
        """How the process ended and its last words, for the log; empty while it runs."""
        return self._pipes.ending

    def wait_gone(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds for the process to end; return whether it has."""
        return self._gone.wait(timeout)

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> AsyncGenerator[Event, None]:
        events = self._events(messages, sampling, seed, conversation)
        on_gpu = self._needs is not None and self._needs.device.startswith("cuda")
        return metered(events, self._meter) if self._meter and on_gpu else events

    async def _events(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str
    ) -> AsyncGenerator[Event, None]:
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue()

        def deliver(event: Event) -> None:
            try:
                loop.call_soon_threadsafe(events.put_nowait, event)
            except RuntimeError:  # the asker's loop is closed: nobody waits for this answer any more
                log.debug("an answer of %s came too late", self.spec.id)

        number = self._enter(deliver)
        if number is None:
            yield Failed(f"the worker of {self.spec.id} is not running: {self._pipes.last_words}", fault=False)
            return
        try:
            texts = [asdict(message) for message in messages]
            asked = {"messages": texts, "sampling": asdict(sampling), "seed": seed, "conversation": conversation}
            self._pipes.say({"do": "chat", "id": number, **asked})
            while True:
                event = await events.get()
                yield event
                if not isinstance(event, Text):
                    return
        finally:
            if self._leave(number):
                self._pipes.say({"do": "cancel", "id": number})

    def end(self) -> None:
        """End the process by force and return at once; `wait_gone` tells when it is over."""
        self._pipes.kill()

    def close(self) -> None:
        """End the process, by force after a few seconds; running answers fail."""
        self._pipes.close()
        if threading.current_thread() is not self._listener:
            self._listener.join(CLOSE_SECONDS)

    def _wait(self, event: threading.Event, timeout: float) -> None:
        if not event.wait(timeout):
            self.close()
            raise LoadFailed(f"{self.spec.name} was not loaded within {timeout:.0f} s.")

    def _load_failed(self) -> LoadFailed:
        self._gone.wait(CLOSE_SECONDS)
        if self._refusal:
            return LoadRefused(self._refusal)
        return LoadFailed(f"{self.spec.name} could not be loaded: {self._pipes.last_words}")

    def _enter(self, deliver: Callable[[Event], None]) -> int | None:
        with self._lock:
            if not (self.alive and self._ready):
                return None
            number = next(self._ids)
            self._running[number] = deliver
            return number

    def _leave(self, number: int) -> bool:
        with self._lock:
            still = self._running.pop(number, None) is not None
            if still:
                self._hangs.leave(number)
            return still

    def _listen(self) -> None:
        try:
            for said in self._pipes.lines():
                self._hangs.hear()
                self._take(said)
        except Exception as error:  # a line that nobody understands: what follows can't be trusted either
            log.exception("%s breaks the protocol and is ended", self.spec.name)
            self._pipes.note(f"it broke the protocol ({type(error).__name__}: {error})")
            self._pipes.kill()
        finally:
            self._pipes.wait()
            with self._lock:
                self.alive = False
                running, self._running = self._running, {}
            self._asked.set()
            self._settled.set()
            for deliver in running.values():
                deliver(Failed(f"the worker of {self.spec.id} ended ({self.ending})", fault=False))
            self._gone.set()

    def _take(self, said: Mapping[str, Any]) -> None:
        match said["event"]:
            case "needs":
                self._needs = Footprint(said["device"], said["bytes"], said["capacity"])
                self._asked.set()
            case "ready":
                if self._needs and said["bytes"]:  # an estimate may still come true: a cache fills up later
                    self._needs = replace(self._needs, bytes=max(self._needs.bytes, said["bytes"]))
                self._ready = True
                self._settled.set()
            case "broken":
                self._refusal = said["refusal"]
                self._pipes.note(said["detail"])
            case "text":
                if deliver := self._running.get(said["id"]):
                    deliver(Text(said["text"]))
            case "done" | "failed":
                self._finish(said)
            case event if event != "alive":
                raise ValueError(f"unknown event {event!r}")

    def _finish(self, said: Mapping[str, Any]) -> None:
        end = _end(said)
        with self._lock:
            deliver = self._running.pop(said["id"], None)
            self._hangs.end(said["id"])
        if deliver:
            deliver(end)

    def _watch(self) -> None:
        """Kill a process that hangs."""
        while not self._gone.wait(self._hangs.tick):
            with self._lock:
                why = self._hangs.pass_tick(busy=bool(self._running))
            if why:
                log.warning("%s hangs and is ended: %s", self.spec.name, why)
                self._pipes.note(why)
                self._pipes.kill()
                return


def _end(said: Mapping[str, Any]) -> Done | Failed:
    if said["event"] == "failed":
        return Failed(said["detail"], said["fault"])
    return Done(said["reason"], said["tokens"], said["prompt_tokens"])
