"""An engine for worker processes under test: does what the last message says."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from models.chat import Done, Failed
from models.local.engine import Footprint, Question, Unusable
from models.spec import ModelSpec


class FakeEngine:
    """What its spec's `script` says it needs: `bytes` of `capacity` on `device`, 1000 of a million by default."""

    def __init__(self, spec: ModelSpec, weights: Path | None, threads: int, slots: int) -> None:
        self.threads = threads
        self.meeting = threading.Barrier(slots)
        if spec.quantization == "broken":
            print("the tensor is bent", file=sys.stderr, flush=True)
            raise RuntimeError("no such tensor")
        if spec.quantization == "unusable":
            raise Unusable("Fake has no chat template; write one.")
        if spec.quantization == "absent":
            import nowhere_to_be_found  # type: ignore[import-not-found] # noqa: F401
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
        if what in ("forever", "hang", "deaf", "think"):
            self._linger(what, rest, emit, stopped)
        if what == "forever":
            return Failed("stopped")
        if what == "noise":
            os.write(1, b'{"event": "text", "id": 1, "text": "noise"}\n')
            print("more noise", flush=True)
        if what == "long":
            return Failed("the prompt is too long", fault=False)
        if what == "break":  # into the protocol itself, whose pipe got the first free number at the child's start
            os.write(3, rest.encode() + b"\n")
            threading.Event().wait()
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

    def _linger(self, what: str, rest: str, emit: Callable[[str], None], stopped: Callable[[], bool]) -> None:
        end = time.monotonic() + float(rest or "inf")
        if what != "think":  # long, without a word, but with a sign of life
            emit("!")
        if what == "hang":
            threading.Event().wait()
        while time.monotonic() < end and (not stopped() or what == "deaf"):
            if what == "forever":
                emit("!")
            time.sleep(0.01)
