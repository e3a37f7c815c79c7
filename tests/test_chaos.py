"""Engines are killed, stopped and evicted and visitors leave, all under load: afterwards nothing is lost or stuck."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx
import pytest
from arenas import database_with
from pools import load_fake, spec_of, worker_of
from support import Server, Visitor, serving, wait_for, write_catalog

from arena.battle import Battles, NotEnoughModels
from arena.turn import Limits
from arena.view import View
from db.session import Database
from db.tables import Battle, Turn
from models.catalog import load_catalog
from models.fetch import fetch
from models.local.worker import WorkerModel
from models.pool import Patience, Pool
from models.spec import ModelSpec

pytestmark = pytest.mark.slow

PLACES = 4
PATIENCE = 120.0

# -- inside one process, with engines that do what the prompt says -----------------------------------


@dataclass
class House:
    """Three contestants of which two fit into memory; engines may be silent for two seconds."""

    database: Database
    pool: Pool
    battles: Battles
    struck: int = 0

    async def ask(self, prompt: str, voter: str) -> str:
        """How the battle ended; "" where it was not begun."""
        status = ""
        with suppress(NotEnoughModels):
            async for view in self.battles.ask(None, voter, prompt):
                status = view.status if isinstance(view, View) else status
        return status

    async def leave(self, prompt: str, voter: str, before: Callable[[], object] = lambda: None) -> None:
        """Ask, do something when both answers show something, and leave."""
        with suppress(NotEnoughModels):
            async with aclosing(self.battles.ask(None, voter, prompt)) as views:
                async for view in views:
                    if isinstance(view, View) and view.exchanges[-1].a:
                        before()
                        break

    def in_use(self) -> list[WorkerModel]:
        return [worker_of(self.pool, name) for name in +self.pool._register.seating._leases]

    def strike(self, number: signal.Signals) -> None:
        """Send a signal to an engine that is in use."""
        os.kill(self.in_use()[0].pid, number)
        self.struck += 1

    def recovers(self) -> None:
        """Every place and every engine serves again, and no row says that anything is still generated."""
        assert self.pool.wait(lambda: len(self.pool.ready()) == 3, PATIENCE), self.pool.status()

        async def all_at_once() -> list[str]:
            return await asyncio.gather(*(self.ask("say fine", f"new{number}") for number in range(PLACES)))

        def all_served() -> bool:
            return asyncio.run(asyncio.wait_for(all_at_once(), PATIENCE)) == ["open"] * PLACES

        # Not at the first try: an engine that hung may be ended only now, and its battles with it.
        wait_for(all_served, PATIENCE)
        self.database.write(lambda session: None)
        with self.database.read() as session:
            assert "generating" not in {battle.status for battle in session.query(Battle)}
            assert "generating" not in {turn.status for turn in session.query(Turn)}
        assert not +self.pool._register.seating._leases


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))

    def load(spec: ModelSpec, weights: Path | None, threads: int) -> WorkerModel:
        return load_fake(spec, weights, threads, slots=PLACES, stall=3, cancel=3)

    specs = [spec_of(name, tmp_path, size, bytes=4000) for size, name in enumerate(("one", "two", "three"), 1)]
    quick = Patience(first_pause=0.01, longest_pause=0.05, proven=0, restarts=50)
    limits = Limits(pace_chars=0, tick_seconds=0.02, answer_seconds=20, max_battles=PLACES)
    with (
        closing(database_with(tmp_path, *specs)) as database,
        closing(Pool(specs, cache=tmp_path / "cache", memory=10e-6, load=load, patience=quick)) as pool,
    ):
        pool.start()
        assert pool.wait(lambda: len(pool.ready()) == 3, PATIENCE)
        yield House(database, pool, Battles(database, pool, limits, Random(1)))


def test_engines_that_are_killed_and_stopped_while_visitors_come_and_go_cost_no_place(house: House) -> None:
    async def scene() -> None:
        playing = [asyncio.create_task(house.ask("forever", f"stays{number}")) for number in range(2)]
        for round_ in range(3):
            await house.leave("forever", f"leaves{round_}", lambda: house.strike(signal.SIGKILL))
            await house.leave("forever", f"stops{round_}", lambda: house.strike(signal.SIGSTOP))
            playing += [asyncio.create_task(house.ask("say hello", f"quick{round_}"))]
        ends = await asyncio.gather(*playing)
        assert set(ends) <= {"open", "void", ""}
        assert house.struck > 3

    asyncio.run(asyncio.wait_for(scene(), PATIENCE))
    house.recovers()


@pytest.mark.parametrize("prompt", ["hang", "deaf"])
def test_engines_that_hang_are_ended_and_come_back(house: House, prompt: str) -> None:
    async def scene() -> None:
        await asyncio.gather(*(house.leave(prompt, f"leaves{number}", note) for number in range(PLACES)))

    hanging: list[WorkerModel] = []

    def note() -> None:
        hanging.extend(house.in_use())

    asyncio.run(asyncio.wait_for(scene(), PATIENCE))
    assert hanging
    assert all(worker.wait_gone(PATIENCE) for worker in hanging)
    house.recovers()


def test_visitors_cancelled_at_any_moment_hold_nothing(house: House) -> None:
    """Many more than there are places, each gone after a moment of its own; models come and go meanwhile."""

    async def scene() -> None:
        async def gone_after(number: int) -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(number * 0.05):
                    await house.ask("forever", f"visitor{number}")

        await asyncio.gather(*(gone_after(number) for number in range(30)))

    asyncio.run(asyncio.wait_for(scene(), PATIENCE))
    house.recovers()


# -- a real server, real weights, real HTTP ---------------------------------------------------------

ARENA_PLACES = 3
ON_LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds engines in /proc")
STORY = "Tell me a long story about a horse."


@dataclass
class Load:
    """A server with real models, and what its visitors do."""

    server: Server

    def engines(self) -> list[int]:
        """The engines' process ids."""
        found: list[int] = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                state, parent = path.read_text().rsplit(")", 1)[1].split()[:2]
                if int(parent) == self.server.process.pid and state != "Z":
                    found.append(int(path.parent.name))
        return found

    @contextmanager
    def visited(self, *what: Callable[[], None]) -> Iterator[None]:
        """While the block runs, each of these is done again and again at the same time."""
        over = threading.Event()

        def again(do: Callable[[], None]) -> None:
            while not over.is_set():
                do()
                over.wait(0.2)

        with ThreadPoolExecutor(len(what)) as visitors:
            coming = [visitors.submit(again, do) for do in what]
            try:
                yield
            finally:
                over.set()
            for one in coming:
                one.result()

    def plays(self) -> None:
        Visitor(self.server.url).ask(STORY)

    def leaves(self) -> None:
        """Close the connection when the answers have begun."""
        visitor = Visitor(self.server.url)
        visitor.call("prompt.submit", STORY, True, None)
        visitor.join("watch", None)
        with visitor.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": visitor.session}) as stream:
            for line in stream.iter_lines():
                if "process_generating" in line or "process_completed" in line:
                    break
        visitor.http.close()

    def in_the_middle(self) -> None:
        """Return while answers are generated."""
        wait_for(lambda: self.generating() > 0, PATIENCE)
        time.sleep(1)

    def generating(self) -> int:
        return int(self.server.rows("select count(*) from turn where status = 'generating'")[0][0])

    def answered(self) -> int:
        """Turns with two whole answers, those counted in which a small model had nothing to say."""
        finished = "select count(*) from turn where status = 'finished' or failure = 'the model answered nothing'"
        return int(self.server.rows(finished)[0][0])

    def ready(self) -> int:
        return int(httpx.get(f"{self.server.url}/healthz", timeout=10).json()["ready"])

    def recovers(self, models: int) -> None:
        """All models can be had, as many as there are places are answered at once, and nothing is left over."""

        def all_served() -> bool:
            before = self.answered()
            with ThreadPoolExecutor(ARENA_PLACES) as visitors:
                for done in [visitors.submit(self.plays) for _ in range(ARENA_PLACES)]:
                    done.result(PATIENCE)
            return self.answered() - before == ARENA_PLACES

        # Not at the first try: /healthz is a moment old, and an engine that was just ended still counts in it.
        wait_for(lambda: self.ready() == models, PATIENCE)
        wait_for(all_served, PATIENCE)
        wait_for(lambda: self.generating() == 0)
        assert self.server.rows("select count(*) from battle where status = 'generating'") == [(0,)]


