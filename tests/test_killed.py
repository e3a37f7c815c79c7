"""Killed at any moment under 16 voters, each time with the disk wiped: flushed votes come back, each once."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from hub_server import Hub, hub_server
from support import REPO, environment, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.integrity, pytest.mark.timeout(1500)]

KILLS = 40
VOTERS = 16
PATIENCE = 120.0


@dataclass
class Process:
    """A running tests/voting_process.py, and what it has said so far."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        # A line without its end was not said: the vote in it was acknowledged to nobody.
        self.said.extend(line for line in self.process.stdout if line.endswith("\n"))

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return code

    def has_begun(self) -> bool:
        return bool(self.said)

    @property
    def votes(self) -> dict[str, tuple[str, int]]:
        """Outcome and number of each battle that was acknowledged."""
        parts = [line.split() for line in self.said if line.startswith("vote ")]
        return {battle: (outcome, int(number)) for _, battle, outcome, number in parts}

    @property
    def flushed(self) -> dict[str, str]:
        """The outcome of each vote that was acknowledged and, by the process's word, flushed."""
        told = [int(line.split()[1]) for line in self.said if line.startswith("flushed ") and "None" not in line]
        return {battle: outcome for battle, (outcome, number) in self.votes.items() if number <= max(told, default=0)}


@dataclass
class Place:
    """Where processes begin one after the other, each without what the one before left on the disk."""

    folder: Path
    hub: Hub

    def begin(self, voters: int = VOTERS) -> Process:
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        variables = self.hub.environment(self.folder / "home") | {
            name: value
            for name, value in environment(
                self.folder, DATASET="us/votes", FLUSH_MINUTES=0.005, SNAPSHOT_MINUTES=0.02,
                SECRET="signs cookies in tests",
            ).items()
            if name.startswith("ARENA_")
        } | {"PYTHONPATH": f"{REPO}:{REPO / 'tests'}"}  # fmt: skip
        command = [sys.executable, str(REPO / "tests" / "voting_process.py"), str(voters)]
        with (self.folder / "log").open("a") as log:
            return Process(
                subprocess.Popen(command, env=variables, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True)
            )

    def kept(self) -> dict[str, str]:
        """The outcome of each vote in the database of a process that has ended, which must be sound."""
        with closing(sqlite3.connect(self.folder / "data" / "arena.db")) as database:
            assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
            assert database.execute("pragma foreign_key_check").fetchall() == []
            rows = database.execute("select battle_id, outcome, sequence from vote").fetchall()
            counter = database.execute("select value from counter where name = 'votes'").fetchone()[0]
            voted = database.execute("select count(*) from battle where status = 'voted'").fetchone()[0]
        assert len({battle for battle, _, _ in rows}) == len({number for _, _, number in rows}) == len(rows) == voted
        assert counter == max((number for _, _, number in rows), default=0)
        return {battle: outcome for battle, outcome, _ in rows}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with hub_server() as hub:
        yield Place(tmp_path, hub)


def test_no_flushed_vote_is_lost_and_none_counts_twice(place: Place) -> None:
    rng = Random(5)
    flushed: dict[str, str] = {}
    acknowledged: dict[str, str] = {}
    in_the_middle = 0
    for number in range(KILLS):
        process = place.begin()
        if number % 8:  # else at any moment of its start
            wait_for(process.has_begun, PATIENCE)
        # A start that the Hub refuses would be told, and be over by itself.
        place.hub.write_status = 403 if number % 5 == 4 and process.has_begun() else 0
        time.sleep(rng.uniform(0, 2))
        in_the_middle += bool(process.votes)
        assert process.end(signal.SIGKILL) == -signal.SIGKILL, (place.folder / "log").read_text()[-3000:]
        place.hub.write_status = 0
        flushed |= process.flushed
        acknowledged |= {battle: outcome for battle, (outcome, _) in process.votes.items()}
    stopped = place.begin()
    wait_for(lambda: len(stopped.votes) > VOTERS, PATIENCE)
    assert stopped.end(signal.SIGTERM) == 0, (place.folder / "log").read_text()[-3000:]
    assert stopped.said[-1] == "done\n"
    flushed |= {battle: outcome for battle, (outcome, _) in stopped.votes.items()}  # of an orderly stop: all of them
    last = place.begin(voters=0)
    wait_for(last.has_begun, PATIENCE)
    assert last.end(signal.SIGTERM) == 0
    kept = place.kept()
    print(f"{len(flushed)} of {len(acknowledged)} acknowledged votes were flushed; {len(kept)} came back")
    assert in_the_middle > KILLS // 2
    assert len(flushed) > KILLS
    assert {battle: kept.get(battle) for battle in flushed} == flushed
    known = acknowledged | flushed
    assert {battle: known[battle] for battle in kept if battle in known} == {
        battle: kept[battle] for battle in kept if battle in known
    }
    assert len(kept.keys() - known.keys()) <= KILLS * VOTERS, "stored, flushed, and killed before the word was out"
