"""Models that are asked in bulk: endpoints that are busy or broken, local processes that die, memory for one only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from endpoint_stub import MODEL, Stub, Wire, refuses, says, status
from pools import load_fake, scripted, spec_of
from pydantic import SecretStr

from arena.judge.asked import LOCAL, MOST_FAILURES, REMOTE, Asked, ModelUnavailable, Reply, models_of
from arena.settings import Settings
from models.chat import Done, Failed, Message, Sampling
from models.endpoint import Timeouts
from models.spec import ModelSpec

PATIENCE = 60.0
QUICK = Timeouts(check=5.0, first_token=10.0, pauses=(0.01, 0.01), retry_after=5.0)

Open = Callable[..., AbstractContextManager[Asked]]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """`models_of` with fake engines and quick pauses; what it tells is written into the list `told`."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    settings = Settings(cache=tmp_path / "cache", data=tmp_path)

    @contextmanager
    def open_them(
        *specs: ModelSpec, told: list[str] | None = None, key: str = "", timeouts: Timeouts = QUICK
    ) -> Iterator[Asked]:
        keys = {"STUB_API_KEY": SecretStr(key)} if key else {}
        hear = (told if told is not None else []).append
        with models_of(specs, settings, keys, hear, load=load_fake, timeouts=timeouts) as asked:
            yield asked

    return open_them


def endpoint(url: str, **more: str) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "id": "far",
            "name": "Far Away",
            "engine": "endpoint",
            "quantization": "none",
            "license": "none",
            "makers": ["them"],
            "endpoint": {"url": url, "model": MODEL, **more},
        }
    )


def ask(asked: Asked, spec: ModelSpec, *texts: str) -> list[Reply]:
    """Ask one after the other."""

    async def replies() -> list[Reply]:
        return [await asked.reply(spec.id, (Message("user", text),), Sampling(), 1) for text in texts]

    return asyncio.run(asyncio.wait_for(replies(), PATIENCE))


def texts_of(replies: Sequence[Reply]) -> list[str]:
    assert all(isinstance(reply.end, Done) for reply in replies), replies
    return [reply.text for reply in replies]


class Heard(list[str]):
    """What was told; `on` is called with each sentence."""

    on: Callable[[], None]

    def append(self, sentence: str) -> None:
        super().append(sentence)
        self.on()


# -- endpoints -----------------------------------------------------------------------------------


def test_a_whole_answer_comes_with_what_it_took(opened: Open) -> None:
    with Stub([says("one", " two", took=(7, 3))]) as stub:
        spec = endpoint(stub.url)
        with opened(spec) as asked:
            (reply,) = ask(asked, spec, "Count")
    assert reply.text == "one two"
    assert reply.end == Done("stop", 3)
    assert isinstance(reply.end, Done)
    assert reply.end.prompt_tokens == 7


def test_a_busy_server_is_asked_again_when_it_says(opened: Open) -> None:
    with Stub([refuses(429, "slow down", retry_after="0.2"), says("at last")]) as stub:
        spec = endpoint(stub.url)
        with opened(spec) as asked:
            assert texts_of(ask(asked, spec, "Hello")) == ["at last"]
        first, second = stub.questions
    assert second.at - first.at >= 0.2


def test_a_busy_server_is_left_alone_by_everybody_until_it_says(opened: Open) -> None:
    with Stub([refuses(429, "slow down", retry_after="0.5"), says("at last")]) as stub:
        spec = endpoint(stub.url)

        async def after_a_refusal(asked: Asked) -> list[Reply]:
            refused = asyncio.Event()
            told.on = refused.set
            first = asyncio.create_task(asked.reply(spec.id, question, Sampling(), 1))
            await refused.wait()
            return [await asked.reply(spec.id, question, Sampling(), 2), await first]

        question = (Message("user", "Hello"),)
        told = Heard()
        with opened(spec, told=told) as asked:
            assert texts_of(asyncio.run(asyncio.wait_for(after_a_refusal(asked), PATIENCE))) == ["at last"] * 2
        refused, *others = stub.questions
    assert [one.at - refused.at >= 0.5 for one in others] == [True, True]
    assert len(told) == 1
    assert "it answered 429, try again in 0 s: slow down. It is asked more slowly." in told[0]


