"""An engine for worker processes under test: does what the last message says."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from models.catalog import ModelSpec
from models.chat import Done, Failed
from models.local.engine import Footprint, Question


class FakeEngine:
    """What its spec's `script` says it needs: `bytes` of `capacity` on `device`, 1000 of a million by default."""

    def __init__(self, spec: ModelSpec, weights: Path | None, threads: int, slots: int) -> None:
        self.threads = threads
        self.meeting = threading.Barrier(slots)
        if spec.quantization == "broken":
            print("the tensor is bent", file=sys.stderr, flush=True)
            raise RuntimeError("no such tensor")
        if spec.quantization == "memory":
            raise MemoryError("no room for a tensor")
        if spec.quantization == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if spec.quantization == "slow":
            threading.Event().wait()

    @staticmethod
    def needs(spec: ModelSpec, weights: Path | None, slots: int) -> Footprint:
        if spec.quantization == "unknown":
            raise ValueError("nobody knows what it needs")
        facts = {"bytes": 1000, "capacity": 1_000_000, "device": "fake", **spec.script}
        return Footprint(str(facts["device"]), int(str(facts["bytes"])), int(str(facts["capacity"])))

    def answer(self, question: Question, emit: Callable[[str], None], stopped: Callable[[], bool]) -> Done | Failed:
        what, _, rest = question.messages[-1].text.partition(" ")
        if what == "forever":
            while not stopped():
                emit("x")
                time.sleep(0.01)
            return Failed("stopped")
        if what == "hang":
            emit("x")
            threading.Event().wait()
        if what == "deaf":
            emit("x")
            while stopped() or True:
                time.sleep(0.01)
        if what == "think":  # long, without a word, but with a sign of life
            end = time.monotonic() + float(rest)
            while time.monotonic() < end and not stopped():
                time.sleep(0.01)
        if what == "noise":
            os.write(1, b'{"event": "text", "id": 1, "text": "noise"}\n')
            print("more noise", flush=True)
        if what == "raise":
            raise ValueError("a bad number")
        if what == "meet":  # returns only when as many answers run as there are slots
            self.meeting.wait(60)
        if what == "variable":
            rest = os.environ.get(rest, "unset")
        if what == "threads":
            rest = str(self.threads)
        emit(rest)
        return Done("stop", 1)
