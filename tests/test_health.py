from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from arenas import ANT, BEE, CAT, NOW, database_with, ready_battle, vote

from arena.gate import Gate
from arena.health import Checkup, health, memory_bytes
from db.outcome import Outcome
from db.session import Database
from models.residency import Residency, State


@dataclass(frozen=True)
class Places:
    places: Sequence[Residency]

    def status(self) -> Sequence[Residency]:
        return self.places


@dataclass(frozen=True)
class Kept:
    kind: str = "dataset"
    flushed_sequence: int | None = 7
    flushed_at: datetime | None = NOW
    age_seconds: float | None = 61.4
    problem: str = ""

    def status(self) -> Kept:
        return self


@dataclass(frozen=True)
class Seen:
    age_seconds: float | None = 4.2
    problem: str = ""
    biased: int = 2

    def status(self) -> Seen:
        return self


@dataclass(frozen=True)
class Line:
    gate: Gate = field(default_factory=lambda: Gate(1, 1))


@dataclass(frozen=True)
class Whole:
    """An arena that is well, but for what a test replaces."""

    database: Database
    pool: Places = Places((Residency(ANT, "ready"), Residency(BEE, "resting"), Residency(CAT, "fetching", 0.5)))
    battles: Line = field(default_factory=Line)
    keeper: Kept | None = None
    reviewer: Seen | None = None
    begun: float = field(default_factory=time.monotonic)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(database_with(tmp_path, ANT, BEE)) as database:
        yield database


def test_an_arena_that_is_well_says_so(database: Database) -> None:
    database.write(lambda session: ready_battle(session, "one"))
    database.write(lambda session: vote(session, "one", Outcome.A))
    arena = Whole(database, begun=time.monotonic() - 3600)
    with arena.battles.gate.stand_in_line("ann"), arena.battles.gate.stand_in_line("bob"):
        found = health(arena)
    process = found.pop("process")
    assert process["uptime_seconds"] in range(3600, 3700)
    assert found == {
        "status": "ok",
        "ready": 2,
        "database": {"reachable": True, "writable": True, "newest_vote": 1},
        "models": {"ready": 2, "total": 3, "states": {"ready": 2, "fetching": 1}},
        "battles": {"running": 1, "waiting": 1},
        "journal": None,
        "review": None,
    }


@pytest.mark.integrity
def test_which_models_are_in_memory_is_told_to_administrators_alone(database: Database) -> None:
    """Where memory is short, one that wakes for a battle would tell who plays in it."""

    def told(*states: State, named: bool) -> object:
        places = tuple(Residency(spec, state) for spec, state in zip((ANT, BEE, CAT), states, strict=True))
        return health(Whole(database, pool=Places(places)), named=named)["models"]

    before: tuple[State, ...] = ("ready", "ready", "resting")
    during: tuple[State, ...] = ("ready", "resting", "waking")
    assert told(*before, named=False) == told(*during, named=False)
    assert told(*before, named=True) != told(*during, named=True)


def test_the_memory_is_that_of_this_process() -> None:
    before = memory_bytes()
    if before is None:
        pytest.skip("This system tells no process its memory.")
    held = bytearray(b"x") * 64_000_000
    after = memory_bytes()
    assert after is not None
    assert after - before > len(held) / 2


@pytest.mark.parametrize(
    ("places", "status"),
    [
        ((Residency(ANT, "ready"), Residency(BEE, "ready")), "ok"),
        ((Residency(ANT, "ready"), Residency(BEE, "loading")), "degraded"),
        ((Residency(ANT, "ready"), Residency(BEE, "ready"), Residency(CAT, "failed", reason="gone")), "degraded"),
    ],
)
def test_an_arena_without_two_models_or_with_one_that_fails_is_degraded(
    database: Database, places: Sequence[Residency], status: str
) -> None:
    assert health(Whole(database, Places(places)))["status"] == status


