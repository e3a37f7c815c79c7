"""More models than memory: who is loaded, who rests, who waits for whom."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pools import PATIENCE, QUICK, Make, load_fake, making, say, spec_of, until, worker_of

from models.chat import Text
from models.pool import NotReady, Pool, Resident, Wait
from models.spec import ModelSpec

pytestmark = pytest.mark.slow


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    with making(tmp_path, monkeypatch) as make:
        yield make


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
    assert [(a.id, b.id, wait) for a, b, wait in three.pairs()] == [
        ("one", "two", Wait.NOT), ("one", "three", Wait.FOR_LOADING), ("two", "three", Wait.FOR_LOADING),
    ]  # fmt: skip
    with pytest.raises(NotReady, match="resting"):
        three.model("three")


def test_a_resting_model_comes_when_it_is_wanted_and_the_least_recently_used_goes(three: Pool) -> None:
    with three.reserve(["two"]) as ready:
        there(three, ready)
    leaving = worker_of(three, "one")
    with three.reserve(["two", "three"]) as ready:
        assert not ready()
        there(three, ready)
        assert states(three) == {"one": "resting", "two": "ready", "three": "ready"}
        assert say(three, "three", "say hello")[0] == Text("hello")
        assert not leaving.alive
    with three.reserve(["one", "three"]) as ready:
        there(three, ready)
        assert say(three, "one", "say back")[0] == Text("back")
    settled(three, one="ready", two="resting", three="ready")


def test_nobody_who_is_in_use_is_ended(three: Pool) -> None:
    with three.reserve(["one", "two"]) as playing:
        there(three, playing)
        assert [wait for _, _, wait in three.pairs()] == [Wait.NOT, Wait.FOR_OTHERS, Wait.FOR_OTHERS]
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
    with three.reserve(["two", "three"]) as ready:  # one goes
        there(three, ready)
        two = worker_of(three, "two")
        os.kill(two.pid, signal.SIGKILL)
        until(three, lambda: states(three)["two"] == "ready" and worker_of(three, "two") is not two)
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