def line_up(path: Path, gemmas: int) -> list[ModelSpec]:
    """SmolLM2, and Gemma so many times with another temperature; small contexts, short answers."""
    entries: list[dict[str, object]] = []
    for spec in load_catalog():
        for number in range({"smollm2-135m-instruct-q4": 1, "gemma-3-270m-base-q4": gemmas}.get(spec.id, 0)):
            sampling = {"temperature": 0.5 + number / 10, "max_tokens": 64, "repeat_penalty": 1.15}
            own = {"id": f"{spec.id}-{number}", "name": f"{spec.name} {number}", "context": 1024}
            entries.append({**spec.model_dump(mode="json", exclude_none=True), **own, "sampling": sampling})
    return list(load_catalog(write_catalog(path, *entries)))


@contextmanager
def loaded(folder: Path, gemmas: int = 1, **settings: object) -> Iterator[Load]:
    line_up(folder / "catalog.toml", gemmas)
    given = {"PACE_CHARS": 0, "MAX_BATTLES": ARENA_PLACES, **settings}
    with serving(folder, folder / "catalog.toml", ready=1 + gemmas, seconds=300, **given) as server:
        yield Load(server)
    assert "Traceback" not in server.log


@pytest.mark.timeout(900)
@ON_LINUX
def test_a_server_lives_on_when_engines_are_killed_and_visitors_leave_in_the_middle(tmp_path: Path) -> None:
    with loaded(tmp_path) as load:
        with load.visited(load.plays, load.plays, load.plays, load.leaves, load.leaves):
            for number in range(3):
                load.in_the_middle()
                before = load.engines()
                os.kill(before[number % 2], signal.SIGKILL)
                wait_for(lambda: len(set(load.engines()) - set(before)) == 1 and load.ready() == 2, PATIENCE)  # noqa: B023
            load.in_the_middle()
        load.recovers(models=2)
        assert load.server.rows("select count(*) from battle where status = 'stopped'") != [(0,)], "who left"
        assert load.server.rows("select count(*) from battle where status = 'void'") != [(0,)], "who was hit"


