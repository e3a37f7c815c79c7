from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
import subprocess
import sys
import threading
import traceback
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from endpoint_stub import (
    MODEL,
    Reply,
    Stub,
    Wire,
    cut,
    event,
    events,
    for_ever,
    hang,
    line_for_ever,
    lists,
    raw,
    refuses,
    says,
    slow_head,
    status,
    trickle,
    usage,
)
from support import REPO, wait_for

from arena.prompts import visible_text
from models import endpoint_client
from models.catalog import load_catalog
from models.chat import ChatModel, Done, Event, Failed, Message, Request, Sampling, Text, answer, stream_pair
from models.completion import request_body, same_model
from models.endpoint import EndpointModel, EndpointUnavailable, Timeouts
from models.spec import ModelSpec
from models.watched import Record, Watched

pytestmark = pytest.mark.timeout(120)
KEY = "sk-Planted+Key/0123456789=="
PROMPT = (Message("user", "Why is the sky blue?"),)
PLAIN = Sampling(temperature=0.5, top_p=0.9, top_k=0, max_tokens=9)
PATIENT = Timeouts(
    check=30, connect=10, first_token=30, between_tokens=30, usage=0.3, pauses=(0.01, 0.02), retry_after=2
)
HASTY = replace(PATIENT, check=0.5, first_token=0.5)
HASTY_LATER = replace(PATIENT, between_tokens=0.5)


def spec(url: str, model: str = MODEL, key: str = "STUB_KEY", reported: str = "") -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "id": "stub",
            "name": "Stub One",
            "engine": "endpoint",
            "quantization": "none",
            "license": "none",
            "makers": ["nobody"],
            "endpoint": {"url": url, "model": model, "key": key, "reported": reported},
        }
    )


def endpoint(stub: Stub, timeouts: Timeouts = PATIENT, **entry: str) -> EndpointModel:
    return EndpointModel(spec(stub.url, **entry), KEY, timeouts=timeouts)


async def collect(model: ChatModel, sampling: Sampling = PLAIN, seed: int = 5) -> list[Event]:
    return [event async for event in model.stream(PROMPT, sampling, seed)]


def ask(model: ChatModel, sampling: Sampling = PLAIN, seed: int = 5) -> list[Event]:
    return asyncio.run(asyncio.wait_for(collect(model, sampling, seed), 60))


def text_of(got: list[Event]) -> str:
    return "".join(event.text for event in got if isinstance(event, Text))


def failure(got: list[Event]) -> str:
    """The detail of the one failure that the stream ends with, and with nothing else."""
    *before, end = got
    assert all(isinstance(event, Text) for event in before)
    assert isinstance(end, Failed)
    return end.detail


# -- an answer -------------------------------------------------------------------------------------


def test_an_answer_arrives_in_pieces_with_what_it_took() -> None:
    with Stub([says("Ray", "leigh ", "散射", took=(7, 3))]) as stub:
        got = ask(endpoint(stub))
    assert got == [Text("Ray"), Text("leigh "), Text("散射"), Done("stop", 3)]
    assert isinstance(got[-1], Done)
    assert got[-1].prompt_tokens == 7


def test_how_many_tokens_an_answer_took_is_not_guessed_from_its_pieces() -> None:
    with Stub([says("a", "b", finish="length")]) as stub:
        got = ask(endpoint(stub))
    assert got[-1] == Done("length", None)
    assert isinstance(got[-1], Done)
    assert got[-1].prompt_tokens is None


def test_what_is_asked_is_the_contestants_sampling_and_nothing_else() -> None:
    with Stub([says("ok")]) as stub:
        ask(endpoint(stub), PLAIN, seed=11)
    (asked,) = stub.questions
    assert asked.body == {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Why is the sky blue?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 9,
        "seed": 11,
    }
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers.keys() <= {*endpoint_client.HEADERS, "authorization", "accept-encoding"}
    assert asked.headers["accept-encoding"] == "identity"


def test_filters_of_open_engines_and_stop_strings_are_asked_for_where_they_are_switched_on() -> None:
    with Stub([says("ok")]) as stub:
        ask(endpoint(stub), Sampling(top_k=40, repeat_penalty=1.1, stop=("\nQ", "\nA")))
    body = stub.questions[0].body
    assert (body["top_k"], body["repeat_penalty"], body["repetition_penalty"]) == (40, 1.1, 1.1)
    assert body["stop"] == ["\nQ", "\nA"]


def test_a_schema_is_asked_for_in_openai_s_form() -> None:
    schema = {"type": "object", "properties": {"score": {"type": "number"}}}
    with Stub([says('{"score": 7}')]) as stub:
        ask(endpoint(stub), replace(PLAIN, schema=json.dumps(schema)))
    form = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
    assert stub.questions[0].body["response_format"] == form


def test_variables_of_the_library_reach_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "BASE_URL"):
        monkeypatch.setenv(f"OPENAI_{name}", "http://127.0.0.1:9/foreign")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Foreign: foreign\nAuthorization: Bearer foreign")
    with Stub([says("ok")]) as stub:
        model = EndpointModel(spec(stub.url, key=""), "", timeouts=PATIENT)
        model.check()
        assert ask(model)[-1] == Done("stop", None)
    assert len(stub.asked) == 2
    assert [asked for asked in stub.asked if "foreign" in str(asked.headers) or "authorization" in asked.headers] == []


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_is_hidden_as_a_local_models_is(field: str) -> None:
    thinking = [event(**{field: "let me "}), event("", **{field: "see"}), event("Ray"), event("leigh")]
    with Stub([events(*thinking, event(finish="stop"))]) as stub:
        got = ask(endpoint(stub))
    assert text_of(got) == "<think>let me see</think>Rayleigh"
    assert visible_text(text_of(got), complete=True) == "Rayleigh"


