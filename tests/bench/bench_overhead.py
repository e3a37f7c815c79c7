"""What the arena costs: tokens per second of a model alone against the same model inside a battle.

    python tests/bench/bench_overhead.py [--runs N] [--tokens N] [--threads N]

Real weights (SmolLM2 135M of the default catalogue, fetched into the usual cache), the same process for
its engine, prompt and seed. Bare is `stream_pair` on it as both sides; the arena is `Battles.ask` without
pacing, storage and views included. Runs alternate, so that a busy machine slows both; what else runs can
only slow, so the best runs tell most.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from measured import machine, ratio

from arena.battle import Battles
from arena.enrolment import enrol_all
from arena.turn import Limits
from arena.view import View
from db.schema import open_database
from db.session import Database
from db.tables import Turn
from models.catalog import load_catalog
from models.chat import ChatModel, Done, Message, Request, Text, stream_pair
from models.fetch import fetch
from models.local.worker import WorkerModel
from models.pool import Wait
from models.spec import ModelSpec

MODEL = "smollm2-135m-instruct-q4"
PROMPT = "Tell me a long story about a paddock and the horses that live there."
CACHE = Path("~/.cache/paddock/weights").expanduser()


@dataclass(frozen=True)
class Twins:
    """One loaded model that takes part as two contestants."""

    specs: tuple[ModelSpec, ModelSpec]
    loaded: ChatModel

    def ready(self) -> tuple[ModelSpec, ...]:
        return self.specs

    def pairs(self) -> list[tuple[ModelSpec, ModelSpec, Wait]]:
        return [(*self.specs, Wait.NOT)]

    def reserve(self, spec_ids: Sequence[str]) -> AbstractContextManager[Callable[[], bool]]:
        return nullcontext(lambda: True)

    def model(self, spec_id: str) -> ChatModel:
        return self.loaded


def counted(end: Done) -> int:
    assert end.tokens is not None, "the engine tells how many tokens it generated"
    return end.tokens


async def alone(model: ChatModel, request: Request) -> float:
    """Tokens per second of one answer."""
    began = time.perf_counter()
    async for event in model.stream(request.messages, request.sampling, request.seed):
        if isinstance(event, Done):
            return counted(event) / (time.perf_counter() - began)
        if not isinstance(event, Text):
            break
    raise AssertionError("the model failed")


async def bare(request: Request) -> float:
    """Tokens per second of both answers together, as the engine gives them."""
    tokens = 0
    began = time.perf_counter()
    async for _, event in stream_pair(request, request):
        tokens += counted(event) if isinstance(event, Done) else 0
    return tokens / (time.perf_counter() - began)


async def inside(database: Database, twins: Twins, seed: int) -> float:
    """The same through a battle: pair drawn, stored, streamed, viewed, stored again."""

    class Seeded(Random):
        def randrange(self, *_: int) -> int:  # type: ignore[override]
            return seed

    battles = Battles(database, twins, Limits(pace_chars=0), Seeded(1))
    battle = ""
    began = time.perf_counter()
    async for view in battles.ask(None, "voter", PROMPT):
        if isinstance(view, View):
            battle = view.battle_id
    took = time.perf_counter() - began
    with database.read() as session:
        turn = session.get_one(Turn, (battle, 0, 0))
        if turn.status != "finished":
            raise AssertionError(turn.failure)
        return ((turn.tokens_a or 0) + (turn.tokens_b or 0)) / took


def twins_of(tokens: int) -> tuple[ModelSpec, ModelSpec]:
    spec = next(spec for spec in load_catalog() if spec.id == MODEL)
    sampling = spec.sampling.model_copy(update={"max_tokens": tokens})
    one, other = (
        spec.model_copy(update={"id": f"{MODEL}-{name}", "name": name, "sampling": sampling})
        for name in ("one", "other")
    )
    return one, other


def measure(database: Database, twins: Twins, runs: int) -> dict[str, list[float]]:
    spec = twins.specs[0]
    found: dict[str, list[float]] = {"alone": [], "bare": [], "arena": []}

    async def rounds() -> None:
        for seed in range(runs + 1):
            request = Request(twins.loaded, [Message("user", PROMPT)], spec.chat_sampling(), seed)
            speeds = {
                "alone": await alone(twins.loaded, request),
                "bare": await bare(request),
                "arena": await inside(database, twins, seed),
            }
            for name, speed in speeds.items() if seed else ():  # the first round warms up
                found[name].append(speed)

    asyncio.run(rounds())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=150)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    print(machine())
    specs = twins_of(arguments.tokens)
    if specs[0].weights is None:
        raise AssertionError(specs[0])
    weights = fetch(specs[0].weights, CACHE, lambda part: None)
    with (
        tempfile.TemporaryDirectory(prefix="paddock-bench-") as name,
        closing(open_database(f"sqlite:///{name}/arena.db")) as database,
        closing(WorkerModel(specs[0], weights, threads=arguments.threads)) as model,
    ):
        enrol_all(database, specs, datetime.now(UTC))
        model.wait_ready(300)
        found = measure(database, Twins(specs, model), arguments.runs)
    names = {"alone": "one side alone", "bare": "bare pair", "arena": "pair in the arena"}
    for key, speeds in found.items():
        print(f"{names[key]:<18} tokens/s: {', '.join(f'{speed:.1f}' for speed in speeds)}")
    for how, figure in (("best", max), ("median", statistics.median)):
        ours, theirs = figure(found["arena"]), figure(found["bare"])
        print(ratio(f"{how} of arena / {how} of bare pair, tokens per second", ours, theirs))
        print(f"{f'the arena costs, by the {how}':<52} {(1 - ours / theirs) * 100:7.1f} %")


if __name__ == "__main__":
    main()
