"""Models on ZeroGPU: one loan of the GPU a battle, in a forked process; here with a stand-in that really forks."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from checkpoints import gemma_checkpoint, smollm2_checkpoint
from lending import Lender, WorkerGone
from support import REPO, Visitor, canaries_of, canary, environment, serving, write_catalog
from test_batch import Arithmetic
from test_wording import bytewise
from tiny_models import VOCABULARY

from models.catalog import CatalogError, load_catalog
from models.chat import ChatModel, Done, Event, Failed, Message, Request, Sampling, Side, Text, stream_pair
from models.checkpoint import digest
from models.local.answering import Answering
from models.local.batch import Batch
from models.local.borrowed import Ask, BorrowedModel, Gpu, Round
from models.local.duel import duel
from models.local.engine import Footprint, Question
from models.local.sampler import Chance
from models.local.wording import Wording
from models.local.zerogpu import MOST_SECONDS, ZeroGpu, seconds
from models.origin import FolderCheckpoint
from models.pool import Patience, Pool, load_zerogpu
from models.spec import ModelSpec

VISITOR: ContextVar[str] = ContextVar("visitor", default="nobody")
GREEDY = Sampling(temperature=0, max_tokens=12)
PATIENCE = 60.0


class Counting:
    """A loaded model that counts upwards from its first token; it is asked with a letter, and fails where told."""

    def __init__(self, first: int, before: Callable[[int], None] = lambda _round: None) -> None:
        self._first = first
        self._before = before

    def asked(self, question: Question, emit: Callable[[str], None], stopped: Callable[[], bool]) -> Answering | Failed:
        if question.messages[-1].text == "too long":
            return Failed("the prompt has 9 tokens, the context holds 8", fault=False)
        if question.messages[-1].text == "no template":
            raise ValueError("roles must alternate")
        prompt = [self._first]
        return Answering(
            prompt, question.sampling.max_tokens, frozenset(), Chance(question.sampling, question.seed, prompt),
            Wording(bytewise(), question.sampling.stop), emit, stopped,
        )  # fmt: skip

    def batch(self, device: Any) -> Batch:
        forward = Arithmetic(before=self._before)
        return Batch(forward, layers=0, vocabulary=VOCABULARY, device=device, prompt_tokens=8)


def spec(
    name: str, folder: Path | None = None, quantization: str = "none", sha: str = "0" * 64, **more: Any
) -> ModelSpec:
    return ModelSpec(
        id=name, name=name.title(), engine="transformers", quantization=quantization, license="none", makers=("us",),
        checkpoint=FolderCheckpoint(kind="folder", path=str(folder), digest=sha), **more,
    )  # fmt: skip


def models_of(lender: Lender, **loaded: Counting) -> dict[str, BorrowedModel]:
    """Models whose answers are lent by `lender`."""

    def battle(asks: tuple[Ask, ...]) -> Generator[Round, None, None]:
        yield from duel(loaded, asks)

    gpu = Gpu(lender(duration=seconds)(battle))
    return {name: BorrowedModel(spec(name), gpu, Footprint("cuda", 1, 10)) for name in loaded}


def ask(model: ChatModel, text: str = "a", battle: str = "b1", sampling: Sampling = GREEDY) -> Request:
    return Request(model, (Message("user", text),), sampling, 7, battle)


def both(a: Request, b: Request) -> list[tuple[Side, Event]]:
    async def collect() -> list[tuple[Side, Event]]:
        return [event async for event in stream_pair(a, b)]

    return asyncio.run(asyncio.wait_for(collect(), PATIENCE))


def text_of(events: Sequence[tuple[Side, Event]], side: Side) -> str:
    return "".join(event.text for where, event in events if where == side and isinstance(event, Text))


def end_of(events: Sequence[tuple[Side, Event]], side: Side) -> Event:
    (end,) = (event for where, event in events if where == side and not isinstance(event, Text))
    return end


# -- one loan a battle -----------------------------------------------------------------------------


def test_both_sides_of_a_battle_are_answered_in_one_loan_in_another_process() -> None:
    lender = Lender()
    models = models_of(lender, ant=Counting(10), bee=Counting(40))
    events = both(ask(models["ant"]), ask(models["bee"]))
    assert text_of(events, "a") == bytewise().decode(list(range(11, 23)))
    assert text_of(events, "b") == bytewise().decode(list(range(41, 53)))
    assert (end_of(events, "a"), end_of(events, "b")) == (Done("length", 12), Done("length", 12))
    (loan,) = lender.loans
    assert loan.pid != os.getpid()
    assert {one.spec_id for one in loan.asks} == {"ant", "bee"}
    assert loan.over.wait(PATIENCE)
    assert loan.rounds <= 12  # a token of each in every round
    assert not loan.stopped


def test_the_sides_are_streamed_and_not_handed_over_at_the_end() -> None:
    def slowly(_round: int) -> None:
        time.sleep(0.02)

    models = models_of(Lender(), ant=Counting(10, slowly), bee=Counting(40, slowly))
    events = both(ask(models["ant"]), ask(models["bee"]))
    sides = [side for side, event in events if isinstance(event, Text)]
    assert sides.count("a") > 5
    assert set(sides[:4]) == {"a", "b"}


def test_battles_at_one_time_have_a_loan_each() -> None:
    lender = Lender()
    models = models_of(lender, ant=Counting(10), bee=Counting(40))

    async def battle(number: int) -> list[tuple[Side, Event]]:
        a, b = ask(models["ant"], battle=f"b{number}"), ask(models["bee"], battle=f"b{number}")
        return [event async for event in stream_pair(a, b)]

    async def all_of_them() -> list[list[tuple[Side, Event]]]:
        return await asyncio.gather(*(battle(number) for number in range(4)))

    for events in asyncio.run(asyncio.wait_for(all_of_them(), PATIENCE)):
        assert text_of(events, "b") == bytewise().decode(list(range(41, 53)))
    assert [len(loan.asks) for loan in lender.loans] == [2, 2, 2, 2]


@pytest.mark.parametrize("battle", ["", "b1"])
def test_an_ask_whose_partner_never_comes_is_answered_alone(battle: str) -> None:
    lender = Lender()
    models = models_of(lender, ant=Counting(10))

    async def alone() -> list[Event]:
        stream = models["ant"].stream((Message("user", "a"),), GREEDY, 7, battle)
        return [event async for event in stream]

    events = asyncio.run(asyncio.wait_for(alone(), PATIENCE))
    assert events[-1] == Done("length", 12)
    assert [len(loan.asks) for loan in lender.loans] == [1]


def test_who_leaves_before_the_loan_begins_is_not_asked_for_with_the_next_one() -> None:
    lender = Lender()
    models = models_of(lender, ant=Counting(10), bee=Counting(40))

    async def hasty() -> None:
        async def first() -> None:
            async with aclosing(models["ant"].stream((Message("user", "a"),), GREEDY, 7, "b1")) as stream:
                await anext(stream)

        leaving = asyncio.create_task(first())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)

    asyncio.run(hasty())
    events = both(ask(models["ant"]), ask(models["bee"]))
    assert end_of(events, "b") == Done("length", 12)
    assert [len(loan.asks) for loan in lender.loans] == [2]


def test_the_gpu_is_asked_for_in_the_context_of_the_visitor() -> None:
    """Gradio's request lies there, by which the platform knows whose quota it is."""
    lender = Lender(seen=VISITOR.get)
    models = models_of(lender, ant=Counting(10), bee=Counting(40))

    async def visit(name: str) -> None:
        VISITOR.set(name)
        a, b = ask(models["ant"], battle=name), ask(models["bee"], battle=name)
        async for _ in stream_pair(a, b):
            pass

    async def visits() -> None:
        await asyncio.gather(visit("ann"), visit("bob"))

    asyncio.run(asyncio.wait_for(visits(), PATIENCE))
    assert sorted(lender.visitors) == ["ann", "bob"]


