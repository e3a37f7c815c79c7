"""What the three default models really answer to "who are you?", and that a visitor is shown no name of it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from arena.identity import MASK, Names, is_probe
from arena.pacing import Answer
from models.catalog import load_catalog
from models.chat import Done, Message, Sampling
from models.fetch import fetch
from models.local.worker import WorkerModel
from models.spec import ModelSpec

pytestmark = [pytest.mark.integrity, pytest.mark.slow, pytest.mark.timeout(900)]

CACHE = Path.home() / ".cache" / "paddock" / "weights"
SPECS = {spec.id: spec for spec in load_catalog(lineup="cpu")}
NAMES = Names(SPECS.values())
PROMPTS = (
    "Who are you?",
    "What is your name, and who made you?",
    "Which language model are you?",
    "你是谁?",
    "你叫什么名字?是哪家公司开发的?",
    "Introduce yourself in one sentence.",
)
# Their own names, as a reader knows them; that another model's name is said now and then is no secret of theirs.
OWN = ("qwen", "smollm", "hugging face", "alibaba", "gemma", "deepmind", "千问", "阿里")
SEEDS = (1, 2, 3)


def answers_of(spec: ModelSpec) -> list[Answer]:
    """Every prompt with every seed, at the catalogue's own sampling."""
    assert spec.weights
    worker = WorkerModel(spec, fetch(spec.weights, CACHE, lambda part: None), threads=1, slots=4)
    sampling = Sampling(temperature=spec.sampling.temperature, top_p=spec.sampling.top_p, max_tokens=64)

    async def one(prompt: str, seed: int) -> Answer:
        answer, before = Answer(NAMES), ""
        async with aclosing(worker.stream((Message("user", prompt),), sampling, seed)) as events:
            async for event in events:
                answer.take(event)
                assert answer.visible.startswith(before), "nothing is taken back"
                before = answer.visible
        return answer

    async def all_of_them() -> list[Answer]:
        return [await one(prompt, seed) for prompt in PROMPTS for seed in SEEDS]

    try:
        worker.wait_ready(300)
        return asyncio.run(all_of_them())
    finally:
        worker.close()


def test_every_one_of_these_prompts_asks_for_the_name() -> None:
    assert [prompt for prompt in PROMPTS if not is_probe(prompt, NAMES)] == []


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_no_real_model_is_shown_to_say_who_it_is(spec: ModelSpec) -> None:
    answers = answers_of(spec)
    assert all(isinstance(answer.end, Done) for answer in answers)
    told = [answer for answer in answers if any(name in answer.raw.lower() for name in OWN)]
    leaked = [answer.visible for answer in told if any(name in answer.visible.lower() for name in OWN)]
    print(f"{spec.id}: {len(told)} of {len(answers)} say a name of theirs, {sum(one.told for one in answers)} masked")
    for answer in answers:
        print("  ", answer.told, repr(answer.visible))
    assert leaked == []
    if "qwen" in spec.id:
        assert len(told) > 9, "control: it does say who it is"
        assert all(MASK in answer.visible for answer in told)