def test_what_both_fields_say_is_said_once() -> None:
    with Stub([events(event(reasoning="hm", reasoning_content="hm"), event("ok", "stop"))]) as stub:
        assert text_of(ask(endpoint(stub))) == "<think>hm</think>ok"


@pytest.mark.parametrize(
    "then",
    [hang, cut, trickle, lambda wire: wire.part(b"data: {broken\n\n")],
    ids=["hang", "cut", "trickle", "broken"],
)
def test_an_answer_that_gave_its_reason_is_whole_whatever_follows(then: Reply) -> None:
    with Stub([events(event("all"), event(finish="stop"), then=then)]) as stub:
        assert ask(endpoint(stub, replace(PATIENT, between_tokens=600))) == [Text("all"), Done("stop", None)]


def test_of_several_choices_the_first_is_the_answer() -> None:
    other = {"index": 1, "delta": {"content": "other"}, "finish_reason": "length"}
    both = event("Ray", "stop")
    both["choices"] = [other, both["choices"][0]]  # type: ignore[index]
    with Stub([events(both)]) as stub:
        assert ask(endpoint(stub)) == [Text("Ray"), Done("stop", None)]


def test_the_same_model_answers_in_any_event_loop_and_many_at_once() -> None:
    with Stub([says("Ray", "leigh")]) as stub:
        model = endpoint(stub)
        failed: list[object] = []

        async def eight() -> None:
            for got in await asyncio.gather(*(collect(model) for _ in range(8))):
                if got != [Text("Ray"), Text("leigh"), Done("stop", None)]:
                    failed.append(got)

        threads = [threading.Thread(target=lambda: asyncio.run(eight())) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert ask(model)[-1] == Done("stop", None)
    assert failed == []
    assert len(stub.questions) == 25


def test_the_page_opens_without_the_library() -> None:
    code = "import models.endpoint, sys; sys.exit(bool({'openai', 'httpx2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_closed_model_answers_no_more() -> None:
    with Stub([says("ok")]) as stub:
        model = endpoint(stub)
        model.close()
        model.close()
        assert "it is closed" in failure(ask(model))
    assert stub.asked == []


# -- dialects --------------------------------------------------------------------------------------


def knows_no(field: str, message: str) -> Reply:
    """A server that refuses requests with this field."""

    async def reply(wire: Wire) -> None:
        await (refuses(400, message) if field in wire.asked.body else says("ok"))(wire)

    return reply


OPENAI = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."


@pytest.mark.parametrize(
    ("field", "message", "instead"),
    [
        ("stream_options", "Unknown field: stream_options", None),
        ("seed", "Extra inputs are not permitted: seed", None),
        ("max_tokens", OPENAI, "max_completion_tokens"),
        ("response_format", "'response_format' of type 'json_schema' is not supported with this model", None),
        ("response_format", "This model does not support response format `json_schema`", None),
        ("response_format", "Failed to parse grammar", None),
    ],
)
def test_a_server_that_knows_no_such_field_is_asked_without_it_and_that_is_remembered(
    field: str, message: str, instead: str | None
) -> None:
    with Stub([knows_no(field, message)]) as stub:
        model = endpoint(stub)
        sampling = replace(PLAIN, schema='{"type": "object"}')
        assert [ask(model, sampling)[-1] for _ in range(2)] == [Done("stop", None), Done("stop", None)]
    assert [field in asked.body for asked in stub.questions] == [True, False, False]
    if instead:
        assert [asked.body.get(instead) for asked in stub.questions] == [None, 9, 9]


def test_a_complaint_that_stays_is_no_endless_conversation() -> None:
    with Stub([refuses(400, OPENAI)]) as stub:
        assert "answered 400" in failure(ask(endpoint(stub)))
    assert len(stub.questions) == 2


@pytest.mark.parametrize(
    "reply",
    [
        refuses(400, "Unrecognized request argument supplied: top_k"),
        status(422, {"detail": "Unexpected fields in the request: {'repetition_penalty'}"}),
    ],
)
def test_a_filter_that_the_server_does_not_have_is_never_dropped_but_named_with_the_remedy(reply: Reply) -> None:
    with Stub([reply]) as stub:
        detail = failure(ask(endpoint(stub), Sampling(top_k=40, repeat_penalty=1.1)))
    assert "set top_k = 0 and repeat_penalty = 1 for this entry" in detail
    assert len(stub.questions) == 1


# -- faults ----------------------------------------------------------------------------------------

HELLO = event("Hello")
HANGS: dict[str, tuple[Reply, Timeouts, str]] = {
    "before the first token": (hang, HASTY, ""),
    "after the head": (events(then=hang), HASTY, ""),
    "in the middle": (events(HELLO, then=hang), HASTY_LATER, "Hello"),
    "signs of life without a token": (events(then=trickle), HASTY, ""),
    "signs of life in the middle": (events(HELLO, then=trickle), HASTY_LATER, "Hello"),
    "slow head": (slow_head, HASTY, ""),
}


@pytest.mark.parametrize(("reply", "timeouts", "text"), HANGS.values(), ids=list(HANGS))
def test_a_server_that_hangs_fails_the_answer_in_time(reply: Reply, timeouts: Timeouts, text: str) -> None:
    with Stub([reply]) as stub:
        got = ask(endpoint(stub, timeouts))
        assert failure(got) == f"Stub One at {stub.url}: it hangs: no text for 0.5 s"
        assert stub.left.wait(2)
    assert text_of(got) == text
    assert len(stub.questions) == 1


FAULTS: dict[str, tuple[Reply, str, str]] = {
    # what the server does, what came of the answer, what is said of it
    "cut in the middle": (events(HELLO, then=cut), "Hello", "the connection failed"),
    "clean end in the middle": (events(HELLO, done=False), "Hello", "cut off"),
    "done in the middle": (events(HELLO), "Hello", "cut off"),
    "broken JSON": (events(HELLO, then=lambda wire: wire.part(b'data: {"choi\n\n')), "Hello", "not JSON"),
    "nested JSON": (raw(b"data: " + b"[" * 200_000 + b"\n\n"), "", "not JSON"),
    "no UTF-8": (raw(b'data: "\xff\xfe"\n\n'), "", "not JSON"),
    "HTML": (status(200, "<html><body>Welcome</body></html>", "text/html"), "", "without a single event"),
    "JSON instead of events": (status(200, {"choices": [{"message": {"content": "Hi"}}]}), "", "(application/json)"),
    "nothing": (events(done=False), "", "without a single event"),
    "only done": (events(), "", "without a single event"),
    "empty choices": (events({"choices": []}, {"model": MODEL}, {"choices": None}), "", "cut off"),
    "a list": (events([1, 2]), "", "none of a chat completion (all of it"),
    "null": (events(None), "", "none of a chat completion"),
    "a number for a text": (events(event(7)), "", "(choices.0.delta.content: "),  # type: ignore[arg-type]
    "parts for a text": (events(event([{"type": "text"}])), "", "choices.0.delta.content"),  # type: ignore[arg-type]
    "a text for choices": (events({"choices": "Hello"}), "", "(choices: "),
    "less than no tokens": (events(HELLO, usage(-1, 3)), "Hello", "(usage.prompt_tokens: "),
    "more tokens than there are": (events(HELLO, usage(3, 2**31)), "Hello", "(usage.completion_tokens: "),
    "a count beyond all bounds": (events(HELLO, usage(2**70, 3)), "Hello", "(usage.prompt_tokens: "),
    "an error for an event": (events(HELLO, {"error": {"message": "out of memory"}}), "Hello", "out of memory"),
    "a plain error for an event": (events(HELLO, {"error": "out of memory"}), "Hello", "out of memory"),
    "content filter": (says("Hello", finish="content_filter"), "Hello", "content filter"),
    "tool call": (says(finish="tool_calls"), "", "asked for a tool"),
    "unknown end": (says("Hello", finish="bored"), "Hello", "unknown reason 'bored'"),
    "another model": (says("Hello", model="stub-2-mini"), "", f"'stub-2-mini' answered where '{MODEL}' was asked"),
    "another model later": (events(HELLO, event("!", model="gpt")), "Hello", "the model 'gpt' answered"),
    "wrong key": (refuses(401, "Incorrect API key provided"), "", "check the variable STUB_KEY: Incorrect API key"),
    "forbidden": (refuses(403, "Not for you"), "", "refuses the key (403); check the variable STUB_KEY"),
    "unknown model": (refuses(404, "The model does not exist"), "", "The model does not exist"),
    "too long": (refuses(400, "maximum context length is 4096 tokens"), "", "answered 400: maximum context length"),
    "teapot": (status(418, "short and stout", "text/plain"), "", "answered 418: short and stout"),
    "not HTTP": (lambda wire: wire.send(b"SSH-2.0-OpenSSH_9.6\r\n"), "", "the connection failed"),
    "no response": (cut, "", "the connection failed"),
}


@pytest.mark.parametrize(("reply", "text", "said"), FAULTS.values(), ids=list(FAULTS))
def test_every_fault_fails_the_answer_with_a_sentence_and_nothing_else(reply: Reply, text: str, said: str) -> None:
    with Stub([reply]) as stub:
        got = ask(endpoint(stub))
        detail = failure(got)
        assert said in detail
        assert detail.startswith(f"Stub One at {stub.url}: ")
    assert text_of(got) == text
    assert "\n" not in detail


@pytest.mark.parametrize("reply", [refuses(429, "slow down"), refuses(500, "oops"), refuses(503, "loading"), cut])
def test_a_passing_trouble_is_tried_again_before_the_first_token(reply: Reply) -> None:
    with Stub([reply, events(then=cut), says("Here", " now")]) as stub:
        assert ask(endpoint(stub)) == [Text("Here"), Text(" now"), Done("stop", None)]
    assert len(stub.questions) == 3


@pytest.mark.parametrize("code", [408, 409, 429, 500, 502, 599])
def test_trouble_for_ever_fails_after_three_attempts(code: int) -> None:
    with Stub([refuses(code, "not today")]) as stub:
        assert f"answered {code}: not today" in failure(ask(endpoint(stub)))
    assert len(stub.questions) == 3


def test_an_account_without_credit_is_not_asked_again() -> None:
    with Stub([refuses(429, "You exceeded your quota", "insufficient_quota"), says("ok")]) as stub:
        assert "no credit left (429); add some there: You exceeded your quota" in failure(ask(endpoint(stub)))
    assert len(stub.questions) == 1


@pytest.mark.parametrize("code", [422, 503])
def test_what_a_server_repeats_of_a_prompt_is_neither_logged_nor_said(
    code: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (asked,) = PROMPT
    with Stub([refuses(code, f"no list: [{{'content': {asked.text!r}}}]")]) as stub:
        detail = failure(ask(endpoint(stub)))
    assert f"answered {code}: no list: [{{'content': '…'}}]" in detail
    assert "sky" not in detail + caplog.text
    assert ("to be asked again" in caplog.text) == (code == 503)


# -- what is the question's fault ------------------------------------------------------------------

LONG = (Message("user", "7" * 4000),)  # fits by `arena.prompts.fits`, and is 4,000 tokens to Qwen
AZURE = {
    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    "code": "content_filter",
    "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}},
}
TOO_LONG: dict[str, tuple[int, object]] = {
    "OpenAI's code": (400, {"error": {"message": "No.", "code": "context_length_exceeded"}}),
    "OpenAI": (400, {"error": {"message": "This model's maximum context length is 4096 tokens. However, you"}}),
    "OpenAI today": (400, {"error": {"message": "Your input exceeds the context window of this model."}}),
    "OpenAI's string": (400, {"error": {"message": "string too long", "code": "string_above_max_length"}}),
    "OpenAI's minute": (429, {"error": {"message": "Request too large for gpt-4o on tokens per min (TPM): Limit 9"}}),
    "vLLM": (400, {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400}),
    "vLLM of max_tokens": (
        400,
        {
            "error": {
                "message": "'max_tokens' or 'max_completion_tokens' is too large: 384. This model's maximum context "
                "length is 4096 tokens and your request has 4010 input tokens (384 > 4096 - 4010)."
            }
        },
    ),
    "vLLM's decoder": (400, {"message": "The decoder prompt (length 4010) is longer than the maximum model length"}),
    "SGLang": (400, {"message": "The input (4010 tokens) is longer than the model's context length (4096 tokens)."}),
    "llama-server": (400, {"error": {"code": 400, "message": "too much", "type": "exceed_context_size_error"}}),
    "llama-server in words": (
        400,
        {
            "error": {
                "message": "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing"
            }
        },
    ),
    "llama-server while it answers": (500, {"error": {"code": 500, "message": "Context size has been exceeded."}}),
    "TGI": (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4010"}),
    "TGI's inputs": (422, {"error": "Input validation error: `inputs` must have less than 4096 tokens. Given: 9999"}),
    "Ollama": (400, {"error": {"message": "prompt too long; exceeded max context length by 4 tokens"}}),
    "Anthropic": (400, {"error": {"message": "prompt is too long: 4010 tokens > 4000 maximum"}}),
    "Gemini's list": (
        400,
        [{"error": {"code": 400, "message": "The input token count (9) exceeds the maximum number of tokens allowed"}}],
    ),
    "DashScope": (400, {"error": {"message": "Range of input length should be [1, 30720]"}}),
    "LiteLLM": (400, {"error": {"message": "litellm.ContextWindowExceededError: no"}}),
    "Groq": (413, {"error": {"message": "Request too large for model", "code": "rate_limit_exceeded"}}),
    "a proxy": (413, "<html><h1>413 Request Entity Too Large</h1></html>"),
}
FILTERED: dict[str, tuple[int, object]] = {
    "Azure": (400, {"error": AZURE}),
    "OpenAI": (400, {"error": {"message": "No.", "code": "content_policy_violation"}}),
    "OpenAI of reasoning": (400, {"error": {"message": "Invalid prompt: your prompt was flagged as potentially"}}),
    "OpenAI's safety system": (
        400,
        {"error": {"message": "Your request was rejected as a result of our safety system"}},
    ),
    "Moonshot": (400, {"error": {"message": "considered high risk", "type": "content_filter"}}),
    "LiteLLM": (400, {"error": {"message": "litellm.ContentPolicyViolationError: no"}}),
    "OpenRouter": (403, {"error": {"message": 'It requires moderation. Your input was flagged for "violence".'}}),
    "DashScope": (400, {"error": {"message": "Input data may be unfit.", "code": "data_inspection_failed"}}),
    "DeepSeek": (400, {"error": {"message": "Content Exists Risk", "type": "invalid_request_error"}}),
    "Zhipu": (400, {"error": {"message": "系统检测到输入或生成内容可能包含不安全或敏感内容", "code": "1301"}}),
}


def thrice(reply: Reply, messages: tuple[Message, ...] = LONG) -> tuple[list[Failed], bool]:
    """How three answers end, and whether the model then leaves the draw."""
    left: list[bool] = []

    async def end(model: ChatModel) -> Failed:
        *_, last = [event async for event in model.stream(messages, PLAIN, 1)]
        assert isinstance(last, Failed)
        return last

    with Stub([reply]) as stub:
        watched = Watched(endpoint(stub), Record(3), lambda: left.append(True))
        ends = [asyncio.run(asyncio.wait_for(end(watched), 30)) for _ in range(3)]
    assert all(one.busy is None for one in ends)
    return ends, bool(left)


@pytest.mark.integrity
@pytest.mark.parametrize(("code", "body"), TOO_LONG.values(), ids=list(TOO_LONG))
def test_who_asks_what_is_too_long_takes_no_endpoint_out_of_the_draw(code: int, body: object) -> None:
    ends, left = thrice(status(code, body))
    assert not left
    assert [one.fault for one in ends] == [False] * 3
    assert f": the prompt is too long for it; it answered {code}: " in ends[0].detail


@pytest.mark.integrity
@pytest.mark.parametrize(("code", "body"), FILTERED.values(), ids=list(FILTERED))
def test_who_asks_what_a_filter_refuses_takes_no_endpoint_out_of_the_draw(code: int, body: object) -> None:
    ends, left = thrice(status(code, body), PROMPT)
    assert not left
    assert [one.fault for one in ends] == [False] * 3
    assert f": its content filter refuses the question; it answered {code}: " in ends[0].detail


STREAMED: dict[str, tuple[Reply, str]] = {
    "too long": (events({"error": {"message": "Context size has been exceeded."}}), "the prompt is too long for it: "),
    "too long as a text": (events({"error": "`inputs` must have less than 9 tokens"}), "the prompt is too long for it"),
    "too long later": (events(HELLO, {"error": {"code": "context_length_exceeded"}}), "the prompt is too long for it"),
    "filter": (events(HELLO, {"error": AZURE}), "its content filter refuses the question: "),
    "filter as the end": (says("Hello", finish="content_filter"), "the server's content filter ended the answer"),
    "filter as Zhipu's end": (says("Hello", finish="sensitive"), "the server's content filter ended the answer"),
}


@pytest.mark.integrity
@pytest.mark.parametrize(("reply", "said"), STREAMED.values(), ids=list(STREAMED))
def test_a_question_refused_within_the_stream_takes_no_endpoint_out_of_the_draw(reply: Reply, said: str) -> None:
    ends, left = thrice(reply)
    assert not left
    assert [one.fault for one in ends] == [False] * 3
    assert f": {said}" in ends[0].detail


SET_UP_WRONGLY: dict[str, Reply] = {
    "a parameter": refuses(400, "Unrecognized request argument supplied: top_k"),
    "the name of a parameter": refuses(400, OPENAI),
    "longer answers than it gives": refuses(
        400, "max_tokens is too large: 9000. This model supports at most 4096 completion tokens, whereas you provided"
    ),
    "longer answers than TGI gives": status(422, {"error": "Input validation error: `max_new_tokens` must be <= 192"}),
    "a model": refuses(400, "The model `stub-1` does not exist", "model_not_found"),
    "a key": refuses(401, "Incorrect API key: maximum context length"),
    "an account": refuses(403, "Your account was flagged for violating our usage policies"),
    "an address": refuses(404, "Unknown path; content_filter"),
    "a proxy": refuses(500, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
    "memory": events({"error": {"message": "CUDA out of memory"}}),
    "no reason": status(400),
}


@pytest.mark.parametrize("reply", SET_UP_WRONGLY.values(), ids=list(SET_UP_WRONGLY))
def test_a_server_that_is_set_up_wrongly_leaves_the_draw_however_long_the_question(reply: Reply) -> None:
    ends, left = thrice(reply)
    assert left
    assert [one.fault for one in ends] == [True] * 3


@pytest.mark.parametrize("reply", [status(code, body) for code, body in TOO_LONG.values()], ids=list(TOO_LONG))
def test_a_server_that_finds_a_short_question_too_long_has_less_room_than_its_entry_says(reply: Reply) -> None:
    ends, left = thrice(reply, PROMPT)
    assert left
    assert [one.fault for one in ends] == [True] * 3


@pytest.mark.parametrize(
    ("size", "context", "most", "fault"),
    [
        (1000, 131_072, 384, True),
        (1001, 131_072, 384, False),
        (28, 512, 400, True),
        (29, 512, 400, False),
        (1, 512, 600, False),
    ],
)
def test_what_counts_as_short_leaves_four_tokens_for_every_byte(
    size: int, context: int, most: int, fault: bool
) -> None:
    with Stub([refuses(400, "maximum context length")]) as stub:
        entry = spec(stub.url).model_copy(update={"context": context})
        model = EndpointModel(entry, KEY, timeouts=PATIENT)
        question = Request(model, (Message("user", "7" * size),), replace(PLAIN, max_tokens=most), 1)

        async def end() -> Event:
            return [event async for event in answer(question)][-1]

        got = asyncio.run(asyncio.wait_for(end(), 30))
    assert isinstance(got, Failed)
    assert got.fault is fault


def test_what_a_server_that_refuses_a_question_repeats_of_it_is_neither_logged_nor_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    ends, _ = thrice(refuses(400, f"maximum context length, {KEY}: '{LONG[0].text[:40]}'"))
    assert "maximum context length, (key): '…'" in ends[0].detail
    assert "7" * 16 not in ends[0].detail
    assert [line for line in caplog.messages if KEY in line] == []


# -- again, and how long ---------------------------------------------------------------------------


def test_nothing_is_asked_twice_once_a_token_was_there() -> None:
    with Stub([events(HELLO, then=cut), says("Other")]) as stub:
        assert text_of(ask(endpoint(stub))) == "Hello"
    assert len(stub.questions) == 1


def test_as_long_as_the_server_wants_is_waited_and_no_longer_than_we_can() -> None:
    with Stub([refuses(429, "slow down", retry_after="1"), says("ok")]) as stub:
        assert ask(endpoint(stub))[-1] == Done("stop", None)
        first, second = stub.questions
        assert second.at - first.at >= 1
    with Stub([refuses(429, "quota", retry_after="3"), says("ok")]) as stub:
        assert "answered 429, try again in 3 s: quota" in failure(ask(endpoint(stub)))
    assert len(stub.questions) == 1


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("2", 2, 2),
        ("0.5", 0.5, 0.5),
        ("9" * 400, 1e300, float("inf")),
        (formatdate(1e9, usegmt=True), 0, 0),
        (formatdate(4e9, usegmt=True), 1e9, 4e9),
        ("", 0, 0),
        ("soon", 0, 0),
        ("nan", 0, 0),
        ("-5", 0, 0),
        ("²", 0, 0),
    ],
)
def test_a_server_may_say_in_seconds_or_as_a_date_how_long_to_wait(header: str, least: float, most: float) -> None:
    assert least <= endpoint_client._seconds(header) <= most


def test_no_attempt_begins_after_the_time_for_the_first_token() -> None:
    patient = Timeouts(first_token=1, pauses=(30, 30))
    with Stub([refuses(500, "oops")]) as stub:
        assert "answered 500" in failure(ask(endpoint(stub, patient)))
    assert len(stub.questions) == 1


def test_a_server_that_is_not_there_fails_the_answer() -> None:
    with Stub() as stub:
        model = endpoint(stub)
    assert "the connection failed; is it running at this address?" in failure(ask(model))


def test_a_key_is_sent_to_nobody_who_can_not_prove_the_address() -> None:
    with Stub([says("ok")]) as stub:
        model = EndpointModel(spec(stub.url.replace("http:", "https:")), KEY, timeouts=PATIENT)
        assert "the connection failed" in failure(ask(model))
        assert "the connection failed" in refusal(model)
    assert stub.asked == []


def test_certificates_that_can_not_be_read_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/missing.pem")
    with Stub([says("ok")]) as stub:
        assert "the certificates can't be read" in failure(ask(endpoint(stub)))
        assert "check SSL_CERT_FILE" in refusal(endpoint(stub))


@pytest.mark.parametrize("url", ["http://[::1/v1", "http://host:port/v1"])
def test_an_address_that_is_none_fails_the_answer(url: str) -> None:
    entry = spec("http://host/v1")
    assert entry.endpoint is not None
    wrong = entry.model_copy(update={"endpoint": entry.endpoint.model_copy(update={"url": url})})
    model = EndpointModel(wrong, KEY, timeouts=PATIENT)
    assert "that is no address; correct url in the catalogue" in failure(ask(model))
    with pytest.raises(EndpointUnavailable, match="that is no address"):
        model.check()


# -- leaving ---------------------------------------------------------------------------------------


def test_endless_output_ends_at_the_limit_and_the_server_sees_us_go() -> None:
    async def read(stub: Stub) -> list[Event]:
        request = Request(endpoint(stub), PROMPT, PLAIN, 1, max_chars=1000)
        return [event async for event in answer(request)]

    with Stub([events(then=for_ever)]) as stub:
        got = asyncio.run(asyncio.wait_for(read(stub), 30))
        assert stub.left.wait(2)
    assert len(text_of(got)) == 1000
    assert isinstance(got[-1], Done)
    assert got[-1].reason == "length"


@pytest.mark.parametrize("reply", [hang, events(then=hang), events(HELLO, then=hang), slow_head])
def test_whoever_leaves_hangs_up_at_once(reply: Reply) -> None:
    async def leave(model: EndpointModel, stub: Stub) -> None:
        reading = asyncio.create_task(collect(model))
        await asyncio.to_thread(wait_for, lambda: bool(stub.questions))
        await asyncio.sleep(0.1)
        reading.cancel()
        assert await asyncio.to_thread(stub.left.wait, 2)

    with Stub([reply]) as stub:
        asyncio.run(asyncio.wait_for(leave(endpoint(stub), stub), 30))


def test_stopping_between_two_pieces_hangs_up_too() -> None:
    async def leave(stub: Stub) -> None:
        async with aclosing(endpoint(stub).stream(PROMPT, PLAIN, 1)) as stream:
            assert await anext(stream) == Text("Hello")
        assert await asyncio.to_thread(stub.left.wait, 2)

    with Stub([events(HELLO, then=hang)]) as stub:
        asyncio.run(asyncio.wait_for(leave(stub), 30))


def test_a_pair_s_other_side_goes_on_when_an_endpoint_fails() -> None:
    async def read(bad: Stub, good: Stub) -> list[tuple[str, Event]]:
        a, b = (Request(endpoint(stub, HASTY), PROMPT, PLAIN, 1) for stub in (bad, good))
        stream: AsyncGenerator[tuple[Any, Event], None] = stream_pair(a, b)
        return [event async for event in stream]

    with Stub([hang]) as bad, Stub([says("fine")]) as good:
        got = asyncio.run(asyncio.wait_for(read(bad, good), 30))
    assert [event for side, event in got if side == "b"] == [Text("fine"), Done("stop", None)]
    assert [type(event) for side, event in got if side == "a"] == [Failed]


def test_a_line_without_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_client, "MOST_BYTES", 1 << 20)
    with Stub([line_for_ever], models=line_for_ever) as stub:
        assert "it sent more than 1 MiB for one answer" in failure(ask(endpoint(stub)))
        assert stub.left.wait(2)
        with pytest.raises(EndpointUnavailable, match="more than 1 MiB"):
            endpoint(stub).check()


def compressed(form: str, body: object) -> Reply:
    """A megabyte of white space and the body, in a thousandth of it."""

    async def reply(wire: Wire) -> None:
        await wire.head(content_encoding=form)
        await wire.part(gzip.compress(b" " * (1 << 20) + json.dumps(body).encode()))
        await wire.end()

    return reply


@pytest.mark.parametrize("form", ["gzip", "deflate", "br", "zstd", "identity, GZIP", "x-unknown", KEY])
def test_nothing_compressed_is_read_whose_size_only_shows_when_it_has_filled_the_memory(
    form: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    reply = compressed(form, {"data": [{"id": MODEL}]})
    with Stub([reply], models=reply) as stub:
        model = endpoint(stub)
        for sentence in (failure(ask(model)), refusal(model)):
            assert sentence.startswith(f"Stub One at {stub.url}: it compresses what it sends, unasked; switch that off")
    assert len(stub.questions) == 1, "to ask again would not help"
    assert KEY not in caplog.text


def test_an_error_that_is_compressed_is_not_read_either() -> None:
    with Stub([status(400, "x", content_encoding="gzip")]) as stub:
        assert "it compresses what it sends" in failure(ask(endpoint(stub)))


def test_a_response_that_says_that_it_is_not_compressed_is_read() -> None:
    async def reply(wire: Wire) -> None:
        await wire.head(content_encoding="Identity")
        await wire.event(event("ok", "stop"))
        await wire.end()

    with Stub([reply]) as stub:
        assert text_of(ask(endpoint(stub))) == "ok"


# -- what no database holds ------------------------------------------------------------------------


def answered(reply: Reply) -> list[Event]:
    """The answer as the arena gets it."""

    async def read(model: EndpointModel) -> list[Event]:
        return [event async for event in answer(Request(model, PROMPT, PLAIN, 1))]

    with Stub([reply]) as stub:
        return asyncio.run(asyncio.wait_for(read(endpoint(stub)), 60))


def test_a_character_whose_halves_come_in_two_events_is_whole() -> None:
    got = answered(says("Hi \ud83d", "\ude00", "!"))
    assert got[:-1] == [Text("Hi "), Text("😀"), Text("!")]


def test_half_a_character_and_nul_are_replaced_in_texts_and_sentences() -> None:
    text = text_of(answered(says("a\ud83d", "b\0", "\ude00c\ud83d")))
    assert ascii(text) == ascii("a\ufffdb\ufffd\ufffdc\ufffd"), "in ASCII, as no report could hold it otherwise"
    refused = refuses(400, "no \ud83d and no \0")
    assert failure(answered(refused)).endswith("answered 400: no \ufffd and no \ufffd")
    with Stub(models=refused) as stub:
        assert refusal(endpoint(stub)).endswith("answered 400: no \ufffd and no \ufffd")


# -- the list of models ----------------------------------------------------------------------------


def refusal(model: EndpointModel) -> str:
    with pytest.raises(EndpointUnavailable) as raised:
        model.check()
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    "models",
    [
        lists("other", MODEL),
        lists(f"models/{MODEL}"),
        lists(f"{MODEL}:latest"),
        *[status(code, "no such page", "text/html") for code in (404, 405, 501)],
    ],
)
def test_a_server_that_has_the_model_or_no_list_passes(models: Reply) -> None:
    with Stub(models=models) as stub:
        endpoint(stub).check()
    (asked,) = stub.asked
    assert asked.headers["authorization"] == f"Bearer {KEY}"


def test_a_server_may_list_the_model_under_the_name_it_reports() -> None:
    with Stub(models=lists("stub-big")) as stub:
        endpoint(stub, model="alias", reported="stub-big").check()


UNFIT: dict[str, tuple[Reply, str]] = {
    "another model": (lists("llama", "stub-1-mini", "qwen"), "set model to what it lists: stub-1-mini, "),
    "no model": (lists(), "it does not serve 'stub-1'; set model to what it lists: nothing"),
    "wrong key": (refuses(401, "bad key"), "it refuses the key (401); check the variable STUB_KEY: bad key"),
    "forbidden": (refuses(403, "no"), "check the variable STUB_KEY"),
    "loading": (refuses(503, "Loading model"), "it answered 503: Loading model"),
    "HTML": (status(200, "<html>Hi</html>", "text/html"), "no list of models; does the address end in /v1?"),
    "other JSON": (status(200, {"models": []}), "no list of models"),
    "broken JSON": (status(200, '{"data": ['), "what it sent is not JSON"),
    "cut": (cut, "the connection failed"),
}


@pytest.mark.parametrize(("models", "said"), UNFIT.values(), ids=list(UNFIT))
def test_a_server_that_is_unfit_is_named_with_what_is_wrong_and_the_remedy(models: Reply, said: str) -> None:
    with Stub(models=models) as stub:
        sentence = refusal(endpoint(stub))
        assert sentence.startswith(f"Stub One at {stub.url}: ")
    assert said in sentence


@pytest.mark.parametrize("models", [hang, slow_head])
def test_a_server_that_hangs_is_named_in_time(models: Reply) -> None:
    with Stub(models=models) as stub:
        assert "it did not answer within 0.5 s; is it running at this address?" in refusal(endpoint(stub, HASTY))


def test_a_server_that_is_not_there_is_named() -> None:
    with Stub() as stub:
        model = endpoint(stub)
    assert "the connection failed; is it running at this address?" in refusal(model)


def test_a_server_that_wants_a_key_where_none_is_named_says_so() -> None:
    with Stub(models=refuses(401, "who are you")) as stub:
        assert 'name the variable that holds one: key = "…"' in refusal(endpoint(stub, key=""))


def test_an_address_without_v1_is_guessed() -> None:
    with Stub([says("ok")]) as stub:
        model = EndpointModel(spec(stub.url.removesuffix("/v1")), KEY, timeouts=PATIENT)
        model.check()
        assert "does the address end in /v1?" in failure(ask(model))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "its key is not set; put STUB_KEY into the environment or into .env"),
        ("two words", "the key in STUB_KEY holds white space"),
        ("sk-1\nX-Other: 2", "the key in STUB_KEY holds white space"),
        ("ключ", "or letters that no key has"),
    ],
)
def test_a_key_that_can_not_be_sent_is_said_before_anything_is(key: str, said: str) -> None:
    with Stub([says("ok")]) as stub:
        model = EndpointModel(spec(stub.url), key, timeouts=PATIENT)
        sentences = [refusal(model), failure(ask(model))]
    assert stub.asked == []
    assert [said in sentence for sentence in sentences] == [True, True]
    assert not key or not any(key in sentence for sentence in sentences)


