"""Work on many conversations at once: in this process, or in several of their own."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Protocol, TypeVar

from models.distill.problem import DistillProblem

Given = TypeVar("Given")
Made = TypeVar("Made")

# What waits for each process, so that none is idle and little is held in memory.
_AHEAD = 3


class Mapper(Protocol):
    """As `map`: what `work` makes of each thing given, in their order."""

    def __call__(self, work: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]: ...


def inline(work: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
    return map(work, given)


@contextmanager
def processes(count: int) -> Iterator[Mapper]:
    """A mapper that shares work out to `count` processes; what is given and made must be picklable.

    They are begun anew instead of forked: a fork beside threads (of a progress bar, a tokenizer) may never end.
    Raises `DistillProblem` where one of them is ended from outside, as for want of memory.
    """
    executor = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_live_with_parent)

    def mapper(work: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
        waiting: deque[Future[Made]] = deque()
        for one in given:
            waiting.append(executor.submit(work, one))
            if len(waiting) >= count * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    try:
        yield mapper
    except BrokenProcessPool as error:
        raise DistillProblem(
            "A process that cleaned was ended, perhaps for want of memory; run it again, it goes on where it was, with "
            "fewer of them if need be (--workers 1)."
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _live_with_parent() -> None:
    """A killed parent takes its workers along, who would wait for work for ever; Ctrl-C is for the parent to hear."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
