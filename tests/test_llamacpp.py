"""Proofs on real weights: the three default models, fetched as a user's machine fetches them.

What llama.cpp keeps from one turn to the next is in `test_llamacpp_memory.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from pools import worker_of

from arena.judge.replies import read_reply
from arena.judge.verdict import FORMS, Form
from arena.judge.wordings import Shown, Wording, schema_of
from models.catalog import load_catalog
from models.chat import Done, Event, Failed, Message, Request, Sampling, Text, stream_pair
from models.fetch import fetch
from models.local.worker import LoadFailed, LoadRefused, WorkerModel
from models.pool import Pool
from models.spec import ModelSpec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CACHE = Path.home() / ".cache" / "paddock" / "weights"
GREEDY = Sampling(temperature=0, max_tokens=32)
SPECS = {spec.id: spec for spec in load_catalog(lineup="cpu")}
PATIENCE = 300.0


def begin(spec: ModelSpec, slots: int = 4) -> WorkerModel:
    assert spec.weights
    worker = WorkerModel(spec, fetch(spec.weights, CACHE, lambda part: None), threads=1, slots=slots)
    worker.wait_ready(PATIENCE)
    return worker


@pytest.fixture(scope="module")
def smol() -> Iterator[WorkerModel]:
    worker = begin(SPECS["smollm2-135m-instruct-q4"])
    yield worker
    worker.close()


async def collect(worker: WorkerModel, text: str, sampling: Sampling = GREEDY, seed: int = 1) -> list[Event]:
    return [event async for event in worker.stream((Message("user", text),), sampling, seed)]


def ask(worker: WorkerModel, text: str, sampling: Sampling = GREEDY, seed: int = 1) -> list[Event]:
    return asyncio.run(asyncio.wait_for(collect(worker, text, sampling, seed), PATIENCE))


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_each_default_model_streams_a_real_answer(spec: ModelSpec) -> None:
    worker = begin(spec)
    try:
        began = time.monotonic()
        events = ask(worker, "Why is the sky blue?", spec.chat_sampling())
        seconds = time.monotonic() - began
    finally:
        worker.close()
    end = events[-1]
    assert isinstance(end, Done)
    assert end.tokens is not None
    assert len(events) > 5, "it must arrive in pieces"
    assert len(re.findall(r"[a-z]+", text_of(events))) > 3
    assert "<|im" not in text_of(events)
    assert "Question:" not in text_of(events)
    print(f"\n{spec.id}: {end.tokens} tokens, {end.tokens / seconds:.1f} per second, prompt included")


def test_the_same_seed_at_temperature_zero_gives_the_same_text(smol: WorkerModel) -> None:
    first, second = (text_of(ask(smol, "Name three rivers.")) for _ in range(2))
    assert first == second != ""


def test_the_same_seed_gives_the_same_text_and_another_seed_another(smol: WorkerModel) -> None:
    warm = Sampling(temperature=1.0, max_tokens=32)
    texts = [text_of(ask(smol, "Tell me a story.", warm, seed)) for seed in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]


def test_an_answer_ends_at_max_tokens_and_says_so(smol: WorkerModel) -> None:
    assert ask(smol, "Tell me a long story.", Sampling(temperature=0, max_tokens=7))[-1] == Done("length", 7)


def test_a_stop_string_ends_the_answer_and_is_not_shown(smol: WorkerModel) -> None:
    free = text_of(ask(smol, "Why is the sky blue?"))
    stop = free.split()[4]
    events = ask(smol, "Why is the sky blue?", Sampling(temperature=0, max_tokens=32, stop=(stop,)))
    assert text_of(events) == free[: free.index(stop)]
    assert isinstance(end := events[-1], Done)
    assert end.reason == "stop"


def test_leaving_in_the_middle_frees_the_slot_at_once() -> None:
    worker = begin(SPECS["smollm2-135m-instruct-q4"], slots=1)
    long = Sampling(temperature=0, max_tokens=4000, repeat_penalty=1.3)

    async def leave_then_ask() -> float:
        async with aclosing(worker.stream((Message("user", "Tell me a very long story."),), long, 1)) as events:
            assert isinstance(await anext(events), Text)
        began = time.monotonic()
        assert isinstance((await collect(worker, "Hi"))[-1], Done)
        return time.monotonic() - began

    try:
        assert asyncio.run(leave_then_ask()) < 20  # the story alone would take a minute
    finally:
        worker.close()


def test_leaving_while_the_prompt_is_read_frees_the_slot_too() -> None:
    worker = begin(SPECS["smollm2-135m-instruct-q4"], slots=1)

    async def leave_then_ask() -> float:
        reading = asyncio.create_task(collect(worker, "tell me of the cat " * 600))
        await asyncio.sleep(0.5)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        began = time.monotonic()
        assert isinstance((await collect(worker, "Hi", Sampling(temperature=0, max_tokens=1)))[-1], Done)
        return time.monotonic() - began

    try:
        assert asyncio.run(leave_then_ask()) < 10  # reading the whole prompt takes over twenty
    finally:
        worker.close()


def test_four_answers_stream_at_once(smol: WorkerModel) -> None:
    async def all_at_once() -> list[tuple[int, Event]]:
        order: list[tuple[int, Event]] = []

        async def one(number: int) -> None:
            async for event in smol.stream((Message("user", f"Count from {number}."),), GREEDY, number):
                order.append((number, event))

        await asyncio.gather(*(one(number) for number in range(4)))
        return order

    order = asyncio.run(asyncio.wait_for(all_at_once(), PATIENCE))
    first_end = next(place for place, (_, event) in enumerate(order) if not isinstance(event, Text))
    assert {number for number, _ in order[:first_end]} == {0, 1, 2, 3}
    assert sum(isinstance(event, Done) for _, event in order) == 4


def test_more_answers_than_slots_wait_their_turn(smol: WorkerModel) -> None:
    async def six() -> list[list[Event]]:
        short = Sampling(temperature=0, max_tokens=8)
        return await asyncio.gather(*(collect(smol, f"Say {number}.", short) for number in range(6)))

    ends = [events[-1] for events in asyncio.run(asyncio.wait_for(six(), PATIENCE))]
    assert all(isinstance(end, Done) for end in ends)


def test_a_prompt_too_long_fails_and_is_never_cut(smol: WorkerModel) -> None:
    (event,) = ask(smol, "word " * 9000)
    assert isinstance(event, Failed)
    assert "exceed_context_size_error" in event.detail
    assert not event.fault


def test_emoji_come_whole(smol: WorkerModel) -> None:
    pieces = ask(smol, "Repeat exactly: 🍎🍐🍊🍋🍌🍉🍇🍓", Sampling(temperature=0, max_tokens=48))
    text = text_of(pieces)
    assert any(ord(letter) > 0x1F000 for letter in text)
    for piece in pieces:
        if isinstance(piece, Text):
            assert "\ufffd" not in piece.text
            piece.text.encode()  # a lone surrogate would raise


def test_an_answer_does_not_depend_on_who_was_served_before(smol: WorkerModel) -> None:
    before = text_of(ask(smol, "Name a colour."))
    ask(smol, "Name a colour that nobody likes, and always say mud.")
    assert text_of(ask(smol, "Name a colour.")) == before


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_under_a_schema_is_json_of_that_form_and_a_verdict(smol: WorkerModel, form: Form) -> None:
    two = () if form == "single" else ("It mirrors the sea.",)
    (message,) = Wording(form, "general").messages(Shown(("Why is the sky blue?",), ("Air scatters light.",), two))
    events = ask(smol, message.text, Sampling(temperature=0, max_tokens=256, schema=schema_of(form)))
    assert events[-1] == Done("stop", getattr(events[-1], "tokens", None))
    reply = json.loads(text_of(events))
    assert list(reply) == json.loads(schema_of(form))["required"]
    assert read_reply(form, text_of(events))


def test_an_answer_without_a_schema_is_not_held_to_the_last_one(smol: WorkerModel) -> None:
    before = text_of(ask(smol, "Name a colour."))
    ask(smol, "Name a colour.", Sampling(temperature=0, max_tokens=64, schema=schema_of("single")))
    assert text_of(ask(smol, "Name a colour.")) == before


def test_a_base_model_sees_questions_and_answers_only() -> None:
    worker = begin(SPECS["gemma-3-270m-base-q4"])
    try:
        text = text_of(ask(worker, "What is the capital of France?", Sampling(temperature=0, max_tokens=16)))
    finally:
        worker.close()
    assert "Paris" in text
    assert "im_start" not in text


def test_a_file_that_is_no_model_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "junk.gguf").write_bytes(b"GGUF" + b"junk" * 1000)
    worker = WorkerModel(SPECS["smollm2-135m-instruct-q4"], tmp_path / "junk.gguf")
    with pytest.raises(LoadRefused, match=r"^SmolLM2 135M Instruct: junk\.gguf is a GGUF file of .*catalogue\.$"):
        worker.wait_ready(PATIENCE)


def test_a_model_whose_end_is_missing_fails_to_load_with_a_reason(tmp_path: Path) -> None:
    spec = SPECS["smollm2-135m-instruct-q4"]
    assert spec.weights
    with fetch(spec.weights, CACHE, lambda part: None).open("rb") as whole:
        (tmp_path / "cut.gguf").write_bytes(whole.read(10_000_000))
    worker = WorkerModel(spec, tmp_path / "cut.gguf")
    with pytest.raises(LoadFailed, match="could not be loaded"):
        worker.wait_ready(PATIENCE)


def test_two_contestants_answer_as_a_pair_and_a_killed_one_comes_back() -> None:
    specs = [SPECS["smollm2-135m-instruct-q4"], SPECS["gemma-3-270m-base-q4"]]
    pool = Pool(specs, cache=CACHE)
    pool.start()
    try:
        assert pool.wait_ready(2, PATIENCE)
        killed = pool.model(specs[0].id)
        events = asyncio.run(asyncio.wait_for(battle_with_a_kill(pool, specs), PATIENCE))
        assert isinstance(events["a"], Failed)
        assert isinstance(events["b"], Done)
        assert pool.wait(lambda: len(pool.ready()) == 2 and pool.model(specs[0].id) is not killed, PATIENCE)
    finally:
        pool.close()


async def battle_with_a_kill(pool: Pool, specs: list[ModelSpec]) -> dict[str, Event]:
    story = (Message("user", "Tell me a long story."),)
    sampling = Sampling(max_tokens=200)
    sides = [Request(pool.model(spec.id), story, sampling, 1) for spec in specs]
    last: dict[str, Event] = {}
    async for side, event in stream_pair(*sides):
        if side == "a" and side not in last:
            os.kill(worker_of(pool, specs[0].id).pid, signal.SIGKILL)
        last[side] = event
    return last
