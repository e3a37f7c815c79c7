"""How the arena is: its process, database, models and journal, as JSON values for `/healthz` and the admin page."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from arena.gate import Gate
from db.session import Database, DatabaseProblem
from db.votes import newest_vote
from models.residency import Residency

# What an answer may be old, in seconds: however often it is asked for, the database is looked at this seldom.
FRESH_SECONDS = 1.0
PATIENCE = 5.0  # seconds for the database's answer, and for its writer's
ENOUGH_MODELS = 2
UNFIT = ("down", "stopping")  # where whoever spreads visitors over several arenas should send nobody

log = logging.getLogger("paddock.health")

T = TypeVar("T")


class Keeping(Protocol):
    """How far votes are kept elsewhere; `age_seconds` is the time since the last flush that succeeded."""

    @property
    def kind(self) -> str: ...
    @property
    def flushed_sequence(self) -> int | None: ...
    @property
    def flushed_at(self) -> datetime | None: ...
    @property
    def age_seconds(self) -> float | None: ...
    @property
    def problem(self) -> str: ...


class Keeper(Protocol):
    """Whoever keeps votes elsewhere."""

    def status(self) -> Keeping: ...


class Reviewing(Protocol):
    """How the review of votes is; `age_seconds` is the time since the last one that succeeded."""

    @property
    def age_seconds(self) -> float | None: ...
    @property
    def problem(self) -> str: ...
    @property
    def biased(self) -> int: ...


class Reviewer(Protocol):
    """Whoever reviews votes."""

    def status(self) -> Reviewing: ...


class Models(Protocol):
    """Whoever knows what every model is doing."""

    def status(self) -> Sequence[Residency]: ...


class Battling(Protocol):
    """Whoever knows who stands in line."""

    @property
    def gate(self) -> Gate: ...


class Observed(Protocol):
    """The parts of the arena that are looked at; `begun` is `time.monotonic()` of its start."""

    @property
    def database(self) -> Database: ...
    @property
    def pool(self) -> Models: ...
    @property
    def battles(self) -> Battling: ...
    @property
    def keeper(self) -> Keeper | None: ...
    @property
    def reviewer(self) -> Reviewer | None: ...
    @property
    def begun(self) -> float: ...


def health(services: Observed, *, named: bool = False) -> dict[str, Any]:
    """What `/healthz` answers; docs/operations.md says what each field means. May wait for the database.

    `status` is "down" where the database can't be used, "stopping", "degraded" where something else is amiss, or "ok".
    `named` adds each model by its name and why something fails, for the admin alone: which models move while a
    battle runs would tell its visitor who answers.
    """
    database = _database(services.database, named)
    models = _models(services.pool.status(), named)
    journal = _journal(services.keeper, named)
    review = _review(services.reviewer, named)
    gate = services.battles.gate
    return {
        "status": _status(database, models, journal, review, stopping=gate.closed),
        "ready": models["ready"],
        "process": {"uptime_seconds": round(time.monotonic() - services.begun), "memory_bytes": memory_bytes()},
        "database": database,
        "models": models,
        "battles": {"running": gate.inside, "waiting": gate.waiting},
        "journal": journal,
        "review": review,
    }


class Checkup:
    """`health` for many who ask at once: one looks, the others get the same answer. For one event loop.

    Its thread is its own: all those of the loop may be waiting for the very database that is to be called down.
    """

    def __init__(self, look: Callable[[], dict[str, Any]]) -> None:
        self._look = look
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._looking = asyncio.Lock()
        self._seen: dict[str, Any] = {}
        self._at = -FRESH_SECONDS

    async def latest(self) -> dict[str, Any]:
        async with self._looking:
            if time.monotonic() - self._at >= FRESH_SECONDS:
                self._seen = await asyncio.get_running_loop().run_in_executor(self._thread, self._look)
                self._at = time.monotonic()
            return self._seen


def memory_bytes() -> int | None:
    """The memory that this process holds, its engines' own processes not counted; None where the system won't say."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:  # macOS has no /proc
        return None
    return None


def _status(
    database: dict[str, Any],
    models: dict[str, Any],
    journal: dict[str, Any] | None,
    review: dict[str, Any] | None,
    *,
    stopping: bool,
) -> str:
    if not (database["reachable"] and database["writable"]):
        return "down"
    if stopping:
        return "stopping"
    unkept = journal is not None and (journal["failing"] or journal["kind"] == "nowhere")
    unseen = review is not None and review["failing"]
    fewer = models["ready"] < ENOUGH_MODELS or models["states"].get("failed")
    return "degraded" if unkept or unseen or fewer else "ok"


def _database(database: Database, named: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"reachable": False, "writable": False, "newest_vote": None}
    try:
        found["newest_vote"] = _soon(database.look(newest_vote))
        found["reachable"] = True
        # An empty transaction: the writer lives, has the right to write, and waits for nobody.
        _soon(database.submit(lambda _: None))
        found["writable"] = True
    except (TimeoutError, CancelledError):  # the latter while the database closes
        problem = f"Nothing could be {'written' if found['reachable'] else 'read'} within {PATIENCE:.0f} s."
    except DatabaseProblem as error:
        problem = str(error)
    else:
        return found
    log.warning("%s", problem)
    return found | ({"problem": problem} if named else {})


def _soon(answer: Future[T]) -> T:
    """What comes within `PATIENCE`, or `TimeoutError`."""
    try:
        return answer.result(PATIENCE)
    finally:
        answer.cancel()  # the next look asks again; those before it must not stand in its way


def _models(places: Sequence[Residency], named: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ready": sum(place.available for place in places),
        "total": len(places),
        # Which of those that can be had are in memory changes with a battle, and would tell who plays in it.
        "states": dict(Counter("ready" if place.available and not named else place.state for place in places)),
    }
    if named:
        found["each"] = [
            {"id": place.spec.id, "name": place.spec.name, "state": place.state, "reason": place.reason}
            for place in places
        ]
    return found


def _journal(keeper: Keeper | None, named: bool) -> dict[str, Any] | None:
    if keeper is None:
        return None
    status = keeper.status()
    found = {
        "kind": status.kind,
        "flushed_vote": status.flushed_sequence,
        "flushed_at": status.flushed_at.isoformat() if status.flushed_at else None,
        "age_seconds": None if status.age_seconds is None else round(status.age_seconds),
        "failing": bool(status.problem),
    }
    return found | ({"problem": status.problem} if named and status.problem else {})


def _review(reviewer: Reviewer | None, named: bool) -> dict[str, Any] | None:
    """None where nobody reviews votes: nobody but oneself can reach the arena."""
    if reviewer is None:
        return None
    status = reviewer.status()
    age = None if status.age_seconds is None else round(status.age_seconds)
    found = {"age_seconds": age, "failing": bool(status.problem)}
    return found | ({"biased": status.biased, "problem": status.problem} if named else {})
