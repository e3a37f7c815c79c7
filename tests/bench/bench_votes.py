"""From a vote to its reveal with 16 voters at once, beside bare sqlite3 that commits one row at a time.

    python tests/bench/bench_votes.py [--voters N] [--rounds N]

First inside one process, on the database and the event loop alone; then over real HTTP against `app.py`
in a process of its own, each voter on a battle of their own, all at the same moment.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from measured import machine, milliseconds, percentile, ratio

from arena.battle import Battles
from arena.enrolment import enrol_all
from arena.turn import Limits
from db import queries
from db.outcome import Outcome
from db.schema import open_database
from db.session import Database, Session
from db.tables import Battle, Turn
from models.chat import ChatModel
from models.spec import ModelSpec

WARM_UP = 2


class Nobody:
    """Voting asks no model."""

    def ready(self) -> tuple[ModelSpec, ...]:
        return ()

    def pairs(self) -> tuple[()]:
        return ()

    def reserve(self, spec_ids: Sequence[str]) -> AbstractContextManager[Callable[[], bool]]:
        raise LookupError(spec_ids)

    def model(self, spec_id: str) -> ChatModel:
        raise LookupError(spec_id)


def contestant(model: str) -> ModelSpec:
    return ModelSpec(
        id=model, name=model.title(), engine="scripted", quantization="none", license="none", makers=("us",)
    )


def prepare(database: Database, battles: list[tuple[str, str]]) -> None:
    """Battles, each with its voter, that are open for a vote; two turns of ordinary length."""
    a, b = contestant("ant"), contestant("bee")
    now = datetime.now(UTC)
    enrol_all(database, [a, b], now)
    side = queries.Side("An answer of ordinary length. " * 40, "stop", 300)

    def work(session: Session) -> None:
        for battle_id, voter in battles:
            battle = Battle(
                id=battle_id, voter=voter, contestant_a=a.fingerprint, contestant_b=b.fingerprint, probability=1.0,
                status="generating", created_at=now,
            )  # fmt: skip
            turn = Turn(
                battle_id=battle_id, position=0, attempt=0, prompt="Why?" * 20, seed=1, status="generating",
                started_at=now,
            )  # fmt: skip
            queries.open_battle(session, battle, turn)
            queries.finish_turn(session, (battle_id, 0, 0), side, side, now)

    database.write(work)


async def vote_together(battles: Battles, voters: int, rounds: int) -> list[float]:
    """Each voter votes again as soon as the last reveal is there; seconds from vote to reveal."""
    seconds: list[float] = []

    async def voter(number: int) -> None:
        for turn in range(rounds):
            began = time.perf_counter()
            view = await battles.vote(f"b{number}-{turn}", f"v{number}", list(Outcome)[turn % 4])
            if turn >= WARM_UP:
                seconds.append(time.perf_counter() - began)
            if view.revealed is None:
                raise AssertionError(view)

    await asyncio.gather(*(voter(number) for number in range(voters)))
    return seconds


def inside(folder: Path, voters: int, rounds: int) -> list[float]:
    rounds += WARM_UP
    with closing(open_database(f"sqlite:///{folder}/inside.db")) as database:
        prepare(database, [(f"b{v}-{r}", f"v{v}") for v in range(voters) for r in range(rounds)])
        battles = Battles(database, Nobody(), Limits(), Random(1))
        return asyncio.run(vote_together(battles, voters, rounds))


def bare(folder: Path, rows: int) -> list[float]:
    """sqlite3 alone: one row, one commit, one after the other, as durable as ours."""
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE vote (battle_id TEXT PRIMARY KEY, voter TEXT, outcome TEXT, at TEXT)")
        seconds = []
        for number in range(rows):
            began = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO vote VALUES (?, 'voter', 'a', '2026-01-01')", (f"b{number}",))
            connection.execute("COMMIT")
            seconds.append(time.perf_counter() - began)
        return seconds


def over_http(folder: Path, voters: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds from vote to reveal through Gradio's queue, and of a health check at the same crowd."""
    from support import Visitor, canary, serving, write_catalog

    catalog = write_catalog(
        folder / "catalog.toml", *(canary(tree, replies=["An answer. " * 100], chunk=200) for tree in ("oak", "elm"))
    )
    together = threading.Barrier(voters)
    votes: list[float] = []
    health: list[float] = []

    def visit(url: str) -> None:
        visitor = Visitor(url)
        for turn in range(rounds + WARM_UP):
            visitor.ask("Why is the sky blue?")
            together.wait()
            began = time.perf_counter()
            reply = visitor.vote("a")
            took = time.perf_counter() - began
            if "Quillon" not in reply.text:
                raise AssertionError(reply.text)
            together.wait()
            began = time.perf_counter()
            visitor.http.get("/healthz")
            if turn >= WARM_UP:
                votes.append(took)
                health.append(time.perf_counter() - began)
            visitor.call("new-battle.click")

    with serving(folder, catalog, MAX_BATTLES=voters, PACE_CHARS=0) as server, ThreadPoolExecutor(voters) as threads:
        list(threads.map(visit, [server.url] * voters))
    return votes, health


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--voters", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--http-rounds", type=int, default=8)
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="paddock-bench-") as name:
        folder = Path(name)
        alone = bare(folder, arguments.voters * arguments.rounds)
        ours = inside(folder, arguments.voters, arguments.rounds)
        http, health = over_http(folder, arguments.voters, arguments.http_rounds)
    print(milliseconds("bare sqlite3, INSERT + COMMIT, one at a time", alone))
    print(milliseconds(f"vote to reveal, {arguments.voters} voters at once", ours))
    print(milliseconds(f"the same through HTTP and {arguments.voters} pages", http))
    print(milliseconds(f"a health check through HTTP, {arguments.voters} at once", health))
    for share in (0.5, 0.95):
        name = f"p{share * 100:.0f} of a vote / p{share * 100:.0f} of a bare commit"
        print(ratio(name, percentile(ours, share), percentile(alone, share)))
        print(ratio(f"{name}, through HTTP", percentile(http, share), percentile(alone, share)))


if __name__ == "__main__":
    main()