def test_the_loan_s_seconds_follow_the_limits_of_the_answers() -> None:
    def asks(tokens: int) -> tuple[Ask, Ask]:
        question = Question((Message("user", "a"),), Sampling(max_tokens=tokens), 1, "b1")
        return Ask("ant", question), Ask("bee", question)

    assert seconds(asks(384)[:1]) < seconds(asks(384)) <= 60  # what the platform lends without being asked for more
    assert seconds(asks(100)) < seconds(asks(384))
    assert seconds(asks(32768)) == MOST_SECONDS
    lender = Lender()
    models = models_of(lender, ant=Counting(10), bee=Counting(40))
    both(ask(models["ant"]), ask(models["bee"]))
    assert lender.loans[0].seconds == seconds(asks(12))


# -- leaving early, failing ------------------------------------------------------------------------


def test_closing_the_stream_stops_the_other_process() -> None:
    lender = Lender()
    models = models_of(lender, ant=Counting(10), bee=Counting(40))
    endless = Sampling(temperature=0, max_tokens=30_000)

    async def leave() -> None:
        stream = stream_pair(ask(models["ant"], sampling=endless), ask(models["bee"], sampling=endless))
        async with aclosing(stream):
            for _ in range(6):
                await anext(stream)

    asyncio.run(asyncio.wait_for(leave(), PATIENCE))
    assert lender.loans[0].over.wait(PATIENCE)
    assert lender.loans[0].stopped
    assert lender.loans[0].rounds < 30_000


