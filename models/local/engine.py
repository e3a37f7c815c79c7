"""What an engine in a worker process is asked, and what it must offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.chat import Done, Failed, Message, Sampling
from models.spec import ModelSpec


@dataclass(frozen=True)
class Footprint:
    """Bytes of weights and caches on one device ("cpu", "cuda", "mps"), and how many bytes that device has in all."""

    device: str
    bytes: int
    capacity: int


class Unusable(Exception):
    """The model can't be used as the catalogue has it; the message is one sentence for the admin, with the remedy."""


@dataclass(frozen=True)
class Question:
    """What an engine is asked; `conversation` names the battle whose earlier turns it may remember (empty: none)."""

    messages: Sequence[Message]
    sampling: Sampling
    seed: int
    conversation: str


class Engine(Protocol):
    """What an engine's class must offer; its constructor takes (spec, weights, threads, slots).

    It and `needs` raise `Unusable` where trying again would be in vain, and anything else where it might not.
    """

    @staticmethod
    def needs(spec: ModelSpec, weights: Path | None, slots: int) -> Footprint:
        """What the loaded model will take, estimated without loading it."""
        ...

    def answer(self, question: Question, emit: Callable[[str], None], stopped: Callable[[], bool]) -> Done | Failed:
        """Answer one question; called from up to `slots` threads at once, each of which it keeps until the end.

        `stopped` is asked at every step: it also tells the parent that this engine is alive.
        """
        ...
