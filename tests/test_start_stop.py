"""The arena starts and stops in order; what keeps it from starting is told in one sentence."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from support import REPO, Server, Visitor, canary, environment, free_port, serving, start, stop, wait_for, write_catalog

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "catalog.toml"
    return write_catalog(path, *(canary(tree, replies=["Hello.", "On and on. " * 90]) for tree in ("alder", "birch")))


def begin_a_long_answer(server: Server) -> Visitor:
    """A visitor whose second answer takes ten seconds, which it does not wait for."""
    late = Visitor(server.url)
    late.ask("Answered")
    late.call("prompt.submit", "On and on?", True, None)
    late.join("watch", None)
    wait_for(lambda: server.rows("select count(*) from battle where status = 'generating'") == [(1,)])
    return late


def test_sigterm_while_answers_stream_loses_no_vote(catalog: Path, tmp_path: Path) -> None:
    with serving(tmp_path, catalog, PACE_CHARS=100, STOP_SECONDS=1) as server:
        voter = Visitor(server.url)
        voter.ask("Answered")
        voter.vote("tie")
        late = begin_a_long_answer(server)
        assert httpx.get(f"{server.url}/metrics").status_code == 404  # nobody has asked for them
        assert stop(server.process) == 0
    assert "Traceback" not in server.log
    with closing(sqlite3.connect(server.database)) as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
        # Stored by the arena that stopped, and not found as an orphan by the next.
        assert sorted(database.execute("select status from battle")) == [("stopped",), ("voted",)]
    with serving(tmp_path, catalog) as again:
        assert again.rows("select outcome from vote") == [("tie",)]
        assert sorted(again.rows("select status from battle")) == [("stopped",), ("voted",)]
        assert Visitor(again.url, late.cookie).call("load").success


def test_a_database_that_can_not_be_written_at_the_end_is_told_by_the_exit(catalog: Path, tmp_path: Path) -> None:
    port = free_port()
    variables = environment(tmp_path, catalog, PORT=port)
    server = Server(f"http://127.0.0.1:{port}", tmp_path, variables, start(tmp_path, variables))
    try:
        wait_for(lambda: "is open at" in server.log and server.log.count(": ready") == 2)
        voter = Visitor(server.url)
        voter.ask("Answered")
        voter.vote("tie")
        with closing(sqlite3.connect(server.database, isolation_level=None)) as other:
            other.execute("begin immediate")
            assert stop(server.process) == 1
    finally:
        stop(server.process)
    assert server.log.splitlines()[-1] == f"The database {server.database} can't be written: database is locked."
    assert "Traceback" not in server.log
    with serving(tmp_path, catalog) as again:
        assert again.rows("select outcome from vote") == [("tie",)]


def test_sigterm_lets_running_answers_end_and_turns_newcomers_away(catalog: Path, tmp_path: Path) -> None:
    with serving(tmp_path, catalog, PACE_CHARS=100, STOP_SECONDS=60, LOG_FORMAT="json", METRICS=1) as server:
        voter, newcomer = Visitor(server.url), Visitor(server.url)
        voter.ask("Answered")
        begin_a_long_answer(server)
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: httpx.get(f"{server.url}/healthz").status_code == 503)
        assert httpx.get(f"{server.url}/healthz").json()["status"] == "stopping"
        (said,) = newcomer.call("prompt.submit", "And I?", True, None).toasts
        assert "about to restart" in said
        assert "Quillon" in voter.vote("a").text
        metrics = httpx.get(f"{server.url}/metrics").text
        assert 'paddock_votes_total{outcome="a"} 1.0' in metrics
        assert "paddock_battles_running 1.0" in metrics
        assert server.process.wait(60) == 0
    with closing(sqlite3.connect(server.database)) as database:
        assert sorted(database.execute("select status from battle")) == [("open",), ("voted",)]
    assert {json.loads(line)["level"] for line in server.log.splitlines()} == {"info"}


@dataclass(frozen=True)
class Trouble:
    """Something that keeps the arena from starting, and a word its sentence must have."""

    word: str
    settings: Mapping[str, object]
    prepare: Callable[[Path], object] = lambda folder: None


def _write(name: str, content: bytes) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return write


def _newer_database(folder: Path) -> None:
    (folder / "data").mkdir()
    with closing(sqlite3.connect(folder / "data" / "arena.db")) as database:
        database.execute("create table alembic_version (version_num varchar(32) primary key)")
        database.execute("insert into alembic_version values ('9999')")
        database.commit()


HEADER = b"SQLite format 3\0\x10\x00\x01\x01\x00\x40\x20\x20" + b"\xff" * 8192
TROUBLES = {
    "a port that is no number": Trouble("ARENA_PORT", {"PORT": "many"}),
    "a variable that is no setting": Trouble("ARENA_PROT", {"PROT": 1}),
    "an origin that is none": Trouble("ARENA_ORIGINS", {"ORIGINS": "arena.example.org"}),
    "another kind of database": Trouble("ARENA_DATABASE_URL", {"DATABASE_URL": "postgresql://localhost/arena"}),
    "no catalogue": Trouble("ARENA_CATALOG", {"CATALOG": "nowhere.toml"}),
    "a broken catalogue": Trouble("broken.toml", {"CATALOG": "broken.toml"}, _write("broken.toml", b"[[model]\n")),
    "a catalogue of one": Trouble("two", {"CATALOG": "one.toml"}, lambda folder: write_catalog(
        folder / "one.toml", canary("alder"))),
    "a field that is unknown": Trouble("colour", {"CATALOG": "odd.toml"}, lambda folder: write_catalog(
        folder / "odd.toml", canary("alder"), {**canary("birch"), "colour": "red"})),
    "a database that is none": Trouble("arena.db", {}, _write("data/arena.db", b"no database at all " * 999)),
    "a damaged database": Trouble("arena.db", {}, _write("data/arena.db", HEADER)),
    "a newer database": Trouble("newer", {}, _newer_database),
    "a data folder that is a file": Trouble("ARENA_DATA", {"DATA": "file/data"}, _write("file", b"")),
}  # fmt: skip


@pytest.mark.parametrize("kind", TROUBLES)
def test_what_keeps_the_arena_from_starting_is_told_in_one_sentence(kind: str, catalog: Path, tmp_path: Path) -> None:
    trouble = TROUBLES[kind]
    trouble.prepare(tmp_path)
    settings = {"CATALOG": catalog, "PORT": free_port(), **trouble.settings}
    _expect_one_sentence(tmp_path, environment(tmp_path, None, **settings), trouble.word)


def test_a_taken_port_is_told_in_one_sentence(catalog: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        _expect_one_sentence(tmp_path, environment(tmp_path, catalog, PORT=port), "ARENA_PORT")


def test_a_second_server_on_the_same_data_is_told_in_one_sentence(catalog: Path, tmp_path: Path) -> None:
    with serving(tmp_path, catalog) as server:
        variables = environment(tmp_path, catalog, PORT=free_port())
        _expect_one_sentence(tmp_path, variables, "in use by a running arena")
        assert Visitor(server.url).ask("Still there?").success


def _expect_one_sentence(folder: Path, variables: Mapping[str, str], word: str) -> None:
    command = [sys.executable, str(REPO / "app.py")]
    done = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode not in (0, -9), done
    said = [line for line in done.stderr.splitlines() if " paddock." not in line]  # the log tells of the models
    assert len(said) == 1, done.stderr
    assert word in said[0]
    assert said[0].endswith("."), "a sentence"