@pytest.mark.timeout(900)
@ON_LINUX
def test_a_server_ends_an_engine_that_was_stopped_and_answers_others_meanwhile(tmp_path: Path) -> None:
    with loaded(tmp_path) as load:
        with load.visited(load.plays, load.plays):
            load.in_the_middle()
            stopped = load.engines()[0]
            os.kill(stopped, signal.SIGSTOP)
            wait_for(
                lambda: load.ready() <= 2 and stopped not in load.engines(), PATIENCE
            )  # the pages answer meanwhile
        load.recovers(models=2)


@pytest.mark.timeout(900)
@ON_LINUX
def test_four_contestants_play_in_the_memory_of_two(tmp_path: Path) -> None:
    largest = max(needed(spec) for spec in line_up(tmp_path / "catalog.toml", gemmas=3)[-2:])
    with loaded(tmp_path, gemmas=3, MEMORY=round(2.05e-9 * largest, 4)) as load:
        with load.visited(load.plays, load.plays, load.plays, load.leaves):
            deadline = time.monotonic() + PATIENCE
            while load.server.log.count("makes room") < 5 and time.monotonic() < deadline:
                assert len(load.engines()) <= 2
                time.sleep(0.1)
        load.recovers(models=4)
        assert load.server.log.count("makes room") >= 5, load.server.log
        pairs = {frozenset(pair) for pair in load.server.rows("select contestant_a, contestant_b from battle")}
        assert len(pairs) > 2
        failures = {failure for (failure,) in load.server.rows("select failure from turn where failure is not null")}
        assert failures <= {"the model answered nothing"}


def needed(spec: ModelSpec) -> int:
    """Bytes that this model takes here, when it is loaded."""
    assert spec.weights
    weights = fetch(spec.weights, Path("~/.cache/paddock/weights").expanduser(), lambda part: None)
    worker = WorkerModel(spec, weights, slots=ARENA_PLACES)
    with closing(worker):
        return worker.wait_ready(PATIENCE).bytes
