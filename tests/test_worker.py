from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from models.chat import Done, Event, Failed, Message, Sampling, Text
from models.energy import Meter
from models.local.engine import Footprint
from models.local.environment import child_environment
from models.local.worker import LoadFailed, LoadRefused, WorkerModel
from models.spec import ModelSpec

pytestmark = pytest.mark.slow  # They wait for deadlines to pass, on purpose.

HERE = Path(__file__).parent
PATIENCE = 60.0
Start = Callable[..., WorkerModel]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    workers: list[WorkerModel] = []

    def start(
        quantization: str = "none",
        *,
        ready: bool = True,
        threads: int = 1,
        slots: int = 2,
        script: Mapping[str, object] = {},
        **options: Any,
    ) -> WorkerModel:
        spec = ModelSpec(
            id="fake", name="Fake", engine="scripted", quantization=quantization, license="none", makers=("us",),
            script=dict(script),
        )  # fmt: skip
        worker = WorkerModel(spec, None, threads=threads, slots=slots, engine="fake_engine:FakeEngine", **options)
        workers.append(worker)
        if ready:
            worker.wait_ready(PATIENCE)
        return worker

    yield start
    for worker in workers:
        worker.close()


async def collect(worker: WorkerModel, text: str) -> list[Event]:
    return [event async for event in worker.stream((Message("user", text),), Sampling(), 0)]


def answer(worker: WorkerModel, text: str) -> list[Event]:
    return asyncio.run(asyncio.wait_for(collect(worker, text), PATIENCE))


def test_an_answer_comes_from_another_process(start: Start) -> None:
    worker = start()
    assert worker.pid != os.getpid()
    assert answer(worker, "say hello 🦙 e\u0301 ünd \u2028 so") == [
        Text("hello 🦙 e\u0301 ünd \u2028 so"),
        Done("stop", 1),
    ]


def test_what_native_code_prints_never_reaches_the_protocol(start: Start) -> None:
    assert answer(start(), "noise fine") == [Text("fine"), Done("stop", 1)]


