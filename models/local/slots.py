"""Which slot of llama.cpp answers next, and whether what it remembers may be used again. Pure; any thread may call."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """A slot that was taken; `remembers` when it holds this conversation and nothing else."""

    number: int
    remembers: bool


class Slots:
    """`count` slots, each of which answers one question at a time and keeps what it read and wrote last.

    What is kept of one conversation is used for that conversation alone: neither the words nor the time
    an answer takes may tell one visitor what another one asked.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        # Free slots with the conversation that each holds ("": none of use), the least recently used first.
        self._free = OrderedDict((number, "") for number in range(count))

    def take(self, conversation: str) -> Slot:
        """The free slot that holds this conversation, else the least recently used one.

        Raises `RuntimeError` when none is free: whoever asks counts the answers.
        """
        with self._lock:
            for number in reversed(self._free):
                if conversation and self._free[number] == conversation:
                    del self._free[number]
                    return Slot(number, remembers=True)
            if not self._free:
                raise RuntimeError("there are more answers at a time than slots")
            number, _ = self._free.popitem(last=False)
            return Slot(number, remembers=False)

    def give_back(self, slot: Slot, holds: str) -> None:
        """Free a slot that now holds the conversation `holds`; empty: nothing that may be used again."""
        with self._lock:
            self._free[slot.number] = holds
            if not holds:  # overwrite it first, before a conversation that may go on
                self._free.move_to_end(slot.number, last=False)
