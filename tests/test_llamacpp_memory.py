"""What llama.cpp keeps of a conversation, for whom it is used again, and how much memory a model takes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.catalog import load_catalog
from models.chat import Done, Failed, Message, Role, Sampling
from models.fetch import fetch
from models.local import llamacpp
from models.local.engine import Question
from models.local.llamacpp import LlamaCppEngine
from models.local.slots import Slot
from models.local.worker import WorkerModel
from models.spec import ModelSpec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CACHE = Path.home() / ".cache" / "paddock" / "weights"
SPECS = {spec.id: spec for spec in load_catalog(lineup="cpu")}
SKY, RED = "Why is the sky blue? Explain it to a child, in a few words.", "And why is it red in the evening?"
GREEDY = Sampling(temperature=0, top_k=0, top_p=1, max_tokens=24)
ROLES: tuple[Role, Role] = ("user", "assistant")


class Watched:
    """A loaded engine, and what llama.cpp said at the end of each answer that it gave."""

    def __init__(self, spec: ModelSpec, slots: int = 2) -> None:
        self.spec = spec
        self.engine = LlamaCppEngine(spec, weights_of(spec), threads=1, slots=slots)
        self.server = self.engine._server
        self.asked: list[dict[str, Any]] = []
        self.timings: list[dict[str, Any]] = []
        self.engine._server = self  # every request goes through here

    def handle_chat_completions(self, request: dict[str, Any], callback: Callable[[dict[str, Any]], bool]) -> None:
        def listen(event: dict[str, Any]) -> bool:
            if "timings" in event:
                self.timings.append(event["timings"])
            return callback(event)

        self.asked.append(request)
        self.server.handle_chat_completions(request, listen)

    def ask(self, *talk: str, battle: str, stopped: Callable[[], bool] = lambda: False) -> str:
        pieces: list[str] = []
        end = self.engine.answer(question(talk, battle), pieces.append, stopped)
        assert isinstance(end, Done) or stopped()
        return "".join(pieces)

    @property
    def reused(self) -> int:
        """Tokens of the last prompt that were not read anew."""
        return int(self.timings[-1]["cache_n"])

    @property
    def read(self) -> int:
        return int(self.timings[-1]["prompt_n"])


def question(talk: tuple[str, ...], battle: str) -> Question:
    return Question([Message(ROLES[turn % 2], text) for turn, text in enumerate(talk)], GREEDY, 1, battle)


def weights_of(spec: ModelSpec) -> Path:
    assert spec.weights
    return fetch(spec.weights, CACHE, lambda part: None)


@pytest.fixture(scope="module")
def smol() -> Watched:
    return Watched(SPECS["smollm2-135m-instruct-q4"])


def test_the_second_turn_of_a_battle_is_read_from_where_the_first_one_ended(smol: Watched) -> None:
    first = smol.ask(SKY, battle="one")
    assert smol.reused == 0
    before = smol.read + GREEDY.max_tokens
    smol.ask(SKY, first, RED, battle="one")
    assert smol.reused == before - 1, "all of it, but for the last token, which was never read"
    assert smol.read < 30


def test_the_same_prompt_in_another_battle_reuses_nothing(smol: Watched) -> None:
    smol.ask(SKY, battle="mine")
    holder = smol.asked[-1]["id_slot"]
    answers = {smol.ask(SKY, battle="yours")}
    assert (smol.reused, smol.asked[-1]["cache_prompt"]) == (0, False)
    answers.add(smol.ask(SKY, battle="theirs"))
    assert (smol.reused, smol.asked[-1]["id_slot"]) == (0, holder), "not even in the slot that has just read it"
    answers |= {smol.ask(SKY, battle="") for _ in range(3)}
    assert smol.reused == 0
    assert len(answers) == 1
    # The control: llama.cpp itself would have used it.
    smol.handle_chat_completions(
        {**smol.asked[-1], "cache_prompt": True, "id_slot": smol.asked[-1]["id_slot"]}, lambda event: False
    )
    assert smol.reused > 40


def test_a_prompt_that_is_refused_leaves_no_claim_on_what_another_battle_left(smol: Watched) -> None:
    engine = smol.engine
    for battle in ("before", "before too"):
        smol.ask(SKY, battle=battle)
    for _ in range(2):
        end = engine.answer(question(("word " * 9000,), "long"), lambda text: None, lambda: False)
        assert isinstance(end, Failed)
    smol.ask(SKY, battle="long")
    assert smol.reused == 0


def test_a_stopped_answer_can_be_gone_on_with(smol: Watched) -> None:
    smol.ask(SKY, battle="stopped", stopped=lambda: True)
    assert smol.ask(SKY, battle="stopped")
    assert smol.reused > 40


def test_what_is_reused_changes_a_greedy_answer_only_where_two_tokens_are_as_good_as_equal(smol: Watched) -> None:
    first = smol.ask(SKY, battle="numbers")
    talk = question((SKY, first, RED), "numbers")
    holder = smol.asked[-1]["id_slot"]
    again, anew = (
        likeliest(smol, talk, Slot(holder, remembers=True)),
        likeliest(smol, talk, Slot(1 - holder, remembers=False)),
    )
    assert again
    for step, (one, other) in enumerate(zip(again, anew, strict=False)):
        (a, chance_a), (b, chance_b) = one[0], other[0]
        if a != b:
            print(f"\nparted at token {step}: {one[:2]} with what was kept, {other[:2]} read anew")
            assert chance_a - dict(one)[b] < 0.5
            assert chance_b - dict(other)[a] < 0.5
            break
        assert abs(chance_a - chance_b) < 0.5  # nats
    else:
        assert len(again) == len(anew)


def likeliest(watched: Watched, talk: Question, slot: Slot) -> list[list[tuple[str, float]]]:
    """The ten likeliest tokens of each step with the logarithm of their probability."""
    steps: list[list[tuple[str, float]]] = []

    def listen(event: dict[str, Any]) -> bool:
        for choice in event.get("choices", ()):
            for token in (choice.get("logprobs") or {}).get("content", ()):
                steps.append([(top["token"], top["logprob"]) for top in token["top_logprobs"]])
        return False

    request = llamacpp._request(talk, slot) | {"logprobs": True, "top_logprobs": 10}
    watched.handle_chat_completions(request, listen)
    return steps


def test_a_model_with_sliding_windows_reuses_what_was_before_its_last_answer() -> None:
    gemma = Watched(SPECS["gemma-3-270m-base-q4"])
    first = gemma.ask(SKY, battle="one")
    prompt = gemma.read
    gemma.ask(SKY, first, RED, battle="one")
    assert 0 < prompt - gemma.reused < 10, "up to the checkpoint, a few tokens before the end of the first prompt"
    gemma.ask(SKY, first, RED, battle="one")
    assert gemma.read < 10, "regenerated"
    gemma.ask(SKY, first, RED, battle="another")
    assert gemma.reused == 0


@pytest.mark.parametrize("slots", [4, 8])
@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_the_estimated_memory_is_what_a_model_in_use_takes(spec: ModelSpec, slots: int) -> None:
    worker = WorkerModel(spec, weights_of(spec), threads=1, slots=slots)
    try:
        estimated = worker.wait_needs(300).bytes
        worker.wait_ready(300)
        asyncio.run(use_every_slot(worker, slots))
        taken = resident(worker.pid)
    finally:
        worker.close()
    print(f"\n{spec.id}, {slots} slots: {estimated / 2**20:.0f} MB estimated, {taken / 2**20:.0f} MB taken")
    # A sliding window's checkpoints come with longer talks only: they are in the estimate and not yet taken.
    assert 0.9 < estimated / taken < 1.2


async def use_every_slot(worker: WorkerModel, slots: int) -> None:
    short = dataclasses.replace(GREEDY, max_tokens=4)

    async def one(number: int) -> None:
        async for event in worker.stream((Message("user", f"Count from {number}."),), short, number):
            assert not isinstance(event, Failed)

    await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(slots))), 300)


def resident(pid: int) -> int:
    """Bytes in memory (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
