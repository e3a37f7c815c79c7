"""An orderly stop: nobody new comes in, running answers end, votes are stored; a second signal ends at once."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from arena.battle import Battles

SIGNALS = (signal.SIGTERM, signal.SIGINT)
SETTLE_SECONDS = 5.0  # for stopped answers to be written down
LOOK_SECONDS = 0.05

log = logging.getLogger("paddock.stop")


@contextmanager
def orderly_signals() -> Iterator[None]:
    """SIGTERM and SIGINT leave the block by `SystemExit(0)`; a second one ends the process. For the main thread."""
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def leave(_number: int, _frame: FrameType | None) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        raise SystemExit(0)

    try:
        for number in SIGNALS:
            signal.signal(number, leave)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def finish(battles: Battles, seconds: float) -> None:
    """Turn newcomers away, give running answers `seconds` to end, stop the others, and close the ballot.

    Votes are taken meanwhile; when this returns, all that were taken are in the database and no more come. Raises
    `DatabaseProblem`, with the ballot closed all the same, where the database can't be written any more, or does not
    answer in time.
    """
    gate = battles.gate
    gate.close()
    if gate.inside:
        log.info(
            "Stopping; %d running battles have %g s to finish, a second signal ends at once.", gate.inside, seconds
        )
    if not _within(seconds, lambda: gate.inside == 0):
        log.info("%d battles are stopped unfinished.", gate.inside)
        battles.stop_all()
        _within(SETTLE_SECONDS, lambda: gate.inside == 0)
    battles.end_voting()


def _within(seconds: float, happened: Callable[[], bool]) -> bool:
    """Whether it happens in time; 0 seconds are one look."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True
