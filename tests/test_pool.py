from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from models.catalog import FolderSource, ModelSpec, Weights
from models.chat import Event, Failed, Message, Sampling, Text
from models.fetch import FetchError, Report, fetch
from models.local.worker import WorkerModel
from models.pool import NotReady, Patience, Pool, Resident

PATIENCE = 60.0
QUICK = Patience(first_pause=0.01, fetch_pause=0.01, longest_pause=0.05, restarts=2)


def load_fake(spec: ModelSpec, weights: Path | None, threads: int) -> Resident:
    return WorkerModel(spec, weights, threads=threads, engine="fake_engine:FakeEngine")


def spec_of(name: str, folder: Path, size: int = 10, quantization: str = "none", **script: object) -> ModelSpec:
    """A file of `size` times its name; the fake engine takes from `script` what it needs."""
    content = name.encode() * size
    (folder / f"{name}.gguf").write_bytes(content)
    weights = Weights(
        file=f"{name}.gguf", sha256=hashlib.sha256(content).hexdigest(), bytes=len(content),
        sources=(FolderSource(kind="folder", path=str(folder)),),
    )  # fmt: skip
    return ModelSpec(
        id=name, name=name.title(), engine="llamacpp", quantization=quantization, license="none", makers=("us",),
        weights=weights, script=script,
    )  # fmt: skip


def scripted(name: str) -> ModelSpec:
    return ModelSpec(id=name, name=name, engine="scripted", quantization="none", license="none", makers=("us",))


Make = Callable[..., Pool]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    pools: list[Pool] = []

    def make(*specs: ModelSpec, **options: object) -> Pool:
        given: dict[str, object] = {"load": load_fake, "patience": QUICK, **options}
        pool = Pool(specs, cache=tmp_path / "cache", **given)  # type: ignore[arg-type]
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.close()


def until(pool: Pool, happened: Callable[[], bool]) -> None:
    """Wait for a change of the pool's status."""
    assert pool.wait(happened, PATIENCE), pool.status()


def say(pool: Pool, name: str, text: str) -> list[Event]:
    async def collect() -> list[Event]:
        return [event async for event in pool.model(name).stream((Message("user", text),), Sampling(), 0)]

    return asyncio.run(asyncio.wait_for(collect(), PATIENCE))


def test_every_model_becomes_ready_and_answers(make: Make, tmp_path: Path) -> None:
    pool = make(spec_of("one", tmp_path), spec_of("two", tmp_path))
    pool.start()
    assert pool.wait_ready(2, PATIENCE)
    assert [spec.id for spec in pool.ready()] == ["one", "two"]
    assert say(pool, "two", "say hello")[0] == Text("hello")


def test_a_scripted_model_is_ready_without_weights(make: Make) -> None:
    pool = make(scripted("one"), scripted("two"))
    pool.start()
    assert pool.wait_ready(2, PATIENCE)
    assert say(pool, "one", "Hi")[0] == Text("Hell")


def test_the_smallest_download_comes_first_and_the_status_keeps_the_catalogues_order(
    make: Make, tmp_path: Path
) -> None:
    order: list[str] = []

    def noting(weights: Weights, cache: Path, report: Report) -> Path:
        order.append(weights.file)
        return fetch(weights, cache, report)

    pool = make(
        spec_of("large", tmp_path, 1000), spec_of("small", tmp_path), spec_of("middle", tmp_path, 100), fetch=noting
    )
    pool.start()
    assert pool.wait_ready(3, PATIENCE)
    assert order == ["small.gguf", "middle.gguf", "large.gguf"]
    assert [place.spec.id for place in pool.status()] == ["large", "small", "middle"]


