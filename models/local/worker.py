"""A model in a process of its own, so that a crash in native code fails two answers and not the arena.

It speaks JSON lines with `models.local.child`. To the child: `load` (first), `chat`, `cancel`. From it:
`ready` or `broken` once, then per request id any number of `text` and one `done` or `failed`. The child
ends when its standard input does, so it never outlives its parent.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.catalog import ModelSpec
from models.chat import Done, Event, Failed, Message, Sampling, Text

ROOT = Path(__file__).parents[2]
ENGINES: Mapping[str, str] = {
    "llamacpp": "models.local.llamacpp:LlamaCppEngine",
    "transformers": "models.local.transformers:TransformersEngine",
}
LAST_LINES = 50
CLOSE_SECONDS = 3.0

log = logging.getLogger("paddock.worker")


class LoadFailed(Exception):
    """The model could not be loaded; the message holds the process's last words."""


class WorkerModel:
    """A `ChatModel` whose engine runs in a child process. Works from any event loop of this process."""

    def __init__(
        self, spec: ModelSpec, weights: Path | None, *, threads: int = 1, slots: int = 4, engine: str = ""
    ) -> None:
        """Start the process and return at once; `wait_ready` waits for the weights.

        `threads` is CPU threads, `slots` answers at a time (more wait in order). `engine` is
        `module:class`, by default what `ENGINES` says of the spec's engine.
        """
        self.spec = spec
        self.alive = True
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._ids = itertools.count(1)
        self._running: dict[int, Callable[[Event], None]] = {}
        self._settled = threading.Event()
        self._ready = False
        self._gone = threading.Event()
        self._words: deque[str] = deque(maxlen=LAST_LINES)
        self._process = _start()
        self._listener = threading.Thread(target=self._listen, name=f"worker {spec.id}", daemon=True)
        self._hearer = threading.Thread(target=self._hear_words, name=f"stderr {spec.id}", daemon=True)
        self._listener.start()
        self._hearer.start()
        self._send(
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
        return self._process.pid

    def wait_ready(self, timeout: float) -> None:
        """Return when the model can answer. Raises `LoadFailed` when it can't, or after `timeout` seconds."""
        if not self._settled.wait(timeout):
            self.close()
            raise LoadFailed(f"{self.spec.name} was not loaded within {timeout:.0f} s.")
        if not self._ready:
            self._gone.wait(CLOSE_SECONDS)
            raise LoadFailed(f"{self.spec.name} could not be loaded: {self._last_words()}")

    @property
    def ending(self) -> str:
        """How the process ended and its last words, for the log; empty while it runs."""
        code = self._process.poll()
        return "" if code is None else f"{_ending(code)}: {self._last_words()}"

    def wait_gone(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds for the process to end; return whether it has."""
        return self._gone.wait(timeout)

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
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
            yield Failed(f"the worker of {self.spec.id} is not running: {self._last_words()}")
            return
        try:
            texts = [asdict(message) for message in messages]
            asked = {"messages": texts, "sampling": asdict(sampling), "seed": seed, "conversation": conversation}
            self._send({"do": "chat", "id": number, **asked})
            while True:
                event = await events.get()
                yield event
                if not isinstance(event, Text):
                    return
        finally:
            if self._leave(number):
                self._send({"do": "cancel", "id": number})

    def close(self) -> None:
        """End the process, by force after a few seconds; running answers fail."""
        try:
            if self._process.stdin:
                self._process.stdin.close()
        except OSError as error:
            log.debug("worker %s: %s", self.spec.id, error)
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if threading.current_thread() is not self._listener:
            self._listener.join(CLOSE_SECONDS)

    def _enter(self, deliver: Callable[[Event], None]) -> int | None:
        with self._lock:
            if not (self.alive and self._ready):
                return None
            number = next(self._ids)
            self._running[number] = deliver
            return number

    def _leave(self, number: int) -> bool:
        with self._lock:
            return self._running.pop(number, None) is not None

    def _send(self, request: Mapping[str, object]) -> None:
        line = json.dumps(request).encode() + b"\n"
        stdin = self._process.stdin
        try:
            with self._writing:
                if stdin:
                    stdin.write(line)
                    stdin.flush()
        except (OSError, ValueError) as error:  # the child is gone; the listener fails what runs
            log.debug("worker %s takes no more requests: %s", self.spec.id, error)

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            if line.endswith(b"\n"):  # a killed child may leave half a line
                self._take(json.loads(line))
        self._process.wait()
        self._hearer.join(1)
        with self._lock:
            self.alive = False
            running, self._running = self._running, {}
        self._settled.set()
        for deliver in running.values():
            deliver(Failed(f"the worker of {self.spec.id} ended ({self.ending})"))
        self._gone.set()

    def _take(self, said: Mapping[str, Any]) -> None:
        match said["event"]:
            case "ready":
                self._ready = True
                self._settled.set()
            case "broken":
                self._words.append(said["detail"])
            case "text":
                if deliver := self._running.get(said["id"]):
                    deliver(Text(said["text"]))
            case "done" | "failed":
                with self._lock:
                    deliver = self._running.pop(said["id"], None)
                if deliver:
                    done = said["event"] == "done"
                    deliver(
                        Done(said["reason"], said["tokens"], said["prompt_tokens"]) if done else Failed(said["detail"])
                    )

    def _hear_words(self) -> None:
        for line in self._process.stderr or ():
            self._words.append(line.decode(errors="replace").rstrip())

    def _last_words(self) -> str:
        return " | ".join(line for line in list(self._words)[-5:] if line) or "it left no words"


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a child may know: no secrets, and where `models` is, wherever the parent was started."""
    kept = {name: value for name, value in environment.items() if not _is_secret(name.upper())}
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH", "")]))
    return kept


def _is_secret(name: str) -> bool:
    endings = ("KEY", "TOKEN", "SECRET", "PASSWORD", "_URL", "_DSN")
    return name.startswith("ARENA_") or name.endswith(endings)


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "models.local.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=child_environment(os.environ),
    )


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
