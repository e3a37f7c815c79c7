"""The child's side of `models.local.worker`: a program that loads one engine and answers over its pipes."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from models.chat import Done, Failed, Message, Sampling
from models.local.engine import Engine, Footprint, Question, Unusable
from models.spec import ModelSpec

# Asked at every step of an answer, `stopped` says so to the parent where nothing else was said for so long.
ALIVE_SECONDS = 1.0
# Of 1000: under pressure the kernel ends the process with the most memory and points, so an engine, not the arena.
FIRST_TO_GO = 500


class Child:
    def __init__(self, protocol: int) -> None:
        self._protocol = protocol
        self._writing = threading.Lock()
        self._spoke = time.monotonic()
        self._engine: Engine | None = None
        self._go = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._asked: dict[int, tuple[threading.Event, Future[None]]] = {}

    def take(self, request: Mapping[str, Any]) -> None:
        match request["do"]:
            case "load":
                self._pool = ThreadPoolExecutor(request["slots"])
                self._pool.submit(self._load, request)
            case "go":
                self._go.set()
            case "chat":
                cancelled = threading.Event()
                future = self._pool.submit(self._chat, request, cancelled)
                self._asked[request["id"]] = cancelled, future
                future.add_done_callback(lambda _: self._asked.pop(request["id"], None))
            case "cancel":
                self._cancel(request["id"])

    def _cancel(self, number: int) -> None:
        if asked := self._asked.get(number):
            cancelled, future = asked
            cancelled.set()
            if future.cancel():  # it stood in line, where nobody would see for long that it was cancelled
                self._say(event="failed", id=number, detail="cancelled", fault=False)

    def _load(self, request: Mapping[str, Any]) -> None:
        try:
            module, _, name = request["engine"].partition(":")
            weights = Path(request["weights"]) if request["weights"] else None
            engine: Any = getattr(import_module(module), name)
            spec = ModelSpec.model_validate(request["spec"])
            needs: Footprint = engine.needs(spec, weights, request["slots"])
            self._say(event="needs", **asdict(needs))
            self._go.wait()
            self._engine = engine(spec, weights, request["threads"], request["slots"])
        except Exception as error:  # whatever a native engine raises, the parent must hear of it
            self._say(event="broken", detail=f"{type(error).__name__}: {error}", refusal=_refusal(error, request))
            os._exit(1)
        self._say(event="ready", bytes=_taken() if needs.device == "cpu" else None)

    def _chat(self, request: Mapping[str, Any], cancelled: threading.Event) -> None:
        number = request["id"]
        try:
            end = Failed("cancelled") if cancelled.is_set() else self._answer(request, cancelled)
        except Exception as error:  # one answer fails, the process and the others go on
            end = Failed(f"{type(error).__name__}: {error}")
        if isinstance(end, Done):
            self._say(event="done", id=number, reason=end.reason, tokens=end.tokens, prompt_tokens=end.prompt_tokens)
        else:
            self._say(event="failed", id=number, detail=end.detail, fault=end.fault)

    def _answer(self, request: Mapping[str, Any], cancelled: threading.Event) -> Done | Failed:
        if self._engine is None:
            return Failed("the model is not loaded")
        messages = [Message(**message) for message in request["messages"]]
        sampling = Sampling(**{**request["sampling"], "stop": tuple(request["sampling"]["stop"])})
        question = Question(messages, sampling, request["seed"], request["conversation"])

        def emit(text: str) -> None:
            self._say(event="text", id=request["id"], text=text)

        def stopped() -> bool:
            if time.monotonic() - self._spoke >= ALIVE_SECONDS:
                self._say(event="alive")
            return cancelled.is_set()

        return self._engine.answer(question, emit, stopped)

    def _say(self, **event: object) -> None:
        line = json.dumps(event).encode() + b"\n"
        try:
            with self._writing:
                self._spoke = time.monotonic()
                while line:
                    line = line[os.write(self._protocol, line) :]
        except BrokenPipeError:  # nobody listens any more
            os._exit(0)


def _refusal(error: Exception, request: Mapping[str, Any]) -> str:
    """Why it would be in vain to load this model again; empty where it would not."""
    if isinstance(error, ModuleNotFoundError):
        spec = request["spec"]
        return (
            f"{spec['name']}: engine {spec['engine']} needs {error.name}, which is not installed; "
            "start with `make serve TORCH=yes`, or install requirements-torch.txt."
        )
    return str(error) if isinstance(error, Unusable) else ""


def _taken() -> int | None:
    """Bytes of memory this process takes now; None where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def _stand_back() -> None:
    """The pages come first: they answer while all cores generate, and live on when the memory is gone."""
    if hasattr(os, "nice"):
        os.nice(5)
    with suppress(OSError):  # no Linux, or one that does not let us
        Path("/proc/self/oom_score_adj").write_text(str(FIRST_TO_GO))


def main() -> None:
    _stand_back()
    protocol = os.dup(1)
    os.dup2(2, 1)  # what native code prints must not get between the lines of the protocol
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    child = Child(protocol)
    for line in sys.stdin.buffer:
        child.take(json.loads(line))
    os._exit(0)  # the parent is gone or wants us gone; nothing here is worth a slow goodbye


if __name__ == "__main__":
    main()
