from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from pools import PATIENCE, QUICK, Make, load_fake, making, say, scripted, spec_of, until, worker_of

from models.chat import Failed, Message, Sampling, Text
from models.fetch import FetchError, Report, fetch
from models.local.worker import WorkerModel
from models.origin import Weights
from models.pool import NotReady, Patience, Resident
from models.spec import ModelSpec


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    with making(tmp_path, monkeypatch) as make:
        yield make


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
    first = worker_of(pool, "one")
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait_gone(PATIENCE)
    until(pool, lambda: bool(pool.ready()) and worker_of(pool, "one") is not first)
    assert say(pool, "one", "say back")[0] == Text("back")


@pytest.mark.slow
@pytest.mark.parametrize("quantization", ["broken", "crash"])
def test_a_model_that_can_not_be_loaded_for_long_is_tried_on_and_comes_when_it_can(
    make: Make, tmp_path: Path, quantization: str
) -> None:  # fmt: skip
    tries: list[str] = []
    good = threading.Event()

    def load(spec: ModelSpec, weights: Path | None, threads: int) -> Resident:
        tries.append(spec.id)
        return load_fake(spec if good.is_set() else spec.model_copy(update={"quantization": quantization}), weights, 1)

    pool = make(spec_of("one", tmp_path), load=load)
    pool.start()
    until(pool, lambda: len(tries) > 2 * QUICK.restarts and pool.status()[0].state == "failed")
    assert "One could not be loaded" in pool.status()[0].reason
    good.set()
    assert pool.wait_ready(1, PATIENCE)


def test_pauses_grow_and_after_so_many_deaths_are_the_longest() -> None:
    patience = Patience(first_pause=1, longest_pause=600, restarts=5)
    assert [patience.after(deaths) for deaths in range(1, 8)] == [1, 2, 4, 8, 16, 600, 600]
    assert patience.pause(30, 10_000) == 600


@pytest.mark.slow
def test_a_model_whose_answers_all_fail_is_loaded_anew(make: Make, tmp_path: Path) -> None:
    pool = make(spec_of("one", tmp_path), patience=replace(QUICK, first_pause=1, longest_pause=1))
    pool.start()
    assert pool.wait_ready(1, PATIENCE)
    for failures in (3, 1):
        first = worker_of(pool, "one")
        for _ in range(failures):
            assert worker_of(pool, "one") is first
            assert say(pool, "one", "raise") == [Failed("ValueError: a bad number")]
        until(pool, lambda: pool.status()[0].state == "failed")
        assert pool.status()[0].reason == "One failed answer after answer (ValueError: a bad number)."
        assert first.wait_gone(0)
        assert pool.wait_ready(1, PATIENCE)
    first = worker_of(pool, "one")
    assert say(pool, "one", "say fine")[0] == Text("fine")
    say(pool, "one", "raise")
    say(pool, "one", "raise")
    assert say(pool, "one", "say fine")[0] == Text("fine")
    assert worker_of(pool, "one") is first


def test_questions_too_long_and_visitors_who_leave_cost_an_engine_nothing(make: Make, tmp_path: Path) -> None:
    pool = make(spec_of("one", tmp_path))
    pool.start()
    assert pool.wait_ready(1, PATIENCE)
    first = worker_of(pool, "one")

    async def leave() -> None:
        asked = (Message("user", "forever"),)
        async with aclosing(pool.model("one").stream(asked, Sampling(), 0)) as events:
            assert await anext(events) == Text("!")

    for _ in range(4):
        assert say(pool, "one", "long") == [Failed("the prompt is too long")]
        asyncio.run(asyncio.wait_for(leave(), PATIENCE))
    assert say(pool, "one", "say fine")[0] == Text("fine")
    assert worker_of(pool, "one") is first


def test_a_model_that_can_never_be_used_is_not_tried_again(make: Make, tmp_path: Path) -> None:
    pool = make(spec_of("one", tmp_path, quantization="unusable"))
    pool.start()
    until(pool, lambda: pool.status()[0].state == "failed")
    assert pool.status()[0].reason == "Fake has no chat template; write one."
    pool._keepers[0].thread.join(PATIENCE)
    assert not pool._keepers[0].thread.is_alive()


@pytest.mark.slow
def test_a_process_that_can_not_be_started_is_tried_again(make: Make, tmp_path: Path) -> None:
    tries: list[str] = []

    def load(spec: ModelSpec, weights: Path | None, threads: int) -> Resident:
        tries.append(spec.id)
        if len(tries) < 3:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return load_fake(spec, weights, threads)

    pool = make(spec_of("one", tmp_path), load=load, patience=replace(QUICK, longest_pause=0.5, first_pause=0.5))
    pool.start()
    until(pool, lambda: pool.status()[0].state == "failed")
    assert pool.status()[0].reason == "One's process can't be started (Cannot allocate memory)."
    assert pool.wait_ready(1, PATIENCE)


def test_a_defect_in_the_pools_own_thread_is_shown(make: Make, tmp_path: Path) -> None:
    def defective(weights: Weights, cache: Path, report: Report) -> Path:
        raise RuntimeError("bent")

    pool = make(spec_of("one", tmp_path), scripted("two"), fetch=defective)
    pool.start()
    until(pool, lambda: pool.status()[0].state == "failed")
    assert pool.status()[0].reason == "RuntimeError: bent"


@pytest.mark.slow
@pytest.mark.parametrize(("cores", "threads"), [(2, "1"), (9, "3"), (1, "1")])
def test_the_engines_share_the_cores(make: Make, tmp_path: Path, cores: int, threads: str) -> None:
    pool = make(*(spec_of(name, tmp_path) for name in ("one", "two", "three")), scripted("four"), cores=cores)
    pool.start()
    assert pool.wait_ready(4, PATIENCE)
    assert say(pool, "one", "threads")[0] == Text(threads)


@pytest.mark.slow
def test_a_stopped_engine_is_ended_and_started_again(make: Make, tmp_path: Path) -> None:
    def load(spec: ModelSpec, weights: Path | None, threads: int) -> Resident:
        return WorkerModel(spec, weights, threads=threads, engine="fake_engine:FakeEngine", stall=2)

    pool = make(spec_of("one", tmp_path), load=load)
    pool.start()
    assert pool.wait_ready(1, PATIENCE)
    first = worker_of(pool, "one")
    os.kill(first.pid, signal.SIGSTOP)
    assert isinstance(say(pool, "one", "forever")[-1], Failed)
    until(pool, lambda: bool(pool.ready()) and worker_of(pool, "one") is not first)
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
    worker = worker_of(pool, "small")
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


def test_a_model_that_is_added_later_is_served_like_the_others(make: Make, tmp_path: Path) -> None:
    pool = make(spec_of("one", tmp_path), scripted("two"))
    pool.start()
    assert pool.wait_ready(2, PATIENCE)
    pool.add(spec_of("three", tmp_path))
    assert pool.wait_ready(3, PATIENCE)
    assert [spec.id for spec in pool.ready()] == ["one", "two", "three"]
    assert say(pool, "three", "say hello")[0] == Text("hello")
    assert len(pool.pairs()) == 3


def test_what_is_added_before_the_start_waits_for_it(make: Make) -> None:
    pool = make(scripted("one"))
    pool.add(scripted("two"))
    assert [place.state for place in pool.status()] == ["waiting", "waiting"]
    pool.start()
    assert pool.wait_ready(2, PATIENCE)


def test_a_model_of_the_same_id_is_not_added(make: Make) -> None:
    pool = make(scripted("one"))
    with pytest.raises(ValueError, match="there is a model 'one' already"):
        pool.add(scripted("one"))