@pytest.mark.slow
def test_a_server_that_takes_one_at_a_time_answers_everybody(opened: Open) -> None:
    under_way: list[Wire] = []

    async def one_at_a_time(wire: Wire) -> None:
        if under_way:
            await refuses(429, "slow down")(wire)
            return
        under_way.append(wire)
        await asyncio.sleep(0.05)
        under_way.clear()
        await says("yes")(wire)

    async def together(asked: Asked) -> list[Reply]:
        question = (Message("user", "Hello"),)
        asking = [asked.reply(spec.id, question, Sampling(), seed) for seed in range(REMOTE)]
        return list(await asyncio.wait_for(asyncio.gather(*asking), PATIENCE))

    with Stub([one_at_a_time]) as stub:
        spec = endpoint(stub.url)
        with opened(spec) as asked:
            assert texts_of(asyncio.run(together(asked))) == ["yes"] * REMOTE


def test_a_server_that_is_busy_for_ever_is_given_up(opened: Open) -> None:
    with Stub([refuses(429, "the quota is used up")]) as stub:
        spec = endpoint(stub.url)
        with opened(spec, timeouts=replace(QUICK, first_token=0.2)) as asked:
            replies = ask(asked, spec, *["Hello"] * MOST_FAILURES)
            with pytest.raises(ModelUnavailable, match=r"No answer came 5 times in a row: .*429: the quota is used up"):
                ask(asked, spec, "Hello")
    assert all(isinstance(reply.end, Failed) for reply in replies)


def test_an_address_where_nobody_is_is_named_before_anything_is_asked(opened: Open) -> None:
    with Stub([says("x")]) as stub:
        url = stub.url
    spec = endpoint(url)
    with opened(spec) as asked, pytest.raises(ModelUnavailable, match=f"Far Away at {url}: .*is it running"):
        ask(asked, spec, "Hello")


def test_a_server_that_wants_a_key_gets_it_or_its_variable_is_named(opened: Open) -> None:
    with Stub([says("come in")]) as stub:
        spec = endpoint(stub.url, key="STUB_API_KEY")
        with opened(spec, key="a-secret-key") as asked:
            assert texts_of(ask(asked, spec, "Hello")) == ["come in"]
        assert stub.questions[0].headers["authorization"] == "Bearer a-secret-key"
        with opened(spec) as asked, pytest.raises(ModelUnavailable, match="put STUB_API_KEY into the environment"):
            ask(asked, spec, "Hello")


def test_a_server_that_answers_html_is_given_up_after_some_answers_and_named(opened: Open) -> None:
    page = status(200, "<!doctype html>", "text/html")
    with Stub([page]) as stub:
        spec = endpoint(stub.url)
        with opened(spec) as asked:
            replies = ask(asked, spec, *["Hello"] * MOST_FAILURES)
            with pytest.raises(ModelUnavailable, match=r"No answer came 5 times in a row: .*text/html"):
                ask(asked, spec, "Hello")
        assert len(stub.questions) == MOST_FAILURES
    assert all(
        isinstance(reply.end, Failed) and "does the address end in /v1?" in reply.end.detail for reply in replies
    )


def test_a_success_between_failures_forgives_them(opened: Open) -> None:
    wrong = refuses(400, "no")
    with Stub([*[wrong] * (MOST_FAILURES - 1), says("yes"), *[wrong] * (MOST_FAILURES - 1), says("yes")]) as stub:
        spec = endpoint(stub.url)
        with opened(spec) as asked:
            replies = ask(asked, spec, *["Hello"] * 2 * MOST_FAILURES)
    assert [reply.text for reply in replies if isinstance(reply.end, Done)] == ["yes", "yes"]


