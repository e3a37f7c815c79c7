"""Connections that can't be held for nothing: deadlines for who sends or reads slowly, and a limit to how many.

The server under Gradio, uvicorn 0.54, has neither: it waits for ever for the rest of a request, or for a client to
take what is sent, and a process that has run out of files answers nobody.
"""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal

MOST_CONNECTIONS = 4096
LEAST_TAKEN = 16_384  # bytes in the time for taking anything; from sockets they go in pieces
MOST_FILES = 65_536
KEPT_FILES = 200  # for models, databases and logs; what is left is for connections
FEWEST_CONNECTIONS = 32
GRACE = 1.0  # seconds in which a request that was sent at once has surely arrived

Phase = Literal["head", "body", "taking", "heartbeat", "stream"]
# Who goes first where there are too many: who asks for nothing, then who only shows to be there (pages come back by
# themselves), then who has listened longest: a page ends its stream with the event, a stream without any never ends.
DISPENSABLE: tuple[Phase, ...] = ("head", "heartbeat", "stream")
HEARTBEAT = "/gradio_api/heartbeat/"
STREAMS = ("/gradio_api/queue/data", "/gradio_api/call/")


@dataclass(frozen=True)
class Patience:
    """Seconds for a request's head, for its body, and for a client to take anything of what is sent to it."""

    head: float = 10
    body: float = 30
    taking: float = 60


class Connections:
    """All connections of a server, for its event loop. Of too many, those go that are `DISPENSABLE`."""

    def __init__(self, most: int, patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self._most = most
        self._open: set[asyncio.Transport] = set()
        # Since when, in that order.
        self._dispensable: dict[Phase, dict[asyncio.Transport, float]] = {phase: {} for phase in DISPENSABLE}

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, transport: asyncio.Transport) -> None:
        self._open.add(transport)
        if len(self._open) > self._most:
            # Where all ask for something, or have only just come, it is the newcomer who goes.
            goes = self._longest() or transport
            self.forget(goes)  # at once: the next newcomer, in the same moment, must find another
            goes.abort()

    def is_in(self, transport: asyncio.Transport, phase: Phase | None) -> None:
        for those in self._dispensable.values():
            those.pop(transport, None)
        if phase in DISPENSABLE:
            self._dispensable[phase][transport] = monotonic()

    def forget(self, transport: asyncio.Transport) -> None:
        self._open.discard(transport)
        self.is_in(transport, None)

    def _longest(self) -> asyncio.Transport | None:
        """Of the first kind that has been there for longer than `GRACE`, who has been there longest."""
        before = monotonic() - GRACE
        oldest = (next(iter(those.items()), None) for those in self._dispensable.values())
        return next((one[0] for one in oldest if one is not None and one[1] < before), None)


class Hurrying(asyncio.Protocol):
    """Deadlines for a protocol of uvicorn (any of its classes for HTTP), which comes after it among the bases."""

    crowd: Connections
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    cycle: Any
    _phase: Phase | None = None
    _deadline: asyncio.TimerHandle | None = None
    _stuck = False
    _left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.crowd.admit(self.transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()  # type: ignore[misc]
        self._look()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()  # type: ignore[misc]
        self._look()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = True
        self._look()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stuck = False
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._enter(None)
        self.crowd.forget(self.transport)

    def _look(self) -> None:
        """Begin the deadline of what is waited for now; one that runs for the same goes on."""
        if self._stuck or self.transport.is_closing():
            self._enter("taking")
        elif self.cycle is None or self.cycle.response_complete:
            self._enter("head")
        else:
            self._enter("body" if self.cycle.more_body else _answer_to(self.cycle.scope["path"]))

    def _enter(self, phase: Phase | None) -> None:
        if phase == self._phase:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._phase, self._deadline = phase, None
        self.crowd.is_in(self.transport, phase)
        if phase in ("head", "body", "taking"):
            self._begin(phase)

    def _begin(self, phase: Phase) -> None:
        self._left = self.transport.get_write_buffer_size()
        self._deadline = self.loop.call_later(getattr(self.crowd.patience, phase), self._end, phase)

    def _end(self, phase: Phase) -> None:
        taken = self._left - self.transport.get_write_buffer_size()
        if phase == "taking" and taken >= LEAST_TAKEN:
            self._begin(phase)  # slow, but it takes what it is sent
        else:
            self.transport.abort()


def _answer_to(path: str) -> Phase | None:
    if path.startswith(HEARTBEAT):
        return "heartbeat"
    return "stream" if path.startswith(STREAMS) else None


def hurry(config: Any, patience: Patience | None = None) -> Connections:
    """Have a running server, by its uvicorn configuration, hurry all connections from now on.

    No websockets: the pages use none, and theirs would be connections that nobody counts.
    """
    connections = Connections(room_for_connections(), patience)
    config.http_protocol_class = type("Hurried", (Hurrying, config.http_protocol_class), {"crowd": connections})
    config.ws_protocol_class = None
    return connections


def room_for_connections() -> int:
    """How many connections the process may hold, once it may open as many files as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):  # macOS allows fewer than it says
            pass
    files = MOST_FILES if soft == resource.RLIM_INFINITY else soft
    return min(MOST_CONNECTIONS, max(FEWEST_CONNECTIONS, files - KEPT_FILES))
