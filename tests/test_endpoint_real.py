"""Proofs against real servers in processes of their own: llama-server (by `xllamacpp`) and `transformers serve`."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import pytest
from checkpoints import QUIET, smollm2_checkpoint
from support import free_port, stop, wait_for

from models.catalog import load_catalog
from models.chat import Done, Event, Failed, Message, Sampling, Text
from models.endpoint import EndpointModel, EndpointUnavailable
from models.fetch import fetch
from models.local.worker import WorkerModel
from models.origin import Weights
from models.spec import ModelSpec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CACHE = Path.home() / ".cache" / "paddock" / "weights"
KEY = "local-Key/0123456789"
PATIENCE = 300.0
SPEC = next(spec for spec in load_catalog() if spec.id == "smollm2-135m-instruct-q4")
GREEDY = Sampling(temperature=0, top_p=1, top_k=0, max_tokens=24)
SKY = "Why is the sky blue?"

LLAMA_SERVER = """
import os, sys, threading, xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path, parameters.port = sys.argv[1], int(sys.argv[2])
parameters.model_alias = {"smollm2"}
parameters.api_keys = [os.environ["LLAMA_KEY"]]
parameters.n_parallel, parameters.n_ctx, parameters.cpuparams.n_threads, parameters.warmup = 1, 2048, 1, False
server = xllamacpp.Server(parameters)
threading.Event().wait()
"""


def entry(url: str, model: str, key: str = "LOCAL_KEY") -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "id": "smol-over-http",
            "name": "Smol over HTTP",
            "engine": "endpoint",
            "quantization": "Q4_1",
            "license": "Apache-2.0",
            "makers": ["Hugging Face"],
            "endpoint": {"url": url, "model": model, "key": key},
        }
    )


@contextmanager
def served(command: list[str], model: EndpointModel, log: Path, **variables: str) -> Iterator[EndpointModel]:
    """`model`, once the server that the command starts has it; the server ends with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=output, stderr=output)

    def has_it() -> bool:
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        try:
            model.check()
        except EndpointUnavailable:
            return False
        return True

    try:
        wait_for(has_it, PATIENCE)
        yield model
    finally:
        stop(process)


def weights() -> Path:
    assert isinstance(SPEC.weights, Weights)
    return fetch(SPEC.weights, CACHE, lambda part: None)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointModel]:
    port = free_port()
    command = [sys.executable, "-c", LLAMA_SERVER, str(weights()), str(port)]
    model = EndpointModel(entry(f"http://127.0.0.1:{port}/v1", "smollm2"), KEY)
    with served(command, model, tmp_path_factory.mktemp("llama") / "log", LLAMA_KEY=KEY):
        yield model


@pytest.fixture(scope="module")
def transformers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointModel]:
    """A model out of a hub's cache, made of the converted weights: the server lists what lies in its cache."""
    home, port = tmp_path_factory.mktemp("hub"), free_port()
    cached = home / "hub" / "models--paddock--smollm2"
    snapshot = cached / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0" * 40)
    for file in smollm2_checkpoint().iterdir():
        (snapshot / file.name).symlink_to(file)
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "paddock/smollm2"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    model = EndpointModel(entry(f"http://127.0.0.1:{port}/v1", "paddock/smollm2", key=""), "")
    with served(command, model, home / "log", HF_HOME=str(home), **QUIET):
        yield model


async def collect(model: EndpointModel | WorkerModel, text: str, sampling: Sampling, seed: int) -> list[Event]:
    return [event async for event in model.stream((Message("user", text),), sampling, seed)]


def ask(model: EndpointModel | WorkerModel, text: str = SKY, sampling: Sampling = GREEDY, seed: int = 1) -> list[Event]:
    return asyncio.run(asyncio.wait_for(collect(model, text, sampling, seed), PATIENCE))


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def check_answer(events: list[Event]) -> None:
    """A real answer that came in pieces, ended by its length, with what it took."""
    end = events[-1]
    assert end == Done("length", GREEDY.max_tokens)
    assert isinstance(end, Done)
    assert end.prompt_tokens is not None
    assert 10 < end.prompt_tokens < 100
    assert len(events) > 5, "it must arrive in pieces"
    assert len(re.findall(r"[a-z]+", text_of(events))) > 5


