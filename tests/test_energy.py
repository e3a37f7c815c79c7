from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import AsyncGenerator
from types import ModuleType

import pytest

from models.chat import Done, Event, Failed, Text
from models.energy import CounterError, Meter, metered, nvml_counter


class Clockwork:
    """A counter that a test turns by hand."""

    def __init__(self) -> None:
        self.joules = 1000.0
        self.broken = False

    def __call__(self) -> float:
        if self.broken:
            raise CounterError("GPU is lost")
        return self.joules


# -- sharing ---------------------------------------------------------------------------------------


def test_one_answer_alone_has_all_that_was_used_in_its_time() -> None:
    counter = Clockwork()
    meter = Meter(counter)
    counter.joules += 500
    with meter.share() as share:
        assert share.joules is None
        counter.joules += 30
    counter.joules += 500
    assert share.joules == 30


def test_answers_that_run_at_one_time_share_equally_and_nothing_is_counted_twice() -> None:
    counter = Clockwork()
    meter = Meter(counter)
    with meter.share() as first:
        counter.joules += 10
        with meter.share() as second:
            counter.joules += 20
            with meter.share() as third:
                counter.joules += 30
            counter.joules += 40
    assert third.joules == pytest.approx(30 / 3)
    assert second.joules == pytest.approx(20 / 2 + 30 / 3 + 40 / 2)
    assert first.joules == pytest.approx(10 + 20 / 2 + 30 / 3 + 40 / 2)
    assert sum(share.joules or 0 for share in (first, second, third)) == pytest.approx(100)


def test_what_is_used_while_nothing_runs_belongs_to_nobody() -> None:
    counter = Clockwork()
    meter = Meter(counter)
    shares = []
    for _ in range(3):
        with meter.share() as share:
            counter.joules += 5
        shares.append(share.joules)
        counter.joules += 1000
    assert shares == [5, 5, 5]


def test_threads_share_all_that_was_used_and_no_more() -> None:
    lock = threading.Lock()
    used = 0.0

    def counter() -> float:
        nonlocal used
        with lock:
            used += 1
            return used

    meter = Meter(counter)
    found: list[float] = []

    def work() -> None:
        for _ in range(200):
            with meter.share() as share:
                time.sleep(0)
            assert share.joules is not None
            assert share.joules >= 0
            found.append(share.joules)

    threads = [threading.Thread(target=work) for _ in range(8)]
    with meter.share():
        pass
    before = used
    with meter.share() as whole:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert whole.joules is not None
    # Between the first reading and the last, every unit went to somebody, and to one alone.
    assert sum(found) + whole.joules == pytest.approx(used - before - 1)


def test_without_a_counter_nothing_is_known() -> None:
    with Meter(None).share() as share:
        pass
    assert share.joules is None


def test_a_counter_that_breaks_is_said_once_and_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    counter = Clockwork()
    meter = Meter(counter)
    with meter.share() as running:
        counter.broken = True
    with meter.share() as later:
        pass
    assert (running.joules, later.joules) == (None, None)
    assert [record.message for record in caplog.records] == ["Energy is not measured any more: GPU is lost."]


def test_an_answer_that_fails_ends_its_share() -> None:
    counter = Clockwork()
    meter = Meter(counter)

    def fail() -> None:
        with meter.share():
            counter.joules += 7
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with meter.share() as alone:
        counter.joules += 8
    assert alone.joules == 8


# -- streams ---------------------------------------------------------------------------------------


async def spoken(counter: Clockwork, *events: Event) -> AsyncGenerator[Event, None]:
    for event in events:
        counter.joules += 2
        yield event


async def gathered(stream: AsyncGenerator[Event, None]) -> list[Event]:
    return [event async for event in stream]


def test_a_stream_is_the_same_with_joules_in_its_end() -> None:
    counter = Clockwork()
    done = Done("stop", 2, 5, 0.1, 0.2)
    events = asyncio.run(gathered(metered(spoken(counter, Text("a"), Text("b"), done), Meter(counter))))
    assert events[:2] == [Text("a"), Text("b")]
    end = events[2]
    assert isinstance(end, Done)
    assert (end.reason, end.tokens, end.prompt_tokens, end.first_token_seconds, end.joules) == ("stop", 2, 5, 0.1, 6)


def test_what_is_used_after_the_end_is_not_the_answers() -> None:
    counter = Clockwork()
    meter = Meter(counter)

    async def play() -> float | None:
        async for event in metered(spoken(counter, Text("a"), Done("stop", 1)), meter):
            if isinstance(event, Done):
                counter.joules += 99
                with meter.share() as next_one:
                    counter.joules += 6
                assert next_one.joules == 6, "whose end was told runs no more"
                return event.joules
        return None

    assert asyncio.run(play()) == 4


