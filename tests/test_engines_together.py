"""A whole arena whose contestants are of three kinds: NF4 and int8 by transformers, and an endpoint."""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path

import pytest
from checkpoints import smollm2_checkpoint
from support import Server, Visitor, free_port, serving
from test_endpoint_real import KEY, LLAMA_SERVER, entry, served, weights

from models.checkpoint import digest
from models.endpoint import EndpointModel

pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COMMON = """
license = "Apache-2.0"
makers = ["Hugging Face"]
context = 1024
sampling = { temperature = 0.7, top_p = 0.95, top_k = 40, repeat_penalty = 1.1, max_tokens = 24 }
"""
LOCAL = """
[[model]]
id = "smol-{0}"
name = "Smol {0}"
engine = "transformers"
quantization = "{0}"
checkpoint = {{ kind = "folder", path = "{1}", digest = "{2}" }}
"""
REMOTE = """
[[model]]
id = "smol-http"
name = "Smol over HTTP"
engine = "endpoint"
quantization = "Q4_1"
endpoint = {{ url = "http://127.0.0.1:{0}/v1", model = "smollm2", key = "LOCAL_KEY" }}
"""
PROMPTS = ("Why is the sky blue?", "Name a river.", "Say hello.")


def pairs_played(server: Server) -> set[frozenset[str]]:
    rows = server.rows(
        "select a.model_id, b.model_id from battle join vote on vote.battle_id = battle.id "
        "join contestant a on a.fingerprint = battle.contestant_a "
        "join contestant b on b.fingerprint = battle.contestant_b"
    )
    return {frozenset(row) for row in rows}


def test_nf4_int8_and_an_endpoint_hold_a_battle_of_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port, folder = free_port(), smollm2_checkpoint()
    found = digest(folder, tmp_path / "cache")
    entries = [LOCAL.format(kind, folder, found) + COMMON for kind in ("nf4", "int8")]
    catalog = tmp_path / "catalog.toml"
    catalog.write_text("".join([*entries, REMOTE.format(port) + COMMON]))
    monkeypatch.setenv("LOCAL_KEY", KEY)
    command = [sys.executable, "-c", LLAMA_SERVER, str(weights()), str(port)]
    remote = EndpointModel(entry(f"http://127.0.0.1:{port}/v1", "smollm2"), KEY)
    every = {frozenset(pair) for pair in combinations(("smol-nf4", "smol-int8", "smol-http"), 2)}
    home = tmp_path / "arena"
    home.mkdir()
    with (
        served(command, remote, tmp_path / "llama.log", LLAMA_KEY=KEY),
        serving(home, catalog, ready=3, seconds=600, PACE_CHARS=0) as server,
    ):
        for number in range(20):  # pairs seldom compared come first
            visitor = Visitor(server.url)
            assert visitor.ask(PROMPTS[number % 3]).success
            assert visitor.vote("tie").success
            if pairs_played(server) == every:
                break
        assert pairs_played(server) == every
        took = server.rows(
            "select tokens_a, prompt_tokens_a, first_token_seconds_a, seconds_a, reason_a, failure from turn"
        )
        assert all(None not in row[:5] and row[5] is None for row in took), took
        assert all(tokens <= 24 for tokens, *_ in took)
        assert KEY not in server.log