def check_leaving(model: EndpointModel) -> None:
    """The one slot is free again for the next question: the story alone would take minutes."""

    async def leave_then_ask() -> list[Event]:
        long = Sampling(temperature=0, top_p=1, top_k=0, max_tokens=1500, stop=("never said",))
        async with aclosing(model.stream((Message("user", "Tell me a very long story."),), long, 1)) as events:
            assert isinstance(await anext(events), Text)
        return await asyncio.wait_for(collect(model, "Hi", GREEDY, 1), 60)

    assert isinstance(asyncio.run(leave_then_ask())[-1], Done)


def test_llama_server_streams_a_real_answer(llama: EndpointModel) -> None:
    check_answer(ask(llama))


def test_llama_server_says_over_http_what_the_same_weights_say_here(llama: EndpointModel) -> None:
    worker = WorkerModel(SPEC, weights(), threads=1, slots=1)
    try:
        worker.wait_ready(PATIENCE)
        here = ask(worker)
    finally:
        worker.close()
    there = ask(llama)
    assert text_of(there) == text_of(here)
    assert there[-1] == here[-1]


def test_llama_server_draws_by_the_seed_and_heeds_the_filters(llama: EndpointModel) -> None:
    warm = Sampling(temperature=1.5, top_p=1, top_k=0, max_tokens=24)
    texts = [text_of(ask(llama, sampling=warm, seed=seed)) for seed in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]
    only = Sampling(temperature=1.5, top_p=1, top_k=1, max_tokens=24)
    assert text_of(ask(llama, sampling=only, seed=5)) == text_of(ask(llama))
    penalty = Sampling(temperature=0, top_p=1, top_k=0, repeat_penalty=1.8, max_tokens=24)
    assert text_of(ask(llama, sampling=penalty)) != text_of(ask(llama))


def test_llama_server_ends_at_a_stop_string(llama: EndpointModel) -> None:
    free = text_of(ask(llama))
    word = free.split()[4]
    events = ask(llama, sampling=Sampling(temperature=0, top_p=1, top_k=0, max_tokens=24, stop=(word,)))
    assert text_of(events) == free[: free.index(word)]
    assert isinstance(end := events[-1], Done)
    assert end.reason == "stop"


def test_llama_server_is_free_again_when_a_visitor_leaves(llama: EndpointModel) -> None:
    check_leaving(llama)


def test_llama_server_refuses_what_is_longer_than_its_context_and_the_log_says_so(llama: EndpointModel) -> None:
    (end,) = ask(llama, "word " * 3000)
    assert isinstance(end, Failed)
    assert "the prompt is too long for it; it answered 400" in end.detail
    assert not end.fault


def test_llama_server_with_another_key_or_model_is_named(llama: EndpointModel) -> None:
    assert llama.spec.endpoint
    url = llama.spec.endpoint.url
    with pytest.raises(EndpointUnavailable, match="does not serve 'llama3'; set model to what it lists: smollm2"):
        EndpointModel(entry(url, "llama3"), KEY).check()
    (end,) = ask(EndpointModel(entry(url, "smollm2"), "another-key"))
    assert isinstance(end, Failed)
    assert "it refuses the key (401); check the variable LOCAL_KEY" in end.detail
    assert "another-key" not in end.detail


def test_transformers_serve_streams_a_real_answer(transformers: EndpointModel) -> None:
    check_answer(ask(transformers))


def test_transformers_serve_is_free_again_when_a_visitor_leaves(transformers: EndpointModel) -> None:
    check_leaving(transformers)


def test_transformers_serve_has_no_top_k_and_the_log_names_the_remedy(transformers: EndpointModel) -> None:
    (end,) = ask(transformers, sampling=Sampling(temperature=0, top_k=40))
    assert isinstance(end, Failed)
    assert "it has no such filter (422); set top_k = 0 and repeat_penalty = 1 for this entry" in end.detail