def test_the_first_model_serves_while_the_next_is_still_fetched(make: Make, tmp_path: Path) -> None:
    go_on = threading.Event()

    def slowly(weights: Weights, cache: Path, report: Report) -> Path:
        if weights.file == "large.gguf":
            report(0.5)
            assert go_on.wait(PATIENCE)
        return fetch(weights, cache, report)

    pool = make(spec_of("large", tmp_path, 1000), spec_of("small", tmp_path), fetch=slowly)
    pool.start()
    assert pool.wait_ready(1, PATIENCE)
    until(pool, lambda: pool.status()[0].progress == 0.5)
    assert [place.state for place in pool.status()] == ["fetching", "ready"]
    with pytest.raises(NotReady, match=r"Large is not ready \(fetching\)\."):
        pool.model("large")
    assert not pool.wait_ready(2, 0.01)
    go_on.set()
    assert pool.wait_ready(2, PATIENCE)


def test_a_failed_fetch_is_named_tried_again_and_holds_nobody_up(make: Make, tmp_path: Path) -> None:
    tries: list[str] = []
    good = threading.Event()

    def failing(weights: Weights, cache: Path, report: Report) -> Path:
        tries.append(weights.file)
        if weights.file == "small.gguf" and not good.is_set():
            raise FetchError("small.gguf can't be fetched (pip: no network); connect this machine.")
        return fetch(weights, cache, report)

    pool = make(spec_of("small", tmp_path), spec_of("large", tmp_path, 100), fetch=failing)
    pool.start()
    until(pool, lambda: pool.status()[0].state == "failed")
    assert "no network" in pool.status()[0].reason
    assert pool.wait_ready(1, PATIENCE)
    good.set()
    assert pool.wait_ready(2, PATIENCE)
    assert pool.status()[0].reason == ""


def test_a_worker_that_was_killed_is_started_again(make: Make, tmp_path: Path) -> None:
    pool = make(spec_of("one", tmp_path))
    pool.start()
    assert pool.wait_ready(1, PATIENCE)
    first = pool.model("one")
    assert isinstance(first, WorkerModel)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait_gone(PATIENCE)
    until(pool, lambda: bool(pool.ready()) and pool.model("one") is not first)
    assert say(pool, "one", "say back")[0] == Text("back")


@pytest.mark.parametrize("quantization", ["broken", "crash"])
def test_a_model_that_never_loads_is_given_up_after_a_few_times(
    make: Make, tmp_path: Path, quantization: str
) -> None:  # fmt: skip
    pool = make(spec_of("one", tmp_path, quantization=quantization))
    pool.start()
    until(pool, lambda: "Given up after 3 times" in pool.status()[0].reason)
    assert pool.status()[0].state == "failed"
    with pytest.raises(NotReady, match="One could not be loaded"):
        pool.model("one")


def test_a_defect_in_the_pools_own_thread_is_shown(make: Make, tmp_path: Path) -> None:
    def defective(weights: Weights, cache: Path, report: Report) -> Path:
        raise RuntimeError("bent")

    pool = make(spec_of("one", tmp_path), scripted("two"), fetch=defective)
    pool.start()
    until(pool, lambda: pool.status()[0].state == "failed")
    assert pool.status()[0].reason == "RuntimeError: bent"


@pytest.mark.parametrize(("cores", "threads"), [(2, "1"), (9, "3"), (1, "1")])
def test_the_engines_share_the_cores(make: Make, tmp_path: Path, cores: int, threads: str) -> None:
    pool = make(*(spec_of(name, tmp_path) for name in ("one", "two", "three")), scripted("four"), cores=cores)
    pool.start()
    assert pool.wait_ready(4, PATIENCE)
    assert say(pool, "one", "threads")[0] == Text(threads)


# -- more models than memory -----------------------------------------------------------------------

TIGHT = 10e-6  # GB: ten thousand bytes


def states(pool: Pool) -> dict[str, str]:
    return {place.spec.id: place.state for place in pool.status()}


def settled(pool: Pool, **expected: str) -> None:
    until(pool, lambda: states(pool) == expected)


