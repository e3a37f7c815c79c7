"""One answer on its way through a batch: from its prompt's token ids to its last word."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from models.chat import Done, Failed, FinishReason
from models.local.sampler import Chance
from models.local.wording import Wording


@dataclass(eq=False)
class Answering:
    """One request: the prompt's ids, at most `limit` new tokens, `ends` (ids that end it), how text leaves it."""

    prompt: Sequence[int]
    limit: int
    ends: frozenset[int]
    chance: Chance
    wording: Wording
    emit: Callable[[str], None]
    stopped: Callable[[], bool]
    tokens: int = 0
    end: Done | Failed | None = None
    over: threading.Event = field(default_factory=threading.Event)

    def take(self, token: int) -> None:
        """One more token; sets `end` where it was the last."""
        self.tokens += 1
        if token in self.ends:
            self._finish("stop")
            return
        if text := self.wording.take(token):
            self.emit(text)
        if self.wording.stopped:
            self._finish("stop")
        elif self.tokens >= self.limit:
            self._finish("length")

    def take_safely(self, token: int) -> None:
        """`take`; what goes wrong fails this answer, and not its neighbours."""
        try:
            self.take(token)
        except Exception as error:
            self.close(Failed(f"{type(error).__name__}: {error}"))

    def left(self) -> bool:
        """Whether nobody waits for this answer any more; it is closed then."""
        if self.end is None and self.stopped():
            self.close(Failed("cancelled"))
        return self.end is not None

    def close(self, end: Done | Failed) -> None:
        self.end = end
        self.over.set()

    def _finish(self, reason: FinishReason) -> None:
        if text := self.wording.finish():
            self.emit(text)
        self.close(Done(reason, self.tokens, len(self.prompt)))