def test_a_database_that_can_not_be_used_is_down(database: Database) -> None:
    database.close()
    found = health(Whole(database))
    assert found["status"] == "down"
    assert found["database"]["writable"] is False


def test_a_stuck_writer_is_down_and_keeps_nobody_waiting_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arena.health.PATIENCE", 0.05)
    stuck = threading.Event()
    writing = database.submit(lambda session: stuck.wait(30))
    found = health(Whole(database), named=True)
    stuck.set()
    assert writing.result(30)
    assert found["status"] == "down"
    assert found["database"]["reachable"] is True
    assert "Nothing could be written" in found["database"]["problem"]


def test_a_closed_gate_is_an_arena_that_stops(database: Database) -> None:
    arena = Whole(database)
    arena.battles.gate.close()
    assert health(arena)["status"] == "stopping"


@pytest.mark.parametrize(
    ("keeper", "status"),
    [
        (Kept(), "ok"),
        (Kept(kind="disk", flushed_sequence=None, flushed_at=None, age_seconds=None), "ok"),
        (Kept(problem="The Hub refuses the token."), "degraded"),
        (Kept(kind="nowhere", flushed_sequence=None, flushed_at=None, age_seconds=None), "degraded"),
    ],
)
def test_votes_that_are_not_kept_degrade(database: Database, keeper: Kept, status: str) -> None:
    found = health(Whole(database, keeper=keeper))
    assert found["status"] == status
    assert found["journal"]["kind"] == keeper.kind
    assert found["journal"]["failing"] is bool(keeper.problem)


def test_the_age_of_the_last_flush_is_said_in_whole_seconds(database: Database) -> None:
    journal = health(Whole(database, keeper=Kept()))["journal"]
    assert journal == {
        "kind": "dataset", "flushed_vote": 7, "flushed_at": NOW.isoformat(), "age_seconds": 61, "failing": False,
    }  # fmt: skip


def test_only_the_admin_learns_which_model_moves_and_why_something_fails(database: Database) -> None:
    places = Places((Residency(ANT, "waking"), Residency(BEE, "failed", reason="no key at /secret/place")))
    arena = Whole(database, places, keeper=Kept(problem="The Hub refuses USER/NAME."))
    public, admin = str(health(arena)), health(arena, named=True)
    for private in (ANT.id, ANT.name, BEE.id, BEE.name, "/secret/place", "USER/NAME"):
        assert private not in public
    assert admin["models"]["each"] == [
        {"id": "ant", "name": "The Ant", "state": "waking", "reason": ""},
        {"id": "bee", "name": "The Bee", "state": "failed", "reason": "no key at /secret/place"},
    ]
    assert admin["journal"]["problem"] == "The Hub refuses USER/NAME."


def test_many_who_ask_at_once_make_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    def look() -> dict[str, Any]:
        looks.append(time.monotonic())
        return {"status": "ok", "look": len(looks)}

    async def ask() -> list[dict[str, Any]]:
        checkup = Checkup(look)
        first = await asyncio.gather(*(checkup.latest() for _ in range(50)))
        monkeypatch.setattr("arena.health.FRESH_SECONDS", 0.0)
        return [*first, await checkup.latest()]

    assert [found["look"] for found in asyncio.run(ask())] == [1] * 50 + [2]


@pytest.mark.integrity
def test_a_review_that_cannot_run_is_no_good_health_and_only_the_admin_reads_why(database: Database) -> None:
    well, ill = Whole(database, reviewer=Seen()), Whole(database, reviewer=Seen(problem="the database is locked"))
    assert health(well)["status"] == "ok"
    assert health(well)["review"] == {"age_seconds": 4, "failing": False}
    assert health(ill)["status"] == "degraded"
    assert "locked" not in str(health(ill))
    assert health(ill, named=True)["review"]["problem"] == "the database is locked"
    assert health(Whole(database))["review"] is None