def test_any_event_loop_may_ask(start: Start) -> None:
    worker = start()
    got: list[list[Event]] = []
    threads = [threading.Thread(target=lambda: got.append(answer(worker, "meet again"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert got == [[Text("again"), Done("stop", 1)]] * 2


def test_as_many_answers_run_at_once_as_there_are_slots(start: Start) -> None:
    worker = start(slots=4)

    async def all_at_once() -> list[list[Event]]:
        return await asyncio.gather(*(collect(worker, "meet") for _ in range(4)))

    assert len(asyncio.run(asyncio.wait_for(all_at_once(), PATIENCE))) == 4


def test_leaving_early_frees_the_slot(start: Start) -> None:
    worker = start(slots=1)

    async def leave_then_ask() -> list[Event]:
        for _ in range(3):
            async with aclosing(worker.stream((Message("user", "forever"),), Sampling(), 0)) as events:
                assert await anext(events) == Text("!")
        return await collect(worker, "say next")

    assert asyncio.run(asyncio.wait_for(leave_then_ask(), PATIENCE)) == [Text("next"), Done("stop", 1)]


def test_a_request_that_waits_can_be_left_too(start: Start) -> None:
    worker = start(slots=1)

    async def scene() -> list[Event]:
        first = worker.stream((Message("user", "forever"),), Sampling(), 0)
        await anext(first)
        waiting = asyncio.create_task(collect(worker, "forever"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await first.aclose()
        return await collect(worker, "say next")

    assert asyncio.run(asyncio.wait_for(scene(), PATIENCE)) == [Text("next"), Done("stop", 1)]


def test_an_engines_error_fails_one_answer_and_no_other(start: Start) -> None:
    worker = start()
    assert answer(worker, "raise") == [Failed("ValueError: a bad number")]
    assert answer(worker, "say fine")[0] == Text("fine")


@pytest.mark.parametrize(
    "line", ["no json", '{"event": "surprise"}', '["event"]', '{"event": "done", "id": 1}', '{"event": "failed"}']
)
def test_a_process_that_breaks_the_protocol_is_ended(start: Start, line: str) -> None:
    worker = start()
    end = answer(worker, f"break {line}")[-1]
    assert isinstance(end, Failed)
    assert "broke the protocol" in end.detail
    assert not end.fault, "the process's end is what counts"
    assert worker.wait_gone(PATIENCE)
    assert not worker.alive
    assert "signal 9" in worker.ending


def test_whose_fault_a_failure_is_comes_from_the_engine(start: Start) -> None:
    worker = start()
    faults = [event.fault for text in ("raise", "long") for event in answer(worker, text) if isinstance(event, Failed)]
    assert faults == [True, False]


def test_a_killed_process_fails_every_running_answer(start: Start) -> None:
    worker = start()

    async def kill() -> list[Event]:
        streams = [worker.stream((Message("user", "forever"),), Sampling(), 0) for _ in range(2)]
        for stream in streams:
            await anext(stream)
        os.kill(worker.pid, signal.SIGKILL)
        return [[event async for event in stream][-1] for stream in streams]

    for event in asyncio.run(asyncio.wait_for(kill(), PATIENCE)):
        assert isinstance(event, Failed)
        assert "signal 9" in event.detail
    assert worker.wait_gone(PATIENCE)
    assert not worker.alive
    (event,) = answer(worker, "say anything")
    assert isinstance(event, Failed)


@pytest.mark.parametrize(
    ("quantization", "words"), [("broken", "no such tensor"), ("broken", "the tensor is bent"), ("crash", "Fake")]
)
def test_a_model_that_cannot_be_loaded_says_why(start: Start, quantization: str, words: str) -> None:
    with pytest.raises(LoadFailed, match=words):
        start(quantization)


@pytest.mark.parametrize(
    ("quantization", "words"),
    [
        ("unusable", r"^Fake has no chat template; write one\.$"),
        ("absent", "^Fake: engine scripted needs nowhere_to_be_found, which is not installed; start with `make serve"),
    ],
)
def test_what_trying_again_cannot_mend_is_refused_in_one_sentence(start: Start, quantization: str, words: str) -> None:
    with pytest.raises(LoadRefused, match=words):
        start(quantization)


@pytest.mark.parametrize(("device", "joules"), [("cuda:0", 7.0), ("cpu", None)])
def test_energy_is_counted_where_the_model_is_on_a_gpu(start: Start, device: str, joules: float | None) -> None:
    readings = iter([100.0, 107.0])
    worker = start(script={"device": device}, meter=Meter(lambda: next(readings)))
    end = answer(worker, "say watts")[-1]
    assert isinstance(end, Done)
    assert end.joules == joules


def test_loading_is_not_waited_for_for_ever(start: Start) -> None:
    worker = start("slow", ready=False)
    with pytest.raises(LoadFailed, match="not loaded within"):
        worker.wait_ready(0.1)
    assert worker.wait_gone(PATIENCE)


def test_closing_while_it_loads_ends_the_waiting(start: Start) -> None:
    worker = start("slow", ready=False)
    threading.Timer(0.2, worker.close).start()
    with pytest.raises(LoadFailed):
        worker.wait_ready(PATIENCE)


# -- in two steps ----------------------------------------------------------------------------------


def test_what_a_model_needs_is_said_before_it_is_loaded(start: Start) -> None:
    worker = start("broken", ready=False, script={"bytes": 7, "capacity": 70})
    assert worker.wait_needs(PATIENCE) == Footprint("fake", 7, 70)
    assert worker.alive, "nothing is loaded before somebody says so"
    worker.go()
    with pytest.raises(LoadFailed, match="no such tensor"):
        worker.wait_ready(PATIENCE)


def test_a_model_that_was_let_go_answers(start: Start) -> None:
    worker = start(ready=False)
    worker.wait_needs(PATIENCE)
    worker.go()
    assert worker.wait_ready(PATIENCE) == Footprint("fake", 1000, 1_000_000)
    assert answer(worker, "say hello")[0] == Text("hello")


def test_needs_that_can_not_be_told_fail_the_load(start: Start) -> None:
    worker = start("unknown", ready=False)
    with pytest.raises(LoadFailed, match="nobody knows what it needs"):
        worker.wait_needs(PATIENCE)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says what a process takes")
def test_what_a_process_takes_of_the_memory_counts_where_it_is_more_than_was_said(start: Start) -> None:
    taken = start(ready=False, script={"device": "cpu"}).wait_ready(PATIENCE)
    assert taken.bytes > 5_000_000
    assert start(ready=False, script={"device": "cpu", "bytes": 10**12}).wait_ready(PATIENCE).bytes == 10**12


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="only Linux has the score")
def test_when_memory_is_gone_an_engine_goes_before_the_arena(start: Start) -> None:
    adjusted = int(Path(f"/proc/{start().pid}/oom_score_adj").read_text())
    assert adjusted > int(Path("/proc/self/oom_score_adj").read_text())


# -- engines that hang -----------------------------------------------------------------------------


def asked_until_text(worker: WorkerModel, text: str, then: Callable[[], object]) -> Event:
    """Ask, do something when the first text is there, and read to the end."""

    async def scene() -> Event:
        stream = worker.stream((Message("user", text),), Sampling(), 0)
        await anext(stream)
        then()
        return [event async for event in stream][-1]

    return asyncio.run(asyncio.wait_for(scene(), PATIENCE))


def test_an_engine_that_shows_no_life_is_ended(start: Start) -> None:
    worker = start(stall=2)
    event = asked_until_text(worker, "hang", lambda: None)
    assert isinstance(event, Failed)
    assert "no sign of life for 2 s" in event.detail
    assert worker.wait_gone(PATIENCE)


def test_a_stopped_process_is_ended(start: Start) -> None:
    worker = start(stall=2)
    event = asked_until_text(worker, "forever", lambda: os.kill(worker.pid, signal.SIGSTOP))
    assert isinstance(event, Failed)
    assert worker.wait_gone(PATIENCE)


def test_an_engine_that_thinks_for_long_lives(start: Start) -> None:
    assert answer(start(stall=2), "think 5") == [Text("5"), Done("stop", 1)]


def test_a_process_that_nobody_asks_may_be_silent(start: Start) -> None:
    worker = start(stall=0.4)
    assert not worker.wait_gone(2)
    assert answer(worker, "say hello")[0] == Text("hello")


def leave(worker: WorkerModel, text: str) -> None:
    """Ask and leave after the first text."""

    async def scene() -> None:
        async with aclosing(worker.stream((Message("user", text),), Sampling(), 0)) as events:
            await anext(events)

    asyncio.run(asyncio.wait_for(scene(), PATIENCE))


def test_an_answer_that_does_not_end_when_its_asker_leaves_costs_the_engine_its_life(start: Start) -> None:
    worker = start(cancel=2)
    leave(worker, "deaf")
    assert worker.wait_gone(PATIENCE)
    assert "an answer not ended for 2 s" in worker.ending


def test_an_answer_that_ends_in_time_costs_nothing(start: Start) -> None:
    worker = start(cancel=1, slots=1)
    leave(worker, "forever")
    assert not worker.wait_gone(3)


def test_who_leaves_the_line_in_front_of_an_engine_costs_nothing(start: Start) -> None:
    worker = start(cancel=1, slots=1)

    async def scene() -> list[Event]:
        first = asyncio.create_task(collect(worker, "think 4"))
        await asyncio.sleep(0.2)
        waiting = asyncio.create_task(collect(worker, "say never"))
        await asyncio.sleep(0.2)
        waiting.cancel()
        return await first

    assert asyncio.run(asyncio.wait_for(scene(), PATIENCE))[-1] == Done("stop", 1)


def test_asking_a_stopped_process_holds_nobody_up(start: Start) -> None:
    """More than fits into the pipe, from one event loop, which goes on with other things."""
    worker = start(stall=4, slots=1)
    os.kill(worker.pid, signal.SIGSTOP)

    async def scene() -> tuple[int, list[list[Event]]]:
        asking = [asyncio.create_task(collect(worker, "say " + "long " * 50_000)) for _ in range(4)]
        beats = 0
        while not all(task.done() for task in asking):
            await asyncio.sleep(0.01)
            beats += 1
        return beats, [task.result() for task in asking]

    beats, answers = asyncio.run(asyncio.wait_for(scene(), PATIENCE))
    assert beats > 50
    assert all(isinstance(events[-1], Failed) for events in answers)


def test_ending_does_not_wait(start: Start) -> None:
    worker = start()
    os.kill(worker.pid, signal.SIGSTOP)
    worker.end()
    assert worker.wait_gone(PATIENCE)
    worker.end()


def test_asking_before_it_is_loaded_fails_at_once(start: Start) -> None:
    (event,) = answer(start("slow", ready=False), "say x")
    assert isinstance(event, Failed)


def test_closing_twice_is_fine_and_ends_the_process(start: Start) -> None:
    worker = start()
    worker.close()
    worker.close()
    assert worker.wait_gone(0)


def test_the_child_gets_its_threads_and_no_secrets(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    monkeypatch.setenv("KEPT", "yes")
    worker = start(threads=3)
    assert answer(worker, "threads")[0] == Text("3")
    assert answer(worker, "variable HF_TOKEN")[0] == Text("unset")
    assert answer(worker, "variable KEPT")[0] == Text("yes")


def test_names_of_secrets_are_known() -> None:
    secrets = ["HF_TOKEN", "OPENAI_API_KEY", "ARENA_SECRET", "ARENA_DATABASE_URL", "DATABASE_URL", "PGPASSWORD"]
    kept = child_environment(dict.fromkeys([*secrets, "PATH", "CUDA_VISIBLE_DEVICES"], "x"))
    assert set(kept) == {"PATH", "CUDA_VISIBLE_DEVICES", "PYTHONPATH", "GOMP_SPINCOUNT"}


ORPHAN = """
import os, sys
from models.spec import ModelSpec
from models.local.worker import WorkerModel
spec = ModelSpec(id="fake", name="Fake", engine="scripted", quantization="none", license="none", makers=("us",))
worker = WorkerModel(spec, None, engine="fake_engine:FakeEngine")
worker.wait_ready(60)
assert "torch" not in sys.modules and "transformers" not in sys.modules and "xllamacpp" not in sys.modules
print(worker.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_worker_never_outlives_its_parent_and_starts_from_any_folder(tmp_path: Path) -> None:
    path = os.pathsep.join([str(HERE.parent), str(HERE)])
    run = subprocess.run(
        [sys.executable, "-c", ORPHAN], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE, stderr=None, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    pid = int(run.stdout)
    for _ in range(600):
        if not running(pid):
            return
        threading.Event().wait(0.1)
    pytest.fail("the worker is still there")


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