def test_one_side_that_leaves_does_not_end_the_other() -> None:
    models = models_of(Lender(), ant=Counting(10), bee=Counting(40))

    async def one_leaves() -> list[tuple[Side, Event]]:
        a = Request(models["ant"], (Message("user", "a"),), GREEDY, 7, "b1", max_chars=2)
        return [event async for event in stream_pair(a, ask(models["bee"]))]

    events = asyncio.run(asyncio.wait_for(one_leaves(), PATIENCE))
    assert len(text_of(events, "a")) == 2
    assert end_of(events, "b") == Done("length", 12)


@pytest.mark.parametrize(
    ("title", "message", "notice"),
    [
        ("ZeroGPU quota exceeded", "You have exceeded your free ZeroGPU quota (48s requested vs. 7s left).", "quota"),
        ("ZeroGPU pending credits exceeded", "You have too many ZeroGPU credits allocated", "quota"),
        ("ZeroGPU quota exceeded", "No GPU was available after 60s. Try re-running", "no_gpu"),
        ("ZeroGPU queue timeout", "No GPU was available after 60s.", "no_gpu"),
        ("ZeroGPU worker error", "GPU task aborted", ""),
    ],
)
def test_a_refused_loan_fails_both_sides_alike_and_no_model_is_at_fault(title: str, message: str, notice: str) -> None:
    models = models_of(Lender(refuses=WorkerGone(title, message)), ant=Counting(10), bee=Counting(40))
    events = both(ask(models["ant"]), ask(models["bee"]))
    ends = [end_of(events, "a"), end_of(events, "b")]
    assert ends[0] == ends[1] == Failed(f"{title}: {message}")
    for end in ends:
        assert isinstance(end, Failed)
        assert (end.fault, end.notice) == (False, notice)
        assert "ant" not in end.detail.lower().split()


def test_a_process_that_is_taken_away_fails_what_is_not_complete() -> None:
    lender = Lender(dies_after=5)
    models = models_of(lender, ant=Counting(10), bee=Counting(40))
    short = Sampling(temperature=0, max_tokens=2)
    events = both(ask(models["ant"], sampling=short), ask(models["bee"]))
    assert end_of(events, "a") == Done("length", 2)
    end = end_of(events, "b")
    assert isinstance(end, Failed)
    assert not end.fault
    assert "aborted" in end.detail


@pytest.mark.parametrize(
    ("text", "said", "fault"),
    [("too long", "the prompt has 9 tokens", False), ("no template", "ValueError: roles must alternate", True)],
)
def test_what_goes_wrong_with_one_question_leaves_the_other_alone(text: str, said: str, fault: bool) -> None:
    models = models_of(Lender(), ant=Counting(10), bee=Counting(40))
    events = both(ask(models["ant"], text), ask(models["bee"]))
    end = end_of(events, "a")
    assert isinstance(end, Failed)
    assert end.detail.startswith(said)
    assert end.fault is fault
    assert end_of(events, "b") == Done("length", 12)


def test_a_defect_in_the_middle_of_an_answer_fails_it_alone() -> None:
    def before(number: int) -> None:
        if number == 4:
            raise ValueError("an illegal address")

    models = models_of(Lender(), ant=Counting(10, before), bee=Counting(40))
    events = both(ask(models["ant"]), ask(models["bee"]))
    end = end_of(events, "a")
    assert isinstance(end, Failed)
    assert "illegal address" in end.detail
    assert end_of(events, "b") == Done("length", 12)


