from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from models.catalog import ModelSpec
from models.chat import Done, Event, Failed, Message, Sampling, Text
from models.local.worker import LoadFailed, WorkerModel, child_environment

HERE = Path(__file__).parent
PATIENCE = 60.0
Start = Callable[..., WorkerModel]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    workers: list[WorkerModel] = []

    def start(quantization: str = "none", *, ready: bool = True, threads: int = 1, slots: int = 2) -> WorkerModel:
        spec = ModelSpec(
            id="fake", name="Fake", engine="scripted", quantization=quantization, license="none", makers=("us",)
        )
        worker = WorkerModel(spec, None, threads=threads, slots=slots, engine="fake_engine:FakeEngine")
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
                assert await anext(events) == Text("x")
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
    assert set(kept) == {"PATH", "CUDA_VISIBLE_DEVICES", "PYTHONPATH"}


ORPHAN = """
import os, sys
from models.catalog import ModelSpec
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