def test_a_spec_of_another_engine_is_refused() -> None:
    scripted = spec("http://host/v1").model_copy(update={"endpoint": None})
    with pytest.raises(ValueError, match=r"stub has no \[model.endpoint\]"):
        EndpointModel(scripted, "")


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4-0613", "gpt-4"),
        ("gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("models/gemini-2.0-flash", "gemini-2.0-flash-001"),
        ("gemini-2.5-pro-preview", "gemini-2.5-pro-preview-05-06"),
        ("Qwen/Qwen2.5-0.5B-Instruct", "qwen2.5-0.5b-instruct"),
        ("/models/SmolLM2.Q4_1.gguf", "SmolLM2.Q4_1.gguf"),
        ("me/smollm2", "me/smollm2@main"),
        ("llama3.2", "llama3.2:latest"),
        ("mistral-large-latest", "mistral-large-2411"),
    ],
)
def test_one_model_may_have_two_names(asked: str, answered: str) -> None:
    assert same_model(asked, answered)
    assert same_model(answered, asked)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4o-mini", "gpt-4o"),
        ("gpt-4", "gpt-4-turbo-2024-04-09"),
        ("mistral-large-2407", "mistral-large-2411"),
        ("llama3.2:1b", "llama3.2:3b"),
        ("phi-3", "phi-3.5"),
        ("ann/llama", "bob/llama"),
        ("llama", "codellama"),
        ("llama-8", "llama-70"),
        ("a", ""),
    ],
)
def test_another_model_is_another_model_however_alike_it_is_called(asked: str, answered: str) -> None:
    assert not same_model(asked, answered)
    assert not same_model(answered, asked)


