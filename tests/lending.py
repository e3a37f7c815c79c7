"""A stand-in for `spaces.GPU`: the function runs in a really forked process, and all that passes is pickled."""

from __future__ import annotations

import mmap
import os
import pickle
import struct
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

Task = Callable[..., Generator[Any, None, None]]


@dataclass
class Loan:
    """One call as the platform saw it."""

    asks: Any
    seconds: int
    rounds: int = 0
    pid: int = 0
    stopped: bool = False
    over: threading.Event = field(default_factory=threading.Event)


@dataclass
class Lender:
    """`refuses` is raised instead of a loan; `dies_after` so many rounds the process is killed, as by the platform."""

    refuses: Exception | None = None
    dies_after: int | None = None
    seen: Callable[[], Any] = lambda: None
    loans: list[Loan] = field(default_factory=list)
    visitors: list[Any] = field(default_factory=list)

    def __call__(self, *, duration: Callable[..., int]) -> Callable[[Task], Task]:
        def decorate(task: Task) -> Task:
            def lent(*arguments: Any) -> Generator[Any, None, None]:
                self.visitors.append(self.seen())
                if self.refuses:
                    raise self.refuses
                loan = Loan(arguments[0], duration(*arguments))
                self.loans.append(loan)
                yield from self._run(task, arguments, loan)

            return lent

        return decorate

    def _run(self, task: Task, arguments: Any, loan: Loan) -> Generator[Any, None, None]:
        """As spaces does it: each value through a pipe; the child looks whether to stop after each of its own."""
        packed = pickle.dumps(arguments)
        stop, counter = mmap.mmap(-1, 1), mmap.mmap(-1, 8)
        reading, writing = os.pipe()
        loan.pid = os.fork()
        if loan.pid == 0:
            os.close(reading)
            _in_the_child(task, _unpacked(packed), writing, stop, counter, self.dies_after)
        os.close(writing)
        try:
            with os.fdopen(reading, "rb") as results:
                while header := results.read(4):
                    kind, value = _unpacked(results.read(*struct.unpack("<I", header)))
                    if kind == "end":
                        return
                    yield value
                raise WorkerGone("ZeroGPU worker error", "GPU task aborted")
        except GeneratorExit:
            stop[0] = 1
            loan.stopped = True
            raise
        finally:
            os.waitpid(loan.pid, 0)
            (loan.rounds,) = struct.unpack("<Q", counter[:])
            loan.over.set()


class WorkerGone(Exception):
    """Like Gradio's errors, which `spaces` raises: they have a title."""

    def __init__(self, title: str, message: str) -> None:
        super().__init__(message)
        self.title = title


def _in_the_child(
    task: Task, arguments: Any, writing: int, stop: mmap.mmap, counter: mmap.mmap, dies_after: int | None
) -> None:
    """Never returns: what follows is the parent's."""
    rounds = 0
    try:
        stream = task(*arguments)
        for value in stream:
            rounds += 1
            counter[:] = struct.pack("<Q", rounds)
            if rounds == dies_after:
                os._exit(1)
            if stop[0]:
                stream.close()
                break
            _put(writing, ("value", value))
        _put(writing, ("end", None))
    except BrokenPipeError:  # the parent reads no more
        os._exit(0)
    except BaseException:
        os._exit(1)
    os._exit(0)


def _unpacked(packed: bytes) -> Any:
    return pickle.loads(packed)  # noqa: S301 (our own, of a moment ago)


def _put(writing: int, value: Any) -> None:
    packed = pickle.dumps(value)
    os.write(writing, struct.pack("<I", len(packed)) + packed)