def there(pool: Pool, reserved: Callable[[], bool]) -> None:
    """Wait until what was reserved is there."""
    until(pool, reserved)


@pytest.fixture
def three(make: Make, tmp_path: Path) -> Pool:
    """Two of them fit: one and two, the smallest downloads, are loaded; three rests."""
    specs = [spec_of(name, tmp_path, size, bytes=4000) for size, name in enumerate(("one", "two", "three"), 1)]
    pool = make(*specs, memory=TIGHT)
    pool.start()
    settled(pool, one="ready", two="ready", three="resting")
    return pool


def test_models_are_loaded_while_they_fit_and_the_others_rest(three: Pool) -> None:
    assert [spec.id for spec in three.ready()] == ["one", "two", "three"], "all of them can be had"
    assert [(a.id, b.id, there) for a, b, there in three.pairs()] == [
        ("one", "two", True), ("one", "three", False), ("two", "three", False),
    ]  # fmt: skip
    with pytest.raises(NotReady, match="resting"):
        three.model("three")


def test_a_resting_model_comes_when_it_is_wanted_and_the_least_recently_used_goes(three: Pool) -> None:
    with three.reserve(["two"]) as ready:
        there(three, ready)
    leaving = three.model("one")
    with three.reserve(["two", "three"]) as ready:
        assert not ready()
        there(three, ready)
        assert states(three) == {"one": "resting", "two": "ready", "three": "ready"}
        assert say(three, "three", "say hello")[0] == Text("hello")
        assert isinstance(leaving, WorkerModel)
        assert not leaving.alive
    with three.reserve(["one", "three"]) as ready:
        there(three, ready)
        assert say(three, "one", "say back")[0] == Text("back")
    settled(three, one="ready", two="resting", three="ready")


def test_nobody_who_is_in_use_is_ended(three: Pool) -> None:
    with three.reserve(["one", "two"]) as playing:
        there(three, playing)
        assert [(a.id, b.id) for a, b, _ in three.pairs()] == [("one", "two")], "who is drawn waits for nobody"
        workers = three.model("one"), three.model("two")
        with three.reserve(["one", "three"]) as waiting:
            assert not three.wait(waiting, 0.5)
            assert (three.model("one"), three.model("two")) == workers
        with three.reserve(["one", "two"]) as also:
            assert also(), "who left the line is waited for no more"


def test_who_waits_is_served_when_the_others_end(three: Pool) -> None:
    with three.reserve(["one", "two"]) as playing:
        there(three, playing)
        waiting = three.reserve(["two", "three"])
        later = three.reserve(["one", "two"])
        first_ready, later_ready = waiting.__enter__(), later.__enter__()
        assert not first_ready()
        assert not later_ready(), "it stands behind the one who waits for the memory"
    there(three, first_ready)
    assert not later_ready()
    waiting.__exit__(None, None, None)
    there(three, later_ready)
    later.__exit__(None, None, None)


def test_waiting_has_an_end(make: Make, tmp_path: Path) -> None:
    specs = [spec_of(name, tmp_path, bytes=6000) for name in ("one", "two")]
    pool = make(*specs, memory=TIGHT, patience=replace(QUICK, load=PATIENCE))
    pool.start()
    settled(pool, one="ready", two="resting")
    pool._patience = replace(QUICK, load=0.2)
    with pool.reserve(["one"]) as playing, pool.reserve(["two"]) as waiting:
        there(pool, playing)
        time.sleep(0.3)
        with pytest.raises(NotReady, match="Two were not there within 0 s"):
            waiting()