# -- local models --------------------------------------------------------------------------------


def test_a_local_model_answers_as_many_at_once_as_it_has_slots(opened: Open, tmp_path: Path) -> None:
    spec = spec_of("one", tmp_path)
    told: list[str] = []

    async def together(asked: Asked) -> list[Reply]:
        question = (Message("user", "meet ing"),)  # returns only when as many run as there are slots
        return list(await asyncio.gather(*(asked.reply(spec.id, question, Sampling(), 1) for _ in range(LOCAL))))

    with opened(spec, told=told) as asked:
        assert texts_of(asyncio.run(asyncio.wait_for(together(asked), PATIENCE))) == ["ing"] * LOCAL
        assert asked.parallel(spec.id) == asked.parallel(spec.id, 50) == LOCAL
        assert asked.parallel(spec.id, 2) == 2
    assert any("One: loading" in line for line in told)


def test_servers_and_scripts_take_as_many_as_one_wants(opened: Open) -> None:
    here, there = scripted("here"), endpoint("http://127.0.0.1:9/v1")
    with opened(here, there) as asked:
        assert asked.parallel(here.id) == asked.parallel(there.id) == REMOTE
        assert asked.parallel(there.id, 50) == 50
        assert texts_of(ask(asked, here, "Hello")) == ["Hello."]


def test_a_model_that_can_t_be_loaded_is_named_with_its_reason(opened: Open, tmp_path: Path) -> None:
    spec = spec_of("bent", tmp_path, quantization="broken")
    with opened(spec) as asked, pytest.raises(ModelUnavailable, match=r"Bent can't be had: .*no such tensor"):
        ask(asked, spec, "say it")


def test_a_model_whose_file_can_t_be_had_is_named(opened: Open, tmp_path: Path) -> None:
    spec = spec_of("gone", tmp_path)
    (tmp_path / "gone.gguf").unlink()
    with opened(spec) as asked, pytest.raises(ModelUnavailable, match=r"Gone can't be had: "):
        ask(asked, spec, "say it")


@pytest.mark.slow
def test_a_process_that_dies_of_a_question_comes_back_for_the_others(opened: Open, tmp_path: Path) -> None:
    spec = spec_of("one", tmp_path)

    async def together(asked: Asked) -> list[Reply]:
        texts = ("break {}", "say a", "say b", "think 0.2", "say c", "say d", "long")
        return list(
            await asyncio.gather(*(asked.reply(spec.id, (Message("user", text),), Sampling(), 1) for text in texts))
        )

    with opened(spec) as asked:
        deadly, *others, long = asyncio.run(asyncio.wait_for(together(asked), PATIENCE))
        assert texts_of(ask(asked, spec, "say after")) == ["after"]
    assert isinstance(deadly.end, Failed)
    assert texts_of(others) == ["a", "b", "0.2", "c", "d"]
    assert long.end == Failed("the prompt is too long")


@pytest.mark.slow
def test_a_model_that_fails_answer_after_answer_is_given_up(opened: Open, tmp_path: Path) -> None:
    spec = spec_of("one", tmp_path)
    with opened(spec) as asked:
        replies = ask(asked, spec, *["raise it"] * MOST_FAILURES)
        with pytest.raises(ModelUnavailable, match=r"One failed 5 answers in a row \(.*a bad number.*\)"):
            ask(asked, spec, "say it")
    assert all(isinstance(reply.end, Failed) for reply in replies)


@pytest.mark.slow
def test_models_that_have_no_room_together_answer_in_turns(opened: Open, tmp_path: Path) -> None:
    one, two = (spec_of(name, tmp_path, bytes=600_000) for name in ("one", "two"))
    with opened(one, two) as asked:
        for _ in range(2):
            assert texts_of(ask(asked, one, "say a")) == ["a"]
            assert texts_of(ask(asked, two, "say b")) == ["b"]