def test_an_answer_may_come_under_the_name_the_catalogue_allows() -> None:
    with Stub([says("ok", model="inner-name-7")]) as stub:
        assert "the model 'inner-name-7' answered" in failure(ask(endpoint(stub)))
        assert ask(endpoint(stub, reported="inner-name-7"))[-1] == Done("stop", None)


def test_an_answer_without_a_name_is_no_lie() -> None:
    with Stub([events(event("o", model=None), event("k", "stop", model=""))]) as stub:
        assert text_of(ask(endpoint(stub))) == "ok"


# -- the key ---------------------------------------------------------------------------------------

ECHO = f"Incorrect API key provided: {KEY}. You sent 'Authorization: Bearer {KEY}'"
ESCAPED = KEY.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
ECHOES: dict[str, Reply] = {
    "401": refuses(401, ECHO),
    "400": refuses(400, ECHO),
    "500": refuses(500, ECHO),
    "429": refuses(429, ECHO, retry_after=KEY),
    "plain": status(418, ECHO, "text/plain"),
    "not an object": status(403, [ECHO]),
    "long": refuses(400, "x" * 440 + KEY),
    "redirect": status(307, location=f"http://127.0.0.1:9/{KEY}?key={ESCAPED}"),
    "event": events({"error": {"message": ECHO}}),
    "model": says("Hi", model=KEY),
    "finish": says("Hi", finish=KEY),
    "type": status(200, "", content_type=KEY),
    "wrong type": events({"choices": KEY}),
    "header": status(401, ECHO, x_echo=KEY),
    "broken": raw(f"data: {KEY}\n\n".encode()),
    "reason": lambda wire: wire.send(f"HTTP/1.1 403 {KEY}\r\ncontent-length: 0\r\n\r\n".encode()),
    "no head": lambda wire: wire.send(f"HTTP/1.1 {KEY}\r\n\r\n".encode()),
    "no chunk": events(then=lambda wire: wire.send(f"{KEY}\r\n".encode())),
}