def test_a_model_that_was_told_to_go_answers_no_more() -> None:
    lender = Lender()
    models = models_of(lender, ant=Counting(10), bee=Counting(40))
    models["ant"].end()
    assert models["ant"].wait_gone(0)
    events = both(ask(models["ant"]), ask(models["bee"]))
    assert isinstance(end_of(events, "a"), Failed)
    assert end_of(events, "b") == Done("length", 12)


# -- from the catalogue to the pool ----------------------------------------------------------------


def loading(monkeypatch: pytest.MonkeyPatch, **loaded: Counting) -> None:
    """Let the models of these ids be the tiny ones."""

    def load(one: ModelSpec, folder: Path | None) -> tuple[Counting, Footprint]:
        return loaded[one.id], Footprint("cuda", 10, 100)

    monkeypatch.setattr("models.local.duel.load_aside", load)
    monkeypatch.setattr("models.local.zerogpu.bring", lambda checkpoint, cache, report: cache)
    monkeypatch.setattr("models.keeper.bring", lambda checkpoint, cache, report: cache)


def test_the_pool_has_the_models_that_were_loaded_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading(monkeypatch, ant=Counting(10), bee=Counting(40))
    specs, lender = [spec("ant"), spec("bee")], Lender()
    gpu = ZeroGpu(specs, tmp_path, lender)
    pool = Pool(specs, cache=tmp_path, load=load_zerogpu(gpu, no_other))
    try:
        pool.start()
        assert pool.wait_ready(2, PATIENCE), pool.status()
        events = both(ask(pool.model("ant")), ask(pool.model("bee")))
    finally:
        pool.close()
    assert text_of(events, "a") == bytewise().decode(list(range(11, 23)))
    assert [len(loan.asks) for loan in lender.loans] == [2]


def no_other(one: ModelSpec, weights: Path | None, threads: int) -> Any:
    raise AssertionError(f"{one.id} is no model for a process of its own")


def test_models_for_the_cpu_have_their_own_processes_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading(monkeypatch, ant=Counting(10))
    cpu = next(iter(load_catalog(lineup="cpu")))
    gpu = ZeroGpu([spec("ant"), cpu], tmp_path, Lender())
    asked: list[str] = []

    def other(one: ModelSpec, weights: Path | None, threads: int) -> Any:
        asked.append(one.id)

    load_zerogpu(gpu, other)(cpu, None, 1)
    assert asked == [cpu.id]


def test_what_could_not_be_loaded_is_told_in_a_sentence_and_the_others_play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [spec("ant", tmp_path / "nowhere"), spec("bee", tmp_path, "nf4")]
    monkeypatch.setattr("models.keeper.bring", lambda checkpoint, cache, report: cache)
    monkeypatch.setattr(
        "models.local.zerogpu.bring",
        lambda checkpoint, cache, report: whole(checkpoint) if "nowhere" in checkpoint.path else cache,
    )
    from models.checkpoint import bring

    def whole(checkpoint: FolderCheckpoint) -> Path:
        return bring(checkpoint, tmp_path, lambda part: None)

    gpu = ZeroGpu(specs, tmp_path, Lender())
    pool = Pool(specs, cache=tmp_path, load=load_zerogpu(gpu, no_other), patience=Patience(first_pause=0.01))
    try:
        pool.start()
        assert pool.wait(lambda: all(one.state == "failed" for one in pool.status()), PATIENCE), pool.status()
        reasons = [one.reason for one in pool.status()]
    finally:
        pool.close()
    assert "nowhere" in reasons[0]
    assert 'write quantization = "none"' in reasons[1]
    for reason in reasons:
        assert "\n" not in reason
        assert reason.endswith("Restart this Space once that is put right.")


def test_without_the_platform_s_package_the_start_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "spaces", None)
    with pytest.raises(CatalogError, match="ZeroGPU needs spaces, which is not installed; add requirements-torch"):
        ZeroGpu([spec("ant")], tmp_path)


