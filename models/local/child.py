"""The child's side of `models.local.worker`: a program that loads one engine and answers over its pipes."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

from models.catalog import ModelSpec
from models.chat import Done, Failed, Message, Sampling
from models.local.engine import Engine, Question


class Child:
    def __init__(self, protocol: int) -> None:
        self._protocol = protocol
        self._writing = threading.Lock()
        self._engine: Engine | None = None
        self._pool = ThreadPoolExecutor(1)
        self._cancelled: dict[int, threading.Event] = {}

    def take(self, request: Mapping[str, Any]) -> None:
        match request["do"]:
            case "load":
                self._pool = ThreadPoolExecutor(request["slots"])
                self._pool.submit(self._load, request)
            case "chat":
                cancelled = self._cancelled[request["id"]] = threading.Event()
                self._pool.submit(self._chat, request, cancelled)
            case "cancel":
                if running := self._cancelled.get(request["id"]):
                    running.set()

    def _load(self, request: Mapping[str, Any]) -> None:
        try:
            module, _, name = request["engine"].partition(":")
            weights = Path(request["weights"]) if request["weights"] else None
            engine = getattr(import_module(module), name)
            spec = ModelSpec.model_validate(request["spec"])
            self._engine = engine(spec, weights, request["threads"], request["slots"])
        except Exception as error:  # whatever a native engine raises, the parent must hear of it
            self._say(event="broken", detail=f"{type(error).__name__}: {error}")
            os._exit(1)
        self._say(event="ready")

    def _chat(self, request: Mapping[str, Any], cancelled: threading.Event) -> None:
        number = request["id"]
        try:
            end = Failed("cancelled") if cancelled.is_set() else self._answer(request, cancelled)
        except Exception as error:  # one answer fails, the process and the others go on
            end = Failed(f"{type(error).__name__}: {error}")
        self._cancelled.pop(number, None)
        if isinstance(end, Done):
            self._say(event="done", id=number, reason=end.reason, tokens=end.tokens, prompt_tokens=end.prompt_tokens)
        else:
            self._say(event="failed", id=number, detail=end.detail)

    def _answer(self, request: Mapping[str, Any], cancelled: threading.Event) -> Done | Failed:
        if self._engine is None:
            return Failed("the model is not loaded")
        messages = [Message(**message) for message in request["messages"]]
        sampling = Sampling(**{**request["sampling"], "stop": tuple(request["sampling"]["stop"])})
        question = Question(messages, sampling, request["seed"], request["conversation"])

        def emit(text: str) -> None:
            self._say(event="text", id=request["id"], text=text)

        return self._engine.answer(question, emit, cancelled.is_set)

    def _say(self, **event: object) -> None:
        line = json.dumps(event).encode() + b"\n"
        try:
            with self._writing:
                while line:
                    line = line[os.write(self._protocol, line) :]
        except BrokenPipeError:  # nobody listens any more
            os._exit(0)


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(5)  # the pages come first: on a box whose cores all generate, they must still answer
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
