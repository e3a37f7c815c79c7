"""A PostgreSQL that falls silent while its connections stay open, as behind a proxy that stalls."""

from __future__ import annotations

import asyncio
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from arenas import ANT, BEE, arena_of, database_with
from postgres import Cluster
from sqlalchemy import make_url, text
from support import REPO, Server, Visitor, canary, environment, free_port, stop, wait_for, write_catalog
from test_health import Whole

from arena.health import Checkup, health
from arena.stopping import finish
from arena.view import View
from db import postgres as dialect
from db import session as sessions
from db.outcome import Outcome
from db.session import Database, DatabaseProblem, Session
from db.tables import Counter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PIECE = 65536


class Proxy:
    """Forwards to a server until `stall`; then it takes connections and bytes, which go nowhere until `resume`."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._flows = threading.Event()
        self._flows.set()
        self._over = False
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        self._flows.clear()

    def resume(self) -> None:
        self._flows.set()

    def close(self) -> None:
        self._over = True
        self._flows.set()
        self._door.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._flows.wait()
        with client, socket.create_connection(("127.0.0.1", self._target)) as server, suppress(OSError):
            others = {client: server, server: client}
            while not self._over:
                readable, _, _ = select.select(list(others), [], [], 0.05)
                self._flows.wait()
                for one in readable:
                    if not (piece := one.recv(PIECE)):
                        return
                    others[one].sendall(piece)


@pytest.fixture
def proxy(postgres: Cluster) -> Iterator[Proxy]:
    with closing(Proxy(postgres.port)) as proxy:
        yield proxy


@pytest.fixture
def url(postgres: Cluster, proxy: Proxy) -> Iterator[str]:
    with postgres.fresh() as direct:
        yield make_url(direct).set(port=proxy.port).render_as_string(hide_password=False)
        proxy.resume()  # whoever still holds a table must hear that its client is gone


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every limit is a second or two."""
    monkeypatch.setattr(dialect, "SILENT_SECONDS", 1.0)
    monkeypatch.setattr(dialect, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(sessions, "END_SECONDS", 2.0)
    monkeypatch.setattr("arena.health.PATIENCE", 1.0)


def count(database: Database) -> int:
    with database.read() as session:
        return session.query(Counter).count()


def add(session: Session, name: str) -> None:
    session.add(Counter(name=name, value=1))


def later(work: Any, *arguments: Any) -> Future[Any]:
    """Call it in a thread that no end of the process waits for: it may hang."""
    future: Future[Any] = Future()

    def call() -> None:
        try:
            future.set_result(work(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future


@pytest.mark.usefixtures("hurried")
def test_readers_and_writers_of_a_silent_server_are_told_and_go_on_when_it_answers(url: str, proxy: Proxy) -> None:
    with closing(database_with(url, ANT, BEE)) as database:
        database.write(partial(add, name="before"))
        assert count(database) == 1
        proxy.stall()
        reading, writing = later(count, database), later(database.write, partial(add, name="meanwhile"))
        for hanging in (reading, writing):
            assert isinstance(hanging.exception(30), DatabaseProblem)
        assert isinstance(later(count, database).exception(30), DatabaseProblem), "nor is a new connection answered"
        proxy.resume()
        database.write(partial(add, name="after"))
        assert count(database) >= 2


@pytest.mark.usefixtures("hurried")
def test_a_server_that_falls_silent_within_a_transaction_ends_it_for_all_of_its_group(url: str, proxy: Proxy) -> None:
    with closing(database_with(url, ANT, BEE)) as database:

        def stalled(session: Session) -> None:
            proxy.stall()
            session.execute(text("SELECT 1"))

        assert isinstance(database.submit(stalled).exception(30), DatabaseProblem)
        large = database.submit(partial(add, name="x" * 2**25))  # more than the network takes without an answer
        assert isinstance(large.exception(30), DatabaseProblem)
        proxy.resume()
        database.write(partial(add, name="after"))
        assert count(database) == 1


@pytest.mark.usefixtures("hurried")
def test_text_that_the_network_takes_no_more_of_is_given_up(url: str, proxy: Proxy) -> None:
    with closing(database_with(url, ANT, BEE)) as database:

        def work(session: Session) -> None:
            proxy.stall()
            session.execute(text("SELECT length(:text)"), {"text": "x" * 2**26})

        assert isinstance(database.submit(work).exception(30), DatabaseProblem)


@pytest.mark.usefixtures("hurried")
def test_a_migration_is_allowed_longer_silence(url: str) -> None:
    def work(session: Session) -> None:
        session.execute(text("SELECT pg_sleep(2)"))

    with closing(Database(url, references=False)) as migrated:
        migrated.write(work)
    with closing(Database(url)) as database, pytest.raises(DatabaseProblem, match="was silent for 1 s"):
        database.write(work)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
def test_the_system_itself_gives_up_a_machine_that_acknowledges_nothing(url: str) -> None:
    def ask(session: Session) -> tuple[int, int]:
        connection = session.connection().connection.driver_connection
        assert connection is not None
        with socket.socket(fileno=socket.dup(connection.fileno())) as copy:
            return (
                copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
                copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            )

    with closing(Database(url)) as database:
        assert database.write(ask) == database.look(ask).result(30) == (30_000, 30)


@pytest.mark.usefixtures("hurried")
def test_health_says_down_though_every_thread_of_the_pages_is_taken(url: str, proxy: Proxy) -> None:
    held = threading.Event()

    async def ask(database: Database) -> list[str]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        checkup = Checkup(partial(health, Whole(database)))
        found = [(await checkup.latest())["status"]]
        proxy.stall()
        taken = asyncio.ensure_future(asyncio.to_thread(held.wait, 60))
        for _ in range(3):
            await asyncio.sleep(1)  # an answer is fresh that long
            found.append((await asyncio.wait_for(checkup.latest(), 30))["status"])
        proxy.resume()
        held.set()
        await taken
        return found

    with closing(database_with(url, ANT, BEE)) as database:
        assert asyncio.run(ask(database)) == ["ok", "down", "down", "down"]
        wait_for(lambda: health(Whole(database))["status"] == "ok")


@pytest.mark.parametrize("silent", [1.0, 60.0], ids=["noticed before", "noticed by the stop"])
@pytest.mark.usefixtures("hurried")
def test_a_stop_without_the_server_ends_and_names_the_battle_whose_vote_may_be_lost(
    url: str, proxy: Proxy, silent: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dialect, "SILENT_SECONDS", silent)
    arena = arena_of(url, ANT, BEE, undo_seconds=60)

    async def visit() -> tuple[View, Future[Any]]:
        (*_, view) = await arena.ask()
        choosing = arena.battles.choose(view.battle_id, "ann", Outcome.A)
        assert (await anext(choosing)).chosen is Outcome.A
        proxy.stall()
        hanging = later(count, arena.database)
        with pytest.raises(DatabaseProblem, match=r"did not take|silent|timeout"):
            await asyncio.to_thread(finish, arena.battles, 0)
        with pytest.raises(DatabaseProblem):
            await anext(choosing)
        return view, hanging

    view, hanging = asyncio.run(asyncio.wait_for(visit(), 60))
    assert f"The vote on battle {view.battle_id} could not be stored" in caplog.text
    with suppress(DatabaseProblem):  # it was said once, by the stop
        arena.database.close()
    assert isinstance(hanging.exception(30), DatabaseProblem), "no thread is left that the process would wait for"


@pytest.mark.usefixtures("hurried")
def test_closing_gives_a_silent_server_up_and_says_so(url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "SILENT_SECONDS", 60.0)
    database = Database(url)
    database.write(lambda _: None)
    proxy.stall()
    writing = database.submit(partial(add, name="late"))
    with pytest.raises(DatabaseProblem, match=r"did not take within 2 s what was to be written last; it may not be"):
        database.close()
    assert isinstance(writing.exception(30), DatabaseProblem)


HURRIED = f"""
import runpy
from db import postgres, session
postgres.SILENT_SECONDS, postgres.CONNECT_SECONDS, session.END_SECONDS = 3.0, 2, 4.0
runpy.run_path({str(REPO / "app.py")!r}, run_name="__main__")
"""


def test_an_arena_without_its_server_is_down_recovers_and_stops_with_exit_code_1(
    url: str, proxy: Proxy, tmp_path: Path
) -> None:
    catalog = write_catalog(tmp_path / "catalog.toml", canary("alder"), canary("birch"))
    port = free_port()
    variables = environment(tmp_path, catalog, PORT=port, DATABASE_URL=url, STOP_SECONDS=1)
    with (tmp_path / "server.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-c", HURRIED], env=variables, cwd=tmp_path, stdout=log, stderr=log)
    server = Server(f"http://127.0.0.1:{port}", tmp_path, variables, process)

    def code() -> int:
        return httpx.get(f"{server.url}/healthz", timeout=30).status_code

    try:
        wait_for(lambda: "is open at" in server.log and server.log.count(": ready") == 2, 60)
        voter, others = Visitor(server.url), Visitor(server.url)
        voter.ask("Before")
        proxy.stall()
        for _ in range(10):  # more than there are threads for pages
            others.join("load")
        wait_for(lambda: code() == 503)
        proxy.resume()
        wait_for(lambda: code() == 200)
        assert "Quillon" in voter.vote("a").text
        proxy.stall()
        assert stop(process) == 1
    finally:
        stop(process)
    assert server.log.splitlines()[-1].startswith(f"The database postgresql://paddock@127.0.0.1:{proxy.port}/")
