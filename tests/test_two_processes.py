"""Two arenas in processes of their own on one PostgreSQL keep every promise about votes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from arenas import ANT, BEE, ready_battle
from postgres import Cluster
from sqlalchemy import text

from arena.enrolment import enrol_all
from db.check import check
from db.schema import open_database
from db.session import Database
from db.tables import Battle, Vote
from db.votes import newest_vote

ROOT = Path(__file__).parents[1]
BATTLES = 50
VOTERS = 16
# An arena that votes on each battle with half of the voters at once, through what the Battle page calls; it begins when
# it is told, and prints what each of its votes came to.
ARENA = """
import asyncio, json, sys
from contextlib import closing
from random import Random
sys.path[:0] = ["tests", "tests/bench"]
from bench_votes import Nobody
from arena.battle import Battles
from arena.turn import Limits
from db.outcome import Outcome, Refused
from db.schema import open_database
from datetime import datetime, timedelta

url, first, battles, voters = sys.argv[1], *map(int, sys.argv[2:])
outcomes = list(Outcome)

async def cast(arena, battle, number):
    try:
        view = await arena.vote(battle, "ann", outcomes[number % 4])
    except Refused as refusal:
        return [battle, outcomes[number % 4].value, refusal.reason.value]
    return [battle, outcomes[number % 4].value, "counted" if view.revealed else "hidden"]

async def play(arena):
    votes = [cast(arena, f"b{battle}", number) for battle in range(battles) for number in range(first, first + voters)]
    return await asyncio.gather(*votes)

with closing(open_database(url)) as database:
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asyncio.run(play(Battles(database, Nobody(), Limits(), Random(1))))))
"""


@contextmanager
def arena(url: str, first: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", ARENA, url, str(first), str(BATTLES), str(VOTERS // 2)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.integrity
@pytest.mark.slow
def test_of_sixteen_votes_at_once_in_two_arenas_one_counts_on_each_of_fifty_battles(postgres: Cluster) -> None:
    with postgres.fresh() as url, closing(open_database(url)) as database:
        prepare(database)
        with ExitStack() as stack:
            arenas = [stack.enter_context(arena(url, first)) for first in (0, VOTERS // 2)]
            for process in arenas:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            said = [json.loads(process.communicate(timeout=300)[0]) for process in arenas]
        assert [len(answers) for answers in said] == [BATTLES * VOTERS // 2] * 2
        with database.read() as session:
            stored = {row.battle_id: row.outcome for row in session.query(Vote)}
            assert len(stored) == BATTLES, "one vote for each battle, whoever came first"
            assert sorted(row.sequence for row in session.query(Vote)) == list(range(1, BATTLES + 1))
            assert newest_vote(session) == BATTLES
            assert session.query(Battle).filter_by(status="voted").count() == BATTLES
        for answers in said:
            for battle, outcome, came_to in answers:
                assert came_to == ("counted" if stored[battle] == outcome else "already_voted")
        assert check(url) == []


@pytest.mark.slow
def test_a_killed_arena_keeps_nobody_waiting_and_loses_nothing_it_acknowledged(postgres: Cluster) -> None:
    with postgres.fresh() as url, closing(open_database(url)) as database:
        prepare(database)
        with arena(url, 0) as killed:
            assert killed.stdin is not None
            killed.stdin.write("go\n")
            killed.stdin.flush()
            while not votes_in(database):
                pass
            killed.kill()
        acknowledged = votes_in(database)
        with arena(url, 0) as other:
            said = json.loads(other.communicate("go\n", timeout=300)[0])
        assert {came_to for _, _, came_to in said} <= {"counted", "already_voted"}
        assert acknowledged >= 1
        assert votes_in(database) == BATTLES
        assert check(url) == []


def prepare(database: Database) -> None:
    """Battles of ann's that are open for their votes."""
    now = datetime.now(UTC)
    enrol_all(database, [ANT, BEE], now)
    for number in range(BATTLES):
        database.write(partial(ready_battle, battle_id=f"b{number}", now=now))


def votes_in(database: Database) -> int:
    with database.read() as session:
        return int(session.execute(text("SELECT count(*) FROM vote")).scalar_one())