@pytest.mark.parametrize("reply", ECHOES.values(), ids=list(ECHOES))
def test_the_key_is_in_no_log_no_exception_and_no_answer_s_end(reply: Reply, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Stub([reply], models=reply) as stub:
        model = endpoint(stub)
        told = [failure(ask(model)), repr(model), str(vars(model))]
        with pytest.raises(EndpointUnavailable) as raised:
            model.check()
        told += traceback.format_exception(raised.value)
        told += [str(error) for error in (raised.value.__cause__, raised.value.__context__)]
    assert all(asked.headers["authorization"] == f"Bearer {KEY}" for asked in stub.asked)
    logged = [caplog.handler.format(record) for record in caplog.records]
    loggers = {record.name.partition(".")[0] for record in caplog.records}
    assert {"openai", "httpcore2"} <= loggers, "the libraries' own logs are on"
    for part in (KEY, KEY[:12], ESCAPED):
        assert [line for line in (*told, *logged) if part in line] == []


@pytest.mark.integrity
def test_a_redirect_is_not_followed() -> None:
    with Stub([says("stolen")], models=lists(MODEL)) as thief:
        there = status(308, location=f"{thief.url}/chat/completions")
        with Stub([there], models=status(302, location=f"{thief.url}/models")) as stub:
            model = endpoint(stub)
            assert "it redirects (308)" in failure(ask(model))
            assert "it redirects (302)" in refusal(model)
            assert f"set url to {thief.url}" in refusal(model)
    assert thief.asked == []


# -- what docs/scaling.md says ---------------------------------------------------------------------


def test_the_entries_of_the_guide_are_a_catalogue(tmp_path: Path) -> None:
    guide = (REPO / "docs" / "scaling.md").read_text(encoding="utf-8")
    path = tmp_path / "catalog.toml"
    path.write_text("\n".join(re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)))
    specs = load_catalog(path)
    assert [spec.engine for spec in specs] == ["endpoint"] * 3
    for spec in specs:
        EndpointModel(spec, "")
        assert request_body("m", PROMPT, spec.chat_sampling(), 1).keys().isdisjoint({"top_k", "repeat_penalty"})
