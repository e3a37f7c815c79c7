"""Planted keys and raw addresses: in no log, no page, no error, no export, and no address in the database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from endpoint_stub import MODEL, Stub, lists, refuses
from pyarrow import parquet
from support import Server, Visitor, canary, serving, write_catalog

pytestmark = [pytest.mark.integrity, pytest.mark.slow, pytest.mark.timeout(300)]

# What the arena is given, and may tell nobody.
SECRET = "Vq8-the-secret-that-signs-cookies-3311"
TOKEN = "Zk4-the-token-that-opens-admin-7755"
ENDPOINT_KEY = "sk-planted-Ab3dEf6hIj9kLm2nOp5qRs8t"
HUB_TOKEN = "hf_PlantedAbCdEfGhIjKlMnOpQrStUvWxYz"
PLANTED = (SECRET, TOKEN, ENDPOINT_KEY, HUB_TOKEN)
# Where visitors come from, as the proxy in front names them.
ADDRESSES = ("93.184.216.77", "151.101.1.202", "2a00:1450:7777::4242")
# What a visitor types, and nobody but that visitor may read unless it is masked.
TYPED_KEY, TYPED_MAIL = "ghp_Typed0123456789abcdefghijklmnopqrstu", "ottilie.quackenbush@paddocks.net"
PROMPT = f"My key is {TYPED_KEY}, write to {TYPED_MAIL}; who won the race?"


@pytest.fixture(scope="module", params=["text", "json"])
def arena(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A guarded arena behind a proxy; one of its contestants is a server that repeats key and prompt in its errors."""
    folder = tmp_path_factory.mktemp("arena")
    with Stub([refuses(400, f"bad key {ENDPOINT_KEY} for the prompt {PROMPT}")], models=lists(MODEL)) as stub:
        endpoint = {"url": stub.url, "model": MODEL, "key": "PLANTED_KEY"}
        entry: dict[str, Any] = {
            "id": "far", "name": "Far", "engine": "endpoint", "quantization": "none", "license": "none",
            "makers": ["Far"], "endpoint": endpoint,
        }  # fmt: skip
        catalog = write_catalog(folder / "catalog.toml", canary("alder"), canary("birch"), entry)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("PLANTED_KEY", ENDPOINT_KEY)
            environment.setenv("HF_TOKEN", HUB_TOKEN)
            with serving(
                folder, catalog, ready=3, PACE_CHARS=0, GUARD="on", SECRET=SECRET, ADMIN_TOKEN=TOKEN, METRICS="true",
                TRUSTED_PROXIES="127.0.0.1", USER_HEADER="X-Forwarded-User", LOG_FORMAT=request.param, UNDO_SECONDS=0,
            ) as server:  # fmt: skip
                yield server


@pytest.fixture(scope="module")
def answers(arena: Server) -> str:
    """Everything the server sent: to visitors from three addresses, and to whoever does what nobody should."""
    sent: list[str] = []
    for number, address in enumerate(ADDRESSES * 3):
        visitor = Visitor(arena.url)
        visitor.http.headers["x-forwarded-for"] = address
        sent.append(visitor.ask(PROMPT if number % 2 else f"{PROMPT} {number}").text)
        sent.append(visitor.vote("a").text)
        # Gradio repeats the inputs of an event that gets too few of them.
        sent.append(visitor.call("prompt.submit", f"{PROMPT} {TYPED_MAIL}").text.replace(TYPED_KEY, ""))
    return "\n".join([*sent, *_misuse(arena)])


def _misuse(arena: Server) -> list[str]:
    join = "/gradio_api/queue/join"
    stray = {"data": [PROMPT, [], None], "session_hash": "x", "fn_index": 99_999}
    wrong = {"data": {"prompt": PROMPT}, "session_hash": PROMPT, "fn_index": 0}
    with httpx.Client(base_url=arena.url, headers={"x-forwarded-for": ADDRESSES[0]}, timeout=60) as http:
        replies = [
            *(http.get(path) for path in ("/", "/config", "/about", "/admin", "/healthz", "/metrics", "/leaderboard")),
            *(http.get(f"/download/{name}") for name in ("votes.csv", "votes.jsonl", "leaderboard.json", "secret")),
            *(http.get("/api/leaderboard", params={"since": TYPED_KEY}) for _ in range(2)),
            *(http.post(join, json=body) for body in (stray, wrong)),
            http.post(join, content=f"{{{PROMPT}".encode(), headers={"content-type": "application/json"}),
            http.post(join, content=PROMPT * 2000),
            *(http.post("/admin/open", content=token) for token in (f"{TOKEN}!", TOKEN)),
            http.get(f"/{TYPED_KEY}?token={TYPED_KEY}"),
            http.get("/", headers={"cookie": f"paddock_voter={TYPED_KEY}"}),
            http.get("/", headers={"host": "evil.example"}),
        ]
    return [f"{reply.status_code} {reply.headers} {reply.text}" for reply in replies]


def places(text: str, *secrets: str) -> list[str]:
    """What surrounds each find."""
    finds = [(secret, text.find(secret)) for secret in secrets]
    return [f"{secret}: …{text[max(0, at - 80) : at + 80]}…" for secret, at in finds if at >= 0]


def test_nothing_that_was_planted_is_sent_to_anybody(arena: Server, answers: str) -> None:
    assert places(answers, TYPED_KEY), "the control: who typed it reads it"
    assert places(answers, *PLANTED, *ADDRESSES) == []


def test_nothing_that_was_planted_or_typed_is_logged(arena: Server, answers: str) -> None:
    assert answers
    assert "is void" in arena.log, "the control: the failing server was asked, and its failure logged"
    assert places(arena.log, *PLANTED, *ADDRESSES, TYPED_KEY, TYPED_MAIL) == []


def test_no_address_is_in_any_file_and_the_networks_were_told_apart_all_the_same(arena: Server, answers: str) -> None:
    assert answers
    networks = arena.rows("select distinct network from battle")
    assert len(networks) == len(ADDRESSES), "the control: where visitors came from was seen"
    assert all(len(network) == 32 for (network,) in networks)
    kept = {file: file.read_bytes() for file in (arena.folder / "data").rglob("*") if file.is_file()}
    assert any(TYPED_KEY.encode() in content for content in kept.values()), "the control: prompts are in these files"
    for file, content in kept.items():
        assert not [one for one in (*ADDRESSES, *PLANTED) if one.encode() in content], file


def test_no_export_tells_them(arena: Server, answers: str) -> None:
    assert answers
    out = arena.folder / "out"
    out.mkdir()
    for what in (("votes", "--texts"), ("battles",), ("preferences",)):
        arena.arena("export", *what, "--out", str(out / f"{what[0]}.jsonl"))
    arena.arena("export", "dataset", str(out / "dataset"), "--texts")
    told = ""
    for file in (file for file in out.rglob("*") if file.is_file()):
        table = file.suffix == ".parquet"
        told += json.dumps(parquet.read_table(file).to_pylist(), default=str) if table else file.read_text("utf-8")
    assert "[email]" in told, "the control: what was typed would be there"
    assert "[key]" in told
    assert places(told, *PLANTED, *ADDRESSES, TYPED_KEY, TYPED_MAIL) == []


def test_the_settings_are_printed_without_secrets(arena: Server) -> None:
    assert places(arena.arena("settings"), *PLANTED) == []
