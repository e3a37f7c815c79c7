"""A process that is spoken to in lines of JSON. Whatever it does, nobody who speaks to it is held up."""

from __future__ import annotations

import json
import logging
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

LAST_LINES = 50
CLOSE_SECONDS = 3.0

log = logging.getLogger("paddock.worker")


class Pipes:
    """The process from its start to its end; it ends with its standard input."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._name = name
        self._words: deque[str] = deque(maxlen=LAST_LINES)
        self._outbox: SimpleQueue[Mapping[str, object] | None] = SimpleQueue()
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=folder, env=dict(environment)
        )
        self._hearer = threading.Thread(target=self._hear_words, name=f"stderr {name}", daemon=True)
        self._hearer.start()
        threading.Thread(target=self._write, name=f"stdin {name}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def say(self, message: Mapping[str, object]) -> None:
        """Send one line, in order; one that comes after the process's end is lost."""
        self._outbox.put(message)

    def lines(self) -> Iterator[dict[str, Any]]:
        """What the process says, until it says no more. Raises `ValueError` at a line that is no JSON."""
        for line in self._process.stdout or ():
            if line.endswith(b"\n"):  # a killed process may leave half a line
                yield json.loads(line)

    def wait(self) -> None:
        """Wait until the process has ended and its last words are known."""
        self._process.wait()
        self._hearer.join(1)
        self._outbox.put(None)

    def note(self, words: str) -> None:
        """Add to the process's last words."""
        self._words.append(words)

    def kill(self) -> None:
        """End the process at once, a stopped one too; returns before it has ended."""
        self._process.kill()

    def close(self) -> None:
        """End the process, by force after a few seconds, and wait for it."""
        self._outbox.put(None)
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def ending(self) -> str:
        """How the process ended and its last words, for the log; empty while it runs."""
        code = self._process.poll()
        if code is None:
            return ""
        return f"{f'signal {-code}' if code < 0 else f'exit status {code}'}: {self.last_words}"

    @property
    def last_words(self) -> str:
        return " | ".join(line for line in list(self._words)[-5:] if line) or "it left no words"

    def _write(self) -> None:
        """In a thread of its own: a process that is stopped does not read, and its pipe is full one day."""
        stdin = self._process.stdin
        if stdin is None:
            return
        try:
            while (message := self._outbox.get()) is not None:
                stdin.write(json.dumps(message).encode() + b"\n")
                stdin.flush()
        except OSError as error:  # it is gone; whoever listens fails what runs
            log.debug("%s takes no more requests: %s", self._name, error)
        try:
            stdin.close()
        except OSError as error:
            log.debug("%s: %s", self._name, error)

    def _hear_words(self) -> None:
        for line in self._process.stderr or ():
            self._words.append(line.decode(errors="replace").rstrip())