@pytest.mark.parametrize("end", [Failed("cut"), None])
def test_a_stream_that_fails_or_just_ends_stays_as_it_is(end: Event | None) -> None:
    counter = Clockwork()
    events: list[Event] = [Text("a"), *([end] if end else [])]
    assert asyncio.run(gathered(metered(spoken(counter, *events), Meter(counter)))) == events


def test_closing_a_metered_stream_closes_the_stream_and_frees_its_share() -> None:
    counter = Clockwork()
    meter = Meter(counter)
    closed = []

    async def endless() -> AsyncGenerator[Event, None]:
        try:
            while True:
                yield Text("a")
        finally:
            closed.append(True)

    async def play() -> None:
        stream = metered(endless(), meter)
        await anext(stream)
        await stream.aclose()

    asyncio.run(play())
    assert closed == [True]
    with meter.share() as alone:
        counter.joules += 12
    assert alone.joules == 12


# -- NVIDIA's library ------------------------------------------------------------------------------


class Gone(Exception):
    """Stands for NVML's own error."""


def library(monkeypatch: pytest.MonkeyPatch, millijoules: dict[str, int], *, gone: bool = False) -> None:
    """A machine with these devices, by the name that each handle has."""
    names = list(millijoules)

    def start() -> None:
        if gone:
            raise Gone("Driver Not Loaded")

    def read(handle: str) -> int:
        if millijoules[handle] < 0:
            raise Gone("Not Supported")
        return millijoules[handle]

    def by_uuid(name: str) -> str:
        if name not in millijoules:
            raise Gone("Not Found")
        return name

    fake = ModuleType("pynvml")
    fake.__dict__.update(
        NVMLError=Gone,
        nvmlInit=start,
        nvmlDeviceGetCount=lambda: len(names),
        nvmlDeviceGetHandleByIndex=lambda number: names[number],
        nvmlDeviceGetHandleByUUID=by_uuid,
        nvmlDeviceGetTotalEnergyConsumption=read,
    )
    monkeypatch.setitem(sys.modules, "pynvml", fake)


@pytest.mark.parametrize(
    ("visible", "joules"),
    [(None, 7.0), ("0", 1.0), ("1,2", 6.0), (" 2 , 0 ", 5.0), ("GPU-b", 2.0), ("GPU-c,GPU-a", 5.0)],
)
def test_the_visible_devices_are_counted_together_in_joules(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, joules: float
) -> None:
    library(monkeypatch, {"GPU-a": 1000, "GPU-b": 2000, "GPU-c": 4000})
    counter = nvml_counter(visible)
    assert counter is not None
    assert counter() == joules


@pytest.mark.parametrize(
    ("devices", "visible", "gone", "why"),
    [
        ({}, None, False, "no device is visible"),
        ({"GPU-a": 1}, "", False, "no device is visible"),
        ({"GPU-a": 1}, "-1", False, "no device is visible"),
        ({"GPU-a": 1}, "GPU-z", False, "Not Found"),
        ({"GPU-a": 1, "GPU-old": -1}, None, False, "Not Supported"),
        ({"GPU-a": 1}, None, True, "Driver Not Loaded"),
    ],
)
def test_where_nothing_counts_there_is_no_counter_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    devices: dict[str, int],
    visible: str | None,
    gone: bool,
    why: str,
) -> None:
    caplog.set_level(logging.INFO, "paddock.energy")
    library(monkeypatch, devices, gone=gone)
    assert nvml_counter(visible) is None
    assert [record.message for record in caplog.records] == [f"Energy is not measured: {why}."]


def test_a_device_that_is_lost_later_is_a_counter_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = {"GPU-a": 1000}
    library(monkeypatch, devices)
    counter = nvml_counter()
    assert counter is not None
    devices["GPU-a"] = -1
    with pytest.raises(CounterError, match="Not Supported"):
        counter()


def test_without_the_package_there_is_no_counter(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "paddock.energy")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml_counter() is None
    assert "nvidia-ml-py is not installed" in caplog.text


@pytest.mark.gpu
def test_a_real_gpu_counts_what_it_uses() -> None:
    counter = nvml_counter()
    assert counter is not None
    with Meter(counter).share() as share:
        time.sleep(2)
    assert share.joules is not None
    assert 2 < share.joules < 3000, "even an idle GPU draws some watts, and none draws 1500"