def test_the_real_package_answers_in_this_process_where_there_is_no_zerogpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("spaces", reason="spaces isn't installed (make test TORCH=yes)")
    loading(monkeypatch, ant=Counting(10), bee=Counting(40))
    specs = [spec("ant"), spec("bee")]
    gpu = ZeroGpu(specs, tmp_path)
    events = both(ask(gpu.resident(specs[0])), ask(gpu.resident(specs[1])))
    assert text_of(events, "a") == bytewise().decode(list(range(11, 23)))
    assert end_of(events, "b") == Done("length", 12)


# -- real weights ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_loan_s_greedy_answers_are_those_of_the_engine_in_a_worker(tmp_path: Path) -> None:
    from test_transformers import PROMPTS, loaded, template
    from test_transformers import ask as ask_engine

    folders = [smollm2_checkpoint(), gemma_checkpoint()]
    templates = ["", template()]
    specs = [
        spec(name, folder, sha=digest(folder, tmp_path), prompt_template=text, context=2048)
        for name, folder, text in zip(("smol", "gemma"), folders, templates, strict=True)
    ]
    lender = Lender()
    gpu = ZeroGpu(specs, tmp_path, lender)
    models = [gpu.resident(one) for one in specs]
    engines = [loaded(folders[0]), loaded(folders[1], template=templates[1])]
    sampling = Sampling(temperature=0, max_tokens=40)
    sides: tuple[Side, Side] = ("a", "b")
    for number, prompt in enumerate(PROMPTS[:3]):
        smol, gemma = (ask(model, prompt, f"b{number}", sampling) for model in models)
        events = both(smol, gemma)
        for side, engine in zip(sides, engines, strict=True):
            right = ask_engine(engine, prompt)
            assert text_of(events, side) == right.text
            assert end_of(events, side) == right.end
    assert [len(loan.asks) for loan in lender.loans] == [2, 2, 2]


# -- what the visitor is told ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "words"), [("en", "Your free GPU time for today is used up; sign in"), ("zh", "GPU")]
)
def test_a_visitor_whose_gpu_time_is_used_up_is_told_so_and_no_model_is_named(
    tmp_path: Path, language: str, words: str
) -> None:
    catalog = write_catalog(
        tmp_path / "own.toml", *(canary(tree, fail_after=0, notice="quota") for tree in ("oak", "elm"))
    )
    with serving(tmp_path, catalog) as server:
        visitor = Visitor(server.url)
        visitor.http.headers["accept-language"] = language
        reply = visitor.ask("Why?")
        assert [toast for toast in reply.toasts if words in toast] == reply.toasts
        assert len(reply.toasts) == 1
        assert not [secret for secret in canaries_of(catalog) if secret in reply.text]
        assert server.rows("select status from battle") == [("void",)]


SPACES = """
import sys
sys.path.append({tests!r})
from lending import Lender
GPU = Lender()
"""


@pytest.mark.slow
def test_a_whole_arena_on_zerogpu_takes_a_vote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`app.py` as a Space starts it: the models are there before the page, and each battle is one loan."""
    folder = smollm2_checkpoint()
    entries = [
        spec(name, folder, sha=digest(folder, tmp_path), context=1024, sampling={"max_tokens": 16, "temperature": heat})
        for name, heat in (("cool", 0.2), ("warm", 0.8))
    ]
    catalog = write_catalog(
        tmp_path / "own.toml", *(one.model_dump(mode="json", exclude_defaults=True) for one in entries)
    )
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "spaces.py").write_text(SPACES.format(tests=str(REPO / "tests")), encoding="utf-8")

    def on_zerogpu(*arguments: Any, **settings: Any) -> dict[str, str]:
        return {
            **environment(*arguments, **settings),
            "SPACES_ZERO_GPU": "true",
            "PYTHONPATH": os.pathsep.join(map(str, (fake, REPO))),
        }

    monkeypatch.setattr("support.environment", on_zerogpu)
    with serving(tmp_path, catalog, seconds=300, PACE_CHARS=0) as server:
        assert server.log.index("Cool: loading") < server.log.index("is open at")
        visitor = Visitor(server.url)
        assert visitor.ask("Why is the sky blue?").success
        assert visitor.vote("a").success
        assert server.rows("select status, count(*) from battle group by 1") == [("voted", 1)]
        ((a, b),) = server.rows("select answer_a, answer_b from turn")
        assert len(a) > 10
        assert len(b) > 10