def test_two_that_never_fit_together_do_not_meet(make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pool = make(spec_of("one", tmp_path, bytes=6000), spec_of("two", tmp_path, bytes=6000), memory=TIGHT)
    pool.start()
    settled(pool, one="ready", two="resting")
    assert pool.pairs() == []
    assert "No two models fit into memory together; raise ARENA_MEMORY" in caplog.text
    with pool.reserve(["one", "two"]) as ready, pytest.raises(NotReady, match="One and Two can't be had together"):
        ready()


def test_a_model_larger_than_the_memory_is_named_and_harms_nobody(make: Make, tmp_path: Path) -> None:
    pool = make(spec_of("large", tmp_path, bytes=30_000_000_000), spec_of("small", tmp_path), memory=2)
    pool.start()
    settled(pool, large="failed", small="ready")
    assert pool.status()[0].reason == (
        "Large needs 30.0 GB on fake, models may take 2.0 GB; "
        "raise ARENA_MEMORY or choose a smaller quantization or context."
    )


def test_without_a_setting_most_of_the_device_is_used(make: Make, tmp_path: Path) -> None:
    specs = [spec_of(name, tmp_path, bytes=5000, capacity=10_000) for name in ("one", "two")]
    pool = make(*specs)
    pool.start()
    settled(pool, one="ready", two="resting")


def test_what_a_model_needs_is_asked_once(make: Make, tmp_path: Path) -> None:
    """The second time it is known before a process is started, so that none is started in vain."""
    started: list[str] = []

    def noting(spec: ModelSpec, weights: Path | None, threads: int) -> Resident:
        started.append(spec.id)
        return load_fake(spec, weights, threads)

    specs = [spec_of(name, tmp_path, size, bytes=6000) for size, name in enumerate(("one", "two"), 1)]
    pool = make(*specs, memory=TIGHT, load=noting)
    pool.start()
    settled(pool, one="ready", two="resting")
    with pool.reserve(["two"]) as ready:
        there(pool, ready)
    with pool.reserve(["one"]) as ready:
        there(pool, ready)
    assert started == ["one", "two", "two", "one"]


def test_a_model_whose_memory_was_taken_after_a_crash_rests(three: Pool) -> None:
    with three.reserve(["one"]) as ready:
        there(three, ready)
    worker = three.model("one")
    assert isinstance(worker, WorkerModel)
    with three.reserve(["two", "three"]) as ready:  # one goes
        there(three, ready)
        two = three.model("two")
        assert isinstance(two, WorkerModel)
        os.kill(two.pid, signal.SIGKILL)
        until(three, lambda: states(three)["two"] == "ready" and three.model("two") is not two)
    assert states(three)["one"] == "resting"


def test_a_load_that_fails_loses_the_battle_and_the_model_is_tried_again(make: Make, tmp_path: Path) -> None:
    fails = threading.Event()

    def load(spec: ModelSpec, weights: Path | None, threads: int) -> Resident:
        broken = spec.id == "three" and fails.is_set()
        return load_fake(spec.model_copy(update={"quantization": "memory"}) if broken else spec, weights, threads)

    specs = [spec_of(name, tmp_path, size, bytes=4000) for size, name in enumerate(("one", "two", "three"), 1)]
    pool = make(*specs, memory=TIGHT, load=load, patience=replace(QUICK, first_pause=0.5, longest_pause=0.5))
    pool.start()
    settled(pool, one="ready", two="ready", three="resting")
    fails.set()
    with pool.reserve(["two", "three"]) as ready:
        with pytest.raises(NotReady, match="can't be had"):
            there(pool, ready)
        assert states(pool)["three"] == "failed"
        assert "MemoryError" in pool.status()[2].reason
        fails.clear()
    until(pool, lambda: states(pool)["three"] == "ready")
    assert states(pool) == {"one": "resting", "two": "ready", "three": "ready"}


@pytest.mark.parametrize(("memory", "threads"), [(TIGHT, "4"), (1.0, "2")])
def test_cores_are_divided_among_those_that_can_be_there_at_once(
    make: Make, tmp_path: Path, memory: float, threads: str
) -> None:
    specs = [spec_of(name, tmp_path, size, bytes=4000) for size, name in enumerate(("one", "two", "three", "four"), 1)]
    pool = make(*specs, memory=memory, cores=8)
    pool.start()
    assert pool.wait_ready(4, PATIENCE)
    with pool.reserve(["three", "four"]) as ready:
        there(pool, ready)
        assert say(pool, "four", "threads")[0] == Text(threads)


def test_the_line_is_kept_while_models_come_and_go(three: Pool) -> None:
    """Everybody wants another pair, all at once; each is served, one after another."""
    served: list[tuple[str, str]] = []

    def play(pair: tuple[str, str]) -> None:
        with three.reserve(pair) as ready:
            there(three, ready)
            served.append(pair)
            assert [say(three, name, f"say {name}")[0] for name in pair] == [Text(name) for name in pair]

    pairs = [("one", "two"), ("two", "three"), ("one", "three")] * 3
    threads = [threading.Thread(target=play, args=(pair,)) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(served) == sorted(pairs)


# -- engines that hang -----------------------------------------------------------------------------


def test_a_stopped_engine_is_ended_and_started_again(make: Make, tmp_path: Path) -> None:
    def load(spec: ModelSpec, weights: Path | None, threads: int) -> Resident:
        return WorkerModel(spec, weights, threads=threads, engine="fake_engine:FakeEngine", stall=2)

    pool = make(spec_of("one", tmp_path), load=load)
    pool.start()
    assert pool.wait_ready(1, PATIENCE)
    first = pool.model("one")
    assert isinstance(first, WorkerModel)
    os.kill(first.pid, signal.SIGSTOP)
    assert isinstance(say(pool, "one", "forever")[-1], Failed)
    until(pool, lambda: bool(pool.ready()) and pool.model("one") is not first)
    assert say(pool, "one", "say back")[0] == Text("back")


def test_a_name_nobody_knows_is_refused(make: Make) -> None:
    with pytest.raises(NotReady, match="no model 'nobody'"):
        make(scripted("one")).model("nobody")
    with pytest.raises(NotReady, match="no model 'nobody'"), make(scripted("one")).reserve(["nobody"]):
        pass


def test_closing_stops_a_download_and_ends_every_process(make: Make, tmp_path: Path) -> None:
    fetching = threading.Event()

    def endless(weights: Weights, cache: Path, report: Report) -> Path:
        while weights.file == "large.gguf":
            fetching.set()
            report(0.1)
        return fetch(weights, cache, report)

    pool = make(spec_of("small", tmp_path), spec_of("large", tmp_path, 100), fetch=endless)
    pool.start()
    assert pool.wait_ready(1, PATIENCE)
    assert fetching.wait(PATIENCE)
    worker = pool.model("small")
    assert isinstance(worker, WorkerModel)
    pool.close()
    pool.close()
    assert worker.wait_gone(0)
    assert not any(keeper.thread.is_alive() for keeper in pool._keepers)


def test_closing_while_a_model_loads_is_quick(make: Make, tmp_path: Path) -> None:
    pool = make(spec_of("one", tmp_path, quantization="slow"), patience=replace(QUICK, load=PATIENCE))
    pool.start()
    until(pool, lambda: pool.status()[0].state == "loading" and bool(pool._register._models))
    pool.close()
    assert not any(keeper.thread.is_alive() for keeper in pool._keepers)


def test_the_log_lets_a_person_see_the_download_move(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def in_steps(weights: Weights, cache: Path, report: Report) -> Path:
        for percent in range(100):
            report(percent / 100)
        return fetch(weights, cache, report)

    caplog.set_level(logging.INFO, "paddock.pool")
    pool = make(spec_of("one", tmp_path), fetch=in_steps)
    pool.start()
    assert pool.wait_ready(1, PATIENCE)
    lines = [record.getMessage() for record in caplog.records if record.name == "paddock.pool"]
    assert sum("fetching" in line for line in lines) == 11
    assert lines[-2:] == ["One: loading", "One: ready"]
